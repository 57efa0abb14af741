"""A run cut into windows of steps: between two of them things are shown, saved and stopped."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf2gan.data.dataset import batch_rows, batches_per_epoch, total_steps
from tf2gan.data.mapped import before_reading, let_go

MAPPED_BYTES = 1 << 28  # of a memory-mapped file, that a window reads at most


class Window(NamedTuple):
    """Steps that are run in one call.

    Attributes:
      end: the step at which it ends.
      images: uint8 `[N, H, W, C]`.
      rows: int32 `[steps, B]`, which of the images make each batch.
    """

    end: int
    images: tf.Tensor | np.ndarray
    rows: np.ndarray


def windows(config, data, step):
    """Yields the `Window`s of a run from `step` to its end.

    Images in memory are put on the device once. Of a memory-mapped file only a window's own are
    read, while the window before it is computed.
    """
    total, count = total_steps(config, data), len(data.images)
    order = config.seed if config.recipe_values.shuffle else None
    cadences = [
        config.log_every,
        config.image_every,
        config.checkpoint_every,
        evaluation_steps(config, data),
    ]
    mapped = isinstance(data.images, np.memmap)
    if mapped:
        batch_bytes = config.batch * math.prod(data.images.shape[1:])
        cadences.append(max(1, MAPPED_BYTES // batch_bytes))
    images = None if mapped else tf.constant(data.images)  # a byte a pixel

    def window(step):
        end = next_stop(step, total, *filter(None, cadences))
        rows = batch_rows(step, end - step, count=count, batch=config.batch, seed=order)
        if mapped:
            before_reading(data.images)
            by_place = np.argsort(rows, axis=None)  # of a disk, which may seek slowly
            read = data.images[rows.ravel()[by_place]]
            let_go(data.images)
            return Window(end, read, np.argsort(by_place).astype(np.int32).reshape(rows.shape))
        return Window(end, images, rows)

    with ThreadPoolExecutor(1) as reader:
        ready = reader.submit(window, step)
        while step < total:
            current = ready.result()
            step = current.end
            if step < total:
                ready = reader.submit(window, step)
            yield current


def evaluation_steps(config, data):
    """Steps between two evaluations, an epoch unless the configuration says otherwise; 0: none."""
    if config.evaluate_every is None:
        return batches_per_epoch(len(data.images), config.batch)
    return config.evaluate_every


def next_stop(step, total, *cadences):
    """The step at which the window that begins at `step` ends: the next multiple of any cadence."""
    return min(total, *((step // cadence + 1) * cadence for cadence in cadences))
