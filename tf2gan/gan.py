"""The GAN: two networks, two optimizers, and the training step, explicit and on one screen."""

import functools

import keras
import tensorflow as tf

from tf2gan.data.images import SIZE, to_unit
from tf2gan.distribution import mean_over_replicas, on_slices, synchronise_batch_statistics
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.networks.optimizers import build_optimizer
from tf2gan.networks.polyphase import evaluate
from tf2gan.networks.precision import choose_dtype
from tf2gan.recipes import RECIPES
from tf2gan.sampling import DISCRIMINATOR, GENERATOR, draw_latents

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

AVERAGE_EVERY = (
    8  # steps: each time costs three passes over the generator, a tenth of a step of 32 images
)


def moved(images, shifts):
    """Images `[B, 28, 28, 1]`, each moved its own way; what leaves one edge enters at the other.

    Args:
      shifts: int32 `[B, 2]`, the pixels down and right; None for none.
    """
    if shifts is None:
        return images
    rows, columns = tf.unstack((tf.range(SIZE) - shifts[:, :, tf.newaxis]) % SIZE, axis=1)
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


class GAN:
    """A generator and a discriminator that are trained against each other.

    Args:
      config: a `TrainConfig`.
      total_steps: the steps of the whole run, over which a recipe's learning rates fall and after a
        share of which its images move; without it the rates stay and the images move at once.
      recipe: a `Recipe` in place of the one that `config` names.
      strategy: what `tf2gan.distribution.choose` returned; by default everything is on one device.

    Attributes:
      generator, discriminator: plain Keras models (`tf2gan.models`).
      averaged_generator: the one to draw samples from: a running average of the generator where the
        recipe has one, otherwise the generator itself.
      d_optimizer, g_optimizer: Keras optimizers, built for the variables of one network each.
      step: int64 scalar variable, the training steps done.
      dtype, dtype_reason: what convolutions and matrix products compute in, and why.
    """

    def __init__(self, config, *, total_steps=None, recipe=None, strategy=None):
        self.config = config
        self.recipe = recipe = recipe or RECIPES[config.recipe]
        self._shift_from = int(recipe.shift_after * (total_steps or 0))
        self.strategy = strategy or tf.distribute.get_strategy()
        self.dtype, self.dtype_reason = choose_dtype(config.mixed_precision, self.strategy)
        build = functools.partial(build_optimizer, total_steps=total_steps, dtype=self.dtype)
        with self.strategy.scope():
            self.generator = build_generator(seed=config.seed)
            self.discriminator = build_discriminator(seed=config.seed)
            self.d_optimizer = build(self.discriminator, recipe, recipe.d_learning_rate)
            self.g_optimizer = build(self.generator, recipe, recipe.g_learning_rate)
            self.averaged_generator = (
                build_generator(seed=config.seed) if recipe.averaging else self.generator
            )
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        synchronise_batch_statistics(self.generator, self.strategy)
        self._evaluate = functools.partial(evaluate, dtype=self.dtype)
        # Keras' own mean would divide by the number of replicas: it expects gradients to be summed.
        self._cross_entropies = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
        # One trace serves every window length and every data set.
        self.train_steps = tf.function(
            self._train_steps,
            input_signature=[
                tf.TensorSpec((None, 28, 28), tf.uint8),
                tf.TensorSpec((None, config.batch), tf.int32),
            ],
        )

    @property
    def variables(self):
        """Every Keras variable of the networks and optimizers."""
        owners = (
            self.generator,
            self.discriminator,
            self.averaged_generator,
            self.d_optimizer,
            self.g_optimizer,
        )
        return [variable for owner in owners for variable in owner.variables]

    def non_finite_variable(self):
        """The path of a variable of the networks or optimizers that holds NaN or infinity, or None."""
        for variable in self.variables:
            if variable.dtype == "float32" and not tf.reduce_all(tf.math.is_finite(variable)):
                return variable.path
        return None

    def discriminator_step(self, real_images, latents, shifts=None):
        """Updates the discriminator alone: real images are labelled 1, generated ones 0.

        The fakes come from outside the tape: no gradient reaches the generator. `classic` makes them
        in inference mode, as the original's `g.predict` did.
        """
        variables = self.discriminator.trainable_variables
        fake_images = self._evaluate(
            self.generator, latents, training=self.recipe.fakes_in_training_mode
        )
        images = tf.concat([moved(real_images, shifts), moved(fake_images, shifts)], 0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            logits = self._evaluate(self.discriminator, images, training=True, logits=True)
            real_logits, fake_logits = tf.split(logits, 2)
            labels = tf.concat([tf.ones_like(real_logits), tf.zeros_like(fake_logits)], 0)
            loss = tf.reduce_mean(self._cross_entropies(labels, logits))
            scaled_loss = self.d_optimizer.scale_loss(loss)  # float16's; `apply` divides it out
        gradients = tape.gradient(scaled_loss, variables)
        if self.recipe.gradient_penalty:
            gradients = tf.cond(
                self.step % self.recipe.penalty_every == 0,
                lambda: self._add_penalty_gradients(gradients, tf.split(images, 2)[0]),
                lambda: gradients,
            )
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

    def _add_penalty_gradients(self, gradients, real_images):
        """Adds the gradients of weight / 2 * mean |d logit / d real image|^2, times the steps that go without."""
        variables = [variable.value for variable in self.discriminator.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            with tf.GradientTape(watch_accessed_variables=False) as slope_tape:
                slope_tape.watch(real_images)
                logits = self._evaluate(self.discriminator, real_images, training=True, logits=True)
            slopes = slope_tape.gradient(logits, real_images)
            penalty = tf.reduce_mean(tf.reduce_sum(slopes**2, [1, 2, 3]))
            weight = self.recipe.gradient_penalty * self.recipe.penalty_every
            scaled_penalty = self.d_optimizer.scale_loss(weight / 2 * penalty)
        # The last bias has none: it does not move the slope.
        added = tape.gradient(
            scaled_penalty, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [gradient + more for gradient, more in zip(gradients, added, strict=True)]

    def generator_step(self, latents, shifts=None):
        """Updates the generator alone: its images should be labelled 1 by the discriminator.

        The gradient flows through the discriminator, but only the generator's variables are
        watched and updated: that is all the original's stacked model and `trainable` toggle did.
        """
        variables = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            fake_images = self._evaluate(self.generator, latents, training=True)
            logits = self._evaluate(
                self.discriminator, moved(fake_images, shifts), training=True, logits=True
            )
            loss = tf.reduce_mean(self._cross_entropies(tf.ones_like(logits), logits))
            scaled_loss = self.g_optimizer.scale_loss(loss)
        gradients = mean_over_replicas(tape.gradient(scaled_loss, variables))
        gradient_norm = tf.linalg.global_norm(gradients) / self.g_optimizer.scale_loss(1.0)
        self.g_optimizer.apply(gradients, variables)
        return {"loss/g": loss, "gradient_norm/g": gradient_norm}

    def train_step(self, real_images, discriminator_latents, generator_latents, shifts=None):
        """One step: the discriminator is updated first, then the generator through the updated one.

        Given its inputs it draws nothing at random. Call it inside a `tf.function` for speed.

        Args:
          real_images: float32 `[B, 28, 28, 1]` in [-1, 1].
          discriminator_latents: float32 `[B, 100]` in [-1, 1], for the fakes shown to D.
          generator_latents: float32 `[B, 100]` in [-1, 1], fresh ones for the generator's update.
          shifts: int32 `[B, 2]`, the pixels down and right by which what D sees is moved; None for none.

        Returns:
          A dict of float32 scalars, one for each name in `METRICS`.
        """

        def update(real_images, discriminator_latents, generator_latents, *shifts):
            metrics = self.discriminator_step(real_images, discriminator_latents, *shifts)
            metrics.update(self.generator_step(generator_latents, *shifts))
            return metrics

        batches = [
            real_images,
            discriminator_latents,
            generator_latents,
            *([] if shifts is None else [shifts]),
        ]
        metrics = on_slices(self.strategy, update, *batches)
        if self.recipe.averaging and self.step % AVERAGE_EVERY == 0:
            self._average()
        self.step.assign_add(1)
        return metrics

    def _draw_shifts(self):
        """Draws the pixels down and right, int32 `[B, 2]`, of this step from (seed, step); 0 until the images move."""
        key = tf.stack(
            [tf.cast(self.config.seed, tf.int64), -1 - self.step]
        )  # latents have the keys from 0
        reach = self.recipe.shift
        shape = (self.config.batch, 2)
        shifts = tf.random.stateless_uniform(shape, key, -reach, reach + 1, tf.int32, alg="philox")
        return shifts * tf.cast(self.step >= self._shift_from, tf.int32)

    def _average(self):
        """Moves the averaged generator a little towards the generator; faster at first."""
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.recipe.averaging, (1 + step) / (10 + step)) ** AVERAGE_EVERY
        for average, variable in zip(
            self.averaged_generator.weights, self.generator.weights, strict=True
        ):
            average.assign_sub((1 - decay) * (average - variable))

    def _train_steps(self, images, rows):
        """Runs one window of steps in the graph: Python is entered once a window, not once a step.

        Args:
          images: the data set, uint8 `[N, 28, 28]`, kept on the device.
          rows: int32 `[steps, B]`, which images make each batch.

        Returns:
          A dict of float32 scalars: the mean of each metric over the window.
        """
        draw = functools.partial(draw_latents, self.config.batch, seed=self.config.seed)
        totals = dict.fromkeys(METRICS, 0.0)
        for batch in rows:
            real_images = to_unit(tf.cast(tf.gather(images, batch), tf.float32))[..., tf.newaxis]
            discriminator_latents = draw(index=self.step, use=DISCRIMINATOR)
            generator_latents = draw(index=self.step, use=GENERATOR)
            shifts = self._draw_shifts() if self.recipe.shift else None
            metrics = self.train_step(real_images, discriminator_latents, generator_latents, shifts)
            totals = {name: totals[name] + metrics[name] for name in METRICS}
        count = tf.cast(tf.shape(rows)[0], tf.float32)
        return {name: total / count for name, total in totals.items()}
