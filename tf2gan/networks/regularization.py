"""R1 regularization of the discriminator, and the moving average of the generator's weights.

Both are lazy: done in one of so many steps. `due` says whether a step is one of them: a scalar
bool tensor, constant or not.
"""

import tensorflow as tf


def if_due(due, then, otherwise):
    """`then()` or `otherwise()`; no branch is made where `due` is a constant."""
    known = tf.get_static_value(due)
    if known is None:
        return tf.cond(due, then, otherwise)
    return then() if known else otherwise()


def add_r1(gradients, discriminate, real_images, variables, *, weight, scale, due):
    """D's gradients, and where `due` those of weight / 2 * mean |d logit / d real image|^2 too.

    R1 of Mescheder et al. (2018): D is kept from growing too steep at real images.

    Args:
      gradients: the loss', one for each of the variables.
      discriminate: maps images to logits `[B, 1]`.
      real_images: float32 `[B, H, W, C]`.
      variables: D's trainable ones, as tensors or `tf.Variable`s.
      weight: of the penalty: a recipe's, times the steps between two of them (Karras et al. 2020).
      scale: by how much `gradients` are scaled, for float16.
      due: scalar bool.
    """

    def with_r1():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            with tf.GradientTape(watch_accessed_variables=False) as image_tape:
                image_tape.watch(real_images)
                logits = discriminate(real_images)
            slopes = image_tape.gradient(logits, real_images)
            penalty = -weight / 2 * tf.reduce_mean(tf.reduce_sum(slopes**2, [1, 2, 3]))
        # The last bias has no gradient: it does not change the slope.
        zero = tf.UnconnectedGradients.ZERO
        negative = tape.gradient(penalty, variables, scale, unconnected_gradients=zero)
        # Subtract, do not add: TensorFlow accumulates a sum of three large tensors in a temporary
        # variable, which still exists in the loop's next iteration.
        return [gradient - part for gradient, part in zip(gradients, negative, strict=True)]

    return if_due(due, with_r1, lambda: gradients)


def update_ema(ema, network, *, decay, every, step, due):
    """Where `due`, moves the moving average `ema` of a network's weights and statistics.

    ema = kept * ema + (1 - kept) * network, where kept = decay ** every (Karras et al. 2017). At
    first a step's decay is smaller, (1 + step) / (10 + step), as in TensorFlow's own moving
    average, so that the initial weights are forgotten.
    """

    def move():
        done = tf.cast(step, tf.float32)
        kept = tf.minimum(decay, (1 + done) / (10 + done)) ** every
        for average, variable in zip(ema.weights, network.weights, strict=True):
            average.assign_sub((1 - kept) * (average - variable))

    if_due(due, move, lambda: None)
