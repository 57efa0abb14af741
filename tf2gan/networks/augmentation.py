"""Augmentation of all that D sees: real and generated images alike, so that G learns none of it.

With few images D overfits to them; changed a little each time, each of them is many (Zhao et al.
2020). How strongly may be steered by how far D overfits (Karras et al. 2020).
"""

import math

import numpy as np
import tensorflow as tf

from tf2gan.networks.latents import PHILOX
from tf2gan.settings.recipes import AUGMENTATION

# The numbers that augmentation takes for an image, in columns: how far down and right it is
# translated, in pixels; the matrix that maps its pixels to those they are taken from; what
# brightness adds, what saturation and contrast multiply; the centre of what is cut out, 0 to 1.
DOWN, RIGHT, MATRIX, BRIGHTNESS, SATURATION, CONTRAST = 0, 1, slice(2, 6), 6, 7, 8
CENTRE = slice(9, 11)
NONE = (0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, -9.0, -9.0)  # what changes nothing
OF_SHIFT = 2  # columns that translation alone takes
UNTIL_ALL = 40_000  # images: how slowly a steered probability moves


def first_step(recipe, total_steps, epoch_steps):
    """The first step with augmentation: it starts once D could overfit, not before.

    The later of a recipe's two settings applies; what the steps are None for counts as 0.
    """
    return max(
        int(recipe.shift_after * (total_steps or 0)),
        recipe.shift_from_epoch * (epoch_steps or 0),
    )


def columns(recipe):
    """How many numbers an image takes: 0 without augmentation, 2 for translation alone."""
    partial = recipe.augment_target or recipe.augment_probability < 1
    shift_alone = not any(getattr(recipe, kind) for kind in AUGMENTATION if kind != "shift")
    if shift_alone and not partial:
        return OF_SHIFT if recipe.shift else 0
    return len(NONE) if recipe.augments else 0


def unchanged(count, recipe):
    """The numbers of `count` images that are left as they are, `[count, columns(recipe)]`."""
    return tf.tile(tf.constant([NONE[: columns(recipe)]]), (count, 1))


def steered(probability, accuracy, target, count):
    """The probability of augmentation after a step of `count` real images (Karras et al. 2020).

    It rises while D overfits, so that it is right about real images more often than `target` says.

    Args:
      accuracy: the share of real images that D is right about; less those it is wrong about, that
        is the mean sign of its logits.
      target: of this mean sign, -1 to 1.
    """
    step = (2.0 * accuracy - 1.0 - target) * (count / UNTIL_ALL)
    return tf.clip_by_value(probability + step, 0.0, 1.0)


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


def draw(shift_key, key=None, *, count, recipe, probability):
    """The numbers of `count` images, float32 `[count, columns(recipe)]`, in `augment`'s columns.

    Args:
      shift_key, key: of the translation, and of all else, from `philox_key`; translation alone
        needs no second one.
      recipe: what is drawn, and from which range.
      probability: of each kind of augmentation, for each image by itself; a number or a scalar.
    """
    shifts = draw_shifts(shift_key, count, recipe.shift)
    if columns(recipe) == OF_SHIFT:
        return shifts
    uniform = tf.raw_ops.StatelessRandomUniformV2(
        shape=(count, 14), key=key[0], counter=key[1], alg=PHILOX
    )
    chosen = tf.cast(uniform[:, :6] < probability, tf.float32)
    shift, mirror, zoom, rotation, color, cutout = tf.unstack(chosen, axis=1)
    side, size, angle, *shades = tf.unstack(2.0 * uniform[:, 6:12] - 1.0, axis=1)
    mirrored = 1.0 - 2.0 * mirror * tf.cast(side < 0, tf.float32) * float(recipe.mirror)
    scale = tf.exp(-zoom * size * math.log1p(recipe.zoom))
    angle = rotation * angle * math.radians(recipe.rotation)
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    brightness, saturation, contrast = (recipe.color * color * shade for shade in shades)
    far = 9.0 * (1.0 - cutout * float(recipe.cutout > 0))  # outside of the image
    return tf.stack(
        [
            *tf.unstack(shifts * shift[:, None], axis=1),
            *(cos, -sin * mirrored, sin, cos * mirrored),
            *(0.5 * brightness, 1.0 + saturation, 1.0 + 0.5 * contrast),
            *(uniform[:, 12] - far, uniform[:, 13] - far),
        ],
        axis=1,
    )


def augment(images, numbers, recipe):
    """Images `[B, H, W, C]` in [-1, 1], each changed by its own numbers; differentiable.

    Args:
      numbers: from `draw`, `[B, columns(recipe)]`; of translation alone `[B, 2]`, the whole pixels
        down and right; None for none.
      recipe: which kinds there are.
    """
    if numbers is None:
        return images
    shifts = numbers[:, DOWN : RIGHT + 1]
    if recipe.mirror or recipe.zoom or recipe.rotation:
        matrices = tf.reshape(numbers[:, MATRIX], (-1, 2, 2))
        images = resample(images, matrices, shifts, recipe.shift_edge)
    else:
        images = translate(images, shifts, recipe.shift, recipe.shift_edge)
    if recipe.color:
        images = shade(
            images, *(numbers[:, column] for column in (BRIGHTNESS, SATURATION, CONTRAST))
        )
    return cut_out(images, numbers[:, CENTRE], recipe.cutout) if recipe.cutout else images


def translate(images, shifts, reach, edge="wrap"):
    """Images `[B, H, W, C]`, each translated by its own pixels.

    Along each axis a slice of constant size for every number of pixels, and a choice: a gather of
    rows and columns would compute its integers on the host of a GPU.

    Args:
      shifts: `[B, 2]`, whole pixels down and right, from -reach to reach.
      edge: what fills the gap: `wrap`, what leaves one edge enters at the other; or `mirror`, what
        lies at that edge, mirrored.
    """
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


def resample(images, matrices, shifts, edge="wrap"):
    """Images `[B, H, W, C]`, each under a linear map about its centre, then translated; bilinear.

    Numbers of pixels are computed as floats: a GPU has no kernels for int32 arithmetic.

    Args:
      matrices: `[B, 2, 2]`, from (down, right) of a pixel to that of the one it is taken from.
      shifts, edge: as in `translate`.
    """
    height, width, channels = images.shape[1:]
    sides = np.array([height, width], np.float32)
    middle = (sides - 1) / 2
    places = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2) - middle  # [H * W, 2]
    moved = tf.constant(places, tf.float32) - shifts[:, None]
    taken = tf.einsum("bpk,bjk->bpj", moved, matrices) + middle  # [B, H * W, 2]
    if edge == "mirror":
        folded = taken + 0.5 - 2 * sides * tf.floor((taken + 0.5) / (2 * sides))
        taken = tf.clip_by_value(sides - tf.abs(sides - folded) - 0.5, 0.0, sides - 1)
    else:
        taken -= sides * tf.floor(taken / sides)
        taken -= sides * tf.cast(taken >= sides, tf.float32)  # what was just below 0, rounded
    before = tf.floor(taken)
    after = before + 1.0
    after -= tf.cast(after > sides - 1, tf.float32) * (1.0 if edge == "mirror" else sides)
    part = taken - before
    image = tf.cumsum(tf.ones_like(matrices[:, :1, 0]), 0) - 1.0  # 0, 1, …: `range` is the host's
    first = tf.cast(image, tf.int64) * (height * width)
    pixels = tf.reshape(images, (-1, channels))

    def weighted(down, right, weight_down, weight_right):
        place = first + tf.cast(down[..., 0] * width + right[..., 1], tf.int64)
        return (weight_down[..., :1] * weight_right[..., 1:]) * tf.gather(pixels, place)

    found = weighted(before, before, 1.0 - part, 1.0 - part)
    found += weighted(before, after, 1.0 - part, part)
    found += weighted(after, before, part, 1.0 - part)
    found += weighted(after, after, part, part)
    return tf.reshape(found, (-1, height, width, channels))


def shade(images, brightness, saturation, contrast):
    """Images `[B, H, W, C]` in other shades: three numbers `[B]` for each, as in Zhao et al."""
    brightness, saturation, contrast = (
        tf.reshape(values, (-1, 1, 1, 1)) for values in (brightness, saturation, contrast)
    )
    images += brightness
    grey = tf.reduce_mean(images, 3, keepdims=True)
    images += (saturation - 1.0) * (images - grey)
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return images + (contrast - 1.0) * (images - mean)


def cut_out(images, centres, share):
    """Images `[B, H, W, C]` with a rectangle of each in mid-grey (DeVries & Taylor 2017).

    Args:
      centres: `[B, 2]`, of the rectangles, in heights down and widths right.
      share: how high and wide they are, of the image.
    """
    height, width = images.shape[1:3]
    down, right = (  # [B, H] and [B, W]: whether a row, a column is within
        tf.abs(tf.constant((np.arange(size) + 0.5) / size, tf.float32) - centres[:, axis, None])
        < share / 2
        for axis, size in enumerate((height, width))
    )
    within = tf.logical_and(down[:, :, None, None], right[:, None, :, None])
    return tf.where(within, 0.0, images)
