"""Tries training recipes and measures what they give: python benchmarks/recipes.py NAME [NAME ...]

Every name of `VARIANTS` is the recipe `modern` with some hyperparameters set, and three of them
(`KINDS`) with a change of the step; most are what was tried and dropped (docs/experiments.md has
the table). Each is trained for `--epochs` and measured twice an epoch, a JSON line each; `--total`
is the length of the run over which the learning rates decay: the beginning of a longer run.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tf2gan.utils.command_line import import_tensorflow

import_tensorflow()

import keras
import tensorflow as tf

from tf2gan.data.dataset import batch_rows, batches_per_epoch
from tf2gan.data.images import tile_grid, write_png
from tf2gan.data.load import load_data
from tf2gan.gan import GAN
from tf2gan.quality.ruler import Ruler
from tf2gan.sampling.sampler import Sampler, plain
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import read_changes
from tf2gan.training.runner import Runner


class NoisyGAN(GAN):
    """Gaussian noise on all that D sees, real and generated (Arjovsky & Bottou 2017)."""

    noise = 0.3  # standard deviation

    def _discriminate(self, images, **flags):
        key = tf.stack([tf.cast(self.config.seed, tf.int64), self.step])
        noise = tf.random.stateless_normal(tf.shape(images), key)
        return super()._discriminate(images + self.noise * noise, **flags)


class SmoothedGAN(GAN):
    """Real images are labelled 0.9 for D, generated ones 0 as ever (Salimans et al. 2016)."""

    def _cross_entropy(self, labels, logits):
        in_d = labels.shape[0] > self.config.batch  # its update sees two batches at once, G's one
        return super()._cross_entropy(0.9 * labels if in_d else labels, logits)


class TopKGAN(GAN):
    """G learns from those three quarters of its images that D likes best (Sinha et al. 2020)."""

    def _cross_entropy(self, labels, logits):
        losses = super()._cross_entropy(labels, logits)
        if labels.shape[0] > self.config.batch:  # D's update
            return losses
        return -tf.math.top_k(-losses[:, 0], self.config.batch * 3 // 4).values


KINDS = {"64-noise": NoisyGAN, "short-smoothed": SmoothedGAN, "short-top-k": TopKGAN}
SHORT = "final_learning_rate=1 averaging=0.99 shift=0"  # for runs of half an epoch
PLAIN = f"{SHORT} d_learning_rate=0.0002 gradient_penalty=0"
VARIANTS = {  # name: images in a step, then what is `--set` of `modern`
    "modern": "32",
    "unmoved": "32 shift=0",
    "moved-at-once": "32 shift_from_epoch=0",
    "moved-by-one": "32 shift=1",
    "short": f"32 {SHORT}",
    "short-smoothed": f"32 {SHORT}",
    "short-top-k": f"32 {SHORT}",
    "64": f"64 {PLAIN}",
    "64-noise": f"64 {PLAIN}",
    "64-d-0.0004": f"64 {PLAIN} d_learning_rate=0.0004",
    "64-d-0.0004-g-0.002": f"64 {PLAIN} d_learning_rate=0.0004 g_learning_rate=0.002",
    "32": f"32 {PLAIN}",
    "32-d-0.0006": f"32 {PLAIN} d_learning_rate=0.0006",
    "32-d-0.0004": f"32 {PLAIN} d_learning_rate=0.0004",
    "32-d-0.0004-g-0.0005": f"32 {PLAIN} d_learning_rate=0.0004 g_learning_rate=0.0005",
    "32-d-0.0006-g-0.002": f"32 {PLAIN} d_learning_rate=0.0006 g_learning_rate=0.002",
    "32-d-0.001": f"32 {PLAIN} d_learning_rate=0.001",
    "32-d-0.001-penalty-4": f"32 {PLAIN} d_learning_rate=0.001 gradient_penalty=4",
}


def settings(name):
    """The `TrainConfig` fields of a variant: `--batch` and the `--set` of a command line."""
    batch, *words = VARIANTS[name].split()
    return {"recipe": "modern", "batch": int(batch), "recipe_values": read_changes(words)}


def try_variant(name, *, epochs, total, seed, count):
    config = TrainConfig(**settings(name), seed=seed, mixed_precision="auto")
    data = load_data("mnist")
    per_epoch = batches_per_epoch(len(data.images), config.batch)
    steps = round(total * per_epoch)
    gan = KINDS.get(name, GAN)(config, total_steps=steps, epoch_steps=per_epoch)
    runner = Runner(gan)
    sampler, ruler, images = Sampler(gan.ema_generator), Ruler(data), tf.constant(data.images)
    order = seed if config.recipe_values.shuffle else None
    seconds, step = 0.0, 0
    for half in range(1, round(2 * epochs) + 1):
        end = round(per_epoch * half / 2)
        started = time.perf_counter()
        rows = batch_rows(step, end - step, count=len(data.images), batch=config.batch, seed=order)
        runner.run(images, rows)
        step, seconds = end, seconds + time.perf_counter() - started
        quality = ruler.measure(plain(sampler, count, seed=0))
        figures = {
            "name": name,
            "seed": seed,
            "epoch": round(end / per_epoch, 2),
            "frechet": round(quality.frechet, 1),
            "precision": round(quality.precision, 3),
            "recall": round(quality.recall, 3),
            "most_frequent": round(float(quality.histogram.max()), 3),
            "training_seconds": round(seconds),
        }
        print(json.dumps(figures), flush=True)
    return plain(sampler, 64, seed=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="+", choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS)
    )
    parser.add_argument(
        "--epochs", type=float, default=2, help="passes over the data, in halves (default: 2)"
    )
    parser.add_argument(
        "--total", type=float, help="epochs over which the rates fall (default: --epochs)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="one run each (default: 0)"
    )
    parser.add_argument(
        "--images", type=int, default=10_000, help="images measured (default: 10000)"
    )
    parser.add_argument("--pictures", type=Path, help="folder for a grid of each run")
    flags = parser.parse_args()
    for name in flags.names:
        for seed in flags.seeds:
            keras.backend.clear_session()
            total = flags.total or flags.epochs
            samples = try_variant(
                name, epochs=flags.epochs, total=total, seed=seed, count=flags.images
            )
            if flags.pictures:
                flags.pictures.mkdir(parents=True, exist_ok=True)
                write_png(flags.pictures / f"{name}-{seed}.png", tile_grid(samples))


if __name__ == "__main__":
    main()
