"""The training loop: the only place where networks, data, checkpoints and summaries meet."""

import time
from pathlib import Path

import tensorflow as tf

from tf2gan.checkpoints import Checkpoints
from tf2gan.config import TrainConfig
from tf2gan.data import batch_rows, batches_per_epoch, load_data
from tf2gan.errors import DataError, Tf2ganError, UsageError
from tf2gan.files import replacing
from tf2gan.gan import GAN
from tf2gan.images import tile_grid, write_png
from tf2gan.progress import Progress
from tf2gan.runs import create_run
from tf2gan.sampling import Sampler, plain
from tf2gan.summaries import Summaries, summary_text

FIXED_SAMPLES = 64


def train(config, logdir, *, started=None):
    """Trains a GAN as `config` says and returns the run folder it made inside `logdir`.

    Everything is checked before the folder is made; an existing folder is never used.

    Args:
      config: a `TrainConfig`.
      logdir: the folder of runs, made if it is missing.
      started: `time.perf_counter()` when the start-up began, for the figure that is printed; by
        default now.
    """
    started = started or time.perf_counter()
    data = load_training_data(config)
    run = create_run(logdir, config.name or f"{data.name}-{config.recipe}")
    with replacing(run / "config.json") as partial:
        partial.write_text(config.to_json())
    return _fit(config, data, run, started)


def resume(run, *, started=None, **changes):
    """Goes on with the run in the folder `run` from its newest checkpoint, and returns the folder.

    Args:
      run: the run folder.
      started: as in `train`.
      **changes: new values for `epochs`, `steps` or `mixed_precision`.
    """
    started = started or time.perf_counter()
    config = read_config(run, **changes)
    return _fit(config, load_training_data(config), Path(run), started)


def read_config(run, **changes):
    """Reads the configuration of a run folder, with some fields changed."""
    path = Path(run) / "config.json"
    try:
        config = TrainConfig.from_json(path.read_text())
    except (OSError, ValueError) as error:
        raise Tf2ganError(f"{path} cannot be read ({error})") from error
    except UsageError as error:
        raise Tf2ganError(f"{path} is not a configuration of tf2gan: {error}") from error
    return TrainConfig(**{**vars(config), **changes})


def load_training_data(config):
    """Loads the data that `config` names; `DataError` when it does not fill one batch."""
    data = load_data(config.data)
    if len(data.images) < config.batch:
        raise DataError(
            f"{config.data} has {len(data.images)} images, less than one batch of {config.batch}; "
            f"give a --batch of at most {len(data.images)}"
        )
    return data


def total_steps(config, data):
    """The steps of a whole run."""
    return config.steps or config.epochs * batches_per_epoch(len(data.images), config.batch)


def _fit(config, data, run, started):
    gan = GAN(config)
    checkpoints = Checkpoints(gan, run, keep=config.keep)
    step, total = checkpoints.restore(), total_steps(config, data)
    sampler = Sampler(gan.generator)
    images = tf.constant(data.images)  # uint8, on the device once
    count = len(data.images)
    with Summaries(run) as summaries:

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
                step, total, config.log_every, config.image_every, config.checkpoint_every
            )
            rows = batch_rows(step, until - step, count=count, batch=config.batch)
            metrics = {tag: float(value) for tag, value in train_steps(images, rows).items()}
            step = until
            metrics["speed/images_per_second"] = progress.window(step, metrics)
            summaries.scalars(metrics, step)
            if step % config.image_every == 0 or step == total:
                write_samples()
            if step % config.checkpoint_every == 0 or step == total:
                summaries.flush()
                checkpoints.save()
    return run


def next_stop(step, total, *cadences):
    """The step at which the window that begins at `step` ends: the next multiple of any cadence."""
    return min(total, *((step // cadence + 1) * cadence for cadence in cadences))
