"""Tries training recipes and measures what they give: python benchmarks/recipes.py NAME [NAME ...]

Every name of `VARIANTS` is the recipe `modern` with some changes, most of them things that were
tried and dropped (docs/quality.md has the table). Each is trained for `--epochs` and measured twice
an epoch, a JSON line each; `--total` is the length of the run over which the rates fall, so that
the beginning of a longer run can be tried.
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
from tf2gan.data import batch_rows, batches_per_epoch, load_data
from tf2gan.gan import GAN
from tf2gan.images import tile_grid, write_png
from tf2gan.quality import Ruler
from tf2gan.recipes import RECIPES
from tf2gan.sampling import Sampler, plain


@dataclasses.dataclass(frozen=True)
class Trick:
    """What no recipe of the package does.

    Attributes:
      r1, r1_every: gradient penalty on real images, its weight and how many steps it is left out
        for (Mescheder et al. 2018; Karras et al. 2020).
      noise: standard deviation of Gaussian noise on all that D sees (Arjovsky & Bottou 2017).
      real_label: what D should say of real images (Salimans et al. 2016).
      top_k: the share of a batch's fakes, the best by D, that G learns from (Sinha et al. 2020).
    """

    r1: float = 0
    r1_every: int = 8
    noise: float = 0
    real_label: float = 1
    top_k: float = 1


class TrickGAN(GAN):
    """A GAN whose two steps know the tricks; with none of them they are the package's own."""

    def __init__(self, *args, trick, **settings):
        super().__init__(*args, **settings)
        self._trick = trick

    def _noisy(self, images, use):
        if not self._trick.noise:
            return images
        key = tf.stack([tf.cast(self.config.seed, tf.int64), self.step * 2 + use])
        return images + self._trick.noise * tf.random.stateless_normal(tf.shape(images), key)

    def discriminator_step(self, real_images, latents):
        trick, variables = self._trick, self.discriminator.trainable_variables
        fake_images = self._evaluate(self.generator, latents, training=self.recipe.fakes_in_training_mode)
        images = self._noisy(tf.concat([real_images, fake_images], 0), 0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            logits = self._evaluate(self.discriminator, images, training=True, logits=True)
            real_logits, fake_logits = tf.split(logits, 2)
            labels = tf.concat([tf.fill(tf.shape(real_logits), trick.real_label), tf.zeros_like(fake_logits)], 0)
            loss = self._cross_entropy(labels, logits)
        gradients = tape.gradient(loss, variables)
        if trick.r1:
            gradients = tf.cond(
                self.step % trick.r1_every == 0,
                lambda: [g + p for g, p in zip(gradients, self._r1_gradients(real_images, variables), strict=True)],
                lambda: gradients,
            )
        self.d_optimizer.apply(gradients, variables)
        return {
            "loss/d": loss,
            "score/real": tf.reduce_mean(tf.sigmoid(real_logits)),
            "score/fake": tf.reduce_mean(tf.sigmoid(fake_logits)),
            "accuracy/real": tf.reduce_mean(tf.cast(real_logits > 0, tf.float32)),
            "accuracy/fake": tf.reduce_mean(tf.cast(fake_logits <= 0, tf.float32)),
            "gradient_norm/d": tf.linalg.global_norm(gradients),
        }

    def _r1_gradients(self, real_images, variables):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(real_images)
                total = tf.reduce_sum(self._evaluate(self.discriminator, real_images, training=True, logits=True))
            slopes = inner.gradient(total, real_images)
            penalty = tf.reduce_mean(tf.reduce_sum(slopes**2, [1, 2, 3]))
            loss = self._trick.r1 / 2 * self._trick.r1_every * penalty
        values = [variable.value for variable in variables]
        return tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def generator_step(self, latents):
        variables = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            fake_images = self._noisy(self._evaluate(self.generator, latents, training=True), 1)
            logits = self._evaluate(self.discriminator, fake_images, training=True, logits=True)
            kept = tf.math.top_k(logits[:, 0], round(self._trick.top_k * self.config.batch)).values
            loss = self._cross_entropy(tf.ones_like(kept), kept)
        gradients = tape.gradient(loss, variables)
        self.g_optimizer.apply(gradients, variables)
        return {"loss/g": loss, "gradient_norm/g": tf.linalg.global_norm(gradients)}


VARIANTS = {  # name: (changes of the recipe, tricks)
    "modern": ({}, {}),
}


def try_variant(name, *, epochs, total, seed):
    changes, tricks = VARIANTS[name]
    recipe = dataclasses.replace(RECIPES["modern"], **changes)
    config = TrainConfig(recipe="modern", batch=recipe.batch, seed=seed, mixed_precision="auto")
    data = load_data("mnist")
    per_epoch = batches_per_epoch(len(data.images), recipe.batch)
    gan = TrickGAN(config, total_steps=round(total * per_epoch), recipe=recipe, trick=Trick(**tricks))
    sampler, ruler, images = Sampler(gan.averaged_generator), Ruler(data), tf.constant(data.images)
    order = seed if recipe.shuffled else None
    seconds, step, ends = 0.0, 0, [round(per_epoch * half / 2) for half in range(1, round(2 * epochs) + 1)]
    for end in ends:
        started = time.perf_counter()
        rows = batch_rows(step, end - step, count=len(data.images), batch=recipe.batch, seed=order)
        float(gan.train_steps(images, rows)["loss/d"])
        step, seconds = end, seconds + time.perf_counter() - started
        quality = ruler.measure(plain(sampler, ruler.count, seed=0))
        figures = {
            "name": name, "seed": seed, "epoch": round(end / per_epoch, 2), "frechet": round(quality.frechet, 1),
            "precision": round(quality.precision, 3), "recall": round(quality.recall, 3),
            "most_frequent": round(float(quality.histogram.max()), 3), "training_seconds": round(seconds),
        }  # fmt: skip
        print(json.dumps(figures), flush=True)
    return plain(sampler, 64, seed=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    parser.add_argument("--epochs", type=float, default=2, help="passes over the data (default: 2)")
    parser.add_argument("--total", type=float, help="epochs over which the rates fall (default: --epochs)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run each (default: 0)")
    parser.add_argument("--pictures", type=Path, help="folder for a grid of each run")
    flags = parser.parse_args()
    for name in flags.names:
        for seed in flags.seeds:
            keras.backend.clear_session()
            samples = try_variant(name, epochs=flags.epochs, total=flags.total or flags.epochs, seed=seed)
            if flags.pictures:
                flags.pictures.mkdir(parents=True, exist_ok=True)
                write_png(flags.pictures / f"{name}-{seed}.png", tile_grid(samples))


if __name__ == "__main__":
    main()
