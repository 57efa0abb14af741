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
from tf2gan.networks import augmentation
from tf2gan.networks.latents import (
    DISCRIMINATOR,
    GENERATOR,
    OTHER_AUGMENTATION,
    latents_of,
    number_of,
    philox_key,
)
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
          A dict of numbers: the mean of each of the step's metrics over the window; where
          augmentation is steered, its probability after it, and by what it is steered: the mean
          sign of D's logits of real images, 1 where D is always right about them.
        """
        self.whole = False
        metrics = {tag: float(value) for tag, value in self.graph_function(images, rows).items()}
        self.whole = True
        if self.gan.recipe.augment_target:
            metrics["augmentation/probability"] = float(self.gan.augment_probability.numpy())
            metrics["augmentation/overfitting"] = 2 * metrics["accuracy/real"] - 1
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
                r1_due, ema_due, augmenting = gan.due_at(step)
            pixels = from_words(tf.gather(words, rows[index]), images.shape[1:])
            d_key, g_key, *augmentation_keys = (
                [part[index, i] for part in keys] for i in range(keys[0].shape[1])
            )
            batches = [
                to_unit(tf.cast(pixels, tf.float32)),
                latents_of(d_key, gan.config.batch),
                latents_of(g_key, gan.config.batch),
            ]
            if augmentation.columns(gan.recipe):
                batches += [self._augmentations(augmentation_keys, augmenting)]
            metrics = self._update_both(batches, r1_due)
            if set(metrics) != set(METRICS):  # one that is new would be lost without a word
                raise ValueError(f"a step returns {sorted(metrics)}, not tf2gan.gan.METRICS")
            gan.finish_step(metrics, ema_due, augmenting)
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
        columns = augmentation.columns(recipe)
        batches += [tf.TensorSpec((count, columns))] if columns else []
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
        """The keys of a window's draws, for D, G and augmentation: two tensors `[steps, uses, n]`.

        Translation has draws of its own: those of runs that have nothing else stay as they were.
        """
        steps = first + tf.range(tf.cast(count, tf.int64))
        # Those of augmentation are negative, as no latent's are; only what is drawn has one.
        numbers = [number_of(steps, use) for use in (DISCRIMINATOR, GENERATOR)]
        columns = augmentation.columns(self.gan.recipe)
        numbers += [-1 - steps] if columns else []
        numbers += [OTHER_AUGMENTATION - steps] if columns > augmentation.OF_SHIFT else []
        numbers = tf.stack(numbers, 1)
        parts = tf.map_fn(
            functools.partial(philox_key, self.gan.config.seed),
            tf.reshape(numbers, (-1,)),
            fn_output_signature=(tf.uint64, tf.uint64),
        )
        uses = numbers.shape[1]
        return [
            tf.reshape(part, (-1, uses, size)) for part, size in zip(parts, (1, 2), strict=True)
        ]

    def _augmentations(self, keys, augmenting):
        """How each image of a step is augmented; not at all before augmentation starts."""
        gan, count = self.gan, self.gan.config.batch
        return tf.cond(
            augmenting,
            lambda: augmentation.draw(
                *keys, count=count, recipe=gan.recipe, probability=gan.augment_probability
            ),
            lambda: augmentation.unchanged(count, gan.recipe),
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
