"""Latents as a pure function of a seed, in U(-1, 1)."""

import tensorflow as tf

from tf2gan.networks.models import LATENT_SIZE

# What a draw is for: two uses of one seed never share a latent.
DISCRIMINATOR, GENERATOR, SAMPLES, CALIBRATION = 0, 1, 2, 3
OTHER_AUGMENTATION = -(2**40)  # below those of translation, whatever the step
PHILOX = 1  # its number among TensorFlow's generators


def number_of(index, use):
    """The number of a draw, int64: of step or block `index`, for a use.

    Augmentation has negative ones: translation -1 - step, all else `OTHER_AUGMENTATION` - step.
    """
    return tf.cast(index, tf.int64) * 4 + use


def draw_latents(count, *, seed, index, use):
    """Draws latents `[count, 100]`, float32 in U(-1, 1), from (seed, index, use) alone.

    `index` is the training step, or the number of the block of samples.
    """
    return latents_of(philox_key(seed, number_of(index, use)), count)


def philox_key(seed, number):
    """The (key, counter) of a draw, from two integers; uint64 `[1]` and `[2]`.

    This and `latents_of` are the two halves of `tf.random.stateless_uniform`. This half has no GPU
    kernel: a window of training steps does it once for all of them. Philox by name, for the default
    generator differs between devices.
    """
    seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(number, tf.int64)])
    return tuple(tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed))


def latents_of(key, count):
    """The latents `[count, 100]` of a `philox_key`."""
    words, counter = key
    uniform = tf.raw_ops.StatelessRandomUniformV2(
        shape=(count, LATENT_SIZE), key=words, counter=counter, alg=PHILOX
    )
    return uniform * 2.0 - 1.0
