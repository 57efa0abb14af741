"""How the step is run: many in one graph, on slices, or compiled by XLA. The step is in gan.py.

On a GPU nothing of a step waits for the host. What has no GPU kernel, or computes integers on the
host by TensorFlow's rules, is done once a window: the numbers of its steps and the keys of their
draws. A step gathers and draws on the device; the host chooses branches, by numbers of its own.
"""

import functools
import math
import warnings

import tensorflow as tf

from tf2gan.data.images import to_unit
from tf2gan.devices.strategy import choose_jit, on_slices
from tf2gan.modern import shifts_of
from tf2gan.networks.models import LATENT_SIZE
from tf2gan.sampling.sampler import DISCRIMINATOR, GENERATOR, latents_of, philox_key
from tf2gan.utils.errors import brief

METRICS = (
    "loss/d",
    "loss/g",
    "score/real",
    "score/fake",
    "accuracy/real",
    "accuracy/fake",
    "gradient_norm/d",
    "gradient_norm/g",
)


class Execution:
    """Runs the steps of a `tf2gan.gan.GAN`.

    Attributes:
      jit_compile, jit_reason: whether XLA compiles the step, and why.
      train_steps: `_window` as a `tf.function`; one trace serves every window and data set.
    """

    def __init__(self, gan):
        self._gan, config = gan, gan.config
        compiled = functools.partial(tf.function, jit_compile=True, autograph=False)
        # Of the step with the gradient penalty and of the one without: a branch inside would wait
        # to be told by the host.
        self._compiled = {due: compiled(self._update(due)) for due in (False, True)}
        self.jit_compile, self.jit_reason = choose_jit(config.jit_compile, gan.strategy)
        if self.jit_compile and (reason := self._why_not_compiled()):
            self.jit_compile, self.jit_reason = False, f"it cannot compile this step: {reason}"
        self.train_steps = tf.function(
            self._window,
            input_signature=[
                tf.TensorSpec((None, *config.size, config.channels), tf.uint8),
                tf.TensorSpec((None, config.batch), tf.int32),
            ],
            autograph=False,  # importing it takes half a second
        )

    def update(self, penalty_due, batches):
        """Both updates of a step, of whole batches; returns the metrics.

        Args:
          penalty_due: whether the gradient penalty is added: False, or a tensor on the host.
          batches: the positional arguments of `GAN.update`.
        """
        if not self.jit_compile:
            return on_slices(self._gan.strategy, self._update(penalty_due), *batches)
        if penalty_due is False:
            return self._compiled[False](*batches)
        either = {due: functools.partial(run, *batches) for due, run in self._compiled.items()}
        return tf.cond(penalty_due, either[True], either[False])

    def _update(self, penalty_due):
        return lambda *batches: self._gan.update(*batches, penalty_due=penalty_due)

    def _why_not_compiled(self):
        """What XLA cannot compile of the step, on one line, or None; it is not run, nor changed."""
        config, recipe = self._gan.config, self._gan.recipe
        count, latents = config.batch, (config.batch, LATENT_SIZE)
        shapes = [(count, *config.size, config.channels), latents, latents]
        batches = [tf.TensorSpec(shape) for shape in shapes]
        batches += [tf.TensorSpec((count, 2))] if recipe.shift else []
        # TensorFlow would find the device by a draw, which determinism forbids without a seed.
        with self._gan.strategy.scope():
            device = tf.zeros(()).device
        try:
            for due in (False, True) if recipe.gradient_penalty else (False,):
                describe = self._compiled[due].experimental_get_compiler_ir(*batches)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # `device_name` is deprecated
                    describe(stage="hlo", device_name=device)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            return brief(error)
        return None

    def _window(self, images, rows):
        """Runs a window of steps: Python is entered once a window, not once a step.

        Args:
          images: the data set, uint8 `[N, H, W, C]`, kept on the device.
          rows: int32 `[steps, B]`, which images make each batch.

        Returns:
          A dict of float32 scalars: the mean of each metric over the window.
        """
        gan, count = self._gan, tf.shape(rows)[0]
        with tf.device("CPU:0"):
            first = tf.identity(gan.step)
            keys = self._keys(first, count)
        words, rows = as_words(images), tf.cast(rows, tf.int64)  # int32 is sliced on the host

        def one_step(index):
            step = number_of(first, index)
            pixels = from_words(tf.gather(words, rows[index]), images.shape[1:])
            real_images = to_unit(tf.cast(pixels, tf.float32))
            d_key, g_key, shift_key = ([part[index, use] for part in keys] for use in range(3))
            return gan.train_step(
                real_images,
                latents_of(d_key, gan.config.batch),
                latents_of(g_key, gan.config.batch),
                self._shifts(shift_key, step) if gan.recipe.shift else None,
                step=step,
            )

        def add_one(index, totals):
            metrics = one_step(index)
            return index + 1, {name: totals[name] + metrics[name] for name in METRICS}

        zeros = {name: tf.constant(0.0) for name in METRICS}
        _, totals = tf.while_loop(lambda index, _: index < count, add_one, (0, zeros))
        count = tf.cast(count, tf.float32)
        return {name: total / count for name, total in totals.items()}

    def _keys(self, first, count):
        """The keys of a window's draws, for D, G and shifts: two tensors `[steps, 3, n]`."""
        steps = first + tf.range(tf.cast(count, tf.int64))
        # Latents have the numbers from 0.
        numbers = tf.stack([steps * 4 + DISCRIMINATOR, steps * 4 + GENERATOR, -1 - steps], 1)
        parts = tf.map_fn(
            functools.partial(philox_key, self._gan.config.seed),
            tf.reshape(numbers, (-1,)),
            fn_output_signature=(tf.uint64, tf.uint64),
        )
        return [tf.reshape(part, (-1, 3, size)) for part, size in zip(parts, (1, 2), strict=True)]

    def _shifts(self, key, step):
        """How far each image of this step is moved, `[B, 2]`; 0 until the images move."""
        count, reach = self._gan.config.batch, self._gan.recipe.shift
        with tf.device("CPU:0"):
            moving = step >= self._gan.shift_from
        still = functools.partial(tf.zeros, (count, 2))
        return tf.cond(moving, lambda: shifts_of(key, count, reach), still)


def number_of(first, index):
    """The number of a window's step, int64, on the host, which chooses branches by it."""
    with tf.device("CPU:0"):
        return first + tf.cast(index, tf.int64)


def every(count, step):
    """Whether a step is one of every `count`, told on the host."""
    with tf.device("CPU:0"):
        return tf.equal(step % count, 0)


def as_words(images):
    """Bytes `[N, ...]` as int64 `[N, bytes / 8]`: a GPU can gather these, but no bytes.

    Images have a multiple of 16 bytes: their height and width are multiples of 4.
    """
    count = math.prod(images.shape[1:]) // 8
    return tf.bitcast(tf.reshape(images, (-1, count, 8)), tf.int64)


def from_words(words, shape):
    """The bytes `[B, *shape]` of words `[B, bytes / 8]`."""
    return tf.reshape(tf.bitcast(words, tf.uint8), (-1, *shape))
