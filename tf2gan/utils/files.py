"""Files that are either whole or not there, and locks that die with their holder. No TensorFlow."""

import contextlib
import os
from pathlib import Path

from tf2gan.utils.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None

PARTIAL = ".partial-"  # how the name of every unfinished file begins


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside `path`, with the same suffix; renames it to `path` at the end.

    A reader never sees half a file: the rename is atomic, and it is left out when the body raises.
    """
    path = Path(path)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_can_be_made(path, flag):
    """Raises `UsageError` where no folder is above `path`, the value of a flag; it makes none."""
    above = next((parent for parent in path.absolute().parents if parent.exists()), None)
    if above is None or not above.is_dir():
        raise UsageError(f"{flag} {path}: {above or path.anchor} is no folder")


@contextlib.contextmanager
def locked(path, *, wait):
    """Holds a lock on the file `path` while the body runs; the system frees it if its holder dies.

    A file system that has no locks does not stop anyone from working: there, nothing is held.

    Raises:
      BlockingIOError: another process holds the lock and `wait` is false.
    """
    with open(path, "a") as file:
        _lock(file, wait)
        yield


def try_lock(path):
    """Opens a file to be read and written, and locks it until it is closed; None if it is locked.

    Where there are no locks it is merely opened.
    """
    file = open(path, "r+b")
    try:
        _lock(file, wait=False)
    except BlockingIOError:
        file.close()
        return None
    return file


def _lock(file, wait):
    """Locks an open file until it is closed, where there are locks; `BlockingIOError` if taken."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass
