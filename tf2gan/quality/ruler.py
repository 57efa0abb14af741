"""Metrics of generated images: which images are compared with which, by whose features.

The evaluation network, or ruler, is a small classifier of the data set
(`tf2gan.quality.classifier`): what Inception's features are for photographs, its features are for
digits. Figures of different rulers, or of different N, cannot be compared: each names its ruler,
and the real-versus-real floor stands beside them.
"""

import dataclasses
import functools

import numpy as np

from tf2gan.data.dataset import subset
from tf2gan.quality.classifier import CLUSTERS, load_classifier
from tf2gan.quality.metrics import (
    classifier_score,
    coverage,
    frechet_distance,
    kernel_distance,
    kernel_within,
    nearest_neighbours,
    neighbour_radii,
    precision_recall,
)
from tf2gan.sampling.selection import SURE

SAMPLES = 10_000  # images measured at once, if the data set has as many
ENOUGH = 500  # images; of fewer, the Frechet distance says as much of their number: believe KID
LEAST = 100  # images; fewer are not measured
ROWS_MOST = 100  # classes that are shown
POOL = 100_000  # training images looked at, drawn at random where there are more


@dataclasses.dataclass(frozen=True)
class Quality:
    """The figures of one set of images, measured against `Ruler`'s reference.

    Attributes:
      count: N, the images measured.
      frechet: Frechet distance of the two sets of features as Gaussians (Heusel et al. 2017, with
        this classifier in place of Inception); 0 for equal sets, lower is better. It is the larger
        the smaller N is.
      kid: kernel distance of the features (Binkowski et al. 2018), about 0 for equal distributions
        at any N; lower is better.
      precision: the share of images that lie among real ones; 0 to 1.
      recall: the share of real images that lie among these; 0 to 1 (Kynkaanniemi et al. 2019,
        k = 3).
      score: exp of the mean divergence between an image's classes and all images' classes
        (Salimans et al. 2016); 1 to the number of classes. None, as the next two, for data without
        classes.
      confidence: the mean probability of an image's most probable class.
      histogram: the share of images in each class, float64 `[classes]`.
      ruler: which ruler measured; figures of another cannot stand beside these.
    """

    count: int
    frechet: float
    kid: float
    precision: float
    recall: float
    score: float | None
    confidence: float | None
    histogram: np.ndarray | None
    ruler: str

    @property
    def believed(self):
        """The name of the distance to believe at this N: `frechet`, or `kid` where N is small."""
        return "frechet" if self.count >= ENOUGH else "kid"

    @property
    def class_entropy(self):
        """The entropy of the histogram in bits; log2 of the number of classes when all are even."""
        if self.histogram is None:
            return None
        shares = self.histogram[self.histogram > 0]
        return float(np.sum(shares * np.log2(1 / shares)))

    def scalars(self):
        """TensorBoard's tags and values."""
        names = ("frechet", "kid", "precision", "recall", "class_entropy")
        values = {f"quality/{name}": getattr(self, name) for name in names}
        return {tag: value for tag, value in values.items() if value is not None}

    def figures(self):
        """All of it as plain numbers, for JSON."""
        histogram = None if self.histogram is None else self.histogram.tolist()
        entropy = {"class_entropy": self.class_entropy}
        return {**dataclasses.asdict(self), "histogram": histogram, **entropy}

    def line(self):
        """The figures for a log, on one line."""
        distances = [f"Frechet distance {self.frechet:.1f}", f"KID {self.kid:.3g}"]
        if self.believed == "kid":
            distances.reverse()
        classes = ""
        if self.histogram is not None:
            classes = f"most frequent class {self.histogram.max():.1%}  "
        return (
            f"{'  '.join(distances)}  precision {self.precision:.2f}  recall {self.recall:.2f}  "
            f"{classes}(N = {self.count})"
        )


class Ruler:
    """Measures images against the held-out images of a data set; build it once, it is used often.

    Building it loads or trains its classifier; the reference is looked at when it is first used.
    The reference is the held-out set. Where there is none, it is half of the training images; floor
    and memorising then compare with the rest (the networks have seen all of them, so that images
    that are memorised come out well). Check `why_not` first.

    Args:
      data: a `tf2gan.data.dataset.Data`.

    Attributes:
      count: how many images are measured at once.
      name: which ruler it is, the same for the same weights.
      class_names: of the classes that it tells apart; empty for data without classes.
    """

    def __init__(self, data):
        self._data = data
        self.classifier, self.name = load_classifier(data)
        self.class_names = data.class_names if data.has_classes else ()
        self._pool = subset(np.arange(len(data.images)), POOL)
        self._reference, rows = data.test_images, np.arange(data.test_count)
        self._rest = np.arange(len(self._pool))  # of the pool, what is no part of the reference
        if len(rows) < LEAST:
            half = subset(self._rest, len(self._pool) // 2)
            self._reference, rows = data.images, self._pool[half]
            self._rest = np.delete(self._rest, half)
        self.count = min(SAMPLES, len(rows))
        self._reference_rows = subset(rows, self.count)

    def describe(self):
        """What measures how many images, on one line."""
        what = f"{len(self.class_names)} classes"
        if not self.class_names:
            what = f"{CLUSTERS} clusters by colour and {CLUSTERS} by shape, for it has no classes"
        believe = "" if self.count >= ENOUGH else ", so few that KID is to be believed"
        return (
            f"{self.count} images, measured by a classifier of {self._data.name}'s {what} "
            f"(ruler {self.name}){believe}"
        )

    @functools.cached_property
    def _held_out(self):
        """Features and probabilities of the reference."""
        return self.classifier(self._reference, self._reference_rows)

    @property
    def reference_features(self):
        """Features of the reference: float32 `[count, F]`."""
        return self._held_out[0]

    @functools.cached_property
    def _radii(self):
        return neighbour_radii(self.reference_features)

    @functools.cached_property
    def _within(self):
        return kernel_within(self.reference_features)

    @functools.cached_property
    def _training(self):
        """Features and probabilities of the pool: seconds, so once and when needed."""
        return self.classifier(self._data.images, self._pool)

    def measure(self, pixels):
        """The `Quality` of uint8 images `[N, H, W, C]`; N = `count` compares with `floor`."""
        return self._measure(*self.classifier(pixels))

    def _measure(self, features, probabilities):
        precision, recall = precision_recall(self.reference_features, features, self._radii)
        classes = {"score": None, "confidence": None, "histogram": None}
        if self.class_names:
            counts = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
            classes = {
                "score": classifier_score(probabilities),
                "confidence": float(probabilities.max(1).mean()),
                "histogram": counts / len(features),
            }
        return Quality(
            count=len(features),
            frechet=frechet_distance(self.reference_features, features),
            kid=kernel_distance(self.reference_features, features, self._within),
            precision=precision,
            recall=recall,
            ruler=self.name,
            **classes,
        )

    def floor(self, count=None):
        """The `Quality` of real training images, by default `count`: a perfect generator's."""
        return self._measure(
            *(subset(of_all[self._rest], count or self.count) for of_all in self._training)
        )

    def training_images(self, count):
        """At most `count` training images, none of them of the reference: uint8 `[N, H, W, C]`."""
        return self._data.images[subset(self._pool[self._rest], count)]

    def memorising(self, pixels):
        """Whether images are copies: how near their nearest training images are, by features.

        Returns:
          (the share of images closer to their nearest one than the median test image is; than the
          closest 1 % of test images are). Fresh images of the same distribution come to 0.5 and
          0.01, memorised ones to 1 and 1. Without a test set copies of the reference (half of the
          images) pass for fresh ones.
        """
        training = self._training[0][self._rest]
        distances, _ = nearest_neighbours(self.classifier(pixels)[0], training)
        usual, _ = nearest_neighbours(self.reference_features, training)
        return tuple(float(np.mean(distances < np.quantile(usual, q))) for q in (0.5, 0.01))

    def by_class(self, pixels, columns):
        """The first images that are surely of each class, a row of `columns` for each.

        Returns:
          uint8 `[classes * columns, H, W, C]`, black where there are fewer; of the first
          `ROWS_MOST` classes.
        """
        probabilities = self.classifier(pixels)[1][:, :ROWS_MOST]
        rows = np.zeros((probabilities.shape[1], columns, *pixels.shape[1:]), np.uint8)
        for row, probability in zip(rows, probabilities.T, strict=True):
            sure = pixels[probability >= SURE][:columns]
            row[: len(sure)] = sure
        return rows.reshape(-1, *pixels.shape[1:])

    def uncovered(self, pixels, most):
        """What recall misses: images of the reference that lie among none of `pixels`.

        Returns:
          (at most `most` of them, drawn at random, uint8 `[N, H, W, C]`; the recall of each class,
          a dict by its name, empty for data without classes).
        """
        _, covered = coverage(self.reference_features, self.classifier(pixels)[0], self._radii)
        classes = self._held_out[1].argmax(1)
        recalls = {
            name: float(covered[classes == index].mean())
            for index, name in enumerate(self.class_names)
            if np.any(classes == index)
        }
        return self._reference[subset(self._reference_rows[~covered], most)], recalls

    def beside_nearest(self, pixels):
        """Each image followed by its nearest training image: uint8 `[2 N, H, W, C]`."""
        _, nearest = nearest_neighbours(self.classifier(pixels)[0], self._training[0])
        pairs = np.stack([pixels, self._data.images[self._pool[nearest]]], 1)
        return pairs.reshape(-1, *pixels.shape[1:])


def why_not(data):
    """Returns why the quality of images of this data set is not measured, or None."""
    if len(data.images) < LEAST:
        return (
            f"quality is not measured: {data.name} has {len(data.images)} training images, "
            f"less than {LEAST}"
        )
    return None
