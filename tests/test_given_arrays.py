"""Arrays from Python in place of a data set, and data that change under a run."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf2gan
from tf2gan.settings.config import TrainConfig
from tf2gan.training import loop
from tf2gan.utils.errors import DataError, Tf2ganError, UsageError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 12, 16, 3), np.uint8)
LABELS = RNG.permutation(np.arange(24) % 3)
SETTINGS = {"batch": 8, "steps": 4, "checkpoint_every": 2, "evaluate_every": 0, "log_every": 1}


def weights(run):
    return keras.models.load_model(run / "generator.keras").get_weights()


def assert_equal(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        assert np.array_equal(a, b)


def test_arrays_of_any_library_train_the_same_run(tmp_path):
    config = TrainConfig(**SETTINGS)
    kinds = {
        "bytes": IMAGES,
        "a signed tensor": tf.constant(IMAGES, tf.float32) / 127.5 - 1,
        "lists of fractions, channels first": (IMAGES.transpose(0, 3, 1, 2) / 255).tolist(),
    }
    runs = [tf2gan.train(config, tmp_path, images=images) for images in kinds.values()]
    assert runs[0].name == "00000-arrays-classic"
    for run in runs[1:]:
        assert_equal(runs[0], run)
    configs = [json.loads((run / "config.json").read_text()) for run in runs]
    assert all(written == configs[0] for written in configs)
    assert configs[0]["image_size"] == [12, 16] and configs[0]["color_mode"] == "rgb"


def test_given_again_a_run_goes_on_and_with_others_it_does_not(tmp_path, capsys):
    given = {"images": IMAGES, "labels": LABELS, "test_images": IMAGES[:5]}
    whole = tf2gan.train(TrainConfig(**SETTINGS), tmp_path, **given)
    part = tf2gan.train(TrainConfig(**{**SETTINGS, "steps": 2}), tmp_path, **given)
    changed = IMAGES.copy()
    changed[7, 3, 3, 1] ^= 1
    others = (
        {"images": changed},
        {"labels": LABELS[::-1]},
        {"labels": None},
        {"test_images": IMAGES[:4]},
    )
    for other in others:
        with pytest.raises(UsageError, match="was trained on arrays:[0-9a-f]{32}; the arrays giv"):
            tf2gan.resume(part, **{**given, **other}, steps=4)
    with pytest.raises(DataError, match="arrays given in Python.*tf2gan.resume"):
        tf2gan.resume(part, steps=4)
    assert tf2gan.resume(part, **given, steps=4) == part
    assert_equal(whole, part)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"images": IMAGES[:7]}, "has 7 images, less than one batch of 8"),
        ({"images": IMAGES[:, :10]}, "is 10x16; .* the nearest is 12x16"),
        ({"images": IMAGES, "labels": LABELS[1:]}, "expected integers .24., one an image"),
        ({"images": np.full((24, 12, 12), np.nan)}, "nan"),
        ({"images": np.full((24, 12, 12), 300.0)}, "300"),
        ({"images": [np.zeros((12, 12)), np.zeros((12, 16))]}, "mixed shapes"),
        ({"images": IMAGES, "test_images": IMAGES[:, :8, :8]}, "not of the size of images"),
    ],
)
def test_what_cannot_be_trained_on_makes_nothing(tmp_path, given, said):
    with pytest.raises(DataError, match=said) as error:
        tf2gan.train(TrainConfig(**SETTINGS), tmp_path / "runs", **given)
    assert "\n" not in str(error.value) and not (tmp_path / "runs").exists()


def test_a_mapped_file_that_changes_stops_the_run_and_loses_nothing(tmp_path):
    file = tmp_path / "images.npy"
    np.save(file, IMAGES)
    config = TrainConfig(**SETTINGS, data=str(file))
    whole = tf2gan.train(config, tmp_path)
    original, windows = loop.Progress.show_window, []

    def window(self, *args):
        windows.append(args)
        if len(windows) == 2:
            np.save(file, IMAGES[:9])
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Progress, "show_window", window)
        with pytest.raises(Tf2ganError, match="images.npy has changed while it was in use"):
            tf2gan.train(config, tmp_path)
    np.save(file, IMAGES)
    run = tmp_path / "00001-images-classic"
    assert tf2gan.resume(run) == run
    assert_equal(whole, run)
