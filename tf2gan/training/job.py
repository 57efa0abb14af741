"""What a call of `train` or `resume` trains, and on what; what it says of that."""

import contextlib
import dataclasses
import time

import tensorflow as tf

from tf2gan.data.dataset import Data, batches_per_epoch, total_steps
from tf2gan.data.load import load_training_data
from tf2gan.devices import kernels
from tf2gan.devices import strategy as strategies
from tf2gan.devices.precision import choose_dtype, computing_gpus
from tf2gan.gan import GAN
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import SAID, why_chosen
from tf2gan.training.runner import Runner
from tf2gan.utils.errors import Tf2ganError
from tf2gan.utils.files import locked


@dataclasses.dataclass
class Job:
    """What one call of `train` or `resume` was given, checked: what is trained, and on what."""

    config: TrainConfig
    data: Data
    strategy: tf.distribute.Strategy
    started: float
    profile: bool
    weights: tuple | None = None  # of the networks that a run starts from

    @property
    def total(self):
        """The steps of the whole run."""
        return total_steps(self.config, self.data)

    def build(self):
        """A new GAN, and what runs its steps."""
        epoch_steps = batches_per_epoch(len(self.data.images), self.config.batch)
        with self.strategy.scope():
            gan = GAN(self.config, total_steps=self.total, epoch_steps=epoch_steps)
        return Runner(gan, self.strategy)


def prepare(config, data, started, profile, strategy, *, resumed=False):
    """The `Job`, once all machines are known to train the same, in equal slices."""
    started = started or time.perf_counter()
    config, data = load_training_data(config, data, resumed=resumed)
    strategy = strategy or tf.distribute.get_strategy()
    dtype, _ = choose_dtype(config.mixed_precision, strategy)
    strategies.check_settings(strategy, config.batch, dtype)
    strategies.choose_jit(config.jit_compile, strategy)  # refused before a folder is made
    # The same images by their content: each machine may have them in a place of its own.
    content = dataclasses.replace(config, data="the same", labels=None)
    strategies.check_alike(strategy, content.to_json())
    return Job(config, data, strategy, started, profile)


@contextlib.contextmanager
def alone_in(run):
    """Holds the run's lock: two processes that train it would destroy each other's checkpoints."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(run / ".lock", wait=False))
        except BlockingIOError as error:
            raise Tf2ganError(
                f"{run} is being trained by another process; wait, or start a new run"
            ) from error
        yield


def say_how(job, runner):
    """Prints what is trained, and how it is computed."""
    gan = runner.gan
    print(f"{job.data.line()}\nrecipe {job.config.title}: {SAID[job.config.recipe]}")
    for line in why_chosen(job.config, len(job.data.images)):
        print(line)
    print(
        f"start-up {time.perf_counter() - job.started:.1f} s; "
        f"{strategies.describe(job.strategy)}"
        f"computing in {gan.dtype.name}: {gan.dtype_reason}; {how_computed(runner)}",
        flush=True,
    )


def how_computed(runner):
    """With which kernels: oneDNN's are the processor's, and XLA is named where it was asked for."""
    with_xla = f"{'with' if runner.jit_compile else 'without'} XLA ({runner.jit_reason})"
    with_xla += ", which compiles in the first window" if runner.jit_compile else ""
    asked = runner.jit_compile or runner.gan.config.jit_compile == "on"
    with_onednn = "with oneDNN" if kernels.has_onednn() else "without oneDNN"
    if computing_gpus(runner.strategy):
        return with_xla
    return f"{with_onednn}, {with_xla}" if asked else with_onednn
