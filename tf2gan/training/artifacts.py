"""What a run leaves in its folder beside checkpoints and curves: pictures, texts, figures."""

import dataclasses
import json
import platform
import shlex
import shutil
import sys
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

import tf2gan
from tf2gan.board.summaries import HELD_OUT, STEERED, drop_after, summary_text
from tf2gan.data.images import FILE_SUFFIXES, read_png, tile_grid, write_gif, write_png
from tf2gan.gan import METRICS
from tf2gan.runs.checkpoints import best_figures
from tf2gan.runs.folders import grid_of, grid_steps, length_of
from tf2gan.sampling.sampler import Sampler, plain
from tf2gan.utils.files import PARTIAL, replacing

FIXED_SAMPLES = 64
OF_STEPS = (  # tags that no evaluation writes
    *METRICS,
    "speed/images_per_second",
    "samples/fixed",
    *STEERED,
)
TIMELAPSE_FRAMES = 60  # at most: a megabyte or so


class Pictures:
    """The grids of the same 64 latents over the run, in TensorBoard and in the run's folder."""

    def __init__(self, gan, run, summaries):
        self._sampler, self._seed = Sampler(gan.ema_generator), gan.config.seed
        self._run, self._summaries = run, summaries
        (run / "samples").mkdir(exist_ok=True)

    def write(self, step):
        samples = plain(self._sampler, FIXED_SAMPLES, seed=self._seed)
        self._summaries.grid("samples/fixed", samples, step)
        write_png(grid_of(self._run, step), tile_grid(samples))

    def write_missing(self, step):
        """Draws a grid that an error kept from being drawn before the step was saved."""
        if not grid_of(self._run, step).exists():
            self.write(step)


def begin(gan, data, run, summaries, graph):
    """Writes what is known before the first step."""
    config = gan.config
    reals = data.images[:FIXED_SAMPLES]
    summaries.grid("samples/real", reals, 0)
    write_png(run / "samples" / "real.png", tile_grid(reals))
    versions = {module.__name__: module.__version__ for module in (tf, keras, np)}
    texts = {
        "config": config.to_json(),
        "command": shlex.join(sys.argv),
        "versions": json.dumps(
            {"tf2gan": tf2gan.__version__, "python": platform.python_version(), **versions},
            indent=2,
        ),
        **{network.name: summary_text(network) for network in (gan.generator, gan.discriminator)},
    }
    for tag, text in texts.items():
        summaries.text(tag, text, 0)
    settings = {
        "data": config.data,
        "recipe": config.recipe,
        "precision": gan.dtype.name,
        "batch": config.batch,
        "seed": config.seed,
        **dataclasses.asdict(config.recipe_values),
    }
    steered = config.recipe_values.augment_target
    held_out = data.test_count and config.evaluate_every != 0
    absent = (() if steered else STEERED) + (() if held_out else HELD_OUT)
    summaries.begin(run.name, settings, graph, absent)


def end(gan, run, summaries, evaluation, quality, speed=None):
    """Writes what is known after the last step: time lapse, projector, figures for scripts."""
    step = int(gan.step.numpy())
    steps = grid_steps(run)
    chosen = np.linspace(0, len(steps) - 1, TIMELAPSE_FRAMES).round().astype(int)
    frames = [grid_of(run, steps[i]) for i in np.unique(chosen)]
    write_gif(run / "samples" / "timelapse.gif", map(read_png, frames), seconds_per_frame=0.1)
    if evaluation:
        evaluation.show_projector(run)
    figures = {
        "step": step,
        "length": length_of(gan.config),
        "recipe": gan.config.title,
        "data": gan.config.data,
        "precision": gan.dtype.name,
        "images_per_second": speed and round(speed, 1),
        "quality": quality and quality.figures(),
        "best": best_figures(run),
    }
    with replacing(run / "summary.json") as partial:
        partial.write_text(json.dumps(figures, indent=2) + "\n")
    summaries.end(step)


def tidy(run, config, step, *, evaluate_again=False):
    """Makes a run folder what it was when `step` had just been saved, whatever was killed since.

    With `evaluate_again` the evaluation of that step will be made again.
    """
    if (run / "config.json").read_text() != config.to_json():
        with replacing(run / "config.json") as partial:
            partial.write_text(config.to_json())
    for folder in (run, run / "samples", run / "projector"):
        for file in folder.glob(f"{PARTIAL}*"):
            if folder != run or file.suffix not in FILE_SUFFIXES:  # those are generate.py's
                file.unlink(missing_ok=True)
    for folder in (run / "checkpoints").glob("*_temp"):
        shutil.rmtree(folder)
    drop_after(run, step, but=OF_STEPS if evaluate_again else None)


@contextmanager
def profile_of(run, step):
    """Profiles a window for the Profile tab, marked as a step: else its overview is empty."""
    profiler = tf.profiler.experimental
    with profiler.Profile(str(run)), profiler.Trace("window", step_num=step, _r=1):
        yield
