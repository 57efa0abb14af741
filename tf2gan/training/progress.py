"""What a person sees of a run on the terminal: a progress bar, or plain lines in a log."""

import datetime
import sys
import time

from tf2gan.utils.progress_bar import ProgressBar

PATIENCE = 10  # seconds of steps before how long the rest takes is said
SOON = 60  # seconds: an evaluation that comes sooner is waited for, since it may be what takes long


class Progress:
    """Reports the windows of a run: a bar on a terminal, one plain line each elsewhere.

    While entered the bar is drawn, below whatever else is printed.

    Args:
      first: steps done before this process started.
      total: steps in all.
      batch: images in a step.
      evaluate_every: steps between two evaluations, 0 for none.
    """

    def __init__(self, first, total, *, batch, evaluate_every=0):
        self._first, self._total, self._batch = first, total, batch
        self._evaluate_every = evaluate_every
        self._step, self._time = first, time.perf_counter()
        self._began = self._time
        self._seconds, self.windows = 0.0, 0
        self._warm = None  # (step, seconds of steps) when the first window was over
        self._evaluations = []  # seconds of each, with what else was done around its window
        self._around = 0.0  # seconds around all other windows
        self._said = False
        self._bar = ProgressBar("training", total - first, lasting=True)

    def __enter__(self):
        self._bar.__enter__()
        return self

    def __exit__(self, *exception):
        self._bar.__exit__(*exception)

    def show_window(self, step, metrics):
        """Shows the window that ended at `step` and returns its images per second."""
        now = time.perf_counter()
        seconds = now - self._time
        steps = step - self._step
        speed = steps * self._batch / seconds
        self._step, self._seconds, self.windows = step, self._seconds + seconds, self.windows + 1
        self._time = now
        self._warm = self._warm or (step, self._seconds)
        shown = {"loss/d": metrics["loss/d"], "loss/g": metrics["loss/g"], "images/s": speed}
        values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self._bar.advance(steps, f"{step}/{self._total}  {values}")
        if not sys.stdout.isatty():
            print(f"step {step}/{self._total}  {values}", flush=True)
        return speed

    def show_quality(self, step, quality):
        """Shows a measurement of quality."""
        print(f"step {step}/{self._total}  {quality.line()}", flush=True)

    def restart_clock(self, *, evaluated=False):
        """Starts the next window's clock: what was written since the last is none of its speed.

        Says once how long the rest will take, as soon as that can be told.
        """
        around, self._time = time.perf_counter() - self._time, time.perf_counter()
        if evaluated:
            self._evaluations.append(around)
        else:
            self._around += around
        rest = None if self._said else self.forecast()
        if rest is not None:
            self._said = True
            print(f"{duration(rest)} to go, until {clock(rest)}", flush=True)

    def forecast(self):
        """Seconds that the rest of the run will take; None while that cannot be told.

        The first window warms up and does not count, nor does the first of several evaluations,
        which prepares the others. An evaluation that is yet to come, and not soon, is a small part.
        """
        warm_step, warm_seconds = self._warm or (self._step, 0.0)
        steps, seconds = self._step - warm_step, self._seconds - warm_seconds
        left = self._total - self._step
        if not steps or not left or self._seconds < PATIENCE:
            return None
        step_seconds = seconds / steps
        every = self._evaluate_every
        if every and len(self._evaluations) < 2 and every * step_seconds < SOON:
            return None
        around = self._around / (self._step - self._first)
        evaluations = left // every if every else 0
        evaluation = self._evaluations[-1] if self._evaluations else 0.0
        return left * (step_seconds + around) + evaluations * evaluation

    @property
    def mean_speed(self):
        """Images per second of all windows so far."""
        return (self._step - self._first) * self._batch / self._seconds

    def costs(self):
        """A line: the seconds of the steps, and of all that was done around them."""
        around = time.perf_counter() - self._began - self._seconds
        share = around / self._seconds
        return f"steps {self._seconds:.1f} s; around them {around:.1f} s ({share:.1%})"


def duration(seconds):
    """How long, in words, as exactly as a forecast is: `about 3 h 20 min`."""
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes >= 60:
        minutes = 5 * round(minutes / 5)
    hours, minutes = divmod(minutes, 60)
    return "about " + " ".join([f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0))


def clock(seconds, now=None):
    """The time of day in so many seconds: `21:40`, with the date when it is another day's."""
    now = now or datetime.datetime.now()
    then = now + datetime.timedelta(seconds=seconds)
    return then.strftime("%H:%M" if then.date() == now.date() else "%H:%M on %d %B")
