"""A bar for whatever takes longer than two seconds: on a terminal, and nowhere else."""

import sys
import time

PATIENCE = 2.0  # seconds without a word


class ProgressBar:
    """While entered, shows how much of `total` is done, on stderr; gone when it is left.

    In a pipe or a log nothing is written. Call `advance` as things get done.

    Args:
      label: what is being done, such as "reading pictures".
      total: how much there is to do.
      shown: false for never.
    """

    def __init__(self, label, total, *, shown=True):
        self._label, self._total, self._done = label, total, 0
        self._bar = None
        self._waiting = shown and sys.stderr.isatty()

    def __enter__(self):
        self._began = time.monotonic()
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count=1):
        """Counts `count` more as done."""
        self._done += count
        if self._waiting and time.monotonic() > self._began + PATIENCE:
            self._waiting = False
            self._start()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def _start(self):
        try:  # Keras brings it, today; importing it takes a tenth of a second
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            return
        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._label, total=self._total)
        self._bar.start()
