"""What only the recipe `modern` adds to the step: moved images, a gradient penalty, an average.

In `classic` none of it is computed. `gan.py` calls it.
"""

import tensorflow as tf

from tf2gan.sampling.sampler import PHILOX


def shifts_of(key, count, reach):
    """How far each of `count` images is moved: whole pixels down and right, float32 `[count, 2]`.

    Args:
      key: a `tf2gan.sampling.sampler.philox_key`.
      reach: the pixels at most, either way.
    """
    key, counter = key
    pixels = tf.raw_ops.StatelessRandomUniformIntV2(
        shape=(count, 2), key=key, counter=counter, alg=PHILOX, minval=-reach, maxval=reach + 1
    )
    return tf.cast(pixels, tf.float32)  # integers go through the host of a GPU


def moved(images, shifts, reach, edge="wrap"):
    """Images `[B, H, W, C]`, each moved its own way.

    Each way is a slice of constant size and a choice: a gather of rows and columns would compute
    its integers on the host of a GPU.

    Args:
      shifts: `[B, 2]`, whole pixels down and right, from -reach to reach; None for none.
      edge: what fills the gap: `wrap`, what leaves one edge enters at the other; or `mirror`, what
        lies at that edge, mirrored.
    """
    if shifts is None:
        return images
    for axis in (1, 2):
        way = tf.reshape(tf.cast(shifts, tf.float32)[:, axis - 1], (-1, 1, 1, 1))
        still = images
        for pixels in (p for p in range(-reach, reach + 1) if p):
            step = _moved_all(still, pixels, axis, edge)
            images = tf.where(tf.equal(way, float(pixels)), step, images)
    return images


def _moved_all(images, pixels, axis, edge):
    if edge == "mirror":
        ends = [[0, 0] for _ in images.shape]
        ends[axis][pixels < 0] = abs(pixels)
        padded = tf.pad(images, ends, "SYMMETRIC")
        extra = [abs(pixels), images.shape[axis]] if pixels < 0 else [images.shape[axis], pixels]
        return tf.split(padded, extra, axis)[int(pixels < 0)]
    wrapped = pixels % images.shape[axis]
    kept, wrapped = tf.split(images, [images.shape[axis] - wrapped, wrapped], axis)
    return tf.concat([wrapped, kept], axis)


def add_penalty(gradients, gan, real_images, due):
    """Adds the gradients of weight / 2 * mean |d logit / d real image|^2.

    R1 of Mescheder et al. (2018), in one of `penalty_every` steps and as many times as large.

    Args:
      gradients: the loss', for each of D's variables.
      gan: a `tf2gan.gan.GAN`.
      real_images: float32 `[B, H, W, C]`.
      due: whether this is such a step, known now (a Python bool) or when it runs (a tensor).
    """
    recipe, optimizer = gan.recipe, gan.d_optimizer
    variables = [variable.value for variable in gan.discriminator.trainable_variables]

    def added():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            with tf.GradientTape(watch_accessed_variables=False) as slope_tape:
                slope_tape.watch(real_images)
                # XLA lacks the second derivative of a max-pooling in bfloat16 and float16.
                logits = gan._evaluate(
                    gan.discriminator,
                    real_images,
                    training=True,
                    logits=True,
                    pool_dtype=tf.float32,
                )
            slopes = slope_tape.gradient(logits, real_images)
            penalty = tf.reduce_mean(tf.reduce_sum(slopes**2, [1, 2, 3]))
            weight = recipe.gradient_penalty * recipe.penalty_every
            scaled_penalty = optimizer.scale_loss(-weight / 2 * penalty)
        # The last bias has none: it does not move the slope.
        zero = tf.UnconnectedGradients.ZERO
        more = tape.gradient(scaled_penalty, variables, unconnected_gradients=zero)
        # A sum of three large tensors TensorFlow makes in a variable, which it finds to exist when
        # the loop comes again; a difference it leaves alone.
        return [gradient - part for gradient, part in zip(gradients, more, strict=True)]

    if isinstance(due, bool):
        return added() if due else gradients
    return tf.cond(due, added, lambda: gradients)


def move_average(average, generator, recipe, step):
    """Moves the averaged generator towards the generator, as far as `averaging_every` steps would.

    The decay of a step is (1 + step) / (10 + step) at first, smaller, so that the average is
    quicker.
    """
    step = tf.cast(step, tf.float32)
    decay = tf.minimum(recipe.averaging, (1 + step) / (10 + step)) ** recipe.averaging_every
    for mean, variable in zip(average.weights, generator.weights, strict=True):
        mean.assign_sub((1 - decay) * (mean - variable))
