"""The ruler: closed forms, constructed cases, and an order that a person would agree with."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.board.summaries import DESCRIPTIONS
from tf2gan.config import TrainConfig
from tf2gan.data.dataset import Data
from tf2gan.data.images import read_png
from tf2gan.quality import __main__ as command
from tf2gan.quality import classifier
from tf2gan.quality import ruler as rulers
from tf2gan.quality.classifier import MNIST_KEY, MNIST_WEIGHTS, data_key, load_classifier
from tf2gan.quality.metrics import classifier_score, frechet_distance, precision_recall
from tf2gan.quality.ruler import why_not
from tf2gan.training import evaluation

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
    assert data_key(mnist) == MNIST_KEY
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
            for image in sample
        ]
    )
    speckled = np.where(rng.random(sample.shape) < 0.1, 255, sample).astype(np.uint8)
    broken = {
        "real": real,
        "blurred": ruler.measure(blurred),
        "speckled": ruler.measure(speckled),
        "ones": ruler.measure(mnist.images[mnist.labels == 1][:2000]),
        "one image": ruler.measure(np.repeat(sample[:1], 2000, 0)),
        "noise": ruler.measure(rng.integers(0, 256, (2000, 28, 28), np.uint8)),
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
    assert figures["best"] == {"step": 2, "frechet": pytest.approx(quality["frechet"])}
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    (floor,) = events.Tensors("quality/frechet_floor")
    assert 0.2 < float(make_ndarray(floor.tensor_proto)) < 1
    assert set(DESCRIPTIONS) <= set(events.Tags()["tensors"])


def test_without_a_test_part_the_floor_is_of_other_images(mnist, ruler, monkeypatch):
    monkeypatch.setattr(rulers, "load_classifier", lambda data: ruler.classifier)
    halves = rulers.Ruler(Data("mnist without tests", mnist.images[:4000], mnist.labels[:4000]))
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
    images = mnist.images[:2000]
    assert "no labels" in why_not(Data("pictures", images))
    assert "one label" in why_not(Data("zeros", images, np.zeros(2000, int)))
    assert why_not(Data("fine", images, mnist.labels[:2000])) is None
    assert "1999 training images, less than 2000" in why_not(
        Data("few", images[:1999], mnist.labels[:1999])
    )
    tests = {"test_images": images[:999], "test_labels": mnist.labels[:999]}
    assert "999 test images, less than 1000" in why_not(
        Data("few", images, mnist.labels[:2000], **tests)
    )
    assert why_not(mnist) is None


def test_other_data_get_a_classifier_once(mnist, monkeypatch, tmp_path, capsys):
    """Cached by content; labels may be any integers; a damaged file is trained anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "EPOCHS", 2)
    chosen = np.isin(mnist.labels, (3, 7))
    data = Data(
        "threes and sevens",
        mnist.images[chosen][:2000],
        mnist.labels[chosen][:2000].astype(np.int64) * 100 - 500,
    )
    first = load_classifier(data)
    assert "once for threes and sevens" in capsys.readouterr().out
    labels = (data.labels > 0).astype(int)
    assert first.classes == 2 and first.accuracy(data.images, labels) > 0.95
    again = load_classifier(data)
    assert capsys.readouterr().out == ""
    assert np.array_equal(first(data.images[:9])[0], again(data.images[:9])[0])
    (file,) = (tmp_path / "tf2gan").iterdir()
    file.write_bytes(b"half")
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    load_classifier(data)
    assert "once for" in capsys.readouterr().out


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
        shown.splitlines()[1].split() == ["images", "(N)", "2000", "2000"]
        and "mean little" not in shown
    )
    pairs = read_png(tmp_path / "pairs.png").reshape(8, 28, 8, 2, 28)
    assert np.array_equal(
        pairs[:, :, :, 0], pairs[:, :, :, 1]
    )  # training images are their own nearest


@pytest.mark.parametrize(
    "what, said",
    [
        ("nowhere", "neither a run nor"),
        ("README.md", "neither a run nor"),
        ("float.npy", "float64"),
        ("--seed=x", "(all flags: python -m tf2gan.quality --help)"),
    ],
)
def test_the_command_line_refuses(tmp_path, monkeypatch, capsys, what, said):
    np.save(tmp_path / "float.npy", np.zeros((9, 28, 28)))
    (tmp_path / "README.md").write_text("text")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        command.main([what])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and said in error and error.count("\n") == 1
