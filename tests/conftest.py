"""What several test files share: settings of small runs, the runs themselves, processes."""

import os

# TensorFlow's start-up notices would drown a failure's message.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# What is promised to the last bit is a processor's; CUDA_VISIBLE_DEVICES=0 tests on a GPU.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tf2gan  # before any test imports TensorFlow, whose kernels it chooses

ROOT = Path(__file__).parent.parent


def saved_state(run, step):
    """Every tensor of a checkpoint as bytes; not its save counter, which counts the saves."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}"))
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("save_counter", "_"))
    ]
    assert len(names) > 40
    return {name: reader.get_tensor(name).tobytes() for name in names}


def pytest_collection_modifyitems(items):
    """What takes long starts first, so that processes side by side end together."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def flags(settings):
    """Settings of a `TrainConfig` as flags of train.py."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


@pytest.fixture(scope="session")
def python():
    """Runs `python ARGS` in the checkout as a person would and returns the finished process.

    Where that takes too long, there is `forked.Forked`.
    """

    def run(*args, cwd=ROOT, **environment):
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=200,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def few_samples(monkeypatch):
    """Evaluations of a twentieth of the samples, for tests that are not about what they find."""
    from tf2gan.training import evaluation

    monkeypatch.setattr(evaluation, "SCORED", 64)


@pytest.fixture(scope="session")
def mnist():
    from tf2gan.data.load import load_data

    return load_data("mnist")


@pytest.fixture(scope="session")
def ruler(mnist):
    """MNIST's ruler: it takes seconds to build.

    Tests that want it run in one process: `pytest.mark.xdist_group("ruler")`.
    """
    from tf2gan.quality.ruler import Ruler

    return Ruler(mnist)


@pytest.fixture(scope="session")
def digits(mnist, tmp_path_factory):
    """A small data set: the first 40 digits of MNIST as an .npz in Keras' layout."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x_train=mnist.images[:40], y_train=mnist.labels[:40])
    return path


@pytest.fixture(scope="session")
def measurable(mnist, tmp_path_factory):
    """Settings of a small run that does all that a default run does, its quality measured too.

    Of 2000 labelled digits half are the reference. Their classifier is MNIST's own, put where a
    trained one would be kept.
    """
    from tf2gan.data.dataset import Data
    from tf2gan.quality import classifier

    folder = tmp_path_factory.mktemp("measurable")
    images, labels = mnist.images[:2000], mnist.labels[:2000]
    np.savez(folder / "digits.npz", x_train=images, y_train=labels)
    key = Data("digits", images, labels, class_names=mnist.class_names).key
    (folder / "tf2gan").mkdir()
    shutil.copy(classifier.MNIST_WEIGHTS, folder / "tf2gan" / f"classifier-{key[:32]}.keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield {
            "data": str(folder / "digits.npz"),
            "batch": 8,
            "steps": 6,
            "log_every": 1,
            "image_every": 2,
            "checkpoint_every": 2,
            "evaluate_every": 2,
            "seed": 3,
        }


@pytest.fixture(scope="session")
def small(digits):
    """Settings of a run that takes seconds; override what a test is about."""
    return {
        "data": str(digits),
        "batch": 8,
        "steps": 6,
        "log_every": 2,
        "image_every": 3,
        "checkpoint_every": 4,
        "evaluate_every": 0,
        "seed": 3,
    }


@pytest.fixture(scope="session")
def trained(small, tmp_path_factory):
    """(logdir, run folder) of one finished small run; tests only read it."""
    logdir = tmp_path_factory.mktemp("runs")
    return logdir, tf2gan.train(tf2gan.TrainConfig(**small), logdir)


@pytest.fixture(scope="session")
def measured(measurable, tmp_path_factory):
    """The folder of a run of four steps, measured twice; tests only read it.

    Tests that want it run in one process: `pytest.mark.xdist_group("measured")`.
    """
    config = tf2gan.TrainConfig(**{**measurable, "recipe": "modern", "steps": 4})
    return tf2gan.train(config, tmp_path_factory.mktemp("measured"))
