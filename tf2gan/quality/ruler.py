"""How good generated images are, in numbers.

The ruler is a small classifier of the data set (`tf2gan.quality.classifier`): what Inception's
features are for photographs, its features are for digits. Figures of different classifiers, or of
different N, cannot be compared; the real-versus-real floor stands beside them for that reason.
"""

import dataclasses
import functools

import numpy as np

from tf2gan.data.batches import subset
from tf2gan.data.images import SIZE
from tf2gan.quality.classifier import load_classifier
from tf2gan.quality.metrics import (
    classifier_score,
    frechet_distance,
    nearest_neighbours,
    neighbour_radii,
    precision_recall,
)

SAMPLES = 10_000  # images measured at once, if the data set has as many
LEAST = 1_000  # below this the covariance of the features means little


@dataclasses.dataclass(frozen=True)
class Quality:
    """The figures of one set of images, measured against `Ruler`'s reference.

    Attributes:
      count: N, the images measured.
      frechet: Frechet distance of the two sets of features as Gaussians (Heusel et al. 2017, with
        this classifier in place of Inception); 0 for equal sets, lower is better.
      precision: the share of images that lie among real ones; 0 to 1.
      recall: the share of real images that lie among these; 0 to 1 (Kynkaanniemi et al. 2019,
        k = 3).
      score: exp of the mean divergence between an image's classes and all images' classes
        (Salimans et al. 2016); 1 to the number of classes.
      confidence: the mean probability of an image's most probable class.
      histogram: the share of images in each class, float64 `[classes]`.
    """

    count: int
    frechet: float
    precision: float
    recall: float
    score: float
    confidence: float
    histogram: np.ndarray

    @property
    def class_entropy(self):
        """The entropy of the histogram in bits; log2 of the number of classes when all are even."""
        shares = self.histogram[self.histogram > 0]
        return float(np.sum(shares * np.log2(1 / shares)))

    def scalars(self):
        """TensorBoard's tags and values."""
        names = ("frechet", "precision", "recall", "class_entropy")
        return {f"quality/{name}": getattr(self, name) for name in names}

    def figures(self):
        """All of it as plain numbers, for JSON."""
        return {
            **dataclasses.asdict(self),
            "histogram": self.histogram.tolist(),
            "class_entropy": self.class_entropy,
        }

    def line(self):
        """The figures for a log, on one line."""
        return (
            f"Frechet distance {self.frechet:.1f}  precision {self.precision:.2f}  "
            f"recall {self.recall:.2f}  most frequent class {self.histogram.max():.1%}  "
            f"(N = {self.count})"
        )


class Ruler:
    """Measures images against the held-out images of a data set; build it once, it is used often.

    The reference is the test part. Where there is none, it is half of the training images; floor
    and memorising then compare with the rest (the networks have seen all of them, so that images
    learnt by heart come out well). Check `why_not` first.

    Args:
      data: a `tf2gan.data.Data` with labels.
    """

    def __init__(self, data):
        self._data = data
        self.classifier = load_classifier(data)
        reference, self._rest = data.test_images, slice(None)
        if reference is None:
            chosen = subset(np.arange(len(data.images)), len(data.images) // 2)
            reference, self._rest = (
                data.images[chosen],
                np.delete(np.arange(len(data.images)), chosen),
            )
        self.count = min(SAMPLES, len(reference))
        self.reference_features, _ = self.classifier(subset(reference, self.count))
        self._radii = neighbour_radii(self.reference_features)

    def measure(self, pixels):
        """The `Quality` of uint8 images `[N, 28, 28]`; N = `count` compares with `floor`."""
        return self._measure(*self.classifier(pixels))

    def _measure(self, features, probabilities):
        precision, recall = precision_recall(self.reference_features, features, self._radii)
        return Quality(
            count=len(features),
            frechet=frechet_distance(self.reference_features, features),
            precision=precision,
            recall=recall,
            score=classifier_score(probabilities),
            confidence=float(probabilities.max(1).mean()),
            histogram=np.bincount(probabilities.argmax(1), minlength=self.classifier.classes)
            / len(features),
        )

    def floor(self, count=None):
        """The `Quality` of real training images, by default `count`: a perfect generator's."""
        return self._measure(
            *(subset(of_all[self._rest], count or self.count) for of_all in self._training)
        )

    def memorising(self, pixels):
        """Whether images are copies: how near their nearest training images are, by features.

        Returns:
          (the share of images closer to their nearest one than the median test image is; than the
          closest 1 % of test images are). Fresh images of the same distribution come to 0.5 and
          0.01, copies to 1 and 1. Without a test part copies of the reference (half of the images)
          pass for fresh ones.
        """
        training = self._training[0][self._rest]
        distances, _ = nearest_neighbours(self.classifier(pixels)[0], training)
        usual, _ = nearest_neighbours(self.reference_features, training)
        return tuple(float(np.mean(distances < np.quantile(usual, q))) for q in (0.5, 0.01))

    def beside_nearest(self, pixels):
        """Each image followed by its nearest training image: uint8 `[2 N, 28, 28]`."""
        _, nearest = nearest_neighbours(self.classifier(pixels)[0], self._training[0])
        return np.stack([pixels, self._data.images[nearest]], 1).reshape(-1, SIZE, SIZE)

    @functools.cached_property
    def _training(self):
        """Features and probabilities of every training image: seconds, so once and when needed."""
        return self.classifier(self._data.images)


def why_not(data):
    """Returns why the quality of images of this data set is not measured, or None."""
    if data.labels is None:
        return f"quality is not measured: {data.name} has no labels to train a classifier on"
    if len(np.unique(data.labels)) < 2:
        return f"quality is not measured: all images of {data.name} have one label"
    part, images, least = "test", data.test_images, LEAST
    if images is None:
        part, images, least = "training", data.images, 2 * LEAST  # half of them are the reference
    if len(images) < least:
        return (
            f"quality is not measured: {data.name} has {len(images)} {part} images, "
            f"less than {least}"
        )
    return None
