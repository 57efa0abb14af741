"""Which images make which batch: a pure function of the step. NumPy only."""

import functools

import numpy as np


def batches_per_epoch(count, batch):
    """The batches in one pass over `count` images; the last short one is dropped."""
    return count // batch


def total_steps(config, data):
    """The steps of a whole run of `config` on `data`."""
    return config.steps or config.epochs * batches_per_epoch(len(data.images), config.batch)


def batch_rows(first_step, steps, *, count, batch, seed=None):
    """Which images make the batches of a window: int32 `[steps, batch]`.

    File order, or with a `seed` an order of its own for every epoch. A pure function of the step,
    so that a resumed run sees what the run that never stopped saw. The last short batch of an epoch
    is dropped.
    """
    rows = []
    for step in range(first_step, first_step + steps):
        epoch, number = divmod(step, batches_per_epoch(count, batch))
        places = np.arange(number * batch, (number + 1) * batch)
        rows.append(places if seed is None else _epoch_order(seed, epoch, count)[places])
    return np.array(rows, np.int32)


@functools.lru_cache(maxsize=2)  # a window may touch two epochs
def _epoch_order(seed, epoch, count):
    """A permutation of the images from (seed, epoch), by a raw stream NumPy promises to keep."""
    return np.argsort(np.random.Philox(key=(seed, epoch)).random_raw(count), kind="stable")


def subset(images, count):
    """`count` images, or all if there are fewer: drawn at random, always the same, in file order.

    Not the first ones, for some files are sorted by class; and not every n-th, for MNIST's training
    images come in turn from two groups of writers.
    """
    return images[np.sort(_epoch_order(0, 0, len(images))[:count])]
