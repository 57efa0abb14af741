"""Latents as a pure function of a seed, and images from them."""

import numpy as np
import tensorflow as tf

from tf2gan.images import to_pixels
from tf2gan.models import LATENT_SIZE
from tf2gan.polyphase import evaluate

# What a draw is for: two uses of one seed never share a latent.
DISCRIMINATOR, GENERATOR, SAMPLES = 0, 1, 2
BLOCK = 128  # images evaluated at once: memory stays bounded, and one trace serves every batch
NICE_CANDIDATES = 20  # drawn for each image that `nice` keeps (the seed's figure)


def draw_latents(count, *, seed, index, use):
    """Draws latents `[count, 100]`, float32 in U(-1, 1), from (seed, index, use) alone.

    `index` is the training step, or the number of the block of samples. Philox by name: the
    default generator differs between devices.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(index, tf.int64) * 4 + use])
    return tf.random.stateless_uniform((count, LATENT_SIZE), key, -1.0, 1.0, alg="philox")


def sample_latents(count, *, seed):
    """Draws the first `count` sample latents of `seed`: `[count, 100]`, a prefix of any longer draw."""
    blocks = [
        draw_latents(BLOCK, seed=seed, index=block, use=SAMPLES) for block in range(-(-count // BLOCK))
    ]
    return tf.concat(blocks, 0)[:count]


class Sampler:
    """Draws images from a generator, and scores them with a discriminator, in blocks of 128.

    Every block has the same shape, so image i of a seed has the same pixels whatever the batch.
    """

    def __init__(self, generator, discriminator=None):
        @tf.function(autograph=False)  # importing autograph takes half a second
        def block(seed, index):
            latents = draw_latents(BLOCK, seed=seed, index=index, use=SAMPLES)
            images = evaluate(generator, latents, training=False)
            scores = tf.zeros((BLOCK, 1))
            if discriminator is not None:
                scores = evaluate(discriminator, images, training=False, logits=True)
            return images, scores

        self._block = block

    def blocks(self, count, seed):
        """Yields (pixels uint8 `[n, 28, 28]`, logits float32 `[n]`), `count` images in all."""
        for start in range(0, count, BLOCK):
            images, logits = self._block(tf.constant(seed, tf.int64), tf.constant(start // BLOCK, tf.int64))
            size = min(BLOCK, count - start)
            yield to_pixels(images[:size, :, :, 0]), logits[:size, 0].numpy()


def plain(sampler, count, *, seed):
    """Returns the first `count` images of `seed`: uint8 `[count, 28, 28]`."""
    return np.concatenate([pixels for pixels, _ in sampler.blocks(count, seed)])


def nice(sampler, count, *, seed):
    """Returns the `count` images that the discriminator finds most real, best first.

    The seed's `--nice`: 20 candidates an image, all ranked together. Memory stays bounded: only
    the best `count` seen so far are kept. Ranking by logits equals ranking by probability, and
    still tells apart the scores that a float32 sigmoid rounds to 1.

    Returns:
      uint8 `[count, 28, 28]`.
    """
    best_images = np.zeros((0, 28, 28), np.uint8)
    best_logits = np.zeros((0,), np.float32)
    for pixels, logits in sampler.blocks(NICE_CANDIDATES * count, seed):
        images = np.concatenate([best_images, pixels])
        scores = np.concatenate([best_logits, logits])
        keep = np.argsort(-scores, kind="stable")[:count]
        best_images, best_logits = images[keep], scores[keep]
    return best_images
