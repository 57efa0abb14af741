"""Arrays of images in every shape and range people keep them in -> a `Data`."""

import dataclasses
import hashlib
import math
from typing import NamedTuple

import numpy as np

from tf2gan.data.conversion import chunks, resized, scale_of, to_uint8
from tf2gan.data.dataset import Data
from tf2gan.data.datasets import arrays_of
from tf2gan.data.labels import as_values, encode
from tf2gan.data.mapped import remember
from tf2gan.settings.sizes import COLOR_MODES, check_size
from tf2gan.utils.errors import DataError, UsageError

RESIZES = "--image-size HxW, in Python image_size=, resizes"


class Part(NamedTuple):
    """One part of a data set as it was read: arrays of any kind, and what messages call them."""

    images: np.ndarray
    labels: np.ndarray | None = None
    what: str = "images"
    labels_what: str = "labels"


def from_arrays(
    images,
    labels=None,
    test_images=None,
    test_labels=None,
    *,
    name,
    image_size=None,
    color_mode=None,
):
    """A `Data` of arrays of any library, or of data sets of other libraries.

    Args:
      images: `[N, H, W]`, `[N, H, W, C]`, `[N, C, H, W]` (C 1, 3 or 4) or rows `[N, H * H]`, of
        numbers in 0..255, 0..1 or -1..1; or what `tf2gan.data.datasets.arrays_of` takes, which may
        bring labels. An `np.memmap` of bytes stays on disk.
      labels: integers or strings `[N]` or `[N, 1]`, or one-hot `[N, K]`.
      test_images, test_labels: the held-out part, of the same kinds.
      name: a short name for folders and titles.
      image_size: (H, W), a checked size to bring the images to; by default they keep theirs.
      color_mode: `grayscale` or `rgb`; by default they keep theirs.

    Raises:
      DataError: they do not fit; one line that says what was found.
    """
    wanted = {"image_size": image_size, "color_mode": color_mode}
    images, own = arrays_of(images, "images", **wanted)
    train = Part(_array(images, "images"), _array(own if labels is None else labels, "labels"))
    test = None
    if test_images is not None:
        test_images, own = arrays_of(test_images, "test_images", **wanted)
        test_labels = own if test_labels is None else test_labels
        arrays = _array(test_images, "test_images"), _array(test_labels, "test_labels")
        test = Part(*arrays, "test_images", "test_labels")
    return assemble(name, train, test, **wanted)


def assemble(name, train, test=None, *, image_size=None, color_mode=None, class_names=None):
    """A `Data` of two `Part`s, in the size and colour given, or else in those that they have."""
    if test is not None and len(test.images) == 0:
        test = None
    parts = [train] if test is None else [train, test]
    images, labels = zip(*(_layout(part) for part in parts), strict=True)
    if len({array.dtype for array in images}) == 1:  # one range for both, for one may be darker
        scales = [scale_of(images, train.what)] * len(parts)
    else:
        scales = [scale_of([array], p.what) for array, p in zip(images, parts, strict=True)]
    images = [to_uint8(array, scale) for array, scale in zip(images, scales, strict=True)]
    size = image_size or images[0].shape[1:3]
    if image_size is None:
        try:
            check_size(size, train.what)
        except UsageError as error:
            raise DataError(f"{error}; {RESIZES}") from error
        if images[-1].shape[1:3] != size:
            raise DataError(
                f"{test.what} is {list(images[-1].shape)}, not of the size of {train.what}, "
                f"{list(images[0].shape)}; {RESIZES}"
            )
    channels = COLOR_MODES[color_mode] if color_mode else images[0].shape[3]
    images = [resized(array, size, channels) for array in images]
    values = [
        None if given is None else as_values(given, len(array), part.labels_what)
        for given, array, part in zip(labels, images, parts, strict=True)
    ]
    indices, test_indices, names = encode(*values, names=class_names)
    return Data(name, images[0], indices, images[1] if test else None, test_indices, names)


def converted(data, *, image_size=None, color_mode=None):
    """`data` in another size or colour, where one is given."""
    size = image_size or data.image_size
    channels = COLOR_MODES[color_mode] if color_mode else data.channels
    images = resized(data.images, size, channels)
    test_images = data.test_images
    if test_images is not None:
        test_images = resized(test_images, size, channels)
    return dataclasses.replace(data, images=images, test_images=test_images)


def fingerprint(data):
    """32 hexadecimal digits that change with any pixel, label or shape of a `Data`."""
    digest = hashlib.sha256()
    for array in (data.images, data.labels, data.test_images, data.test_labels):
        digest.update(repr(None if array is None else (array.shape, array.dtype.str)).encode())
        for rows in chunks(array) if array is not None else ():
            digest.update(np.ascontiguousarray(array[rows]))
    return digest.hexdigest()[:32]


def image_shape(count):
    """(H, W, C) of a row of `count` values, all of them pixels of a square; None if it is none."""
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if count > 1 and side * side * channels == count:
            return side, side, channels
    return None


def _array(values, what):
    if values is None:
        return None
    if isinstance(values, np.memmap):  # asarray would lose that it is one
        remember(values)
        return values
    try:
        array = np.asarray(values)
    except Exception as error:  # every library has its own
        if "inhomogeneous" in str(error):
            raise DataError(f"{what} are arrays of mixed shapes; expected one shape") from error
        raise DataError(f"{what} cannot be made a NumPy array ({error})") from error
    return array


def _layout(part):
    """(view of the images `[N, H, W, C]`, labels), from any order of axes."""
    images, labels, what, _ = part
    if images.dtype.name == "bfloat16":
        images = images.astype(np.float32)
    wrong = DataError(
        f"{what} is {images.dtype} {list(images.shape)}; expected images [N, H, W], [N, H, W, C], "
        "[N, C, H, W] or rows [N, H * H], N >= 1"
    )
    if images.dtype.kind not in "biuf" or images.ndim < 2 or images.size == 0:
        raise wrong
    if images.ndim == 3 and 1 in images.shape[1:]:
        images = images.reshape(len(images), -1)
    if images.ndim == 2:
        return _rows(images, labels, wrong)
    if images.ndim == 3:
        return images[..., None], labels
    if images.ndim == 4 and images.shape[3] in (1, 3, 4):
        return images, labels
    if images.ndim == 4 and images.shape[1] in (1, 3, 4):
        return images.transpose(0, 2, 3, 1), labels
    raise wrong


def _rows(images, labels, wrong):
    """Images of rows of pixels, one of which may be a label, where there are no others."""
    shape = image_shape(images.shape[1])
    if shape is None:
        shape = image_shape(images.shape[1] - 1)
        if shape is None:
            raise wrong
        first = _label_is_first(images)
        column = images[:, 0 if first else -1]
        labels = np.asarray(column) if labels is None else labels
        images = images[:, 1:] if first else images[:, :-1]
    height, width, channels = shape
    if channels == 1:
        return images.reshape(-1, height, width, 1), labels
    interleaved = images.reshape(-1, height, width, channels)
    planar = images.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    # The right order is the one in which a pixel is like the one below it.
    return min(planar, interleaved, key=_roughness), labels


def _roughness(images):
    return np.abs(np.diff(images[:: max(1, len(images) // 100)].astype(np.float32), axis=1)).mean()


def _label_is_first(rows):
    """Whether the first column holds the labels rather than the last."""
    first, last = (_unlike_labels(np.asarray(rows[:, column])) for column in (0, -1))
    return first <= last


def _unlike_labels(column):
    """A sort key: labels are small whole numbers, nearly without gaps, none of them in most rows.

    The pixel in a corner is mostly background, or it has gaps, or a hundred values.
    """
    values, counts = np.unique(column.astype(np.float64), return_counts=True)
    with np.errstate(invalid="ignore"):
        width = values[-1] - values[0] + 1
        dense = 1 < len(values) and width < 2 * len(values) and np.all(values % 1 == 0)
    share = counts.max() / len(column)
    if not dense:
        return 3, share
    return 2 if share > 0.9 else int(len(values) > 100), share
