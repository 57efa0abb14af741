"""The training loop: the only place where networks, data, checkpoints and summaries meet."""

import math
import signal
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import tensorflow as tf

from tf2gan.board.summaries import Summaries
from tf2gan.data.batches import batches_per_epoch, total_steps
from tf2gan.data.training import check_same_data, load_training_data, name_arrays
from tf2gan.devices import kernels as onednn
from tf2gan.devices.precision import choose_dtype, computing_gpus
from tf2gan.devices.strategy import (
    any_machine,
    check_alike,
    check_settings,
    choose_jit,
    describe,
    is_chief,
    take_from_chief,
    why,
)
from tf2gan.gan import GAN
from tf2gan.runs.checkpoints import Checkpoints
from tf2gan.runs.folders import checkpoint_steps, create_run, resume_command
from tf2gan.runs.sources import find_start, load_start
from tf2gan.settings.config import TrainConfig
from tf2gan.training import artifacts as record
from tf2gan.training.evaluation import Evaluation, find_ruler
from tf2gan.training.progress import Progress
from tf2gan.training.signals import StopSignals
from tf2gan.training.windows import evaluation_steps, windows
from tf2gan.utils.errors import Stopped, Tf2ganError, UsageError, brief
from tf2gan.utils.files import locked

RECIPE_LINES = {  # what a run says at its start
    "classic": "the original's; --recipe modern makes better images, and sooner",
    "modern": "for better images, and sooner; --recipe classic is the original's",
}


def train(
    config,
    logdir,
    *,
    images=None,
    labels=None,
    test_images=None,
    test_labels=None,
    data=None,
    started=None,
    profile=False,
    strategy=None,
):
    """Trains a GAN as `config` says and returns the run folder it made inside `logdir`.

    Everything is checked before the folder is made; an existing folder is never used. Of several
    machines the chief alone makes one; the others compute, and return None.

    Args:
      config: a `TrainConfig`.
      logdir: the folder of runs, made if it is missing.
      images: the training images, in place of `config.data`: an array of any library, `[N, H, W]`
        or `[N, H, W, C]`, uint8 or numbers in [0, 1], [-1, 1] or [0, 255].
      labels: the class of each image, `[N]`, or None.
      test_images, test_labels: the held-out part in the same form, or None.
      data: a `tf2gan.data.dataset.Data`, if it is loaded already.
      started: `time.perf_counter()` when the start-up began, for the figure that is printed; by
        default now.
      profile: whether to profile one window, for TensorBoard's Profile tab.
      strategy: what `tf2gan.devices.strategy.choose` returned; by default all is on one device.
    """
    started = started or time.perf_counter()
    if images is not None:
        config, data = name_arrays(config, images, labels, test_images, test_labels)
    config, data = load_training_data(config, data)
    strategy = _agreed(strategy, config, data)
    weights = _starting_weights(config, logdir)  # what is wrong with them is told everywhere
    if not is_chief(strategy):
        return _assist(config, data, strategy)
    run = create_run(logdir, config.name or f"{data.name}-{config.recipe}", config.to_json())
    return _hold_and_fit(config, data, run, started, profile, strategy, weights)


def resume(
    run,
    *,
    images=None,
    labels=None,
    test_images=None,
    test_labels=None,
    data=None,
    started=None,
    profile=False,
    strategy=None,
    **changes,
):
    """Goes on with a run from its newest whole checkpoint; returns its folder.

    Without a checkpoint the run starts over in its folder; finished, it is left as it is.

    Args:
      run: the run folder.
      images, labels, test_images, test_labels: the arrays that the run was started with, if it was;
        others are refused.
      data, started, profile, strategy: as in `train`.
      **changes: new values for `epochs`, `steps`, `mixed_precision` or `jit_compile`; they
        stay with the run.
    """
    started = started or time.perf_counter()
    config = TrainConfig.read(run).going_on(**changes)
    if images is not None:
        given, data = name_arrays(config, images, labels, test_images, test_labels)
        check_same_data(run, config, given)
    config, data = load_training_data(config, data)
    strategy = _agreed(strategy, config, data)
    if not is_chief(strategy):
        return _assist(config, data, strategy)
    return _hold_and_fit(config, data, Path(run), started, profile, strategy)


def _starting_weights(config, logdir):
    start = find_start(config, logdir)
    return start and load_start(config, start)


def _agreed(strategy, config, data):
    """The strategy, once all machines are known to train the same, in equal slices."""
    strategy = strategy or tf.distribute.get_strategy()
    check_settings(strategy, config.batch, choose_dtype(config.mixed_precision, strategy)[0])
    choose_jit(config.jit_compile, strategy)  # refused before a folder is made
    check_alike(strategy, f"{config.to_json()} {len(data.images)}")
    return strategy


def _hold_and_fit(config, data, run, started, profile, strategy, weights=None):
    """Trains while holding the run's lock; what the disk or the device refuses becomes one line."""
    try:
        with ExitStack() as held:
            try:
                held.enter_context(locked(run / ".lock", wait=False))
            except BlockingIOError as error:
                raise Tf2ganError(
                    f"{run} is being trained by another process; wait, or start a new run"
                ) from error
            _fit(config, data, run, started, profile, strategy, weights)
    except Tf2ganError:
        raise
    except (OSError, tf.errors.OpError) as error:
        raise Tf2ganError(
            f"{run} stopped ({why(error, strategy)}); "
            f"its checkpoints are as they were, {_newest(run)}: "
            f"when that is put right, go on with {resume_command(run)}"
        ) from error
    except Exception as error:
        raise _fault(run, error, _newest(run), strategy) from error
    return run


@contextmanager
def _saving_what_was_trained(gan, run, summaries, checkpoints):
    """Saves before an error that nobody foresaw ends the loop.

    Yields an object whose `whole` says whether the networks are those of a whole step: inside a
    window that failed they are not. A disk that refuses to write leaves the checkpoints as they
    were, as it does elsewhere: what lies behind them is done again.
    """
    state = SimpleNamespace(whole=False)
    try:
        yield state
    except (Tf2ganError, OSError):
        raise
    except Exception as error:
        if not state.whole or gan.non_finite_variable():
            raise
        summaries.flush()
        checkpoints.save()
        raise _fault(
            run, error, f"what was trained is saved, {int(gan.step.numpy())} steps", gan.strategy
        ) from error


def _fault(run, error, kept, strategy):
    return Tf2ganError(
        f"{run} stopped ({why(error, strategy)}); {kept}; go on with {resume_command(run)} "
        "(--debug shows where it stopped)"
    )


def _build(config, data, strategy):
    epoch_steps = batches_per_epoch(len(data.images), config.batch)
    total = total_steps(config, data)
    return GAN(config, total_steps=total, epoch_steps=epoch_steps, strategy=strategy)


def _assist(config, data, strategy):
    """What a machine that is not the chief does: the chief's windows, from the chief's state."""
    try:
        gan = _build(config, data, strategy)
        take_from_chief([gan.step, *gan.variables], strategy)
        print("training; the chief alone shows and saves", flush=True)
        with StopSignals() as stop:
            for step, images, rows in windows(config, data, int(gan.step.numpy())):
                gan.train_steps(images, rows)
                if any_machine(strategy, stop.received):
                    raise Stopped(
                        f"stopped after step {step}; the chief saves",
                        stop.received or signal.SIGTERM,
                    )
    except Tf2ganError:
        raise
    except Exception as error:
        raise Tf2ganError(
            f"stopped ({why(error, strategy)}); start all machines again, with --resume"
        ) from error


def _fit(config, data, run, started, profile, strategy, weights):
    total, gan = total_steps(config, data), _build(config, data, strategy)
    checkpoints = Checkpoints(gan, run, keep=config.keep)
    step, begun = checkpoints.restore(), ""
    if step is None:
        step = 0
        if weights := weights or _starting_weights(config, run.parent):
            gan.begin_with(*weights)
            checkpoints.save()  # what they came from may be gone when the run goes on
            begun = f"\nbegins with the networks of {config.start_from}"
    take_from_chief([gan.step, *gan.variables], strategy)
    if step > total:
        raise UsageError(
            f"{run} has done {step} steps, more than the {total} asked for; give at least {step}"
        )
    if step == total:
        print(f"{run} is finished: {step} of {total} steps; more --steps or --epochs extend it")
        return
    if TrainConfig.read(run).of(data) != config:
        checkpoints.forget_best_after(step)
    record.tidy(run, config, step)
    evaluate_every, quality = evaluation_steps(config, data), None
    ruler = find_ruler(data) if evaluate_every else None  # may take a minute: Ctrl-C ends it
    with Summaries(run) as summaries, StopSignals() as stop:
        pictures = record.Pictures(gan, run, summaries)
        train_steps = gan.train_steps.get_concrete_function()  # the one trace
        if step == 0:
            record.begin(gan, data, run, summaries, train_steps.graph)
            pictures.write(step)
        evaluation = Evaluation(gan, data, ruler, summaries) if evaluate_every else None
        print(f"{data.line()}\nrecipe {config.title}: {RECIPE_LINES[config.recipe]}{begun}")
        print(
            f"start-up {time.perf_counter() - started:.1f} s; {describe(strategy)}"
            f"computing in {gan.dtype.name}: {gan.dtype_reason}; {how_computed(gan)}",
            flush=True,
        )
        progress = Progress(step, total, batch=config.batch, evaluate_every=evaluate_every)
        with _saving_what_was_trained(gan, run, summaries, checkpoints) as state:
            for until, images, rows in windows(config, data, step):
                # The second, for the first warms up; or the only one.
                profiling = profile and (
                    progress.windows == 1 or progress.windows == 0 and until == total
                )
                with record.profile_of(run, step) if profiling else nullcontext():
                    state.whole = False
                    metrics = _metrics_of(train_steps, images, rows, run, stop)
                    state.whole = True
                window = f"steps {step + 1} to {until}"
                for tag in ("loss/d", "loss/g"):
                    if not math.isfinite(metrics[tag]):
                        raise _gone_bad(run, f"{tag} is {metrics[tag]}", window)
                step = until
                metrics["speed/images_per_second"] = progress.window(step, metrics)
                summaries.scalars(metrics, step)
                if step % config.image_every == 0 or step == total:
                    pictures.write(step)
                evaluating = evaluation and (step % evaluate_every == 0 or step == total)
                stopping = any_machine(strategy, stop.received)
                saving = step % config.checkpoint_every == 0 or step == total or stopping
                if (evaluating or saving) and (bad := gan.non_finite_variable()):
                    raise _gone_bad(run, f"{bad} is not finite", window)
                if evaluating and (quality := evaluation.at(step)):
                    progress.quality(step, quality)
                    checkpoints.keep_best(quality)
                if step == total:
                    record.end(gan, run, summaries, evaluation, quality, progress.mean_speed)
                if saving:
                    summaries.flush()  # before the checkpoint: no curve may lag behind it
                    checkpoints.save()
                if stopping and step < total:
                    raise Stopped(
                        f"stopped and saved at step {step} of {total}; "
                        f"go on with: {resume_command(run)}",
                        stop.received or signal.SIGTERM,
                    )
                progress.resume(evaluated=bool(evaluating))
        print(progress.costs())


def _metrics_of(train_steps, images, rows, run, stop):
    """Trains a window and returns its metrics as numbers."""
    try:
        return {tag: float(value) for tag, value in train_steps(images, rows).items()}
    except tf.errors.OpError as error:
        if not stop.received:
            raise
        # Ctrl-C reaches every process of a terminal, so XLA's compiler as well.
        raise Stopped(
            f"stopped inside a window ({brief(error)}); {_newest(run)}; "
            f"go on with: {resume_command(run)}",
            stop.received,
        ) from error


def how_computed(gan):
    """With which kernels: oneDNN's are the processor's, and XLA is named where it was asked for."""
    with_xla = f"{'with' if gan.jit_compile else 'without'} XLA ({gan.jit_reason})"
    with_xla += ", which compiles in the first window" if gan.jit_compile else ""
    asked = gan.jit_compile or gan.config.jit_compile == "on"
    kernels = [] if computing_gpus(gan.strategy) else [onednn.describe()]
    return ", ".join([*kernels, with_xla] if asked else kernels or [with_xla])


def _gone_bad(run, what, window):
    return Tf2ganError(
        f"{what} after {window} of {run}, which stops here; {_newest(run)}. "
        "The same settings would lead there again: "
        "start a new run with another --seed, --batch or --mixed-precision"
    )


def _newest(run):
    steps = checkpoint_steps(run)
    return (
        f"the newest checkpoint is of step {steps[-1]}" if steps else "no checkpoint was saved yet"
    )
