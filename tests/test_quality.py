"""The ruler: closed forms, constructed cases, and an order that a person would agree with."""

import dataclasses
import json
import re
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.board.summaries import DESCRIPTIONS, STEERED, write_projector
from tf2gan.data.dataset import Data
from tf2gan.data.images import png_bytes, read_png, write_images
from tf2gan.data.load import load_data
from tf2gan.quality import __main__ as command
from tf2gan.quality import classifier
from tf2gan.quality import ruler as rulers
from tf2gan.quality.classifier import MNIST_KEY, MNIST_WEIGHTS, load_classifier
from tf2gan.quality.clusters import cluster, gradients
from tf2gan.quality.metrics import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from tf2gan.quality.ruler import why_not
from tf2gan.runs.checkpoints import Checkpoints, best_figures
from tf2gan.settings.config import TrainConfig
from tf2gan.training import evaluation
from tf2gan.utils.errors import DataError

pytestmark = pytest.mark.xdist_group("ruler")


def gaussian(rng, mean, root, count=20_000):
    """Samples whose mean and covariance are exactly those asked for: no sampling error."""
    x = rng.standard_normal((count, len(mean)))
    x -= x.mean(0)
    x @= np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ root.T + mean


def test_frechet_distance_of_gaussians():
    """Independent coordinates: |shift|^2 + sum (sigma_a - sigma_b)^2."""
    rng = np.random.default_rng(0)
    a = gaussian(rng, np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    b = gaussian(rng, np.array([1.0, 0.0, -2.0]), np.diag([2.0, 2.0, 0.5]))
    assert frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 6.25, rel=1e-6)


@given(st.integers(0, 2**31), st.integers(2, 8), st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_frechet_distance_laws(seed, features, shift):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 50, features)) @ rng.standard_normal((features, features))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-4, abs=1e-4)
    assert frechet_distance(a, a + shift) == pytest.approx(features * shift**2, rel=1e-4, abs=1e-4)
    rotation = np.linalg.qr(rng.standard_normal((features, features)))[0]
    assert frechet_distance(a @ rotation, b @ rotation) == pytest.approx(
        frechet_distance(a, b), rel=1e-4, abs=1e-4
    )


@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(2, 30), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_kernel_distance_is_its_definition(seed, n, m, features):
    """All pairs but a point and itself; whatever the order, and the same both ways."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 2, (n, features)), rng.normal(1, 2, (m, features))
    kernel = lambda x, y: (x @ y.T / features + 1) ** 3  # noqa: E731
    within = [
        (kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b)
    ]
    expected = sum(within) - 2 * kernel(a, b).mean()
    scale = max(np.abs(kernel(x, x)).max() for x in (a, b))
    assert kernel_distance(a, b) == pytest.approx(expected, abs=1e-4 * scale)
    assert kernel_distance(b, a[::-1]) == pytest.approx(expected, abs=1e-4 * scale)


def test_kernel_distance_does_not_depend_on_the_number_of_images():
    """The Frechet distance does: of ten draws of 50 it is many times that of 5000."""
    rng = np.random.default_rng(0)
    draw = lambda n, mean=0: rng.normal(mean, 1, (n, 16))  # noqa: E731
    few = [(draw(50), draw(50)) for _ in range(100)]
    many = draw(5000), draw(5000)
    error = np.std([kernel_distance(*pair) for pair in few]) / 10
    assert abs(np.mean([kernel_distance(*pair) for pair in few])) < 4 * error
    assert frechet_distance(*few[0]) > 20 * frechet_distance(*many)
    assert kernel_distance(draw(5000), draw(5000, mean=0.5)) > 50 * abs(kernel_distance(*many))


def test_precision_and_recall_of_constructed_sets():
    rng = np.random.default_rng(0)
    cluster = lambda at, n=200: (rng.standard_normal((n, 4)) + at).astype(np.float32)  # noqa: E731
    left, right = cluster(0), cluster(100)
    both = np.concatenate([left, right])
    assert precision_recall(both, both) == (1, 1)
    assert precision_recall(left, right) == (0, 0)
    precision, recall = precision_recall(both, cluster(0))  # good images, half of the variety
    assert precision > 0.85 and 0.4 < recall <= 0.5
    precision, recall = precision_recall(left, np.concatenate([cluster(0), cluster(100)]))
    assert 0.4 < precision <= 0.5 and recall > 0.85


def test_classifier_score_is_between_1_and_the_number_of_classes():
    assert classifier_score(np.eye(10)[np.arange(100) % 10]) == pytest.approx(10, rel=1e-3)
    assert classifier_score(np.full((50, 10), 0.1)) == pytest.approx(1)
    assert classifier_score(np.eye(10)[[3] * 50]) == pytest.approx(1)


def test_the_bundled_classifier(mnist, ruler):
    assert mnist.key == MNIST_KEY
    assert MNIST_WEIGHTS.stat().st_size < 1_000_000
    assert ruler.classifier.accuracy(mnist.test_images, mnist.test_labels) >= 0.993


def test_broken_samples_are_ordered_as_a_person_would(mnist, ruler):
    rng = np.random.default_rng(0)
    real = ruler.floor()
    sample = mnist.images[:2000]
    blurred = np.stack(
        [
            np.asarray(
                Image.fromarray(image).resize((7, 7)).resize((28, 28), Image.Resampling.BILINEAR)
            )
            for image in sample[..., 0]
        ]
    )[..., np.newaxis]
    speckled = np.where(rng.random(sample.shape) < 0.1, 255, sample).astype(np.uint8)
    broken = {
        "real": real,
        "blurred": ruler.measure(blurred),
        "speckled": ruler.measure(speckled),
        "ones": ruler.measure(mnist.images[mnist.labels == 1][:2000]),
        "one image": ruler.measure(np.repeat(sample[:1], 2000, 0)),
        "noise": ruler.measure(rng.integers(0, 256, (2000, 28, 28, 1), np.uint8)),
    }
    distances = {name: q.frechet for name, q in broken.items()}
    assert all(distances[name] > 100 for name in broken if name != "real"), distances
    assert real.frechet < 1 and ruler.floor(4000).frechet < 3
    assert (
        distances["noise"] > distances["blurred"] and distances["one image"] > distances["blurred"]
    )
    assert (
        real.precision > 0.7 and real.recall > 0.7 and real.class_entropy > 3.2 and real.score > 9
    )
    assert (
        broken["ones"].recall < 0.2 and broken["ones"].class_entropy < 0.2
    )  # good images, no variety
    assert broken["ones"].precision > 0.7
    # Not precision: noise lies near a handful of digits that are far from all others.
    assert broken["one image"].recall < 0.01 and broken["noise"].recall < 0.01


def test_a_row_of_sure_images_for_each_class(mnist, ruler):
    chosen = mnist.labels[:1000] != 4
    images, labels = mnist.images[:1000][chosen], mnist.labels[:1000][chosen]
    rows = ruler.by_class(images, 8).reshape(10, 8, 28, 28, 1)
    assert not rows[4].any() and np.array_equal(rows[7, 0], images[labels == 7][0])
    for name in (0, 1, 2, 9):
        assert (
            sum(any(np.array_equal(a, b) for b in images[labels == name]) for a in rows[name]) > 6
        )


def test_copies_are_found_out(mnist, ruler):
    usual, close = ruler.memorising(mnist.images[1000:3000])
    assert usual == 1 and close > 0.99
    pairs = ruler.beside_nearest(mnist.images[1000:1100])
    assert np.mean(pairs[::2] == pairs[1::2]) > 0.99
    usual, close = ruler.memorising(mnist.test_images[:2000])
    assert 0.4 < usual < 0.6 and close < 0.03


def test_a_default_run_is_measured_against_mnists_test_images(mnist, ruler, tmp_path, monkeypatch):
    """All defaults but the number of steps: ten thousand images are drawn and measured, once."""
    measured = []
    monkeypatch.setattr(evaluation, "Ruler", lambda data: measured.append(data) or ruler)
    run = tf2gan.train(TrainConfig(steps=2), tmp_path)
    assert run.name == "00000-mnist-classic"
    assert [len(data.test_images) for data in measured] == [10_000]
    figures = json.loads((run / "summary.json").read_text())
    quality = figures["quality"]
    assert quality["count"] == 10_000 and quality["frechet"] > 100
    names = ("frechet", "kid", "ruler")
    assert figures["best"] == {"step": 2, **{name: quality[name] for name in names}}
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    (floor,) = events.Tensors("quality/frechet_floor")
    assert 0.2 < float(make_ndarray(floor.tensor_proto)) < 1
    assert set(DESCRIPTIONS) - set(events.Tags()["tensors"]) == set(STEERED)


def test_without_a_test_part_the_floor_is_of_other_images(mnist, ruler, monkeypatch):
    monkeypatch.setattr(rulers, "load_classifier", lambda data: (ruler.classifier, ruler.name))
    names = mnist.class_names
    halves = rulers.Ruler(
        Data("mnist without tests", mnist.images[:4000], mnist.labels[:4000], class_names=names)
    )
    floor = halves.floor()
    # Above 0: the halves share no image. Every other image against the rest: 21, the writers come
    # in turn.
    assert (
        floor.count == 2000
        and 1 < floor.frechet < 5
        and floor.precision < 0.95
        and floor.recall < 0.95
    )


def test_why_quality_is_not_measured(mnist):
    assert why_not(mnist) is None
    assert why_not(Data("pictures", mnist.images[:100])) is None
    assert "99 training images, less than 100" in why_not(Data("few", mnist.images[:99]))


def few(mnist, count, **parts):
    return Data("few", mnist.images[:count], mnist.labels[:count], **parts)


def test_what_is_measured_against(mnist, ruler, monkeypatch):
    """The test set where it has a hundred images; otherwise half of the training images."""
    monkeypatch.setattr(rulers, "load_classifier", lambda data: (ruler.classifier, ruler.name))
    tests = mnist.test_images[:120]
    with_tests = rulers.Ruler(few(mnist, 300, test_images=tests))
    assert with_tests.count == 120
    assert np.array_equal(with_tests.reference_features, ruler.classifier(tests)[0])
    assert rulers.Ruler(few(mnist, 300, test_images=tests[:99])).count == 150
    assert rulers.Ruler(few(mnist, 101)).count == 50


def test_small_sets_are_ordered_by_kid(mnist, ruler, monkeypatch):
    monkeypatch.setattr(rulers, "load_classifier", lambda data: (ruler.classifier, ruler.name))
    small = rulers.Ruler(few(mnist, 100, test_images=mnist.test_images[:400]))
    real = small.measure(mnist.images[2000:2400])
    ones = small.measure(mnist.images[mnist.labels == 1][:400])
    assert real.believed == ones.believed == "kid" and real.kid < ones.kid / 10
    assert real.line().startswith("KID") and ruler.floor().line().startswith("Frechet")
    assert ruler.floor(500).believed == "frechet"


def test_clusters_part_what_differs_and_keep_what_is_alike():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 256, (4, 12, 16, 3))
    kind = rng.integers(0, 4, 500)
    images = np.clip(kinds[kind] + rng.normal(0, 9, (500, 12, 16, 3)), 0, 255).astype(np.uint8)
    found = cluster(images, 20)
    for of_kind in found.T:
        assert len(set(zip(of_kind, kind, strict=True))) == len(set(of_kind))  # none has two kinds
        assert of_kind.min() >= 0 and of_kind.max() < 20 and len(set(of_kind[kind == 0])) < 20
    assert np.array_equal(found, cluster(images, 20))


def test_gradients_tell_shapes_and_colours_do_not():
    """Bars lie or stand, are red or blue: one kind of clusters parts what the other joins."""
    rng = np.random.default_rng(0)
    stands, is_red = rng.integers(0, 2, (2, 400)).astype(bool)
    images = np.full((400, 32, 32, 3), 255, np.uint8)
    for image, upright, red in zip(images, stands, is_red, strict=True):
        start = rng.integers(13, 16)
        bar = image[:, start : start + 4] if upright else image[start : start + 4]
        image[:] = (255, 200, 200) if red else (200, 200, 255)
        bar[:] = (220, 40, 40) if red else (40, 40, 220)
    by_gradients, by_colours = cluster(images, 2).T
    agree = lambda found, truth: max(np.mean(found == truth), np.mean(found != truth))  # noqa: E731
    assert agree(by_colours, is_red) == 1 and agree(by_gradients, stands) == 1


@pytest.mark.parametrize("shape", [(12, 12, 1), (12, 128, 1), (48, 72, 3), (128, 112, 3)])
def test_gradients_of_any_size_and_of_images_of_one_colour(shape):
    images = np.full((2, *shape), 9, np.uint8)
    images[1, shape[0] // 2 :] = 200
    blank, edge = gradients(images)
    assert edge.shape == (128,) and not blank.any() and np.isfinite(edge).all() and edge.any()


@pytest.mark.parametrize("shape", [(12, 128, 1), (28, 28, 1), (64, 64, 3), (128, 100, 3)])
def test_the_classifier_takes_any_size(shape):
    model = classifier.build_classifier(7, shape[:2], shape[2])
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    features, probabilities = classifier.Classifier(model)(images)
    assert features.shape == (3, 64) and probabilities.shape == (3, 7)
    assert model.count_params() < 1_000_000


def test_distortions_move_pictures_and_keep_what_they_show():
    images = np.zeros((200, 20, 28, 1), np.float32)
    images[:, 9:11, 13:15] = 1  # its middle
    transforms = classifier.random_transforms(np.random.default_rng(0), 200, (20, 28))
    moved = classifier.distorted(tf.constant(images), transforms).numpy()[..., 0]
    y, x = np.mgrid[:20, :28]
    middles = [[np.sum(m * axis) / m.sum() for axis in (y, x)] for m in moved]
    offsets = np.array(middles) - [9.5, 13.5]
    assert np.all(np.abs(offsets) < [2.6, 3.1]) and np.all(np.std(offsets, 0) > 0.5)
    still = np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 0]), (200, 1))
    assert np.array_equal(classifier.distorted(tf.constant(images), still), images)


def test_other_data_get_a_classifier_once(mnist, monkeypatch, tmp_path, capsys):
    """Cached by content; a damaged file is trained anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "STEPS", 40)
    chosen = np.isin(mnist.labels, (3, 7))
    images, labels = mnist.images[chosen][:2000], (mnist.labels[chosen][:2000] == 7).astype(int)
    data = Data("threes and sevens", images, labels, class_names=("3", "7"))
    first, name = load_classifier(data)
    assert "once for threes and sevens" in capsys.readouterr().out
    assert first.accuracy(images, labels) > 0.95
    again, same_name = load_classifier(data)
    assert capsys.readouterr() == ("", "") and name == same_name
    assert np.array_equal(first(images[:9])[0], again(images[:9])[0])
    (file,) = (tmp_path / "tf2gan").iterdir()
    file.write_bytes(b"half")
    monkeypatch.setattr(classifier, "STEPS", 10)
    assert load_classifier(data)[1] != name
    assert "once for" in capsys.readouterr().out


@pytest.mark.parametrize("read", ["data_key", "cluster", "train", "look"])
def test_a_mapped_file_that_was_cut_ends_no_process(tmp_path, read):
    """Reading beyond its end would end it without a word; none of the readers of a ruler does."""
    np.save(tmp_path / "a.npy", np.full((2000, 12, 12), 7, np.uint8))
    data = load_data(str(tmp_path / "a.npy"))
    np.save(tmp_path / "a.npy", np.full((2, 12, 12), 7, np.uint8))
    network = classifier.build_classifier(2, (12, 12))
    reading = {
        "data_key": lambda: data.key,
        "cluster": lambda: cluster(data.images, 3),
        "train": lambda: classifier.train_classifier(data.images, np.zeros(2000, int), 2, 9),
        "look": lambda: classifier.Classifier(network)(data.images),
    }
    with pytest.raises(DataError, match="a.npy has changed while it was in use"):
        reading[read]()


def test_every_class_has_a_row_whatever_it_is_called(ruler):
    names = [f"{'a long name' * 3}{number}" for number in range(9)] + ["tab\there"]
    lines = command.table({"real": ruler.floor(200)}, names)
    assert sum(line.split()[0] == "class" for line in lines) == 1 + 10  # and the entropy
    assert "tab\\there" in "".join(lines)


def test_class_names_of_any_bytes_go_to_the_projector(tmp_path):
    labels = [("real", "caf\udce9"), ("generated", "a\tb")]
    write_projector(tmp_path, np.zeros((2, 3)), labels, np.zeros((2, 12, 16, 3), np.uint8))
    rows = (tmp_path / "projector" / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert [len(row.split("\t")) for row in rows] == [2, 2, 2]
    assert read_png(tmp_path / "projector" / "sprites.png").shape == (12, 32, 3)


def test_what_another_ruler_found_best_counts_for_nothing(small, ruler, tmp_path):
    gan = tf2gan.GAN(TrainConfig(**small))
    checkpoints = Checkpoints(gan, tmp_path, keep=1)
    quality = ruler.floor(600)
    kept = []
    for step, changes in enumerate(
        (
            {"frechet": 9.0, "kid": 5.0},
            {"frechet": 10.0, "kid": 1.0},
            {"frechet": 8.0},
            {"frechet": 12.0, "ruler": "another"},
            {"frechet": 11.0, "ruler": "another"},
            {"frechet": 99.0, "kid": -9.0, "count": 400, "ruler": "another"},
        ),
        1,
    ):
        gan.step.assign(step)
        checkpoints.keep_best(dataclasses.replace(quality, **changes))
        kept.append(best_figures(tmp_path)["step"])
    assert kept == [1, 1, 3, 4, 5, 6]


def test_the_command_line(mnist, ruler, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rulers, "Ruler", lambda data: ruler)
    np.savez(tmp_path / "digits.npz", images=mnist.images[-2000:])
    command.main([str(tmp_path / "digits.npz"), "--nearest", str(tmp_path / "pairs.png")])
    shown = capsys.readouterr().out
    for name in (
        "Frechet distance",
        "precision",
        "recall",
        "class entropy",
        "class 9",
        "closer to a training",
    ):
        assert name in shown
    assert (
        shown.splitlines()[2].split() == ["images", "(N)", "2000", "2000"]
        and "mean little" not in shown
    )
    pairs = read_png(tmp_path / "pairs.png").reshape(8, 28, 8, 2, 28)
    assert np.array_equal(
        pairs[:, :, :, 0], pairs[:, :, :, 1]
    )  # training images are their own nearest


def test_what_recall_misses_is_shown(mnist, ruler, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rulers, "Ruler", lambda data: ruler)
    np.savez(tmp_path / "no sevens.npz", images=mnist.images[mnist.labels != 7][:3000])
    command.main([str(tmp_path / "no sevens.npz"), "--uncovered", str(tmp_path / "a.png")])
    said = re.search("recall of each class: (.*)", capsys.readouterr().out)[1]
    recalls = {name: float(value[:-1]) for name, value in map(str.split, said.split(", "))}
    assert list(recalls) == list("0123456789")
    assert recalls.pop("7") < 40 < min(recalls.values())
    missed = (
        read_png(tmp_path / "a.png").reshape(8, 28, 8, 28).swapaxes(1, 2).reshape(64, 28, 28, 1)
    )
    sevens = ruler.classifier(np.ascontiguousarray(missed))[1].argmax(1) == 7
    assert sevens.mean() > 0.2  # a tenth of all are


@pytest.mark.parametrize(
    "kind", ["folder", "classes.zip", "x_train.npz", "floats.npy", "images.h5"]
)
def test_images_in_any_layout_are_measured(mnist, ruler, tmp_path, monkeypatch, capsys, kind):
    """What `generate.py --out` writes, and all that `--data` takes; against another set too."""
    monkeypatch.setattr(rulers, "Ruler", lambda data: ruler)
    images, what = mnist.images[:120, ..., 0], tmp_path / kind
    if kind == "folder":
        write_images(what, images[..., None])
    elif kind == "classes.zip":
        with zipfile.ZipFile(what, "w") as archive:
            for i, image in enumerate(images):
                archive.writestr(f"{i % 3}/{i}.png", png_bytes(image))
    elif kind == "x_train.npz":
        np.savez(what, x_train=images)
    elif kind == "images.h5":
        with h5py.File(what, "w") as file:
            file["images"] = images
    else:
        np.save(what, images.astype(np.float32) / 255)
    command.main([str(what), "--data", "mnist"])
    shown = capsys.readouterr().out
    assert ["images", "(N)", "120", "120"] in [line.split() for line in shown.splitlines()]


@pytest.mark.parametrize(
    "what, said",
    [
        ("nowhere", "there is no such file, and no run"),
        ("README.md", "README.md is no data set that can be read"),
        ("few.npy", "holds 3 images; give at least 4"),
        ("runs", "runs is a folder of runs, not of images; give one, such as runs/00000-mine"),
        ("--seed=x", "(all flags: python -m tf2gan.quality --help)"),
    ],
)
def test_the_command_line_refuses(tmp_path, monkeypatch, capsys, what, said):
    np.save(tmp_path / "few.npy", np.zeros((3, 28, 28), np.uint8))
    (tmp_path / "README.md").write_text("text")
    (tmp_path / "runs" / "00000-mine").mkdir(parents=True)
    (tmp_path / "runs" / "00000-mine" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        command.main([what])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and said in error and error.count("\n") == 1
