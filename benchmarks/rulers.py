"""How far the metrics can be believed: python benchmarks/rulers.py [RUN | FILE.npz ...]

Whether the evaluation classifier for data without labels orders images as one with labels does
(Kendall's tau: 1 is the same order, 0 none). Both measure real images that are altered, the
checkpoints of runs that kept many of them, and files of generated images. The one is trained on
--data without their labels, the other on --judge, by default the same images with their labels.

With --small, of the checkpoints alone: Frechet distance and KID of real images at small N, and how
often each puts two neighbouring checkpoints in the order that it finds with all samples.
"""

import argparse
import dataclasses
import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tf2gan.utils.command_line import import_tensorflow

import_tensorflow()

import numpy as np
from altered import blurred

from tf2gan.data.dataset import subset
from tf2gan.data.load import load_data
from tf2gan.quality.classifier import STEPS, Classifier, load_classifier, train_classifier
from tf2gan.quality.metrics import frechet_distance, kernel_distance, precision_recall
from tf2gan.runs.checkpoints import checkpoint_steps, restore_networks
from tf2gan.sampling.sampler import Sampler, plain
from tf2gan.settings.sizes import COLOR_MODES, read_size

SIZES = (50, 100, 200, 500, 1000, 2000)
SAMPLES, DRAWS = 5000, 20
COMPARED = 2000  # images of each kind, and as many real ones, in the comparison of classifiers
FACTORS = 3000  # images of which pixels' covariance is taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", nargs="*", metavar="RUN|FILE.npz", help="runs on --data, images")
    parser.add_argument("--data", default="mnist", help="as of train.py (default: mnist)")
    parser.add_argument("--image-size", type=read_size, help="as of train.py")
    parser.add_argument("--color-mode", choices=list(COLOR_MODES), help="as of train.py")
    parser.add_argument("--judge", metavar="DATA", help="images with labels (default: --data)")
    parser.add_argument("--labels", metavar="FILE", help="their labels, as of train.py")
    parser.add_argument(
        "--columns", nargs="+", help="columns of --labels; of several all are learned at once"
    )
    parser.add_argument("--small", action="store_true", help="also look at metrics at small N")
    flags = parser.parse_args()
    shape = {"image_size": flags.image_size, "color_mode": flags.color_mode}
    data = load_data(flags.data, **shape)
    count = SAMPLES if flags.small else COMPARED
    samples = {what: images for path in flags.samples for what, images in samples_of(path, count)}
    judge = labelled_classifier(flags.judge or flags.data, flags.labels, flags.columns, shape)
    if flags.small:
        few = {what: judge(images)[0] for what, images in samples.items()}
        held_out, training = judge(data.test_images)[0], judge(subset(data.images, SAMPLES))[0]
        small_sets(held_out, training, few)
    blind = dataclasses.replace(data, name=f"{data.name} without labels", labels=None)
    blind = dataclasses.replace(blind, class_names=())
    started = time.perf_counter()
    without, _ = load_classifier(blind)
    print(f"the classifier without labels: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    real, other = halves(data.images)
    generated = {what: few[:COMPARED] for what, few in samples.items()}
    compare((judge, without), real, altered(other, real), generated)


def samples_of(path, count):
    """Yields (what they are called, images), of each checkpoint of a run or of a file."""
    if path.endswith(".npz"):
        yield Path(path).stem, np.load(path)["images"]
        return
    for step in checkpoint_steps(path):
        generator, *_ = restore_networks(path, str(step), discriminator=False)
        yield f"{Path(path).name} {step}", plain(Sampler(generator), count, seed=0)


def labelled_classifier(source, labels, columns, shape):
    """The classifier of labelled images; with several columns it learns all of them at once."""
    if not columns or len(columns) == 1:
        column = columns[0] if columns else None
        return load_classifier(load_data(source, **shape, labels=labels, label_column=column))[0]
    of_columns = [load_data(source, **shape, labels=labels, label_column=c) for c in columns]
    known = np.stack([data.labels for data in of_columns], 1)
    return Classifier(train_classifier(of_columns[0].images, known, int(known.max()) + 1, STEPS))


def halves(images):
    """Two sets of different images, at most `COMPARED` each."""
    order = np.random.default_rng(0).permutation(len(images))
    count = min(COMPARED, len(images) // 2)
    return images[np.sort(order[:count])], images[np.sort(order[count : 2 * count])]


def altered(images, others):
    """{what was done: uint8 images}, of real images; of each kind as many as there are."""
    random = np.random.default_rng(0)
    count, height, width, channels = images.shape
    unit = float(np.sqrt(height * width)) / 32  # of a blur, in pixels
    float_images = images.astype(np.float32)
    draw = lambda most: images[random.integers(0, most, count)]  # noqa: E731
    gain = random.uniform(0.5, 1.5, (count, 1, 1, channels)).astype(np.float32)
    covered = images.copy()
    for image in covered:
        top, left = random.integers(0, height // 2), random.integers(0, width // 2)
        hole = image[top : top + height // 2, left : left + width // 2]
        hole[:] = image.mean((0, 1))
    found = {
        "real": images,
        **{f"blurred by {r} pixels of 32": blurred(images, r * unit) for r in (0.7, 1.5, 3)},
        "quarters shuffled": shuffled(images, 2, random),
        "sixteenths shuffled": shuffled(images, 4, random),
        "noise": float_images + random.normal(0, 25, images.shape),
        "mixed in pairs": (float_images + images[random.permutation(count)]) / 2,
        "one image": np.repeat(images[:1], count, 0),
        "twenty images": draw(20),
        "an eighth of the images": draw(count // 8),
        "a quarter covered": covered,
        "brightness of each channel": float_images * gain,
        "pixels' mean and covariance": gaussian(others, count, random),
    }
    if channels == 3:
        found["channels permuted"] = np.stack([x[..., random.permutation(3)] for x in images])
    return {what: np.rint(np.clip(x, 0, 255)).astype(np.uint8) for what, x in found.items()}


def shuffled(images, side, random):
    """Images cut into `side` by `side` tiles, which change places."""
    count, height, width, channels = images.shape
    tiles = images.reshape(count, side, height // side, side, width // side, channels)
    tiles = tiles.swapaxes(2, 3).reshape(
        count, side * side, height // side, width // side, channels
    )
    tiles = np.stack([own[random.permutation(side * side)] for own in tiles])
    tiles = tiles.reshape(count, side, side, height // side, width // side, channels)
    return tiles.swapaxes(2, 3).reshape(images.shape)


def gaussian(images, count, random):
    """Draws from a Gaussian over all pixels: colours and layout are right, and nothing is shown."""
    rows = images[:FACTORS].reshape(min(len(images), FACTORS), -1).astype(np.float32)
    mean = rows.mean(0)
    _, scales, components = np.linalg.svd(rows - mean, full_matrices=False)
    numbers = random.standard_normal((count, len(scales)), np.float32) * scales
    return (numbers @ components / np.sqrt(len(rows)) + mean).reshape(count, *images.shape[1:])


def small_sets(real, training, features):
    random = np.random.Generator(np.random.Philox(0))
    draw = lambda points, count: points[random.permutation(len(points))[:count]]  # noqa: E731
    distances = (frechet_distance, kernel_distance)
    orders = {
        distance: sorted(features, key=lambda what: distance(real, features[what]))
        for distance in distances
    }
    print(f"{'N':>6}{'Frechet of real':>18}{'KID of real':>18}{'in order: Frechet':>20}{'KID':>6}")
    for count in SIZES:
        found = {distance: [] for distance in distances}
        right = {distance: [] for distance in distances}
        for _ in range(DRAWS):
            held_out = draw(real, count)
            few = {what: draw(points, count) for what, points in features.items()}
            for distance, order in orders.items():
                found[distance].append(distance(held_out, draw(training, count)))
                far = [distance(held_out, few[what]) for what in order]
                right[distance].append(np.mean([a < b for a, b in itertools.pairwise(far)]))
        shown = [f"{np.mean(v):.1f} +- {np.std(v):.1f}" for v in found.values()]
        shares = [f"{np.mean(v):.0%}" for v in right.values()]
        print(f"{count:>6}{shown[0]:>18}{shown[1]:>18}{shares[0]:>20}{shares[1]:>6}", flush=True)


def compare(classifiers, real, altered, generated):
    """Prints the Frechet distance and recall of each kind by each classifier, and the taus."""
    figures, kinds = {}, {**altered, **generated}
    for classifier in classifiers:
        features = classifier(real)[0]
        for what, images in kinds.items():
            found = classifier(images)[0]
            recall = precision_recall(features, found)[1]
            figures.setdefault(what, []).append((frechet_distance(features, found), recall))
    print("| | Frechet distance, with labels | without | recall, with labels | without |")
    print("| --- | --- | --- | --- | --- |")
    for what, (known, blind) in sorted(figures.items(), key=lambda item: item[1][0]):
        print(f"| {what} | {known[0]:.1f} | {blind[0]:.1f} | {known[1]:.2f} | {blind[1]:.2f} |")
    for title, names in (("all", kinds), ("altered", altered), ("generated", generated)):
        if len(names) > 1:
            taus = [kendall([figures[what] for what in names], metric) for metric in (0, 1)]
            print(f"{title}: tau {taus[0]:.2f}, of recall {taus[1]:.2f} (N = {len(real)})")


def kendall(figures, metric):
    """Kendall's tau of the two classifiers' orders, by the Frechet distance (0) or recall (1)."""
    pairs = itertools.combinations([[own[metric] for own in both] for both in figures], 2)
    return np.mean([np.sign(a[0] - b[0]) * np.sign(a[1] - b[1]) for a, b in pairs])


if __name__ == "__main__":
    main()
