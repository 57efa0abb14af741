"""Tries training recipes and measures what they give: python benchmarks/recipes.py NAME [NAME ...]

Every name of `VARIANTS` is the recipe `modern` with some changes, three of them (`KINDS`) of the step,
most of them what was tried and dropped (docs/quality.md has the table). Each is trained for `--epochs`
and measured twice an epoch, a JSON line each; `--total` is the length of the run over which the rates
fall, so that the beginning of a longer run can be tried.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tf2gan.commands import import_tensorflow

import_tensorflow()

import keras
import tensorflow as tf

from tf2gan.config import TrainConfig
from tf2gan.data.batches import batch_rows, batches_per_epoch
from tf2gan.data.images import tile_grid, write_png
from tf2gan.data.load import load_data
from tf2gan.gan import GAN
from tf2gan.quality.ruler import Ruler
from tf2gan.recipes import RECIPES
from tf2gan.sampling import Sampler, plain


class NoisyGAN(GAN):
    """Gaussian noise on all that D sees, real and generated (Arjovsky & Bottou 2017)."""

    noise = 0.3  # standard deviation

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        evaluate = self._evaluate

        def noisy(network, inputs, **flags):
            if network is self.discriminator:
                key = tf.stack([tf.cast(self.config.seed, tf.int64), self.step])
                inputs += self.noise * tf.random.stateless_normal(tf.shape(inputs), key)
            return evaluate(network, inputs, **flags)

        self._evaluate = noisy


class SmoothedGAN(GAN):
    """Real images are labelled 0.9 for D, generated ones 0 as ever (Salimans et al. 2016)."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        cross_entropies = self._cross_entropies
        # D's update sees two batches at once, G's one.
        self._cross_entropies = lambda labels, logits: cross_entropies(
            0.9 * labels if labels.shape[0] > self.config.batch else labels, logits
        )


class TopKGAN(GAN):
    """G learns from those three quarters of its images that D likes best (Sinha et al. 2020)."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        cross_entropies, kept = self._cross_entropies, self.config.batch * 3 // 4

        def of_the_best(labels, logits):
            losses = cross_entropies(labels, logits)
            return (
                losses
                if labels.shape[0] > self.config.batch
                else -tf.math.top_k(-losses, kept).values
            )

        self._cross_entropies = of_the_best


KINDS = {"64-noise": NoisyGAN, "short-smoothed": SmoothedGAN, "short-top-k": TopKGAN}
SHORT = {"cosine": False, "averaging": 0.99, "shift": 0}  # for runs of half an epoch
PLAIN_64 = {**SHORT, "batch": 64, "d_learning_rate": 0.0002, "gradient_penalty": 0}
PLAIN_32 = {**PLAIN_64, "batch": 32}
VARIANTS = {  # name: changes of `modern`
    "modern": {},
    "unmoved": {"shift": 0},
    "moved-at-once": {"shift_after": 0},
    "moved-by-one": {"shift": 1},
    "short": SHORT,
    "short-smoothed": SHORT,
    "short-top-k": SHORT,
    "64": PLAIN_64,
    "64-noise": PLAIN_64,
    "64-d-0.0004": {**PLAIN_64, "d_learning_rate": 0.0004},
    "64-d-0.0004-g-0.002": {**PLAIN_64, "d_learning_rate": 0.0004, "g_learning_rate": 0.002},
    "32": PLAIN_32,
    "32-d-0.0006": {**PLAIN_32, "d_learning_rate": 0.0006},
    "32-d-0.0004": {**PLAIN_32, "d_learning_rate": 0.0004},
    "32-d-0.0004-g-0.0005": {**PLAIN_32, "d_learning_rate": 0.0004, "g_learning_rate": 0.0005},
    "32-d-0.0006-g-0.002": {**PLAIN_32, "d_learning_rate": 0.0006, "g_learning_rate": 0.002},
    "32-d-0.001": {**PLAIN_32, "d_learning_rate": 0.001},
    "32-d-0.001-penalty-4": {**PLAIN_32, "d_learning_rate": 0.001, "gradient_penalty": 4},
}


def try_variant(name, *, epochs, total, seed, count):
    recipe = dataclasses.replace(RECIPES["modern"], **VARIANTS[name])
    config = TrainConfig(recipe="modern", batch=recipe.batch, seed=seed, mixed_precision="auto")
    data = load_data("mnist")
    per_epoch = batches_per_epoch(len(data.images), recipe.batch)
    gan = KINDS.get(name, GAN)(config, total_steps=round(total * per_epoch), recipe=recipe)
    sampler, ruler, images = Sampler(gan.averaged_generator), Ruler(data), tf.constant(data.images)
    order = seed if recipe.shuffled else None
    seconds, step, ends = (
        0.0,
        0,
        [round(per_epoch * half / 2) for half in range(1, round(2 * epochs) + 1)],
    )
    for end in ends:
        started = time.perf_counter()
        rows = batch_rows(step, end - step, count=len(data.images), batch=recipe.batch, seed=order)
        float(gan.train_steps(images, rows)["loss/d"])
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
            samples = try_variant(
                name,
                epochs=flags.epochs,
                total=flags.total or flags.epochs,
                seed=seed,
                count=flags.images,
            )
            if flags.pictures:
                flags.pictures.mkdir(parents=True, exist_ok=True)
                write_png(flags.pictures / f"{name}-{seed}.png", tile_grid(samples))


if __name__ == "__main__":
    main()
