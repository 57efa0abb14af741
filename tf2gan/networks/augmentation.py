"""Augmentation of all that D sees, real and generated images alike: random translation.

With few images D overfits to them; translated, each of them is many (Zhao et al. 2020).
"""

import tensorflow as tf

from tf2gan.networks.latents import PHILOX


def first_step(recipe, total_steps, epoch_steps):
    """The first step with augmentation: it starts once D could overfit, not before.

    The later of a recipe's two settings applies; what the steps are None for counts as 0.
    """
    return max(
        int(recipe.shift_after * (total_steps or 0)),
        recipe.shift_from_epoch * (epoch_steps or 0),
    )


def draw_shifts(key, count, reach):
    """How far each of `count` images is translated: float32 `[count, 2]`, whole pixels.

    Args:
      key: a (key, counter), from `tf2gan.networks.latents.philox_key`.
      reach: the most pixels, down or up, and right or left.
    """
    words, counter = key
    pixels = tf.raw_ops.StatelessRandomUniformIntV2(
        shape=(count, 2), key=words, counter=counter, alg=PHILOX, minval=-reach, maxval=reach + 1
    )
    return tf.cast(pixels, tf.float32)  # integers go through the host of a GPU


def translate(images, shifts, reach, edge="wrap"):
    """Images `[B, H, W, C]`, each translated by its own pixels; differentiable.

    Along each axis a slice of constant size for every number of pixels, and a choice: a gather of
    rows and columns would compute its integers on the host of a GPU.

    Args:
      shifts: `[B, 2]`, whole pixels down and right, from -reach to reach; None for none.
      edge: what fills the gap: `wrap`, what leaves one edge enters at the other; or `mirror`, what
        lies at that edge, mirrored.
    """
    if shifts is None:
        return images
    for axis in (1, 2):
        wanted = tf.reshape(tf.cast(shifts, tf.float32)[:, axis - 1], (-1, 1, 1, 1))
        original = images
        for pixels in (p for p in range(-reach, reach + 1) if p):
            translated = _translate_all(original, pixels, axis, edge)
            images = tf.where(tf.equal(wanted, float(pixels)), translated, images)
    return images


def _translate_all(images, pixels, axis, edge):
    size, ends = images.shape[axis], [[0, 0] for _ in images.shape]
    if edge == "mirror" and pixels > 0:
        ends[axis] = [pixels, 0]
        return tf.split(tf.pad(images, ends, "SYMMETRIC"), [size, pixels], axis)[0]
    if edge == "mirror":
        ends[axis] = [0, -pixels]
        return tf.split(tf.pad(images, ends, "SYMMETRIC"), [-pixels, size], axis)[1]
    kept, wrapped = tf.split(images, [size - pixels % size, pixels % size], axis)
    return tf.concat([wrapped, kept], axis)
