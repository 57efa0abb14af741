"""What a person sees of a run on the terminal: a progress bar, or plain lines in a log."""

import sys
import time

import keras


class Progress:
    """Reports the windows of a run: a bar with ETA on a terminal, one plain line each elsewhere.

    Args:
      first: steps done before this process started.
      total: steps in all.
      batch: images in a step.
    """

    def __init__(self, first, total, *, batch):
        self._first, self._total, self._batch = first, total, batch
        self._step, self._time = first, time.perf_counter()
        self._began = self._time
        self._seconds, self.windows = 0.0, 0
        self._bar = None
        if sys.stdout.isatty():
            shown = ["loss/d", "loss/g", "images/s"]
            self._bar = keras.utils.Progbar(total - first, stateful_metrics=shown, unit_name="step")

    def window(self, step, metrics):
        """Shows the window that ended at `step` and returns its images per second."""
        seconds = time.perf_counter() - self._time
        speed = (step - self._step) * self._batch / seconds
        self._step, self._seconds, self.windows = step, self._seconds + seconds, self.windows + 1
        shown = [("loss/d", metrics["loss/d"]), ("loss/g", metrics["loss/g"]), ("images/s", speed)]
        if self._bar is not None:
            self._bar.update(step - self._first, shown)
        else:
            values = "  ".join(f"{name} {value:.4g}" for name, value in shown)
            print(f"step {step}/{self._total}  {values}", flush=True)
        return speed

    def quality(self, step, quality):
        """Shows a measurement of quality."""
        if self._bar is not None:
            print()
        print(f"step {step}/{self._total}  {quality.line()}", flush=True)

    def resume(self):
        """Starts the next window's clock: what was written since the last is none of its speed."""
        self._time = time.perf_counter()

    @property
    def mean_speed(self):
        """Images per second of all windows so far."""
        return (self._step - self._first) * self._batch / self._seconds

    def costs(self):
        """A line: the seconds of the steps, and of all that was done around them."""
        around = time.perf_counter() - self._began - self._seconds
        share = around / self._seconds
        return f"steps {self._seconds:.1f} s; around them {around:.1f} s ({share:.1%})"
