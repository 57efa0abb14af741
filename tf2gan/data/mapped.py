"""Images that stay on disk, mapped from an `.npy`: read in blocks, while the file is as it was."""

import contextlib
import mmap
import os
import weakref

import numpy as np

from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading
from tf2gan.utils.progress_bar import ProgressBar

_mapped = weakref.WeakKeyDictionary()  # the mapping of a file: the file's size and time
_ours = weakref.WeakSet()  # mappings that nobody else writes to
_lasting = weakref.WeakKeyDictionary()  # those of them whose file may be removed: its inode


def map_file(path, where, *, lasting=False):
    """An `.npy` on disk, mapped: read as it is needed, so that it may be larger than memory.

    A `lasting` one is written once: should it be removed while it is in use, its images stay.
    """
    with reading(where, "cannot be mapped as an .npy of plain numbers"):
        before = os.stat(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    _mapped[array._mmap] = before.st_size, before.st_mtime_ns
    _ours.add(array._mmap)
    if lasting:
        _lasting[array._mmap] = before.st_ino
    return array


def map_room(path, offset, shape):
    """uint8 of a shape at an offset of a file that has room for it, mapped to be written."""
    images = np.memmap(path, np.uint8, "r+", offset, shape)
    _ours.add(images._mmap)
    return images


def let_go(images):
    """Gives back the memory of what was read or written of mapped images; the disk keeps them.

    The system would do so when it needs the memory; until then it counts as the process's.
    """
    mapping = getattr(images, "_mmap", None)
    if mapping in _ours and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def before_reading(images):
    """Raises `DataError` if the file that `images` are mapped from has changed since.

    Reading beyond the end of a file that was cut would end the process without a word. Call it
    before each stretch that is read: it also gives back the memory of the stretch before. It costs
    microseconds, and does nothing for arrays in memory.
    """
    let_go(images)
    mapping = getattr(images, "_mmap", None)
    known = None if mapping is None else _mapped.get(mapping)
    if known is None:
        return
    with reading(images.filename):
        try:
            now = os.stat(images.filename)
        except FileNotFoundError:
            if mapping in _lasting:
                return
            raise
    if _lasting.get(mapping, now.st_ino) != now.st_ino:  # another file, in its place
        return
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
            before_reading(images)
            yield images[start : start + size]
            bar.advance(size)


def remember(array):
    """Keeps the size and time of the file that an array of the caller's is mapped from."""
    if array._mmap is not None and array.filename is not None:
        with contextlib.suppress(OSError):  # a temporary file that has no name any more
            now = os.stat(array.filename)
            _mapped.setdefault(array._mmap, (now.st_size, now.st_mtime_ns))
