"""A progress bar: on a terminal, and nowhere else."""

import sys
import time

PATIENCE = 2.0  # seconds without a word
_lasting = []  # the bar of a training, below which others are drawn


class ProgressBar:
    """While entered, shows how much of `total` is done.

    In a pipe or a log nothing is written. Call `advance` as things get done.

    Args:
      label: what is being done, such as "reading pictures".
      total: how much there is to do.
      shown: false for never.
      lasting: whether it appears at once, on stdout, and stays when it is left; otherwise it
        appears after `PATIENCE` seconds, on stderr, and is gone then.
    """

    def __init__(self, label, total, *, shown=True, lasting=False):
        self._label, self._total, self._done, self._lasting = label, total, 0, lasting
        self._file = sys.stdout if lasting else sys.stderr
        self._bar = None
        self._waiting = shown and self._file.isatty()

    def __enter__(self):
        self._began = time.monotonic()
        if self._waiting and self._lasting:
            self._start()
            _lasting.append(self._bar)
        return self

    def __exit__(self, *exception):
        if self._bar in _lasting and not self._lasting:
            self._bar.remove_task(self._task)
        elif self._bar is not None:
            self._bar.stop()
            _lasting.clear()

    def advance(self, count=1, text=""):
        """Counts `count` more as done; `text` stands behind the bar."""
        self._done += count
        if self._waiting and time.monotonic() > self._began + PATIENCE:
            self._start()
        if self._bar is not None:
            drawn = self._bar in _lasting or self._lasting
            self._bar.update(self._task, completed=self._done, text=text, refresh=drawn)

    def _start(self):
        self._waiting = False
        self._bar = _lasting[0] if _lasting else self._new_bar()
        self._task = self._bar.add_task(self._label, total=self._total, text="")

    def _new_bar(self):
        from rich import progress  # a tenth of a second
        from rich.console import Console

        bar = progress.Progress(
            *progress.Progress.get_default_columns(),
            progress.TextColumn("{task.fields[text]}"),
            console=Console(file=self._file),
            transient=not self._lasting,
            auto_refresh=not self._lasting,  # a thread that draws would take time of the steps
        )
        bar.start()
        return bar
