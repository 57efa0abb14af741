"""Files that are either whole or not there. Standard library only."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside `path`, with the same suffix; renames it to `path` at the end.

    A reader never sees half a file: the rename is atomic, and it is left out when the body raises.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
