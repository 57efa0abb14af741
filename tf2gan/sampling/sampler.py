"""Images and scores of latents: samples of a seed, interpolations."""

import numpy as np
import tensorflow as tf

from tf2gan.data.images import to_pixels, to_unit
from tf2gan.data.mapped import blocks
from tf2gan.networks.latents import SAMPLES, draw_latents
from tf2gan.networks.models import LATENT_SIZE
from tf2gan.networks.polyphase import forward
from tf2gan.utils.progress_bar import ProgressBar

BLOCK = 128  # images evaluated at once: memory stays bounded, and one trace serves every batch
INTERPOLATION_STEPS = 8  # images from one latent to the next


def sample_latents(count, *, seed):
    """The first `count` sample latents of `seed`: `[count, 100]`, a prefix of any longer draw."""
    blocks = [
        draw_latents(BLOCK, seed=seed, index=block, use=SAMPLES)
        for block in range(-(-count // BLOCK))
    ]
    return tf.concat(blocks, 0)[:count]


def forward_in_blocks(network, inputs, **how):
    """The outputs of a network, in inference mode, for any number of inputs; an array."""
    every = blocks(inputs, BLOCK)
    return np.concatenate([forward(network, block, training=False, **how) for block in every])


class Sampler:
    """Draws images from a generator, and scores them with a discriminator, in blocks of 128.

    Every block has the same shape, so image i of a seed has the same pixels whatever the batch.

    Args:
      generator: the network that draws.
      discriminator: the one that scores; without it scores are 0.
      dtype: what convolutions and matrix products are computed in; bfloat16 is a rounding away, and
        quicker where the machine is.
      progress: whether to show a bar, on a terminal, where drawing takes long.
    """

    def __init__(self, generator, discriminator=None, *, dtype=tf.float32, progress=False):
        @tf.function(autograph=False)  # importing autograph takes half a second
        def block(seed, index, use):
            latents = draw_latents(BLOCK, seed=seed, index=index, use=use)
            images = forward(generator, latents, training=False, dtype=dtype)
            scores = tf.zeros((BLOCK, 1))
            if discriminator is not None:
                scores = forward(discriminator, images, training=False, dtype=dtype, logits=True)
            return images, scores

        self._block = block
        self._generator = generator
        self._discriminator = discriminator
        self._dtype = dtype
        self.progress = progress

    def at(self, latents):
        """Returns the images of given latents `[N, 100]`: uint8 `[N, H, W, C]`."""
        return to_pixels(forward_in_blocks(self._generator, latents, dtype=self._dtype))

    def scores(self, pixels):
        """Returns the discriminator's logits `[N]` of uint8 images `[N, H, W, C]`."""
        images = to_unit(pixels.astype(np.float32))
        how = {"dtype": self._dtype, "logits": True}
        return forward_in_blocks(self._discriminator, images, **how)[:, 0]

    def blocks(self, count, seed, use=SAMPLES, *, bar=None):
        """Yields (pixels uint8 `[n, H, W, C]`, logits float32 `[n]`), `count` images in all.

        `bar` is a `ProgressBar` that the caller advances; without it one counts the images.
        """
        with bar or ProgressBar("drawing images", count, shown=self.progress) as own:
            for start in range(0, count, BLOCK):
                numbers = (tf.constant(number, tf.int64) for number in (seed, start // BLOCK, use))
                images, logits = self._block(*numbers)
                size = min(BLOCK, count - start)
                yield to_pixels(images[:size]), logits[:size, 0].numpy()
                if bar is None:
                    own.advance(size)


def plain(sampler, count, *, seed):
    """Returns the first `count` images of `seed`: uint8 `[count, H, W, C]`."""
    return np.concatenate([pixels for pixels, _ in sampler.blocks(count, seed)])


def interpolation(count, *, seed, steps=INTERPOLATION_STEPS):
    """Latents `[count, 100]` along a closed walk: `steps` from one random latent to the next.

    The walk turns between Gaussian points and maps them to U(-1, 1), so that every latent on it is
    as likely as any other; on a straight line the middle would lie where hardly a latent is drawn.
    """
    segments = max(1, count // steps)
    corners = np.random.Generator(np.random.Philox(key=seed)).standard_normal(
        (segments, LATENT_SIZE)
    )
    place = np.arange(count) * segments / count
    first = place.astype(int)
    angle = ((place - first) * np.pi / 2)[:, None]
    return uniform(np.cos(angle) * corners[first] + np.sin(angle) * corners[(first + 1) % segments])


def walk(first, last, count):
    """Latents `[count, 100]` from one latent `[100]` to another, both among them.

    It turns between the Gaussian points of the two, as `interpolation` does.
    """
    ends = gaussian(np.stack([first, last]))
    angle = (np.linspace(0, np.pi / 2, count))[:, None]
    return uniform(np.cos(angle) * ends[0] + np.sin(angle) * ends[1])


def uniform(points):
    """The latents in U(-1, 1) that Gaussian points stand for; float32, of the same shape."""
    return tf.math.erf(tf.cast(points / np.sqrt(2), tf.float32))


def gaussian(latents):
    """The Gaussian points that latents stand for; what is at the very edge, a little inside."""
    inside = tf.clip_by_value(tf.cast(latents, tf.float32), -1 + 1e-6, 1 - 1e-6)
    return tf.math.erfinv(inside) * np.float32(np.sqrt(2))
