"""How the step of `tf2gan.gan.GAN` is run: many in one graph, on replicas, compiled by XLA.

On a GPU nothing of a step waits for the host. What has no GPU kernel, or computes integers on the
host by TensorFlow's rules, is done once a window: the numbers of its steps and the keys of their
draws. A step gathers and draws on the device; the host chooses branches, by numbers of its own.
"""

import functools
import math
import warnings

import tensorflow as tf

from tf2gan.data.images import to_unit
from tf2gan.devices.replicas import on_slices, synchronise_batch_statistics
from tf2gan.devices.strategy import choose_jit
from tf2gan.gan import METRICS
from tf2gan.networks.augmentation import draw_shifts
from tf2gan.networks.latents import DISCRIMINATOR, GENERATOR, latents_of, number_of, philox_key
from tf2gan.networks.models import LATENT_SIZE
from tf2gan.utils.errors import brief


class Runner:
    """Runs windows of steps: Python is entered once a window, not once a step.

    Args:
      gan: a `tf2gan.gan.GAN`, built in the scope of the strategy.
      strategy: what `tf2gan.devices.strategy.choose` returned; by default all is on one device.

    Attributes:
      gan, strategy: these.
      jit_compile, jit_reason: whether XLA compiles the step, and why.
      graph_function: a window as a `tf.function`; one trace serves every window and data set.
      whole: true after a window; false while one runs, or after one that failed: the networks are
        then between two steps.
    """

    def __init__(self, gan, strategy=None):
        self.gan, self.strategy = gan, strategy or tf.distribute.get_strategy()
        self.whole = False
        config = gan.config
        synchronise_batch_statistics(gan.generator, self.strategy)
        # Two programs, of the step with R1 and without: a branch inside would wait for the host.
        self._xla_updates = {due: self._compile(due) for due in (False, True)}
        self.jit_compile, self.jit_reason = choose_jit(config.jit_compile, self.strategy)
        if self.jit_compile and (reason := self._why_not_compiled()):
            self.jit_compile, self.jit_reason = False, f"it cannot compile this step: {reason}"
        self.graph_function = tf.function(
            self._window,
            input_signature=[
                tf.TensorSpec((None, *config.size, config.channels), tf.uint8),
                tf.TensorSpec((None, config.batch), tf.int32),
            ],
            autograph=False,  # importing it takes half a second
        )

    def trace(self):
        """Traces a window, once; returns its graph."""
        return self.graph_function.get_concrete_function().graph

    def run(self, images, rows):
        """Runs a window of steps.

        Args:
          images: the data set, uint8 `[N, H, W, C]`, kept on the device.
          rows: int32 `[steps, B]`, which images make each batch.

        Returns:
          A dict of numbers: the mean of each of the step's metrics over the window.
        """
        self.whole = False
        metrics = {tag: float(value) for tag, value in self.graph_function(images, rows).items()}
        self.whole = True
        return metrics

    def _window(self, images, rows):
        """The graph of `run`: what is drawn is drawn here, what is computed is the step's."""
        gan, count = self.gan, tf.shape(rows)[0]
        with tf.device("CPU:0"):
            first = tf.identity(gan.step)
            keys = self._keys(first, count)
        words, rows = as_words(images), tf.cast(rows, tf.int64)  # int32 is sliced on the host

        def one_step(index, totals):
            with tf.device("CPU:0"):
                step = first + tf.cast(index, tf.int64)
                r1_due, ema_due = gan.due_at(step)
                augmenting = step >= gan.augment_from
            pixels = from_words(tf.gather(words, rows[index]), images.shape[1:])
            d_key, g_key, shift_key = ([part[index, i] for part in keys] for i in range(3))
            batches = [
                to_unit(tf.cast(pixels, tf.float32)),
                latents_of(d_key, gan.config.batch),
                latents_of(g_key, gan.config.batch),
            ]
            batches += [self._shifts(shift_key, augmenting)] if gan.recipe.shift else []
            metrics = self._update_both(batches, r1_due)
            if set(metrics) != set(METRICS):  # one that is new would be lost without a word
                raise ValueError(f"a step returns {sorted(metrics)}, not tf2gan.gan.METRICS")
            gan.finish_step(ema_due)
            return index + 1, {name: totals[name] + metrics[name] for name in METRICS}

        zeros = {name: tf.constant(0.0) for name in METRICS}
        _, totals = tf.while_loop(lambda index, _: index < count, one_step, (0, zeros))
        count = tf.cast(count, tf.float32)
        return {name: total / count for name, total in totals.items()}

    def _update_both(self, batches, r1_due):
        """`GAN.update_both` of whole batches, on all replicas or by XLA."""
        if not self.jit_compile:
            update = functools.partial(self.gan.update_both, r1_due=r1_due)
            return on_slices(self.strategy, update, *batches)
        if not self.gan.recipe.gradient_penalty:
            return self._xla_updates[False](*batches)
        run = {due: functools.partial(call, *batches) for due, call in self._xla_updates.items()}
        return tf.cond(r1_due, run[True], run[False])

    def _compile(self, r1_due):
        def update(*batches):
            return self.gan.update_both(*batches, r1_due=tf.constant(r1_due))

        return tf.function(update, jit_compile=True, autograph=False)

    def _why_not_compiled(self):
        """What XLA cannot compile of the step, on one line, or None; it is not run, nor changed."""
        config, recipe = self.gan.config, self.gan.recipe
        count, latents = config.batch, (config.batch, LATENT_SIZE)
        shapes = [(count, *config.size, config.channels), latents, latents]
        batches = [tf.TensorSpec(shape) for shape in shapes]
        batches += [tf.TensorSpec((count, 2))] if recipe.shift else []
        # TensorFlow would find the device by a draw, which determinism forbids without a seed.
        with self.strategy.scope():
            device = tf.zeros(()).device
        try:
            for due in (False, True) if recipe.gradient_penalty else (False,):
                describe = self._xla_updates[due].experimental_get_compiler_ir(*batches)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # `device_name` is deprecated
                    describe(stage="hlo", device_name=device)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            return brief(error)
        return None

    def _keys(self, first, count):
        """The keys of a window's draws, for D, G and shifts: two tensors `[steps, 3, n]`."""
        steps = first + tf.range(tf.cast(count, tf.int64))
        # Those of shifts are negative, as no latent's are.
        latents = [number_of(steps, use) for use in (DISCRIMINATOR, GENERATOR)]
        numbers = tf.stack([*latents, -1 - steps], 1)
        parts = tf.map_fn(
            functools.partial(philox_key, self.gan.config.seed),
            tf.reshape(numbers, (-1,)),
            fn_output_signature=(tf.uint64, tf.uint64),
        )
        return [tf.reshape(part, (-1, 3, size)) for part, size in zip(parts, (1, 2), strict=True)]

    def _shifts(self, key, augmenting):
        """How far each image of a step is translated, `[B, 2]`; 0 before augmentation starts."""
        count, reach = self.gan.config.batch, self.gan.recipe.shift
        return tf.cond(
            augmenting, lambda: draw_shifts(key, count, reach), lambda: tf.zeros((count, 2))
        )


def as_words(images):
    """Bytes `[N, ...]` as int64 `[N, bytes / 8]`: a GPU can gather these, but no bytes.

    Images have a multiple of 16 bytes: their height and width are multiples of 4.
    """
    count = math.prod(images.shape[1:]) // 8
    return tf.bitcast(tf.reshape(images, (-1, count, 8)), tf.int64)


def from_words(words, shape):
    """The bytes `[B, *shape]` of words `[B, bytes / 8]`."""
    return tf.reshape(tf.bitcast(words, tf.uint8), (-1, *shape))
