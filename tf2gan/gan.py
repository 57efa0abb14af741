"""The GAN: two networks, two optimizers, and the training step, explicit and on one screen.

The step is the original's where a recipe says nothing else. What only `modern` adds is in
`modern.py`, and does nothing in `classic`: `moved` images, a gradient penalty, an averaged
generator.
"""

import functools

import keras
import tensorflow as tf

from tf2gan.devices.precision import choose_dtype
from tf2gan.devices.strategy import mean_over_replicas, synchronise_batch_statistics
from tf2gan.execution import METRICS as METRICS
from tf2gan.execution import Execution, every
from tf2gan.modern import add_penalty, move_average, moved
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.networks.optimizers import build_optimizer
from tf2gan.networks.polyphase import evaluate


class GAN:
    """A generator and a discriminator that are trained against each other.

    Args:
      config: a `TrainConfig`.
      total_steps: the steps of the whole run, over which a recipe's learning rates fall; without
        it they stay.
      epoch_steps: the steps of an epoch, after some of which a recipe's images move; without it
        they move at once.
      strategy: what `tf2gan.devices.strategy.choose` returned; by default all is on one device.

    Attributes:
      generator, discriminator: plain Keras models (`tf2gan.networks.models`).
      averaged_generator: the one to draw samples from: a running average of the generator where the
        recipe has one, otherwise the generator itself.
      d_optimizer, g_optimizer: Keras optimizers, built for the variables of one network each.
      step: int64 scalar variable, the training steps done.
      dtype, dtype_reason: what convolutions and matrix products compute in, and why.
      jit_compile, jit_reason: whether XLA compiles the step, and why.
      train_steps: runs a window of steps in one call; see `tf2gan.execution.Execution`.
    """

    def __init__(self, config, *, total_steps=None, epoch_steps=None, strategy=None):
        self.config = config
        self.recipe = recipe = config.recipe_values
        self.shift_from = max(
            int(recipe.shift_after * (total_steps or 0)),
            recipe.shift_from_epoch * (epoch_steps or 0),
        )
        self.strategy = strategy or tf.distribute.get_strategy()
        self.dtype, self.dtype_reason = choose_dtype(config.mixed_precision, self.strategy)
        shape = {"image_size": config.size, "channels": config.channels, "seed": config.seed}
        build = functools.partial(build_optimizer, total_steps=total_steps, dtype=self.dtype)
        with self.strategy.scope():
            self.generator = self.averaged_generator = build_generator(**shape)
            self.discriminator = build_discriminator(**shape)
            self.d_optimizer = build(self.discriminator, recipe, recipe.d_learning_rate)
            self.g_optimizer = build(self.generator, recipe, recipe.g_learning_rate)
            if recipe.averaging:
                self.averaged_generator = build_generator(**shape)
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        synchronise_batch_statistics(self.generator, self.strategy)
        self._evaluate = functools.partial(evaluate, dtype=self.dtype)
        # Keras' own mean would divide by the number of replicas: it expects gradients to be summed.
        self._cross_entropies = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
        self._execution = Execution(self)
        self.jit_compile, self.jit_reason = self._execution.jit_compile, self._execution.jit_reason
        self.train_steps = self._execution.train_steps  # many of them, in one call

    def discriminator_step(self, real_images, latents, shifts=None, penalty_due=False):
        """Updates the discriminator alone: real images are labelled 1, generated ones 0.

        The fakes come from outside the tape: no gradient reaches the generator. `classic` makes
        them in inference mode, as the original's `g.predict` did.
        """
        recipe, variables = self.recipe, self.discriminator.trainable_variables
        fake_images = self._evaluate(
            self.generator, latents, training=recipe.fakes_in_training_mode
        )
        real_images = moved(real_images, shifts, recipe.shift, recipe.shift_edge)
        fake_images = moved(fake_images, shifts, recipe.shift, recipe.shift_edge)
        images = tf.concat([real_images, fake_images], 0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            logits = self._evaluate(self.discriminator, images, training=True, logits=True)
            real_logits, fake_logits = tf.split(logits, 2)
            labels = tf.concat([tf.ones_like(real_logits), tf.zeros_like(fake_logits)], 0)
            loss = tf.reduce_mean(self._cross_entropies(labels, logits))
            scaled_loss = self.d_optimizer.scale_loss(loss)  # float16's; `apply` divides it out
        gradients = tape.gradient(scaled_loss, variables)
        if recipe.gradient_penalty:
            gradients = add_penalty(gradients, self, real_images, penalty_due)
        gradients = mean_over_replicas(gradients)
        gradient_norm = tf.linalg.global_norm(gradients) / self.d_optimizer.scale_loss(1.0)
        self.d_optimizer.apply(gradients, variables)
        return {
            "loss/d": loss,
            "score/real": tf.reduce_mean(tf.sigmoid(real_logits)),
            "score/fake": tf.reduce_mean(tf.sigmoid(fake_logits)),
            "accuracy/real": tf.reduce_mean(tf.cast(real_logits > 0, tf.float32)),
            "accuracy/fake": tf.reduce_mean(tf.cast(fake_logits <= 0, tf.float32)),
            "gradient_norm/d": gradient_norm,
        }

    def generator_step(self, latents, shifts=None):
        """Updates the generator alone: its images should be labelled 1 by the discriminator.

        The gradient flows through the discriminator, but only the generator's variables are
        watched and updated: that is all the original's stacked model and `trainable` toggle did.
        """
        variables = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            fake_images = self._evaluate(self.generator, latents, training=True)
            fake_images = moved(fake_images, shifts, self.recipe.shift, self.recipe.shift_edge)
            logits = self._evaluate(self.discriminator, fake_images, training=True, logits=True)
            loss = tf.reduce_mean(self._cross_entropies(tf.ones_like(logits), logits))
            scaled_loss = self.g_optimizer.scale_loss(loss)
        gradients = mean_over_replicas(tape.gradient(scaled_loss, variables))
        gradient_norm = tf.linalg.global_norm(gradients) / self.g_optimizer.scale_loss(1.0)
        self.g_optimizer.apply(gradients, variables)
        return {"loss/g": loss, "gradient_norm/g": gradient_norm}

    def train_step(
        self, real_images, discriminator_latents, generator_latents, shifts=None, *, step=None
    ):
        """One step: the discriminator is updated first, then the generator through the updated one.

        Given its inputs it draws nothing at random. Call it inside a `tf.function` for speed.

        Args:
          real_images: float32 `[B, H, W, C]` in [-1, 1].
          discriminator_latents: float32 `[B, 100]` in [-1, 1], for the fakes shown to D.
          generator_latents: float32 `[B, 100]` in [-1, 1], fresh ones for the generator's update.
          shifts: `[B, 2]`, the whole pixels down and right by which what D sees is moved; None for
            none.
          step: the number of this step, if the caller has it on the host; `self.step` itself is
            on the device.

        Returns:
          A dict of float32 scalars, one for each name in `execution.METRICS`.
        """
        recipe, step = self.recipe, self.step if step is None else step
        batches = [real_images, discriminator_latents, generator_latents]
        batches += [] if shifts is None else [shifts]
        due = every(recipe.penalty_every, step) if recipe.gradient_penalty else False
        metrics = self._execution.update(due, batches)
        if recipe.averaging:
            average = functools.partial(
                move_average, self.averaged_generator, self.generator, recipe, self.step
            )
            tf.cond(every(recipe.averaging_every, step), average, lambda: None)
        self.step.assign_add(1)
        return metrics

    def update(
        self, real_images, discriminator_latents, generator_latents, shifts=None, *, penalty_due
    ):
        """Both updates of a step: on one replica, of its slice of the batches of `train_step`."""
        metrics = self.discriminator_step(real_images, discriminator_latents, shifts, penalty_due)
        metrics.update(self.generator_step(generator_latents, shifts))
        return metrics

    def begin_with(self, generator_weights, discriminator_weights=None):
        """Sets the networks' weights, lists of arrays; the optimizers and the step stay as new."""
        for network in (self.generator, self.averaged_generator):
            network.set_weights(generator_weights)
        if discriminator_weights:
            self.discriminator.set_weights(discriminator_weights)

    @property
    def variables(self):
        """Every Keras variable of the networks and optimizers."""
        networks = (self.generator, self.discriminator, self.averaged_generator)
        owners = (*networks, self.d_optimizer, self.g_optimizer)
        return [variable for owner in owners for variable in owner.variables]

    def non_finite_variable(self):
        """The path of a variable of the networks or optimizers that is NaN or infinite, or None."""
        for variable in self.variables:
            if variable.dtype == "float32" and not tf.reduce_all(tf.math.is_finite(variable)):
                return variable.path
        return None
