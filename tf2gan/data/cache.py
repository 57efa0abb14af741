"""Decoded data sets on disk: what took seconds to read is mapped at the next start.

One file a data set, in `$XDG_CACHE_HOME/tf2gan` (`~/.cache/tf2gan`): an `.npy` of all images, the
training images first, and after it everything else as JSON. `python -m tf2gan.data.cache` lists
the files and empties the folder.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import tempfile
import time
import weakref
from pathlib import Path

import numpy as np
import PIL

from tf2gan.data.dataset import Data
from tf2gan.data.files.entries import picture_formats
from tf2gan.data.mapped import map_file, map_room
from tf2gan.utils.command_line import Parser, run_command
from tf2gan.utils.errors import DataError
from tf2gan.utils.files import PARTIAL, try_lock

FORMAT = 1  # of the files; another is not read
KEPT_SECONDS = 3.0  # of reading; what takes less is read again
MEMORY_MOST = 1 << 30  # bytes of images in memory; of more they stay in their file
CACHE_MOST = 20 << 30  # bytes of all data sets together; those unused for longest go first
HEAD = 128  # bytes of the header of an .npy
TAIL = 40  # bytes of the length and the SHA-256 of what is before them
BLOCK = 1 << 26  # bytes written at once
YOUNG = 60  # seconds; an unfinished file may not be locked yet

_rooms = weakref.WeakKeyDictionary()  # the mapping of an unfinished file: the file, open and locked


def folder():
    """Where files are kept: decoded data sets, and classifiers that measure quality."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(home)) / "tf2gan"


def room(shape):
    """uint8 of a shape, to be filled: in memory, or of more than `MEMORY_MOST` bytes in a file.

    The file becomes a kept one in `keep`; otherwise it goes when the array does.
    """
    size = math.prod(shape)
    if size <= MEMORY_MOST:
        return np.empty(shape, np.uint8)
    try:
        file = _begin(HEAD + size)
    except OSError as error:
        raise DataError(
            f"images {list(shape)} take {size} bytes, and more than {MEMORY_MOST} are kept in a "
            f"file in {folder()}, which cannot be written ({error.strerror}); make room there, set "
            "XDG_CACHE_HOME to another folder, or take a smaller --image-size"
        ) from error
    images = map_room(file.name, HEAD, shape)
    _rooms[images._mmap] = file
    weakref.finalize(images._mmap, _remove, file)
    return images


def is_room(images):
    """Whether an array is one of `room`'s that lie in a file."""
    return getattr(images, "_mmap", None) in _rooms


def key_of(paths, how):
    """The name of what reading files would give: 32 hexadecimal digits; (it, the newest time).

    Args:
      paths: of all files that may be read.
      how: how they are read, anything that JSON takes.
    """
    digest, newest = hashlib.sha256(), 0
    read_by = FORMAT, PIL.__version__, sorted(picture_formats()[0])
    digest.update(json.dumps([how, read_by]).encode())
    for path in sorted(paths):
        status = os.stat(path)
        newest = max(newest, status.st_mtime_ns // 10**9)
        known = path, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        digest.update(repr(known).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:32], newest


def load(key, where):
    """Returns (the `Data` that `keep` kept under a key, the lines that were said of it), or None.

    A file that is cut, damaged or changed is passed over, with a line.
    """
    path = _path(key)
    try:
        about = _about(path)
        images = map_file(path, str(path), lasting=True)
        if images.nbytes <= MEMORY_MOST:
            shape = images.shape
            images = np.fromfile(path, np.uint8, math.prod(shape), offset=HEAD).reshape(shape)
        data = _data(images, about)
        if data.fingerprint != about["fingerprint"]:
            raise ValueError("its images are damaged")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        print(f"{path} cannot be used ({error}); {where} is read again", flush=True)
        return None
    with contextlib.suppress(OSError):
        os.utime(path, (time.time(), about["newest"]))  # used now
    return data, about["said"]


def _about(path):
    """What `keep` wrote behind the images."""
    with open(path, "rb") as file:
        file.seek(-TAIL, os.SEEK_END)
        tail = file.read()
        file.seek(-TAIL - int.from_bytes(tail[:8], "little"), os.SEEK_END)
        text = file.read()[:-TAIL]
    if hashlib.sha256(text).digest() != tail[8:]:
        raise ValueError("it is damaged")
    about = json.loads(text)
    if path.stat().st_mtime != about["newest"]:
        raise ValueError("it was changed")
    return about


def keep(key, newest, data, said):
    """Keeps a `Data` under a key; returns what is in use from now on, mapped if it is large.

    Args:
      newest: seconds, the time of change that the file is given, by which a later one is noticed.
      said: pairs of a stream's name and a line, which were said while it was read.
    """
    path, count = _path(key), len(data.images) + data.test_count
    about = {
        "name": data.name,
        "train": len(data.images),
        "labels": None if data.labels is None else data.labels.tolist(),
        "test_labels": None if data.test_labels is None else data.test_labels.tolist(),
        "class_names": list(data.class_names),
        "said": said,
        "newest": newest,
        "fingerprint": data.fingerprint,
    }
    text = json.dumps(about).encode()
    image = math.prod(data.images.shape[1:])
    size = HEAD + count * image
    mapping = getattr(data.images, "_mmap", None)
    try:
        file = _rooms.pop(mapping) if mapping in _rooms else _begin(size + len(text) + TAIL)
        try:
            file.write(_header((count, *data.images.shape[1:])))
            if mapping is None:
                _write(file, data.images)
            file.seek(HEAD + len(data.images) * image)
            if mapping is None or getattr(data.test_images, "_mmap", None) is not mapping:
                _write(file, data.test_images)
            file.seek(size)
            file.truncate()
            file.write(text + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest())
            file.flush()
            os.fsync(file.fileno())
            os.utime(file.name, (time.time(), newest))
            os.replace(file.name, path)
        finally:
            _remove(file)
    except OSError as error:
        print(f"{folder()} cannot be written ({error.strerror}); the data are not kept", flush=True)
        return data
    print(f"kept for the next start: {path} ({size / 1e6:.0f} MB)", flush=True)
    _evict(path)
    return data if mapping is None else _data(map_file(path, str(path), lasting=True), about)


def _data(images, about):
    labels, test_labels = (
        None if about[name] is None else np.array(about[name], np.int64)
        for name in ("labels", "test_labels")
    )
    train = about["train"]
    test_images = images[train:] if len(images) > train else None
    names = tuple(about["class_names"])
    return Data(about["name"], images[:train], labels, test_images, test_labels, names)


def _path(key):
    return folder() / f"data-{key}.npy"


def _header(shape):
    """The first `HEAD` bytes of an `.npy` of bytes."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (HEAD - 10).to_bytes(2, "little") + f"{text:<117}\n".encode()


def _begin(size):
    """An unfinished file that has its room on the disk: open, locked, to be `_remove`d."""
    folder().mkdir(parents=True, exist_ok=True)
    _sweep()
    number, path = tempfile.mkstemp(".npy", PARTIAL, folder())
    os.close(number)
    file = try_lock(path)
    try:
        _claim(file, size)
    except BaseException:
        _remove(file)
        raise
    return file


def _claim(file, size):
    """Takes room on the disk, so that no process that maps the file ends when the disk is full."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.EINVAL) not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        for start in range(0, size, BLOCK):  # a system that claims nothing
            file.write(bytes(min(BLOCK, size - start)))
        file.seek(0)


def _write(file, images):
    """Writes images, or none."""
    if images is not None:
        rows = max(1, BLOCK // math.prod(images.shape[1:]))
        for start in range(0, len(images), rows):
            file.write(np.ascontiguousarray(images[start : start + rows]))


def _remove(file):
    """Closes an unfinished file, which removes it if it has not become a kept one."""
    if not file.closed:
        Path(file.name).unlink(missing_ok=True)
        file.close()


def _sweep():
    """Removes unfinished files of processes that ended without doing so."""
    for path in folder().glob(f"{PARTIAL}*.npy"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > YOUNG and (file := try_lock(path)):
                _remove(file)


def _evict(newest):
    """Removes the data sets that were not used for longest, until the rest is `CACHE_MOST`."""
    files = [(path.stat(), path) for path in folder().glob("data-*.npy") if path != newest]
    total = newest.stat().st_size + sum(status.st_size for status, _ in files)
    for status, path in sorted(files, key=lambda item: item[0].st_atime):
        if total > CACHE_MOST:
            path.unlink(missing_ok=True)
            total -= status.st_size
            print(f"removed {path}, unused for longest: all take more than {CACHE_MOST} bytes")


def show_or_clear(flags):
    """Lists what is kept, with its size and when it was last used; or removes all of it."""
    total = 0
    for path in [*folder().glob("data-*.npy"), *folder().glob("classifier-*.keras")]:
        status = path.stat()
        total += status.st_size
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.st_atime))
        print(f"{status.st_size / 1e6:10.1f} MB  used {used}  {path.name}")
        if flags.clear:
            path.unlink(missing_ok=True)
    print(f"{total / 1e6:10.1f} MB  in {folder()}" + ("; removed" if flags.clear else ""))


def main(args=None):
    prog = "python -m tf2gan.data.cache"
    parser = Parser(prog=prog, description="List the data sets and classifiers that are kept.")
    parser.add_argument("--clear", action="store_true", help="remove all of them")
    run_command(show_or_clear, parser.parse_args(args))


if __name__ == "__main__":
    main()
