"""Decoded data sets on disk: what took seconds to read is mapped at the next start.

One file a data set, in `$XDG_CACHE_HOME/tf2gan` (`~/.cache/tf2gan`): an `.npy` of all images, the
training images first, and after it everything else as JSON. `python -m tf2gan.data.cache` lists
the files and empties the folder.
"""

import contextlib
import errno
import functools
import hashlib
import json
import math
import os
import sys
import tempfile
import time
import weakref
from pathlib import Path

import numpy as np
import PIL

from tf2gan.data.dataset import Data
from tf2gan.data.files.entries import PLUGINS, picture_formats
from tf2gan.data.mapped import let_go, map_file, map_room
from tf2gan.utils.command_line import Parser, run_command
from tf2gan.utils.errors import DataError
from tf2gan.utils.files import PARTIAL, try_lock

KEPT_SECONDS = 3.0  # of reading; what takes less is read again
MEMORY_MOST = 1 << 30  # bytes of images in memory; of more they stay in their file
WITHOUT_DISK = 1 << 32  # bytes of images in memory where there is no room for a file
CACHE_MOST = 20 << 30  # bytes of all data sets together; those unused for longest go first
HEAD = 128  # bytes of the header of an .npy
TAIL = 40  # bytes of the length and the SHA-256 of what is before them
BLOCK = 1 << 26  # bytes written at once
YOUNG = 60  # seconds; an empty file may not be locked yet

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
        why = f"{size} bytes of images find no room in {folder()} ({error.strerror})"
        if size <= WITHOUT_DISK:
            print(f"{why}; they are kept in memory", flush=True)
            return np.empty(shape, np.uint8)
        raise DataError(
            f"{why}, and memory is for at most {WITHOUT_DISK}; make room there, set XDG_CACHE_HOME "
            "to another folder, or take a smaller --image-size"
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
    digest.update(json.dumps([how, _readers()], default=str).encode())
    for path in sorted(paths):
        status = os.stat(path)
        newest = max(newest, status.st_mtime_ns // 10**9)
        known = path, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        digest.update(repr(known).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:32], newest


@functools.cache
def _readers():
    """What reads: the code of this package, Pillow and its plug-ins; other results, another key."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    formats = sorted(picture_formats()[0])
    plugins = [getattr(sys.modules.get(name), "__version__", None) for name in PLUGINS]
    return digest.hexdigest(), PIL.__version__, formats, plugins


def load(key, source, where):
    """Returns (the `Data` of a source, what was said of it), as `keep` kept them, or None.

    A file that is cut, damaged or changed is passed over, with a line.
    """
    path = _path(key)
    try:
        about = _about(path)
        images = map_file(path, str(path), lasting=True)
        if images.nbytes <= MEMORY_MOST:
            shape = images.shape
            images = np.fromfile(path, np.uint8, math.prod(shape), offset=HEAD).reshape(shape)
        data = _data(images, about, source)
        if data.fingerprint != about["fingerprint"]:
            raise ValueError("its images are damaged")
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # none is kept there
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
            if mapping is not None:
                mapping.flush()  # before the time is set, which a late page would change
            os.fsync(file.fileno())
            os.utime(file.name, (time.time(), newest))
            if os.stat(file.name).st_mtime != newest:
                raise OSError(errno.ENOTSUP, "its times of change are not exact")
            if os.name == "nt":  # which renames no open file
                file.close()
            os.replace(file.name, path)
        finally:
            _remove(file)
    except OSError as error:
        print(f"{folder()} cannot be written ({error.strerror}); the data are not kept", flush=True)
        return data
    print(f"kept for the next start: {path} ({size / 1e6:.0f} MB)", flush=True)
    _evict(path)
    if size - HEAD <= MEMORY_MOST:
        return data
    try:
        return _data(map_file(path, str(path), lasting=True), about, data.source)
    except DataError:  # another process has removed it
        return data


def _data(images, about, source):
    labels, test_labels = (
        None if about[name] is None else np.array(about[name], np.int64)
        for name in ("labels", "test_labels")
    )
    train = about["train"]
    test_images = images[train:] if len(images) > train else None
    names = tuple(about["class_names"])
    return Data(about["name"], images[:train], labels, test_images, test_labels, names, source)


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
    if file is None:
        raise BlockingIOError(errno.EAGAIN, f"{path} is locked by another process")
    while True:
        try:
            _claim(file, size)
            return file
        except OSError as error:
            if error.errno != errno.ENOSPC or not _remove_oldest():
                _remove(file)
                raise


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
            let_go(images)


def _remove(file):
    """Closes an unfinished file and removes it, if it has not become a kept one."""
    file.close()
    with contextlib.suppress(OSError):
        Path(file.name).unlink(missing_ok=True)


def _sweep():
    """Removes unfinished files of processes that ended without doing so."""
    for path in folder().glob(f"{PARTIAL}*.npy"):
        with contextlib.suppress(OSError):
            status = path.stat()
            is_old = status.st_size or time.time() - status.st_mtime > YOUNG
            if is_old and (file := try_lock(path)):
                _remove(file)


def _kept():
    """(path, status) of the data sets that are kept, those unused for longest first."""
    found = []
    for path in folder().glob("data-*.npy"):
        with contextlib.suppress(OSError):  # another process removes files, too
            found.append((path, path.stat()))
    return sorted(found, key=lambda file: file[1].st_atime)


def _evict(newest):
    """Removes the data sets that were not used for longest, until the rest is `CACHE_MOST`."""
    kept = _kept()
    total = sum(status.st_size for _, status in kept)
    for path, status in kept:
        if total > CACHE_MOST and path != newest and _remove_kept(path):
            total -= status.st_size


def _remove_oldest():
    """Removes the data set that was not used for longest; whether there was one."""
    return any(_remove_kept(path) for path, _ in _kept())


def _remove_kept(path):
    try:
        path.unlink()
    except OSError:
        return False
    print(f"removed to make room: {path}, unused for longest", flush=True)
    return True


def show_or_clear(flags):
    """Lists what is kept, with its size and when it was last used; or removes all of it."""
    _sweep()
    total = 0
    classifiers = [(path, path.stat()) for path in folder().glob("classifier-*.keras")]
    for path, status in [*_kept(), *classifiers]:
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
