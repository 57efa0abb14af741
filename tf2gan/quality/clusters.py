"""Clusters of similar images, in place of classes where a data set has none."""

import numpy as np

from tf2gan.data.dataset import subset
from tf2gan.data.mapped import before_reading, blocks

FITTED = 20_000  # images that the centres are found from
ROUNDS = 20
BLOCK = 5_000  # images compared at once


def cluster(images, count, *, seed=0):
    """Divides images into clusters by k-means on their pixels, at half or a quarter of their size.

    Caron et al. (2018) train on such labels, in turns with clustering anew; here one turn does.

    Args:
      images: uint8 `[N, H, W, C]`.
      count: how many clusters, at most N.
      seed: fixes where k-means begins.

    Returns:
      int64 `[N]`, from 0.
    """
    before_reading(images)
    few = _small(subset(images, FITTED))
    random = np.random.Generator(np.random.Philox(seed))
    centres = few[random.choice(len(few), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = _nearest(few, centres)
        for number in np.unique(nearest):
            centres[number] = few[nearest == number].mean(0)
    found = [_nearest(_small(block), centres) for block in blocks(images, BLOCK)]
    return np.concatenate(found)


def _small(images):
    """Float32 `[N, F]`: the means of squares of 2x2 pixels, or of 4x4 of large images."""
    count, height, width, channels = images.shape
    side = 2 if height * width <= 32 * 32 else 4
    squares = images.reshape(count, height // side, side, width // side, side, channels)
    return squares.mean((2, 4), dtype=np.float32).reshape(count, -1) / 255


def _nearest(points, centres):
    return (np.sum(centres**2, 1) - 2 * points @ centres.T).argmin(1)
