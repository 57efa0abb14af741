"""Images that stay on disk, mapped from an `.npy`: read in blocks, while the file is as it was."""

import contextlib
import os
import weakref

import numpy as np

from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading
from tf2gan.utils.progress_bar import ProgressBar

_mapped = weakref.WeakKeyDictionary()  # the mapping of a file: the file's size and time


def map_file(path, where):
    """An `.npy` on disk, mapped: read as it is needed, so that it may be larger than memory."""
    with reading(where, "cannot be mapped as an .npy of plain numbers"):
        before = os.stat(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    _mapped[array._mmap] = before.st_size, before.st_mtime_ns
    return array


def check_unchanged(images):
    """Raises `DataError` if the file that `images` are mapped from has changed since.

    Reading beyond the end of a file that was cut would end the process without a word. Call it
    before each stretch that is read; it costs microseconds. Does nothing for arrays in memory.
    """
    mapping = getattr(images, "_mmap", None)
    known = None if mapping is None else _mapped.get(mapping)
    if known is None:
        return
    with reading(images.filename):
        now = os.stat(images.filename)
    if (now.st_size, now.st_mtime_ns) != known:
        raise DataError(
            f"{images.filename} has changed while it was in use ({known[0]} bytes then, "
            f"{now.st_size} now); leave it alone until the run is over"
        )


def blocks(images, size, label=None):
    """Yields `size` images at a time, of a mapped file that has not changed.

    With a label a progress bar is shown.
    """
    with ProgressBar(label, len(images), shown=label is not None) as bar:
        for start in range(0, len(images), size):
            check_unchanged(images)
            yield images[start : start + size]
            bar.advance(size)


def remember(array):
    """Keeps the size and time of the file that an array of the caller's is mapped from."""
    if array._mmap is not None and array.filename is not None:
        with contextlib.suppress(OSError):  # a temporary file that has no name any more
            now = os.stat(array.filename)
            _mapped.setdefault(array._mmap, (now.st_size, now.st_mtime_ns))
