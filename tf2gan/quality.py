"""How good generated images are, in numbers: python -m tf2gan.quality RUN|FILE.npz

The ruler is a small classifier of the data set (`tf2gan.classifier`): what Inception's features are
for photographs, its features are for digits. Figures of different classifiers, or of different N,
cannot be compared; the real-versus-real floor stands beside them for that reason.
"""

import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf2gan.checkpoints import restore_networks
from tf2gan.classifier import BLOCK, load_classifier
from tf2gan.commands import Parser, check_seed, run_command
from tf2gan.config import TrainConfig
from tf2gan.data import load_data, subset
from tf2gan.errors import UsageError, brief
from tf2gan.images import SIZE, check_out, tile_grid, write_png
from tf2gan.sampling import SELECTIONS, Sampler, select

SAMPLES = 10_000  # images measured at once, if the data set has as many
LEAST = 1_000  # below this the covariance of the features means little
NEIGHBOURS = 3  # k of precision and recall


@dataclasses.dataclass(frozen=True)
class Quality:
    """The figures of one set of images, measured against `Ruler`'s reference.

    Attributes:
      count: N, the images measured.
      frechet: Frechet distance of the two sets of features as Gaussians (Heusel et al. 2017, with
        this classifier in place of Inception); 0 for equal sets, lower is better.
      precision: the share of images that lie among real ones; 0 to 1.
      recall: the share of real images that lie among these; 0 to 1 (Kynkaanniemi et al. 2019, k = 3).
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
        return float(-np.sum(shares * np.log2(shares)))

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
            f"Frechet distance {self.frechet:.1f}  precision {self.precision:.2f}  recall {self.recall:.2f}  "
            f"most frequent class {self.histogram.max():.1%}  (N = {self.count})"
        )


class Ruler:
    """Measures images against the held-out images of a data set; build it once, it is used often.

    The reference is the test part. Where there is none, it is half of the training images; floor and
    memorising then compare with the rest (the networks have seen all of them, so that images learnt by
    heart come out well). Check `why_not` first.

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
        """Returns the `Quality` of uint8 images `[N, 28, 28]`; N = `count` compares with `floor`."""
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
        """The `Quality` of real training images, by default `count`: what a perfect generator would reach."""
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
        return f"quality is not measured: {data.name} has {len(images)} {part} images, less than {least}"
    return None


def frechet_distance(a, b):
    """The squared Frechet distance of two sets of features `[N, F]`, taken as Gaussians.

    |mean a - mean b|^2 + trace(A + B - 2 (A B)^(1/2)), with A and B the covariances.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # A^(1/2) B A^(1/2) has the eigenvalues of A B, and is symmetric: no complex matrix root.
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    shift = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(max(0.0, shift + np.trace(cov_a) + np.trace(cov_b) - 2 * mixed))


def classifier_score(probabilities):
    """exp(mean KL(p(class | image) || p(class))) of probabilities `[N, classes]`."""
    p = np.asarray(probabilities, np.float64) + 1e-12
    return float(np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), 1))))


def precision_recall(real, fake, real_radii=None):
    """Improved precision and recall (Kynkaanniemi et al. 2019) of features `[N, F]` and `[M, F]`.

    A point lies among others when it is within the distance of one of them to its k-th neighbour.
    """
    real_radii = neighbour_radii(real) if real_radii is None else real_radii
    return _share_within(fake, real, real_radii), _share_within(real, fake, neighbour_radii(fake))


def neighbour_radii(points):
    """The squared distance of each point `[N, F]` to its k-th nearest other: `[N]`."""
    return _rowwise(_radii, points, points, min(NEIGHBOURS + 1, len(points)))  # itself comes first


def nearest_neighbours(points, others):
    """Distances `[N]` to, and indices `[N]` of, the nearest of `others` `[M, F]` for each point."""
    nearest = _rowwise(_nearest, points, others)
    return np.linalg.norm(points - others[nearest], axis=1), nearest


def _share_within(points, centres, radii):
    return float(_rowwise(_within, points, centres, radii).mean())


def _rowwise(reduce, points, others, *more):
    """Applies `reduce` to blocks of points and all `others`: memory stays bounded."""
    others, more = tf.constant(others), map(tf.constant, more)
    given = (others, tf.reduce_sum(others**2, 1), *more)
    return np.concatenate(
        [reduce(points[i : i + BLOCK], *given).numpy() for i in range(0, len(points), BLOCK)]
    )


# Traced here, once for all sets: TensorFlow warns on the terminal of functions that are made in a loop.
_on_any = functools.partial(tf.function, autograph=False, reduce_retracing=True)


@_on_any
def _radii(points, others, squares, count):
    return -tf.math.top_k(-_squared_distances(points, others, squares), count).values[:, -1]


@_on_any
def _nearest(points, others, squares):
    return tf.argmin(_squared_distances(points, others, squares), 1)


@_on_any
def _within(points, others, squares, radii):
    return tf.reduce_any(_squared_distances(points, others, squares) <= radii, 1)


def _squared_distances(points, others, squares):
    """`[block, M]` of points `[block, F]` and others `[M, F]`, whose own squares are given."""
    return (
        tf.reduce_sum(points**2, 1, keepdims=True)
        - 2 * tf.matmul(points, others, transpose_b=True)
        + squares
    )


def table(columns):
    """Lines of a table: `columns` maps a title to a `Quality`."""
    rows = {
        "images (N)": lambda q: f"{q.count}",
        "Frechet distance": lambda q: f"{q.frechet:.2f}",
        "precision": lambda q: f"{q.precision:.3f}",
        "recall": lambda q: f"{q.recall:.3f}",
        "classifier score": lambda q: f"{q.score:.2f}",
        "confidence": lambda q: f"{q.confidence:.3f}",
        "class entropy, bits": lambda q: f"{q.class_entropy:.3f}",
        **{
            f"class {i}": lambda q, i=i: f"{q.histogram[i]:.1%}"
            for i in range(len(next(iter(columns.values())).histogram))
        },
    }
    lines = ["".join(f"{title:>20}" for title in ("", *columns))]
    lines += [
        "".join(f"{cell:>20}" for cell in (name, *map(cell_of, columns.values())))
        for name, cell_of in rows.items()
    ]
    return lines


def parse_flags(args=None):
    parser = Parser(
        prog="python -m tf2gan.quality", description="Measure the quality of generated images."
    )
    parser.add_argument(
        "what",
        metavar="RUN|FILE.npz",
        help="a run's path, or an .npz or .npy of images from generate.py --out",
    )
    parser.add_argument(
        "--data",
        metavar="TEXT",
        help="what to measure against, as train.py's --data (default: the run's; mnist for a file)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|latest|STEP",
        help="of a run (default: best where there is one)",
    )
    parser.add_argument(
        "--select",
        choices=SELECTIONS,
        default="plain",
        help="how a run's images are chosen (default: plain)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of a run's images (default: 0)"
    )
    parser.add_argument(
        "--nearest",
        metavar="FILE.png",
        help="also write a grid: images in odd columns, their nearest training images beside them",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something is wrong"
    )
    return parser.parse_args(args)


def main(args=None):
    flags = parse_flags(args)

    def command():
        run = Path(flags.what) if os.path.isfile(Path(flags.what) / "config.json") else None
        check_seed(flags.seed)
        if not run and (flags.select != "plain" or flags.checkpoint):
            raise UsageError(f"--select and --checkpoint are for a run; {flags.what} is none")
        data = load_data(flags.data or (TrainConfig.read(run).data if run else "mnist"))
        if reason := why_not(data):
            raise UsageError(reason)
        if flags.nearest:
            if Path(flags.nearest).suffix != ".png":
                raise UsageError(f"--nearest is {flags.nearest}; it must end in .png")
            check_out(flags.nearest)
        images = None if run else load_images(flags.what)
        ruler = Ruler(data)
        if run:
            generator, discriminator, step, _ = restore_networks(run, flags.checkpoint)
            sampler = Sampler(generator, discriminator)
            images, rate = select(
                flags.select, sampler, ruler.count, seed=flags.seed, held_out=data.test_images
            )
            print(
                f"{run}, step {step}, {flags.select}" + (f", {rate:.1%} accepted" if rate else "")
            )
        floor = ruler.floor(min(len(images), ruler.count))  # of as many, so that they compare
        print("\n".join(table({"real, training": floor, "generated": ruler.measure(images)})))
        if len(images) < LEAST:
            print(
                f"of {len(images)} images, less than {LEAST}, Frechet distance and recall mean little"
            )
        usual, close = ruler.memorising(images)
        print(
            f"closer to a training image than the median test image is: {usual:.1%} (fresh images: 50%)"
        )
        print(
            f"closer to a training image than 99 of 100 test images are: {close:.1%} (fresh images: 1%)"
        )
        if flags.nearest:
            write_png(Path(flags.nearest), tile_grid(ruler.beside_nearest(images[:64]), 16))
            print(flags.nearest)

    run_command(command, debug=flags.debug)


def load_images(path):
    """Reads uint8 images `[N, 28, 28]`, N > 3, from an `.npy`, or an `.npz` with an array `images`."""
    try:
        content = np.load(path, allow_pickle=False)
        images = content["images"] if hasattr(content, "files") else content
    except Exception as error:  # NumPy's parsers raise whatever they stumble over
        raise UsageError(
            f"{path} is neither a run nor an array of images ({brief(error)})"
        ) from error
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE) or len(images) <= NEIGHBOURS:
        raise UsageError(
            f"{path} holds {images.dtype} {list(images.shape)}; expected uint8 [N, 28, 28], N > {NEIGHBOURS}"
        )
    return images


if __name__ == "__main__":
    main()
