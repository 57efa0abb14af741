"""A run cut into windows of steps: between two of them things are shown, saved and stopped."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from tf2gan.data.arrays import check_unchanged
from tf2gan.data.batches import batch_rows, batches_per_epoch, total_steps

MAPPED_BYTES = 1 << 28  # of a memory-mapped file, that a window reads at most


def windows(config, data, step):
    """The windows of a run from `step` to its end, as `GAN.train_steps` takes them.

    Images in memory are put on the device once. Of a memory-mapped file only a window's own are
    read, while the window before it is computed.

    Yields:
      (the step at which the window ends, uint8 images `[N, H, W, C]`, int32 rows of them
      `[steps, B]`).
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
        until = next_stop(step, total, *filter(None, cadences))
        rows = batch_rows(step, until - step, count=count, batch=config.batch, seed=order)
        if mapped:
            check_unchanged(data.images)
            return (
                until,
                data.images[rows.ravel()],
                np.arange(rows.size, dtype=np.int32).reshape(rows.shape),
            )
        return until, images, rows

    with ThreadPoolExecutor(1) as reader:
        ready = reader.submit(window, step)
        while step < total:
            step, *batches = ready.result()
            if step < total:
                ready = reader.submit(window, step)
            yield step, *batches


def evaluation_steps(config, data):
    """Steps between two evaluations, an epoch unless the configuration says otherwise; 0: none."""
    if config.evaluate_every is None:
        return batches_per_epoch(len(data.images), config.batch)
    return config.evaluate_every


def next_stop(step, total, *cadences):
    """The step at which the window that begins at `step` ends: the next multiple of any cadence."""
    return min(total, *((step // cadence + 1) * cadence for cadence in cadences))
