"""What is measured and shown at the slow cadence: quality, chosen samples, histograms."""

import functools

import numpy as np
import tensorflow as tf

from tf2gan.board.summaries import EVALUATED, write_projector
from tf2gan.data.dataset import subset
from tf2gan.networks.optimizers import gradient_means
from tf2gan.quality.ruler import Ruler, why_not
from tf2gan.sampling.sampler import Sampler, interpolation, plain

SCORED = 1280  # samples that D ranks: 20 for each of the 64 shown, as `--nice` does
SHOWN = 64
OF_A_CLASS = 10  # shown in its row
FLOORS = ("frechet", "precision", "recall")  # KID's is 0
PROJECTED = 500  # held-out images, and as many generated ones, in the Projector tab


def find_ruler(data):
    """The data's `Ruler`, loaded or trained now, or None; says which, or why there is none."""
    if unmeasured := why_not(data):
        print(unmeasured)
        return None
    ruler = Ruler(data)
    print(f"quality: {ruler.describe()}")
    return ruler


class Evaluation:
    """Measures a GAN as it trains and writes what it finds to TensorBoard.

    Args:
      gan: a `tf2gan.gan.GAN`.
      data: the `tf2gan.data.dataset.Data` it is trained on.
      ruler: what `find_ruler` returned; without one pictures and histograms alone are written.
      summaries: the run's `Summaries`.
    """

    def __init__(self, gan, data, ruler, summaries):
        self._gan, self._summaries = gan, summaries
        # Float32 would nearly double the cost where bfloat16 is fast.
        self._sampler = Sampler(gan.ema_generator, gan.discriminator, dtype=gan.dtype)
        self._plain = Sampler(
            gan.ema_generator, dtype=gan.dtype
        )  # D's scores would double it again
        held_out = data.images if data.test_images is None else data.test_images
        self._real = subset(held_out, SCORED)
        self._trained_on = None if data.test_images is None else subset(data.images, SCORED)
        self._ruler = ruler

    def at(self, step):
        """Evaluates the GAN at `step`; returns its `Quality`, or None where it is not measured."""
        count = max(SCORED, self._ruler.count) if self._ruler else SCORED
        samples = plain(self._plain, count, seed=self._gan.config.seed)
        self._show_scores(samples[:SCORED], step)
        self._show_weights(step)
        quality = self._show_quality(samples, step) if self._ruler else None
        walk = interpolation(SHOWN, seed=self._gan.config.seed)
        self._summaries.grid(EVALUATED, self._plain.at(walk), step)
        return quality

    def _show_quality(self, samples, step):
        quality = self._ruler.measure(samples[: self._ruler.count])
        floor = {f"quality/{name}_floor": getattr(self._floor, name) for name in FLOORS}
        self._summaries.scalars({**quality.scalars(), **floor}, step)
        nearest = self._ruler.beside_nearest(samples[: SHOWN // 2])
        self._summaries.grid("samples/nearest", nearest, step)
        if self._ruler.class_names:
            by_class = self._ruler.by_class(samples[:SCORED], OF_A_CLASS)
            self._summaries.grid("samples/by_class", by_class, step, columns=OF_A_CLASS)
        return quality

    @functools.cached_property
    def _floor(self):
        return self._ruler.floor()

    def _show_scores(self, samples, step):
        fake = self._sampler.scores(samples)
        real = self._sampler.scores(self._real)
        if self._trained_on is not None:
            trained_on = self._sampler.scores(self._trained_on)
            overfitting = overfitting_of(trained_on, real, fake)
            self._summaries.scalars({"overfitting/held_out": overfitting}, step)
        best = np.argsort(-fake, kind="stable")
        self._summaries.grid("samples/nice", samples[best[:SHOWN]], step)
        self._summaries.grid("samples/worst", samples[best[-SHOWN:]], step)
        scores = {"histogram/score_real": real, "histogram/score_fake": fake}
        self._summaries.histograms(
            {tag: tf.sigmoid(logits).numpy() for tag, logits in scores.items()}, step
        )

    def _show_weights(self, step):
        """Weights, and gradients as the optimizers keep them: their running means, at no cost."""
        for name, optimizer in (
            ("generator", self._gan.g_optimizer),
            ("discriminator", self._gan.d_optimizer),
        ):
            variables = getattr(self._gan, name).trainable_variables
            weights = [variable.numpy() for variable in variables]
            shown = {"weights": weights, "gradients": gradient_means(optimizer)}
            for kind, values in shown.items():
                if values is None:
                    continue
                tags = [
                    f"{kind}_{name}/{i}_{variable.name}" for i, variable in enumerate(variables)
                ]
                self._summaries.histograms(dict(zip(tags, values, strict=True)), step)

    def show_projector(self, run):
        """Writes classifier features of held-out and of generated images for the Projector tab."""
        if self._ruler is None:
            return
        generated = plain(self._plain, PROJECTED, seed=self._gan.config.seed)
        images = np.concatenate([subset(self._real, PROJECTED), generated])
        features, probabilities = self._ruler.classifier(images)
        kinds = ["real"] * (len(images) - PROJECTED) + ["generated"] * PROJECTED
        names = self._ruler.class_names
        classes = [names[number] if names else "" for number in probabilities.argmax(1)]
        write_projector(run, features, list(zip(kinds, classes, strict=True)), images)


def overfitting_of(trained_on, held_out, generated):
    """How far D overfits, by its logits: 0 where held-out images are to it as training images are.

    1 where they are to it as generated ones are (Karras et al. 2020); within -1 and 1, and 0 where
    it tells training images and generated ones apart by less than a tenth.
    """
    distance = float(np.mean(trained_on) - np.mean(generated))
    if distance < 0.1:
        return 0.0
    return float(np.clip((np.mean(trained_on) - np.mean(held_out)) / distance, -1, 1))
