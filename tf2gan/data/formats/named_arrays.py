"""Arrays with names, from any format that names them: which of them holds what."""

import math
import os
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tf2gan.data.arrays import Part, assemble, image_shape
from tf2gan.data.files.stored import check_count, is_plain, npy_header, read_npy
from tf2gan.data.names import is_emnist, natural, part_of, roles_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, warn


class Named(NamedTuple):
    """An array that has not been read yet."""

    name: str  # after the folders and the file it lies in, if those are part of the source
    where: str
    shape: tuple
    dtype: np.dtype
    read: Callable
    on_disk: bool = False  # may be larger than memory


def npy_arrays(entries):
    """The arrays of `.npy` files, in a folder or in an `.npz`."""
    found = []
    for entry in entries:
        shape, _, dtype, _ = npy_header(entry)
        name = entry.name.removesuffix(".npy")
        read = lambda entry=entry: read_npy(entry)  # noqa: E731
        on_disk = bool(entry.path and entry.unpacked)
        found.append(Named(name, entry.where, shape, dtype, read, on_disk))
    return found


def load_named(arrays, where, name, **wanted):
    """A `Data` of the arrays that names and shapes point out.

    Args:
      arrays: list of `Named`.
      where: what messages call their source.
      name: the name of the data set.
      wanted: `image_size` and `color_mode`.
    """
    images, labels = _roles(arrays)
    # What is there alone is what to train on, whatever it is called.
    part = "train" if "train" in images else None if len(images) > 1 else next(iter(images), None)
    train = _without_small(images.get(part, []), where)
    if not train:
        for array in arrays:
            if not is_plain(array.dtype):
                array.read()  # says what it is
        raise DataError(
            f"{where} has no array of training images among "
            f"{listed([a.name for a in arrays]) or 'its arrays'}; call it x_train or images"
        )
    if len(train) > 1:
        return _several(train, labels, where, name, wanted)
    parts = [
        _part(train[0], labels.get(part) or labels.get(None) or labels.get("train") or [], name)
    ]
    held_out = next((other for other in ("test", "val") if other in images and other != part), None)
    test = _without_small(images[held_out], where) if held_out else []
    if len(test) == 1:
        parts.append(_part(test[0], labels.get(held_out, []), name))
    return assemble(name, *parts, **wanted)


def _without_small(arrays, where):
    """Arrays of images without those far smaller, of another shape: a mean, a few samples."""
    largest = max(arrays, key=lambda array: math.prod(array.shape), default=None)
    small = [
        array
        for array in arrays
        if (array.shape[1:] != largest.shape[1:] or array.shape[0] == 1)
        and 10 * math.prod(array.shape) <= math.prod(largest.shape)
    ]
    if small:
        warn(f"{where}: {largest.name} is read; {listed([a.name for a in small])} is left out")
    return [array for array in arrays if array not in small]


def has_images(arrays):
    """Whether any of the arrays looks like images."""
    return bool(_roles(arrays)[0])


def _roles(arrays):
    """({part: its arrays of images}, {part: its arrays of labels}); names go before shapes.

    What takes a pickle to read counts only where its name says that it is needed, and nothing else
    is there in its place.
    """
    by_name, by_shape = ({"images": {}, "labels": {}} for _ in range(2))
    for array in sorted(arrays, key=lambda array: not is_plain(array.dtype)):
        folder, _, base = array.name.rpartition("/")
        roles = roles_of(base) or roles_of(folder)
        role = _role_by_shape(array)
        if len(roles) == 1:
            (named,) = roles
            fits = len(array.shape) > 1 if named == "images" else len(array.shape) in (1, 2)
            role = named if fits else None
        if role is not None:
            part = part_of(base) or part_of(folder)
            there = part in by_name[role] or part in by_shape[role]
            if is_plain(array.dtype) or (roles and not there):
                (by_name if roles else by_shape)[role].setdefault(part, []).append(array)
    return tuple({**by_shape[role], **by_name[role]} for role in ("images", "labels"))


def _role_by_shape(array):
    if len(array.shape) > 2:
        return "images"
    if len(array.shape) == 2 and array.shape[1] > 100:
        return "images" if image_shape(array.shape[1]) or image_shape(array.shape[1] - 1) else None
    return "labels" if len(array.shape) in (1, 2) else None


def _part(images, labels, name):
    """The arrays, read; of several arrays of labels the first one that has one an image."""
    if not images.on_disk:
        check_count(images.shape, images.where)
    pixels = images.read()
    if is_emnist(name):
        pixels = _turned(pixels)
    # The shortest name last: `fine_labels` and `labels` before `coarse_labels` and `label_names`.
    fitting = [a for a in labels if a.shape[0] == images.shape[0]] or labels[:1]
    fitting.sort(key=lambda array: ("coarse" in array.name, len(array.name), array.name))
    if not fitting:
        return Part(pixels, None, images.where)
    check_count(fitting[0].shape, fitting[0].where)
    return Part(pixels, fitting[0].read(), images.where, fitting[0].where)


def _turned(pixels):
    """Images or rows of EMNIST, upright."""
    if pixels.ndim == 2 and (shape := image_shape(pixels.shape[1])):
        pixels = pixels.reshape(-1, *shape[:2])
    return pixels.swapaxes(1, 2) if pixels.ndim > 2 else pixels


def _several(arrays, labels, where, name, wanted):
    """Files of one kind each, as QuickDraw's are, or numbered pieces of one array."""
    if labels or len({array.shape[1:] for array in arrays}) > 1:
        raise DataError(
            f"{where} has several arrays of images ({listed([a.name for a in arrays])}); "
            "give a file with one of them"
        )
    arrays = sorted(arrays, key=lambda array: natural(array.name))
    total = sum(array.shape[0] for array in arrays)
    check_count((total, *arrays[0].shape[1:]), where)
    names = [array.name for array in arrays]
    start = os.path.commonprefix(names)
    start = start[: len(re.match(r".*[^A-Za-z0-9]|", start, re.S)[0])]
    kinds = [each[len(start) :] for each in names]
    pixels = np.concatenate([array.read() for array in arrays])
    if start and all(kind.isdigit() for kind in kinds):  # data_1, data_2: pieces
        return assemble(name, Part(pixels, None, where), **wanted)
    kinds = np.repeat(kinds, [array.shape[0] for array in arrays])
    return assemble(name, Part(pixels, kinds, where), **wanted)
