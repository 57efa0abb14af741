"""Keras' optimizers, the update of a variable in one kernel.

The arithmetic is Keras' own; as separate operations it passes over the seven million numbers of the
generator eight times.
"""

import keras
import tensorflow as tf

from tf2gan.devices.replicas import mean_over_replicas


def build_optimizer(network, recipe, learning_rate, *, total_steps, dtype):
    """Returns a recipe's optimizer for a network, slots made: a later trace cannot make variables.

    float16's small range needs its loss scaled, by a factor that each network finds for itself.
    """
    if recipe.final_learning_rate < 1 and total_steps:
        learning_rate = keras.optimizers.schedules.CosineDecay(
            learning_rate, total_steps, alpha=recipe.final_learning_rate
        )
    if recipe.optimizer == "adam":
        decays = {"beta_1": recipe.beta_1, "beta_2": recipe.beta_2}
        optimizer = FusedAdam(learning_rate, **decays, epsilon=recipe.epsilon)
    else:
        optimizer = FusedSGD(learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)
    if dtype == tf.float16:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def apply_gradients(optimizer, gradients, network):
    """Updates a network with the mean over replicas of its gradients; returns that mean's norm.

    Args:
      optimizer: from `build_optimizer`.
      gradients: one for each trainable variable, scaled as the optimizer's `scale_loss` says.
      network: the Keras model.

    Returns:
      The global norm of the mean gradients, unscaled: a float32 scalar.
    """
    gradients = mean_over_replicas(gradients)
    norm = tf.linalg.global_norm(gradients) / optimizer.scale_loss(1.0)
    optimizer.apply(gradients, network.trainable_variables)
    return norm


class WithoutAllReduce:
    """Each replica updates its copies: `apply_gradients` averaged what Keras would sum again."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, getattr(variable, "value", variable), learning_rate)


class FusedSGD(WithoutAllReduce, keras.optimizers.SGD):
    """Keras' SGD."""

    def update_step(self, gradient, variable, learning_rate):
        if not self.momentum:  # Keras keeps no means then
            variable.assign_sub(gradient * tf.cast(learning_rate, variable.dtype))
            return
        momentum = self.momentums[self._get_variable_index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )


class FusedAdam(WithoutAllReduce, keras.optimizers.Adam):
    """Keras' Adam."""

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def gradient_means(optimizer):
    """Running means of the gradients, as an optimizer keeps them: an array for each variable.

    None for SGD without momentum, which keeps none.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if isinstance(optimizer, FusedAdam):
        return [mean.numpy() for mean in optimizer._momentums]
    if not optimizer.momentum:
        return None
    # `numpy` reads a copy of a mirrored rate too, which `float` refuses. SGD sums -rate * gradient.
    scale = -(1 - optimizer.momentum) / float(optimizer.learning_rate.numpy())
    return [scale * momentum.numpy() for momentum in optimizer.momentums]
