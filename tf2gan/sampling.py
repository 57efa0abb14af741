"""Latents as a pure function of a seed, and images from them."""

import numpy as np
import tensorflow as tf

from tf2gan.data.batches import subset
from tf2gan.data.images import to_pixels, to_unit
from tf2gan.errors import Tf2ganError, UsageError
from tf2gan.networks.models import LATENT_SIZE
from tf2gan.networks.polyphase import evaluate
from tf2gan.progress_bar import ProgressBar

# What a draw is for: two uses of one seed never share a latent.
DISCRIMINATOR, GENERATOR, SAMPLES, CALIBRATION = 0, 1, 2, 3
PHILOX = 1  # its number among TensorFlow's generators
BLOCK = 128  # images evaluated at once: memory stays bounded, and one trace serves every batch
NICE_CANDIDATES = 20  # drawn for each image that `nice` keeps (the original's figure)
CALIBRATION_IMAGES = 10_000  # generated ones, and at most so many held-out real ones
MOST_CANDIDATES = 1_000  # drawn for each image that `rejection` keeps, before it gives up
INTERPOLATION_STEPS = 8  # images from one latent of a walk to the next
GAMMA_PERCENTILE = 95  # `rejection` accepts at least half of the candidates above it, fewer below


def draw_latents(count, *, seed, index, use):
    """Draws latents `[count, 100]`, float32 in U(-1, 1), from (seed, index, use) alone.

    `index` is the training step, or the number of the block of samples.
    """
    return latents_of(philox_key(seed, tf.cast(index, tf.int64) * 4 + use), count)


def philox_key(seed, number):
    """The (key, counter) of a draw, from two integers; uint64 `[1]` and `[2]`.

    This and `latents_of` are the two halves of `tf.random.stateless_uniform`. This half has no GPU
    kernel: a window of training steps does it once for all of them. Philox by name, for the default
    generator differs between devices.
    """
    seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(number, tf.int64)])
    return tuple(tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed))


def latents_of(key, count):
    """The latents `[count, 100]` of a `philox_key`."""
    key, counter = key
    uniform = tf.raw_ops.StatelessRandomUniformV2(
        shape=(count, LATENT_SIZE), key=key, counter=counter, alg=PHILOX
    )
    return uniform * 2.0 - 1.0


def sample_latents(count, *, seed):
    """The first `count` sample latents of `seed`: `[count, 100]`, a prefix of any longer draw."""
    blocks = [
        draw_latents(BLOCK, seed=seed, index=block, use=SAMPLES)
        for block in range(-(-count // BLOCK))
    ]
    return tf.concat(blocks, 0)[:count]


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
            images = evaluate(generator, latents, training=False, dtype=dtype)
            scores = tf.zeros((BLOCK, 1))
            if discriminator is not None:
                scores = evaluate(discriminator, images, training=False, dtype=dtype, logits=True)
            return images, scores

        self._block = block
        self._generator = generator
        self._discriminator = discriminator
        self._dtype = dtype
        self.progress = progress

    def at(self, latents):
        """Returns the images of given latents `[N, 100]`: uint8 `[N, H, W, C]`."""
        blocks = [
            evaluate(self._generator, latents[i : i + BLOCK], training=False, dtype=self._dtype)
            for i in range(0, len(latents), BLOCK)
        ]
        return to_pixels(np.concatenate(blocks))

    def scores(self, pixels):
        """Returns the discriminator's logits `[N]` of uint8 images `[N, H, W, C]`."""
        images = to_unit(pixels.astype(np.float32))
        blocks = [
            evaluate(
                self._discriminator,
                images[i : i + BLOCK],
                training=False,
                dtype=self._dtype,
                logits=True,
            )
            for i in range(0, len(images), BLOCK)
        ]
        return np.concatenate(blocks)[:, 0]

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


def select(selection, sampler, count, *, seed, held_out=None):
    """Returns (uint8 `[count, H, W, C]`, acceptance rate or None) plain, nice or by rejection.

    `held_out` are the real images `[N, H, W, C]` that `rejection` calibrates with.
    """
    if selection == "rejection":
        return rejection(sampler, count, seed=seed, real_images=held_out)
    return (nice if selection == "nice" else plain)(sampler, count, seed=seed), None


def plain(sampler, count, *, seed):
    """Returns the first `count` images of `seed`: uint8 `[count, H, W, C]`."""
    return np.concatenate([pixels for pixels, _ in sampler.blocks(count, seed)])


def nice(sampler, count, *, seed):
    """Returns the `count` images that the discriminator finds most real, best first.

    The original's `--nice`: 20 candidates an image, all ranked together. Memory stays bounded: only
    some more than the best `count` seen so far are kept. Ranking by logits equals ranking by
    probability, and still tells apart the scores that a float32 sigmoid rounds to 1.

    Returns:
      uint8 `[count, H, W, C]`.
    """
    images, scores, held = [], [], 0
    for pixels, logits in sampler.blocks(NICE_CANDIDATES * count, seed):
        images, scores, held = [*images, pixels], [*scores, logits], held + len(pixels)
        if held > 2 * count + BLOCK:  # sorting after every block would take longer than drawing it
            images, scores = ([part] for part in _best(images, scores, count))
            held = count
    return _best(images, scores, count)[0]


def _best(images, scores, count):
    images, scores = np.concatenate(images), np.concatenate(scores)
    keep = np.argsort(-scores, kind="stable")[:count]
    return images[keep], scores[keep]


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
    points = np.cos(angle) * corners[first] + np.sin(angle) * corners[(first + 1) % segments]
    return tf.math.erf(tf.constant(points / np.sqrt(2), tf.float32))


def rejection(sampler, count, *, seed, real_images):
    """Returns `count` images by Discriminator Rejection Sampling, and the share that was accepted.

    A calibrated discriminator tells how much more likely real data are to hold an image than the
    generator is to make it; an image is kept with a probability that grows with that ratio (Azadi
    et al. 2018). The logistic fit and the largest ratio come from generated images that are used
    for nothing else, and from held-out real ones.

    Args:
      sampler: a `Sampler` with a discriminator.
      real_images: uint8 `[N, H, W, C]`, images that it was not trained on.

    Returns:
      (uint8 `[count, H, W, C]` in the order in which they were drawn, the acceptance rate).
    """
    if real_images is None:
        raise UsageError(
            "rejection needs held-out images, and the data set has no test part; use nice"
        )
    real_logits = sampler.scores(subset(real_images, CALIBRATION_IMAGES))
    fake_logits = np.concatenate(
        [logits for _, logits in sampler.blocks(CALIBRATION_IMAGES, seed, CALIBRATION)]
    )
    scale, shift = fit_logistic(real_logits, fake_logits)
    calibration_ratios = scale * fake_logits + shift
    at_percentile, largest = (
        np.percentile(calibration_ratios, GAMMA_PERCENTILE),
        calibration_ratios.max(),
    )
    uniform = np.random.Generator(np.random.Philox(key=seed))
    accepted, found, drawn = [], 0, 0
    bar = ProgressBar("drawing until enough are accepted", count, shown=sampler.progress)
    for pixels, logits in sampler.blocks(MOST_CANDIDATES * count, seed, bar=bar):
        ratios = scale * logits + shift
        largest = max(largest, ratios.max())
        # At gamma 0 the sampling is exact, and as rare as the largest ratio is large; below, more
        # is accepted. Above it would be sharper than the data.
        gamma = min(0, _acceptance_logits(at_percentile, largest))
        chance = _sigmoid(_acceptance_logits(ratios, largest) - gamma)
        kept = pixels[uniform.random(len(pixels)) < chance]
        accepted.append(kept)
        bar.advance(len(kept))
        found, drawn = found + len(kept), drawn + len(pixels)
        if found >= count:
            break
    if found < count:
        raise Tf2ganError(
            f"rejection accepted {found} of {drawn} candidates, less than the {count} wanted: "
            "the discriminator tells all of them from real images; use nice or plain"
        )
    return np.concatenate(accepted)[:count], found / drawn


def fit_logistic(real_logits, fake_logits):
    """Fits P(real) = sigmoid(scale * logit + shift) by Newton's method; returns (scale, shift).

    Held-out scores make an overconfident discriminator's odds honest (Platt 1999).
    """
    x = np.concatenate([real_logits, fake_logits]).astype(np.float64)
    y = np.concatenate([np.ones(len(real_logits)), np.zeros(len(fake_logits))])
    # Real and fake count alike, however many there are of each.
    weight = np.where(y == 1, 0.5 / len(real_logits), 0.5 / len(fake_logits))
    design, beta = np.stack([x, np.ones_like(x)], 1), np.zeros(2)
    for _ in range(50):
        p = _sigmoid(design @ beta)
        # The ridge keeps the fit finite where real and fake can be told apart without error.
        gradient = design.T @ (weight * (y - p)) - 1e-6 * beta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        change = np.linalg.solve(hessian, gradient)
        beta += np.clip(change, -1, 1)
        if np.abs(change).max() < 1e-9:
            break
    return tuple(beta)


def _acceptance_logits(ratios, largest):
    """F of Azadi et al., before gamma: the logit of exp(ratio - largest)."""
    below = np.minimum(ratios - largest, -1e-6)
    return below - np.log1p(-np.exp(below))


def _sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))
