"""The training loop: the only place where networks, data, checkpoints and summaries meet."""

import contextlib
import dataclasses
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tf2gan.board.summaries import Summaries, was_evaluated
from tf2gan.data.dataset import Data
from tf2gan.data.load import check_same_data, name_arrays
from tf2gan.devices import replicas
from tf2gan.devices import strategy as strategies
from tf2gan.runs.checkpoints import Checkpoints
from tf2gan.runs.folders import create_run, finished_line, is_finished
from tf2gan.runs.sources import find_start, load_start
from tf2gan.settings.config import TrainConfig
from tf2gan.training import artifacts
from tf2gan.training.evaluation import Evaluation, find_ruler
from tf2gan.training.faults import check_finite, errors_on_one_line, stopped
from tf2gan.training.job import Job, alone_in, prepare, say_how
from tf2gan.training.progress import Progress
from tf2gan.training.runner import Runner
from tf2gan.training.signals import StopSignals
from tf2gan.training.windows import evaluation_steps, windows
from tf2gan.utils.errors import Stopped, Tf2ganError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def train(
    config: TrainConfig,
    logdir: str | os.PathLike,
    *,
    images: Any = None,
    labels: "ArrayLike | None" = None,
    test_images: Any = None,
    test_labels: "ArrayLike | None" = None,
    data: Data | None = None,
    started: float | None = None,
    profile: bool = False,
    strategy: tf.distribute.Strategy | None = None,
) -> Path | None:
    """Trains a GAN as `config` says and returns the run folder it made inside `logdir`.

    Everything is checked before the folder is made; an existing folder is never used. Of several
    machines the chief alone makes one; the others compute, and return None.

    Args:
      config: a `TrainConfig`.
      logdir: the folder of runs, made if it is missing.
      images: the training images, in place of `config.data`: an array of any library, `[N, H, W]`
        or `[N, H, W, C]`, uint8 or numbers in [0, 1], [-1, 1] or [0, 255]; or a `tf.data.Dataset`,
        a Hugging Face `Dataset` or a PyTorch one, with labels or without.
      labels: the class of each image, `[N]`, or None.
      test_images, test_labels: the held-out part in the same form, or None.
      data: a `tf2gan.data.dataset.Data`, if it is loaded already.
      started: `time.perf_counter()` when the start-up began, for the figure that is printed; by
        default now.
      profile: whether to profile one window, for TensorBoard's Profile tab.
      strategy: what `tf2gan.devices.strategy.choose` returned; by default all is on one device.
    """
    if images is not None:
        config, data = name_arrays(config, images, labels, test_images, test_labels)
    job = prepare(config, data, started, profile, strategy)
    if start := find_start(job.config, logdir):
        job.weights = load_start(job.config, start)  # what is wrong is told on every machine
        job.config = dataclasses.replace(job.config, **start.from_any_folder())
    if not replicas.is_chief(job.strategy):
        return _train_as_worker(job)
    label = config.name or f"{job.data.name}-{config.recipe}"
    return _fit(create_run(logdir, label, job.config.to_json()), job)


def resume(
    run: str | os.PathLike,
    *,
    images: Any = None,
    labels: "ArrayLike | None" = None,
    test_images: Any = None,
    test_labels: "ArrayLike | None" = None,
    data: Data | str | os.PathLike | None = None,
    started: float | None = None,
    profile: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    **changes: Any,
) -> Path | None:
    """Resumes a run from its newest whole checkpoint; returns its folder.

    Without a checkpoint the run starts over in its folder; finished, it is left as it is.

    Args:
      run: the run folder.
      images, labels, test_images, test_labels: the arrays that the run was started with, if it was;
        others are refused. `labels` may also be the path where the file of labels is now.
      data: a `Data`, as in `train`, or the path where the same data are now.
      started, profile, strategy: as in `train`.
      **changes: new values for `epochs`, `steps`, `mixed_precision` or `jit_compile`; they
        stay with the run.
    """
    if isinstance(data, str | os.PathLike):
        data, changes = None, {**changes, "data": os.fspath(data)}
    if images is None and isinstance(labels, str | os.PathLike):
        changes = {**changes, "labels": os.fspath(labels)}
    config = TrainConfig.read(run).resumed(**changes)
    if images is not None:
        given, data = name_arrays(config, images, labels, test_images, test_labels)
        check_same_data(run, config, given)
    job = prepare(config, data, started, profile, strategy, resumed=True)
    return _fit(Path(run), job) if replicas.is_chief(job.strategy) else _train_as_worker(job)


@dataclasses.dataclass
class Session:
    """A run while it is trained: what computes, what is written to, what may stop it."""

    run: Path
    job: Job
    runner: Runner
    checkpoints: Checkpoints
    summaries: Summaries
    stop: StopSignals
    pictures: artifacts.Pictures
    evaluation: Evaluation | None

    @property
    def gan(self):
        return self.runner.gan

    def evaluate(self, step):
        """Measures the networks, and keeps the best; returns the `Quality`, None where unknown."""
        quality = self.evaluation.at(step)
        if quality:
            self.checkpoints.keep_best(quality)
        return quality

    def save(self):
        """Saves a checkpoint; the curves first, which may not lag behind it."""
        self.summaries.flush()
        self.checkpoints.save()

    def end(self, quality, speed=None):
        """Writes what is known after the last step."""
        artifacts.end(self.gan, self.run, self.summaries, self.evaluation, quality, speed)


def _fit(run, job):
    """Trains in a run folder, from its newest checkpoint to the end; returns the folder."""
    with errors_on_one_line(run, job.strategy) as context, alone_in(run):
        runner = job.build()
        checkpoints = Checkpoints(runner.gan, run, keep=job.config.keep)
        step = _restore_or_begin(run, job, runner, checkpoints)
        if step > job.total:
            raise UsageError(
                f"{run} has done {step} steps, more than the {job.total} asked for; "
                f"give at least {step}"
            )
        if step == job.total and is_finished(run):
            print(finished_line(run))
            return run
        if TrainConfig.read(run).of(job.data) != job.config:
            checkpoints.forget_best_after(step)
        every = evaluation_steps(job.config, job.data)
        missed = step and every and _missed_evaluation(run, step, every, job.total)
        artifacts.tidy(run, job.config, step, evaluate_again=missed)
        ruler = find_ruler(job.data) if every else None  # may take a minute: Ctrl-C ends it
        with Summaries(run) as summaries, StopSignals() as stop:
            graph = runner.trace()
            pictures = artifacts.Pictures(runner.gan, run, summaries)
            if step == 0:
                artifacts.begin(runner.gan, job.data, run, summaries, graph)
                pictures.write(step)
            evaluation = Evaluation(runner.gan, job.data, ruler, summaries) if every else None
            session = Session(run, job, runner, checkpoints, summaries, stop, pictures, evaluation)
            context.session = session
            say_how(job, runner)
            if step and is_due(step, job.config.image_every, job.total):
                pictures.write_missing(step)
            quality = session.evaluate(step) if missed else None
            if step < job.total:
                _loop(session, step)
            else:
                session.end(quality)
    return run


def _loop(session, step):
    """Trains window by window; what else happens in a run happens between two windows."""
    run, job, config = session.run, session.job, session.job.config
    evaluate_every, quality = evaluation_steps(config, job.data), None
    with Progress(step, job.total, batch=config.batch, evaluate_every=evaluate_every) as progress:
        for number, window in enumerate(windows(config, job.data, step)):
            # The second window, for the first warms up; or the only one.
            profiling = job.profile and (number == 1 or number == 0 and window.end == job.total)
            with artifacts.profile_of(run, step) if profiling else contextlib.nullcontext():
                metrics = session.runner.run(window.images, window.rows)  # at most 10 steps
            trained, step = f"steps {step + 1} to {window.end}", window.end

            last = step == job.total
            stopping = replicas.any_machine(job.strategy, session.stop.received)
            drawing = is_due(step, config.image_every, job.total)  # each 100 steps, by default
            evaluating = evaluate_every and is_due(step, evaluate_every, job.total)  # each epoch
            saving = stopping or is_due(step, config.checkpoint_every, job.total)  # each 500 steps

            check_finite(run, trained, metrics, session.gan if evaluating or saving else None)
            metrics["speed/images_per_second"] = progress.show_window(step, metrics)
            session.summaries.scalars(metrics, step)
            if drawing:
                session.pictures.write(step)
            if evaluating and (quality := session.evaluate(step)):
                progress.show_quality(step, quality)
            if last:
                session.end(quality, progress.mean_speed)
            if saving:
                session.save()
            if stopping and not last:
                raise stopped(run, step, job.total, session.stop.received)
            progress.restart_clock(evaluated=evaluating)
    print(progress.costs())


def _train_as_worker(job):
    """What a machine that is not the chief does: the chief's windows, from the chief's state."""
    try:
        runner = job.build()
        replicas.take_from_chief(runner.gan.state, job.strategy)
        print("training; the chief alone shows and saves", flush=True)
        with StopSignals() as stop:
            for window in windows(job.config, job.data, int(runner.gan.step.numpy())):
                runner.run(window.images, window.rows)
                if replicas.any_machine(job.strategy, stop.received):
                    message = f"stopped after step {window.end}; the chief saves"
                    raise Stopped(message, stop.received or signal.SIGTERM)
    except Tf2ganError:
        raise
    except Exception as error:
        reason = strategies.why(error, job.strategy)
        raise Tf2ganError(f"stopped ({reason}); start all machines again, with --resume") from error


def is_due(step, every, total):
    """Whether what is done every so many steps, and after the last, is done after this one."""
    return step == total or step % every == 0


def _missed_evaluation(run, step, every, total):
    """Whether the evaluation of a saved step was not made: an error ended it, or what follows."""
    return is_due(step, every, total) and (step == total or not was_evaluated(run, step))


def _restore_or_begin(run, job, runner, checkpoints):
    """Restores the newest checkpoint, or begins with trained networks; returns the steps done."""
    step = checkpoints.restore()
    if step is None:
        step = 0
        if start := find_start(job.config, run.parent):
            runner.gan.set_weights(*(job.weights or load_start(job.config, start)))
            checkpoints.save()  # what they came from may be gone when the run is resumed
            print(f"starts from the networks of {job.config.start_from}")
    replicas.take_from_chief(runner.gan.state, job.strategy)
    return step
