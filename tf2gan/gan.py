"""The GAN: two networks, two optimizers, and the training step, explicit and on one screen."""

import functools

import keras
import tensorflow as tf

from tf2gan.images import to_unit
from tf2gan.models import build_discriminator, build_generator
from tf2gan.polyphase import evaluate
from tf2gan.precision import choose_dtype
from tf2gan.sampling import DISCRIMINATOR, GENERATOR, draw_latents

METRICS = (
    "loss/d", "loss/g", "score/real", "score/fake", "accuracy/real", "accuracy/fake",
    "gradient_norm/d", "gradient_norm/g",
)  # fmt: skip


class GAN:
    """A generator and a discriminator that are trained against each other.

    Attributes:
      generator, discriminator: plain Keras models (`tf2gan.models`).
      d_optimizer, g_optimizer: Keras optimizers, built for the variables of one network each.
      step: int64 scalar variable, the training steps done.
      dtype, dtype_reason: what convolutions and matrix products compute in, and why.
    """

    def __init__(self, config):
        self.config = config
        self.generator = build_generator(seed=config.seed)
        self.discriminator = build_discriminator(seed=config.seed)
        self.dtype, self.dtype_reason = choose_dtype(config.mixed_precision)
        self.d_optimizer = _build_optimizer(self.discriminator, self.dtype)
        self.g_optimizer = _build_optimizer(self.generator, self.dtype)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._evaluate = functools.partial(evaluate, dtype=self.dtype)
        self._cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        # One trace serves every window length and every data set.
        self.train_steps = tf.function(
            self._train_steps,
            input_signature=[
                tf.TensorSpec((None, 28, 28), tf.uint8),
                tf.TensorSpec((None, config.batch), tf.int32),
            ],
        )

    def non_finite_variable(self):
        """The path of a variable of the networks or optimizers that holds NaN or infinity, or None."""
        owners = (self.generator, self.discriminator, self.d_optimizer, self.g_optimizer)
        for variable in (variable for owner in owners for variable in owner.variables):
            if variable.dtype == "float32" and not tf.reduce_all(tf.math.is_finite(variable)):
                return variable.path
        return None

    def discriminator_step(self, real_images, latents):
        """Updates the discriminator alone: real images are labelled 1, generated ones 0.

        The fakes come from the generator in inference mode, as the seed's `g.predict` made them,
        and from outside the tape: no gradient reaches the generator.
        """
        variables = self.discriminator.trainable_variables
        fake_images = self._evaluate(self.generator, latents, training=False)
        images = tf.concat([real_images, fake_images], 0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            logits = self._evaluate(self.discriminator, images, training=True, logits=True)
            real_logits, fake_logits = tf.split(logits, 2)
            labels = tf.concat([tf.ones_like(real_logits), tf.zeros_like(fake_logits)], 0)
            loss = self._cross_entropy(labels, logits)
            scaled_loss = self.d_optimizer.scale_loss(loss)  # float16's; `apply` divides it out
        gradients = tape.gradient(scaled_loss, variables)
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

    def generator_step(self, latents):
        """Updates the generator alone: its images should be labelled 1 by the discriminator.

        The gradient flows through the discriminator, but only the generator's variables are
        watched and updated: that is all the seed's stacked model and `trainable` toggle did.
        """
        variables = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            fake_images = self._evaluate(self.generator, latents, training=True)
            logits = self._evaluate(self.discriminator, fake_images, training=True, logits=True)
            loss = self._cross_entropy(tf.ones_like(logits), logits)
            scaled_loss = self.g_optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, variables)
        gradient_norm = tf.linalg.global_norm(gradients) / self.g_optimizer.scale_loss(1.0)
        self.g_optimizer.apply(gradients, variables)
        return {"loss/g": loss, "gradient_norm/g": gradient_norm}

    def train_step(self, real_images, discriminator_latents, generator_latents):
        """One step: the discriminator is updated first, then the generator through the updated one.

        Given its inputs it draws nothing at random. Call it inside a `tf.function` for speed.

        Args:
          real_images: float32 `[B, 28, 28, 1]` in [-1, 1].
          discriminator_latents: float32 `[B, 100]` in [-1, 1], for the fakes shown to D.
          generator_latents: float32 `[B, 100]` in [-1, 1], fresh ones for the generator's update.

        Returns:
          A dict of float32 scalars, one for each name in `METRICS`.
        """
        metrics = self.discriminator_step(real_images, discriminator_latents)
        metrics.update(self.generator_step(generator_latents))
        self.step.assign_add(1)
        return metrics

    def _train_steps(self, images, rows):
        """Runs one window of steps in the graph: Python is entered once a window, not once a step.

        Args:
          images: the data set, uint8 `[N, 28, 28]`, kept on the device.
          rows: int32 `[steps, B]`, which images make each batch.

        Returns:
          A dict of float32 scalars: the mean of each metric over the window.
        """
        draw = functools.partial(draw_latents, self.config.batch, seed=self.config.seed)
        totals = {name: 0.0 for name in METRICS}
        for batch in rows:
            real_images = to_unit(tf.cast(tf.gather(images, batch), tf.float32))[..., tf.newaxis]
            discriminator_latents = draw(index=self.step, use=DISCRIMINATOR)
            generator_latents = draw(index=self.step, use=GENERATOR)
            metrics = self.train_step(real_images, discriminator_latents, generator_latents)
            totals = {name: totals[name] + metrics[name] for name in METRICS}
        count = tf.cast(tf.shape(rows)[0], tf.float32)
        return {name: total / count for name, total in totals.items()}


class FusedSGD(keras.optimizers.SGD):
    """Keras' SGD with momentum, the update of a variable in one kernel.

    The arithmetic is the same; as separate operations it passes over the seven million numbers of
    the generator eight times.
    """

    def update_step(self, gradient, variable, learning_rate):
        momentum = self.momentums[self._get_variable_index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )


def _build_optimizer(network, dtype):
    """The seed's SGD, with its momentum slots made now: a later trace cannot make variables.

    float16's small range needs its loss scaled, by a factor that each network finds for itself.
    """
    optimizer = FusedSGD(learning_rate=0.001, momentum=0.9, nesterov=True)
    if dtype == tf.float16:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer
