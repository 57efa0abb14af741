"""What only the recipe `modern` adds to the step: moved images, a gradient penalty, an average.

In `classic` none of it is computed. `gan.py` calls it.
"""

import tensorflow as tf


def draw_shifts(count, *, seed, step, reach):
    """Draws how far each image is moved, int32 `[count, 2]`, from (seed, step) alone.

    Pixels down and right, from -reach to reach.
    """
    key = tf.stack([tf.cast(seed, tf.int64), -1 - step])  # latents have the keys from 0
    return tf.random.stateless_uniform((count, 2), key, -reach, reach + 1, tf.int32, alg="philox")


def moved(images, shifts):
    """Images `[B, H, W, C]`, each moved its own way; what leaves one edge enters at the other.

    Args:
      shifts: int32 `[B, 2]`, the pixels down and right; None for none.
    """
    if shifts is None:
        return images
    for axis in (1, 2):
        size = images.shape[axis]
        places = (tf.range(size) - shifts[:, axis - 1, tf.newaxis]) % size
        images = tf.gather(images, places, axis=axis, batch_dims=1)
    return images


def add_penalty(gradients, gan, real_images):
    """Adds the gradients of R1, weight / 2 * mean |d logit / d real image|^2.

    Of Mescheder et al. 2018; in one of `penalty_every` steps, and as many times as large.

    Args:
      gradients: the loss', for each of D's variables.
      gan: a `tf2gan.gan.GAN`.
      real_images: float32 `[B, H, W, C]`.
    """
    recipe, optimizer = gan.recipe, gan.d_optimizer
    variables = [variable.value for variable in gan.discriminator.trainable_variables]

    def added():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            with tf.GradientTape(watch_accessed_variables=False) as slope_tape:
                slope_tape.watch(real_images)
                logits = gan._evaluate(gan.discriminator, real_images, training=True, logits=True)
            slopes = slope_tape.gradient(logits, real_images)
            penalty = tf.reduce_mean(tf.reduce_sum(slopes**2, [1, 2, 3]))
            weight = recipe.gradient_penalty * recipe.penalty_every
            scaled_penalty = optimizer.scale_loss(weight / 2 * penalty)
        # The last bias has none: it does not move the slope.
        zero = tf.UnconnectedGradients.ZERO
        more = tape.gradient(scaled_penalty, variables, unconnected_gradients=zero)
        return [gradient + part for gradient, part in zip(gradients, more, strict=True)]

    return tf.cond(gan.step % recipe.penalty_every == 0, added, lambda: gradients)


def move_average(average, generator, recipe, step):
    """Moves the averaged generator towards the generator, as far as `averaging_every` steps would.

    The decay of a step is (1 + step) / (10 + step) at first, smaller, so that the average is
    quicker.
    """
    step = tf.cast(step, tf.float32)
    decay = tf.minimum(recipe.averaging, (1 + step) / (10 + step)) ** recipe.averaging_every
    for mean, variable in zip(average.weights, generator.weights, strict=True):
        mean.assign_sub((1 - decay) * (mean - variable))
