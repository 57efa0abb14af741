"""The GAN: two networks, two optimizers, and the training step, explicit and on one screen.

Where a recipe says nothing else the step is the original's. Augmentation, R1 and the moving
average are `modern`'s, and cost nothing in `classic`. `tf2gan.training.runner` runs the step.
"""

import functools

import keras
import tensorflow as tf

from tf2gan.devices.precision import choose_dtype
from tf2gan.networks import augmentation
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.networks.optimizers import apply_gradients, build_optimizer
from tf2gan.networks.polyphase import forward
from tf2gan.networks.regularization import add_r1, if_due, update_ema
from tf2gan.settings.config import TrainConfig

METRICS = (  # what a step returns
    "loss/d",
    "loss/g",
    "score/real",
    "score/fake",
    "accuracy/real",
    "accuracy/fake",
    "gradient_norm/d",
    "gradient_norm/g",
)


class GAN:
    """A generator G and a discriminator D that are trained against each other.

    Args:
      config: a `TrainConfig`.
      total_steps: the steps of the whole run, over which a recipe's learning rates decay; without
        it they are constant.
      epoch_steps: the steps of an epoch; augmentation starts after `shift_from_epoch` of them,
        without it at once.

    Attributes:
      generator, discriminator: plain Keras models (`tf2gan.networks.models`).
      ema_generator: the one to draw samples from: an exponential moving average (EMA) of the
        generator's weights where the recipe has one, otherwise the generator itself.
      d_optimizer, g_optimizer: Keras optimizers, built for the variables of one network each.
      step: int64 scalar variable, the training steps done.
      augment_from: the first step with augmentation.
      augment_probability: of each of its kinds, for each image: a number, or where it is steered a
        float32 scalar variable.
      dtype, dtype_reason: what convolutions and matrix products compute in, and why.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        total_steps: int | None = None,
        epoch_steps: int | None = None,
    ) -> None:
        self.config = config
        self.recipe = recipe = config.recipe_values
        self.dtype, self.dtype_reason = choose_dtype(config.mixed_precision)
        shape = {"image_size": config.size, "channels": config.channels, "seed": config.seed}
        self.generator: keras.Sequential = build_generator(**shape)
        self.discriminator: keras.Sequential = build_discriminator(**shape)
        self.ema_generator = build_generator(**shape) if recipe.averaging else self.generator
        build = functools.partial(build_optimizer, total_steps=total_steps, dtype=self.dtype)
        self.d_optimizer = build(self.discriminator, recipe, recipe.d_learning_rate)
        self.g_optimizer = build(self.generator, recipe, recipe.g_learning_rate)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.augment_from = augmentation.first_step(recipe, total_steps, epoch_steps)
        self.augment_probability = recipe.augment_probability
        if recipe.augment_target:
            self.augment_probability = tf.Variable(0.0, trainable=False, name="augment_probability")

    def train_step(
        self,
        real_images: tf.Tensor,
        discriminator_latents: tf.Tensor,
        generator_latents: tf.Tensor,
        augmentations: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """One step: D's update, then G's through the updated D.

        Given its inputs it draws nothing at random. Call it inside a `tf.function` for speed.
        `tf2gan.training.runner` calls its three parts itself: the host chooses what is due.

        Args:
          real_images: float32 `[B, H, W, C]` in [-1, 1].
          discriminator_latents: float32 `[B, 100]` in [-1, 1], for the fakes shown to D.
          generator_latents: float32 `[B, 100]` in [-1, 1], fresh ones for the generator's update.
          augmentations: how D sees real image i and generated image i changed, the numbers of
            `tf2gan.networks.augmentation.draw`; of translation alone `[B, 2]`, whole pixels down
            and right; None for no augmentation.

        Returns:
          A dict of float32 scalars, one for each name in `METRICS`.
        """
        r1_due, ema_due, augmenting = self.due_at(self.step)
        metrics = self.update_both(
            real_images, discriminator_latents, generator_latents, augmentations, r1_due=r1_due
        )
        self.finish_step(metrics, ema_due, augmenting)
        return metrics

    def update_both(
        self, real_images, discriminator_latents, generator_latents, augmentations=None, *, r1_due
    ):
        """D's update, then G's: what a step computes of its batch; arguments as in `train_step`."""
        d_metrics = self.discriminator_step(
            real_images, discriminator_latents, augmentations, r1_due
        )
        g_metrics = self.generator_step(generator_latents, augmentations)
        return d_metrics | g_metrics

    def discriminator_step(self, real_images, latents, augmentations=None, r1_due=False):
        """D's update, to minimise -log D(x) - log(1 - D(G(z))): real is 1, fake is 0.

        The fakes come from outside the tape: no gradient reaches G. `classic` makes them in
        inference mode, as the original's `g.predict` did; in training mode, G's moving statistics
        are updated here too.
        """
        variables = variables_of(self.discriminator)
        fake_images = self._generate(latents, training=self.recipe.fakes_in_training_mode)
        real_images, fake_images = (
            self._augment(images, augmentations) for images in (real_images, fake_images)
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = self._discriminate(tf.concat([real_images, fake_images], 0))
            real_logits, fake_logits = tf.split(logits, 2)
            labels = tf.concat([tf.ones_like(real_logits), tf.zeros_like(fake_logits)], 0)
            loss = tf.reduce_mean(self._cross_entropy(labels, logits))
        loss_scale = self.d_optimizer.scale_loss(1.0)  # float16's; otherwise 1
        gradients = tape.gradient(loss, variables, output_gradients=loss_scale)
        if self.recipe.gradient_penalty:
            gradients = self._regularize(gradients, variables, real_images, loss_scale, r1_due)
        gradient_norm = apply_gradients(self.d_optimizer, gradients, self.discriminator)
        return {
            "loss/d": loss,
            "score/real": tf.reduce_mean(tf.sigmoid(real_logits)),
            "score/fake": tf.reduce_mean(tf.sigmoid(fake_logits)),
            "accuracy/real": tf.reduce_mean(tf.cast(real_logits > 0, tf.float32)),
            "accuracy/fake": tf.reduce_mean(tf.cast(fake_logits <= 0, tf.float32)),
            "gradient_norm/d": gradient_norm,
        }

    def generator_step(self, latents, augmentations=None):
        """G's update, to minimise -log D(G(z)): its images should be labelled 1 by D.

        The gradient flows through D, but only G's variables are watched and updated: that is all
        the original's stacked model and `trainable` toggle did.
        """
        variables = variables_of(self.generator)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            fake_images = self._augment(self._generate(latents, training=True), augmentations)
            logits = self._discriminate(fake_images)
            loss = tf.reduce_mean(self._cross_entropy(tf.ones_like(logits), logits))
        loss_scale = self.g_optimizer.scale_loss(1.0)
        gradients = tape.gradient(loss, variables, output_gradients=loss_scale)
        gradient_norm = apply_gradients(self.g_optimizer, gradients, self.generator)
        return {"loss/g": loss, "gradient_norm/g": gradient_norm}

    def finish_step(self, metrics, ema_due, augmenting):
        """What follows the updates: augmentation is steered, the EMA moved, the step counted."""
        if self.recipe.augment_target:
            if_due(augmenting, functools.partial(self._steer, metrics), lambda: None)
        if self.recipe.averaging:
            update_ema(
                self.ema_generator,
                self.generator,
                decay=self.recipe.averaging,
                every=self.recipe.averaging_every,
                step=self.step,
                due=ema_due,
            )
        self.step.assign_add(1)

    def _steer(self, metrics):
        """Moves the probability of augmentation by how far D overfits."""
        accuracy, target = metrics["accuracy/real"], self.recipe.augment_target
        self.augment_probability.assign(
            augmentation.steered(self.augment_probability, accuracy, target, self.config.batch)
        )

    def due_at(self, step):
        """Whether the step of that number adds R1, moves the EMA, augments: scalar bools."""
        r1_due = tf.equal(step % self.recipe.penalty_every, 0)
        ema_due = tf.equal(step % self.recipe.averaging_every, 0)
        return r1_due, ema_due, step >= self.augment_from

    def _generate(self, latents, *, training):
        """G(z): images `[B, H, W, C]` of latents `[B, 100]`."""
        return forward(self.generator, latents, training=training, dtype=self.dtype)

    def _discriminate(self, images, pool_dtype=None):
        """D(x) before its sigmoid: logits `[B, 1]` of images `[B, H, W, C]`."""
        how = {"training": True, "dtype": self.dtype, "pool_dtype": pool_dtype}
        return forward(self.discriminator, images, logits=True, **how)

    def _cross_entropy(self, labels, logits):
        """Binary cross-entropy `[B, 1]`; of logits, for a sigmoid that rounds to 0 has no log."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)

    def _augment(self, images, augmentations):
        """What D sees of images, real or generated."""
        return augmentation.augment(images, augmentations, self.recipe)

    def _regularize(self, gradients, variables, real_images, loss_scale, due):
        """D's gradients, where `due` plus R1's."""
        return add_r1(
            gradients,
            # XLA lacks the second derivative of a max-pooling in bfloat16 and float16.
            functools.partial(self._discriminate, pool_dtype=tf.float32),
            real_images,
            variables,
            weight=self.recipe.gradient_penalty * self.recipe.penalty_every,
            scale=loss_scale,
            due=due,
        )

    def set_weights(self, generator_weights, discriminator_weights=None):
        """Sets the networks' weights, lists of arrays; the optimizers and the step stay as new."""
        for network in (self.generator, self.ema_generator):
            network.set_weights(generator_weights)
        if discriminator_weights:
            self.discriminator.set_weights(discriminator_weights)

    @property
    def variables(self):
        """Every Keras variable of the networks and optimizers."""
        networks = (self.generator, self.discriminator, self.ema_generator)
        owners = (*networks, self.d_optimizer, self.g_optimizer)
        return [variable for owner in owners for variable in owner.variables]

    @property
    def state(self):
        """Every variable that a step changes."""
        steered = [self.augment_probability] if self.recipe.augment_target else []
        return [self.step, *steered, *self.variables]

    def non_finite_variable(self):
        """The path of a variable of the networks or optimizers that is NaN or infinite, or None."""
        for variable in self.variables:
            if variable.dtype == "float32" and not tf.reduce_all(tf.math.is_finite(variable)):
                return variable.path
        return None


def variables_of(network):
    """The `tf.Variable`s inside a network's trainable Keras variables: what a tape watches."""
    return [variable.value for variable in network.trainable_variables]
