"""How two sets of features compare: Frechet and kernel distance, precision, recall, score."""

import functools

import numpy as np
import tensorflow as tf

from tf2gan.data.mapped import blocks

NEIGHBOURS = 3  # k of precision and recall
BLOCK = 1000  # points compared with all others at once


def frechet_distance(a, b):
    """The squared Frechet distance of two sets of features `[N, F]`, taken as Gaussians.

    |mean a - mean b|^2 + trace(A + B - 2 (A B)^(1/2)), with A and B the covariances.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # A^(1/2) B A^(1/2) has the eigenvalues of A B, and is symmetric: no complex matrix root.
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    shift = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(max(0.0, shift + np.trace(cov_a) + np.trace(cov_b) - 2 * mixed))


def kernel_distance(a, b, a_within=None):
    """KID of two sets of features `[N, F]` and `[M, F]` (Binkowski et al. 2018).

    The squared maximum mean discrepancy under the kernel (x . y / F + 1)^3, over all pairs but a
    point and itself: its mean does not depend on N, so that it may fall below 0 for equal sets.
    `a_within` is `kernel_within(a)`, if it is known.
    """
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    between = _kernel_total(a, b) / (len(a) * len(b))
    a_within = kernel_within(a) if a_within is None else a_within
    return a_within + kernel_within(b) - 2 * between


def kernel_within(points):
    """The mean of that kernel over all pairs of `points` `[N, F]` but a point and itself."""
    points = np.asarray(points, np.float32)
    squares = np.sum(points.astype(np.float64) ** 2, 1) / points.shape[1]
    pairs = _kernel_total(points, points) - np.sum((squares + 1) ** 3)
    return float(pairs / (len(points) * (len(points) - 1)))


def _kernel_total(a, b):
    return float(np.sum(_rowwise(_kernel_sums, a, b), dtype=np.float64))


def classifier_score(probabilities):
    """exp(mean KL(p(class | image) || p(class))) of probabilities `[N, classes]`."""
    p = np.asarray(probabilities, np.float64) + 1e-12
    return float(np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), 1))))


def precision_recall(real, fake, real_radii=None):
    """Improved precision and recall (Kynkaanniemi et al. 2019) of features `[N, F]` and `[M, F]`.

    A point lies among others when it is within the distance of one of them to its k-th neighbour.
    """
    among, covered = coverage(real, fake, real_radii)
    return float(among.mean()), float(covered.mean())


def coverage(real, fake, real_radii=None):
    """Which of `fake` lie among `real`, bool `[M]`, and which of `real` among `fake`, `[N]`."""
    real_radii = neighbour_radii(real) if real_radii is None else real_radii
    fake, fake_radii = tf.constant(fake), tf.constant(neighbour_radii(fake))
    squares = tf.reduce_sum(fake**2, 1)
    covered, among = [], np.zeros(len(fake), bool)
    pairs = zip(blocks(real, BLOCK, "comparing images"), blocks(real_radii, BLOCK), strict=True)
    for block, radii in pairs:  # each distance once, for both figures
        of_real, of_fake = _within(block, radii, fake, squares, fake_radii)
        covered.append(of_real.numpy())
        among |= of_fake.numpy()
    return among, np.concatenate(covered)


def neighbour_radii(points):
    """The squared distance of each point `[N, F]` to its k-th nearest other: `[N]`."""
    return _rowwise(_radii, points, points, min(NEIGHBOURS + 1, len(points)))  # itself comes first


def nearest_neighbours(points, others):
    """Distances `[N]` to, and indices `[N]` of, the nearest of `others` `[M, F]` for each point."""
    nearest = _rowwise(_nearest, points, others)
    return np.linalg.norm(points - others[nearest], axis=1), nearest


def _rowwise(reduce, points, others, *more):
    """Applies `reduce` to blocks of points and all `others`: memory stays bounded."""
    others, more = tf.constant(others), map(tf.constant, more)
    given = (others, tf.reduce_sum(others**2, 1), *more)
    every = blocks(points, BLOCK, "comparing images")
    return np.concatenate([reduce(block, *given).numpy() for block in every])


# Traced here, once for all sets: TensorFlow warns on the terminal of functions made in a loop.
_on_any = functools.partial(tf.function, autograph=False, reduce_retracing=True)


@_on_any
def _radii(points, others, squares, count):
    return -tf.math.top_k(-_squared_distances(points, others, squares), count).values[:, -1]


@_on_any
def _kernel_sums(points, others, squares):
    features = tf.cast(tf.shape(points)[1], tf.float32)
    base = tf.matmul(points / features, others, transpose_b=True) + 1
    return tf.reduce_sum(base * base * base, 1)


@_on_any
def _nearest(points, others, squares):
    return tf.argmin(_squared_distances(points, others, squares), 1)


@_on_any
def _within(points, radii, others, squares, other_radii):
    """Which points lie within the radius of one of the others, and which others of one of these."""
    distances = _squared_distances(points, others, squares)
    return (
        tf.reduce_any(distances <= other_radii, 1),
        tf.reduce_any(distances <= radii[:, tf.newaxis], 0),
    )


def _squared_distances(points, others, squares):
    """`[block, M]` of points `[block, F]` and others `[M, F]`, whose own squares are given."""
    return (
        tf.reduce_sum(points**2, 1, keepdims=True)
        - 2 * tf.matmul(points, others, transpose_b=True)
        + squares
    )
