"""Clusters of similar images, in place of classes where a data set has none."""

import numpy as np

from tf2gan.data.dataset import subset
from tf2gan.data.mapped import before_reading, blocks
from tf2gan.settings.sizes import doublings

FITTED = 20_000  # images that the centres are found from
ROUNDS = 20
BLOCK = 500  # images looked at at once
CELLS, BINS = 4, 8  # of the histograms of gradients: cells a side, directions


def cluster(images, count, *, seed=0):
    """Divides images into clusters twice, by k-means on their gradients and on their colours.

    Gradients tell shapes apart, whatever their colour; a classifier of either alone is blind for
    the other. Caron et al. (2018) train on clusters, in turns with clustering anew by what the
    classifier has learned; here one turn does.

    Args:
      images: uint8 `[N, H, W, C]`.
      count: how many clusters of each kind, at most N.
      seed: fixes where k-means begins.

    Returns:
      int64 `[N, 2]`, from 0: the cluster of each image by its gradients, and by its colours.
    """
    return np.stack([_k_means(images, kind, count, seed) for kind in KINDS], 1)


def gradients(images):
    """Float32 `[N, 128]`: histograms of oriented gradients (Dalal & Triggs 2005).

    Each of 4x4 cells has the strength of its edges in eight directions, of all channels together;
    of larger images at a half or a quarter of their size.
    """
    small = _means(images, 2 ** (doublings(images.shape[1:3]) - 2)) / 255
    down, right = np.gradient(small, axis=(1, 2))
    strength = np.hypot(down, right)
    direction = np.arctan2(down, right) * (BINS / (2 * np.pi)) % BINS
    cell = np.array(small.shape[1:3]) // CELLS
    found = []
    for number in range(BINS):  # an edge counts for the two directions that it lies between
        away = np.abs((direction - number + BINS / 2) % BINS - BINS / 2)
        found.append(_means(strength * np.maximum(0, 1 - away), cell).sum(3))
    found = np.stack(found, -1).reshape(len(images), -1)
    return np.sqrt(found / (found.sum(1, keepdims=True) + 1e-5))


def colours(images):
    """Float32 `[N, F]`: roots of the shares of pixels of each of 64 colours, or of 16 greys."""
    levels = 4 if images.shape[3] == 3 else 16  # of a channel
    bins = levels ** images.shape[3]
    place = np.zeros(images.shape[:3], np.int64)
    for channel in range(images.shape[3]):
        place = place * levels + images[..., channel] // (256 // levels)
    place = place.reshape(len(images), -1) + bins * np.arange(len(images))[:, np.newaxis]
    counts = np.bincount(place.ravel(), minlength=len(images) * bins).reshape(-1, bins)
    return np.sqrt(counts / place.shape[1]).astype(np.float32)


KINDS = {gradients: 1.0, colours: 0.5}  # and what each counts in a classifier's loss


def _means(images, side):
    """Float32: the means of squares of `side` pixels, or of (H, W) pixels."""
    count, height, width, channels = images.shape
    down, right = np.broadcast_to(side, 2)
    squares = images.reshape(count, height // down, down, width // right, right, channels)
    return squares.mean((2, 4), dtype=np.float32)


def _k_means(images, kind, count, seed):
    """The cluster of each image by what `kind` makes of images: int64 `[N]`."""
    few = []
    for rows in blocks(subset(np.arange(len(images)), FITTED), BLOCK):
        before_reading(images)
        few.append(kind(images[rows]))
    few = np.concatenate(few)
    random = np.random.Generator(np.random.Philox(seed))
    centres = few[random.choice(len(few), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = _nearest(few, centres)
        for number in np.unique(nearest):
            centres[number] = few[nearest == number].mean(0)
    return np.concatenate([_nearest(kind(block), centres) for block in blocks(images, BLOCK)])


def _nearest(points, centres):
    return (np.sum(centres**2, 1) - 2 * points @ centres.T).argmin(1)
