"""How far rulers can be believed: python benchmarks/rulers.py RUN [RUN ...], runs on MNIST.

Of the checkpoints of runs that kept many of them, two tables. The first: the Frechet distance and
KID of real images at small N, and how often each puts two neighbouring checkpoints in the order
that it finds with all samples. The second: whether the ruler for data
without labels, trained on MNIST without its labels, orders the checkpoints as MNIST's own does
(Kendall's tau: 1 is the same order, 0 none).
"""

import argparse
import dataclasses
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from tf2gan.utils.command_line import import_tensorflow

import_tensorflow()

from tf2gan.data.dataset import subset
from tf2gan.data.load import load_data
from tf2gan.quality.classifier import load_classifier
from tf2gan.quality.metrics import frechet_distance, kernel_distance, precision_recall
from tf2gan.runs.checkpoints import checkpoint_steps, restore_networks
from tf2gan.sampling.sampler import Sampler, plain

SIZES = (50, 100, 200, 500, 1000, 2000)
SAMPLES, DRAWS = 5000, 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    runs = parser.parse_args().runs
    mnist = load_data("mnist")
    blind = dataclasses.replace(mnist, name="mnist without labels", labels=None, class_names=())
    samples = {
        f"{Path(run).name} {step}": samples_of(run, step)
        for run in runs
        for step in checkpoint_steps(run)
    }
    rulers = {"with labels": load_classifier(mnist)[0], "without": load_classifier(blind)[0]}
    real = {name: ruler(mnist.test_images)[0] for name, ruler in rulers.items()}
    features = {
        name: {what: ruler(images)[0] for what, images in samples.items()}
        for name, ruler in rulers.items()
    }
    small_sets(
        real["with labels"],
        rulers["with labels"](subset(mnist.images, SAMPLES))[0],
        features["with labels"],
    )
    without_labels(real, features)


def samples_of(run, step):
    generator, *_ = restore_networks(run, str(step), discriminator=False)
    return plain(Sampler(generator), SAMPLES, seed=0)


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


def without_labels(real, features):
    figures = {}
    for name, sets in features.items():
        figures[name] = {
            what: (frechet_distance(real[name], points), *recalled(real[name], points))
            for what, points in sets.items()
        }
    print(f"\n{'':<32}{'with labels':>14}{'without':>14}   Frechet distance")
    for what in figures["without"]:
        shown = [f"{figures[name][what][0]:14.1f}" for name in figures]
        print(f"{what:<32}{''.join(shown)}")
    for number, title in enumerate(("Frechet distance", "recall")):
        pairs = itertools.combinations(
            [[f[w][number] for f in figures.values()] for w in figures["without"]], 2
        )
        agree = [np.sign(a[0] - b[0]) * np.sign(a[1] - b[1]) for a, b in pairs]
        print(f"{title}: tau {np.mean(agree):.2f}")


def recalled(real, points):
    return precision_recall(subset(real, SAMPLES), points)[1:]


if __name__ == "__main__":
    main()
