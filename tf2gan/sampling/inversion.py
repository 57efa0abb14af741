"""GAN inversion: projects a picture into latent space, to the latent of the nearest image."""

import keras
import numpy as np
import tensorflow as tf

from tf2gan.data.images import to_pixels, to_unit
from tf2gan.networks.models import LATENT_SIZE
from tf2gan.networks.polyphase import forward
from tf2gan.sampling.sampler import forward_in_blocks, gaussian, sample_latents, uniform

CANDIDATES = 1024  # latents drawn at first; the nearest of them are the starts
STARTS = 4  # of each target: descent ends in another hollow from each
STEPS = 200
LEARNING_RATE = 0.1  # Adam's; cosine decay
FEATURES_WEIGHT = 0.1  # of the features' distance, beside the pixels'


class Inversion:
    """Finds latents by gradient descent on pixels, and on a classifier's features if there is one.

    A latent in U(-1, 1) is descended on as the Gaussian point that maps to it, so that it stays
    among those that the generator was trained on (Abdal et al. 2019 descend freely).

    Args:
      generator: the network; its images are compared.
      features: a differentiable function from images `[N, H, W, C]` in [-1, 1] to features
        `[N, F]`; None to compare pixels alone.
    """

    def __init__(self, generator, features=None):
        self._generator, self._features = generator, features
        self._descend = tf.function(self._step, autograph=False)

    def run(self, targets, *, starts=STARTS, steps=STEPS, seed=0):
        """Yields what is nearest so far, at first and after each step.

        Args:
          targets: uint8 `[N, H, W, C]`, at the generator's size.
          starts: how many descents there are for each.
          steps: of the descent.
          seed: of the latents that are tried at first.

        Yields:
          (latents float32 `[N, 100]`, images uint8 `[N, H, W, C]`, the distance of each image to
          its target `[N]`: the root of the mean square over the pixels, 0 to 1).
        """
        targets = to_unit(targets.astype(np.float32))
        points = keras.Variable(self._first_points(targets, starts, seed))
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
        )
        wanted = tf.repeat(targets, starts, 0)
        wanted_features = self._features(wanted) if self._features else None
        count = len(targets)
        best = np.full(count, np.inf)
        latents = np.zeros((count, LATENT_SIZE), np.float32)
        pixels = np.zeros(targets.shape, np.uint8)
        for step in range(steps + 1):
            images, squares, gradients = self._descend(points.value, wanted, wanted_features)
            squares = squares.numpy().reshape(count, starts)
            nearest = squares.argmin(1) + starts * np.arange(count)
            better = np.flatnonzero(squares.min(1) < best)
            best[better] = squares.min(1)[better]
            latents[better] = uniform(tf.gather(points.value, nearest[better])).numpy()
            pixels[better] = to_pixels(images.numpy()[nearest[better]])
            yield latents.copy(), pixels.copy(), np.sqrt(best) / 2
            if step < steps:
                optimizer.apply([gradients], [points])

    def _first_points(self, targets, starts, seed):
        latents = sample_latents(CANDIDATES, seed=seed)
        candidates = forward_in_blocks(self._generator, latents).reshape(CANDIDATES, -1)
        flat = targets.reshape(len(targets), -1)
        squares = (flat**2).sum(1)[:, None] + (candidates**2).sum(1) - 2 * flat @ candidates.T
        nearest = np.argsort(squares, 1)[:, :starts].reshape(-1)
        return gaussian(tf.gather(latents, nearest))

    def _step(self, points, wanted, wanted_features):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            images = forward(self._generator, uniform(points), training=False)
            squares = losses = tf.reduce_mean((images - wanted) ** 2, [1, 2, 3])
            if wanted_features is not None:
                apart = tf.reduce_mean((self._features(images) - wanted_features) ** 2, 1)
                losses += FEATURES_WEIGHT * apart / (tf.reduce_mean(wanted_features**2, 1) + 1e-6)
            loss = tf.reduce_sum(losses)  # of all descents, each by itself
        return images, squares, tape.gradient(loss, points)
