"""The training loop: the only place where networks, data, checkpoints and summaries meet."""

import math
import shutil
import time
from pathlib import Path

import tensorflow as tf

from tf2gan.checkpoints import Checkpoints, checkpoint_steps
from tf2gan.config import TrainConfig
from tf2gan.data import batch_rows, batches_per_epoch, load_training_data, total_steps
from tf2gan.errors import Stopped, Tf2ganError, UsageError, brief
from tf2gan.files import PARTIAL, locked, replacing
from tf2gan.gan import GAN
from tf2gan.images import tile_grid, write_png
from tf2gan.progress import Progress
from tf2gan.quality import Ruler, why_not
from tf2gan.runs import create_run, resume_command
from tf2gan.sampling import Sampler, plain
from tf2gan.signals import StopSignals
from tf2gan.summaries import Summaries, drop_after, summary_text

FIXED_SAMPLES = 64


def train(config, logdir, *, data=None, started=None):
    """Trains a GAN as `config` says and returns the run folder it made inside `logdir`.

    Everything is checked before the folder is made; an existing folder is never used.

    Args:
      config: a `TrainConfig`.
      logdir: the folder of runs, made if it is missing.
      data: a `tf2gan.data.Data`, if it is loaded already; otherwise `config.data` is.
      started: `time.perf_counter()` when the start-up began, for the figure that is printed; by
        default now.
    """
    started = started or time.perf_counter()
    data = data or load_training_data(config)
    run = create_run(logdir, config.name or f"{data.name}-{config.recipe}", config.to_json())
    return _hold_and_fit(config, data, run, started)


def resume(run, *, data=None, started=None, **changes):
    """Goes on with the run in the folder `run` from its newest whole checkpoint; returns the folder.

    Without a checkpoint the run starts over in its folder; finished, it is left as it is.

    Args:
      run: the run folder.
      data, started: as in `train`.
      **changes: new values for `epochs`, `steps` or `mixed_precision`; they stay with the run.
    """
    started = started or time.perf_counter()
    config = TrainConfig.read(run).going_on(**changes)
    return _hold_and_fit(config, data or load_training_data(config), Path(run), started)


def _hold_and_fit(config, data, run, started):
    """Trains while holding the run's lock; what the disk or the device refuses becomes one line."""
    try:
        with locked(run / ".lock", wait=False):
            _fit(config, data, run, started)
    except BlockingIOError as error:
        raise Tf2ganError(f"{run} is being trained by another process; wait, or start a new run") from error
    except (OSError, tf.errors.OpError) as error:
        raise Tf2ganError(
            f"{run} stopped ({brief(error)}); its checkpoints are as they were: "
            f"when that is put right, go on with {resume_command(run)}"
        ) from error
    return run


def _fit(config, data, run, started):
    total = total_steps(config, data)
    gan = GAN(config, total_steps=total)
    checkpoints = Checkpoints(gan, run, keep=config.keep)
    step = checkpoints.restore()
    if step > total:
        raise UsageError(f"{run} has done {step} steps, more than the {total} asked for; give at least {step}")
    if step == total:
        print(f"{run} is finished: {step} of {total} steps; more --steps or --epochs extend it")
        return
    _tidy(run, config, step)
    sampler = Sampler(gan.averaged_generator)
    images = tf.constant(data.images)  # uint8, on the device once
    count = len(data.images)
    order = config.seed if gan.recipe.shuffled else None
    evaluate_every = _evaluation_cadence(config, data)
    ruler = None
    with Summaries(run) as summaries, StopSignals() as stop:

        def write_samples():
            samples = plain(sampler, FIXED_SAMPLES, seed=config.seed)
            summaries.grid("samples/fixed", samples, step)
            write_png(run / "samples" / f"step-{step:06d}.png", tile_grid(samples))

        (run / "samples").mkdir(exist_ok=True)
        if step == 0:
            reals = data.images[:FIXED_SAMPLES]
            summaries.grid("samples/real", reals, step)
            write_png(run / "samples" / "real.png", tile_grid(reals))
            summaries.text("config", config.to_json(), step)
            for network in (gan.generator, gan.discriminator):
                summaries.text(network.name, summary_text(network), step)
            write_samples()
        train_steps = gan.train_steps.get_concrete_function()  # the one trace
        print(
            f"start-up {time.perf_counter() - started:.1f} s; "
            f"computing in {gan.dtype.name}: {gan.dtype_reason}", flush=True,
        )  # fmt: skip
        progress = Progress(step, total, batch=config.batch)
        while step < total:
            until = next_stop(
                step, total, config.log_every, config.image_every, config.checkpoint_every,
                *([evaluate_every] if evaluate_every else []),
            )  # fmt: skip
            rows = batch_rows(step, until - step, count=count, batch=config.batch, seed=order)
            metrics = {tag: float(value) for tag, value in train_steps(images, rows).items()}
            window = f"steps {step + 1} to {until}"
            for tag in ("loss/d", "loss/g"):
                if not math.isfinite(metrics[tag]):
                    raise _gone_bad(run, f"{tag} is {metrics[tag]}", window)
            step = until
            metrics["speed/images_per_second"] = progress.window(step, metrics)
            summaries.scalars(metrics, step)
            if step % config.image_every == 0 or step == total:
                write_samples()
            evaluating = evaluate_every and (step % evaluate_every == 0 or step == total)
            saving = step % config.checkpoint_every == 0 or step == total or stop.received
            if (evaluating or saving) and (bad := gan.non_finite_variable()):
                raise _gone_bad(run, f"{bad} is not finite", window)
            if evaluating:
                ruler = ruler or Ruler(data)
                quality = ruler.measure(plain(sampler, ruler.count, seed=config.seed))
                summaries.scalars(quality.scalars(), step)
                progress.quality(step, quality)
                checkpoints.keep_best(quality.frechet)
            if saving:
                summaries.flush()  # before the checkpoint: no curve may lag behind it
                checkpoints.save()
            if stop.received and step < total:
                raise Stopped(
                    f"stopped and saved at step {step} of {total}; go on with: {resume_command(run)}",
                    stop.received,
                )


def _evaluation_cadence(config, data):
    """The steps between two measurements of quality, or 0 for none, with a line that says why."""
    every = config.evaluate_every
    if every is None:
        every = batches_per_epoch(len(data.images), config.batch)
    if every and (reason := why_not(data)):
        print(reason)
        return 0
    return every


def _tidy(run, config, step):
    """Makes a run folder what it was when `step` had just been saved, whatever was killed since."""
    if TrainConfig.read(run) != config:
        with replacing(run / "config.json") as partial:
            partial.write_text(config.to_json())
    for file in run.rglob(f"{PARTIAL}*"):
        file.unlink()
    for folder in (run / "checkpoints").glob("*_temp"):
        shutil.rmtree(folder)
    drop_after(run, step)


def _gone_bad(run, what, window):
    steps = checkpoint_steps(run)
    kept = f"the newest checkpoint is of step {steps[-1]}, before that" if steps else "nothing was saved before that"
    return Tf2ganError(
        f"{what} after {window} of {run}, which stops here; {kept}. The same settings would lead "
        "there again: start a new run with another --seed, --batch or --mixed-precision"
    )


def next_stop(step, total, *cadences):
    """The step at which the window that begins at `step` ends: the next multiple of any cadence."""
    return min(total, *((step // cadence + 1) * cadence for cadence in cadences))
