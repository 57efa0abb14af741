"""Runs made by version 0.1 resume and generate as 0.1 would have.

golden/version_0_1 is 0.1's own work. Its two runs, `classic` and `modern`, were stopped at step 4
of 12. So that they pack well, 0.1 saved large variables as a short pattern, repeated.
"""

import json
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from tf2gan.cli import generate
from tf2gan.training.loop import resume

OLD = ROOT / "tests" / "golden" / "version_0_1"
RUNS = {"classic": "00000-digits-classic", "modern": "00001-digits-modern"}
# What 0.1 called `modern`; its config.json names the recipe and no more.
MODERN = {
    "optimizer": "adam",
    "d_learning_rate": 0.0006,
    "g_learning_rate": 0.001,
    "final_learning_rate": 0.02,
    "beta_1": 0.5,
    "beta_2": 0.999,
    "shuffle": True,
    "fakes_in_training_mode": True,
    "gradient_penalty": 0.5,
    "penalty_every": 8,
    "shift": 2,
    "shift_after": 0.5,
    "shift_from_epoch": 0,
    "averaging": 0.999,
    "averaging_every": 8,
}
CLASSIC = {
    "optimizer": "sgd",
    "d_learning_rate": 0.001,
    "g_learning_rate": 0.001,
    "final_learning_rate": 1,
    "momentum": 0.9,
    "nesterov": True,
    "shuffle": False,
    "fakes_in_training_mode": False,
    "gradient_penalty": 0,
    "shift": 0,
    "averaging": 0,
}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The folder of 0.1's runs, which is also where it ran: their data lie in it."""
    with tarfile.open(OLD / "runs.tar.xz") as file:
        file.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


@pytest.mark.parametrize("recipe, values", [("classic", CLASSIC), ("modern", MODERN)])
def test_they_resume_and_get_their_values_written_down(runs, recipe, values):
    run = runs / RUNS[recipe]
    assert "recipe_values" not in json.loads((run / "config.json").read_text())
    resume(run)
    written = json.loads((run / "config.json").read_text())["recipe_values"]
    assert {name: written[name] for name in values} == values
    expected = json.loads((OLD / "resumed.json").read_text())[run.name]
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / "ckpt-12"))
    assert len(expected) == {"classic": 43, "modern": 71}[recipe]
    for name, figures in expected.items():
        value = np.asarray(reader.get_tensor(name), np.float64)
        # To the last bit on one machine. Adam, on another, divides rounding by itself.
        tolerance = 1e-5 if recipe == "classic" else 2e-2
        np.testing.assert_allclose(
            np.abs(value).sum(), figures["abs_sum"], rtol=tolerance, atol=1e-3, err_msg=name
        )
        if recipe == "classic":
            np.testing.assert_allclose(value.ravel()[:4], figures["first"], atol=1e-5)


@pytest.mark.parametrize("recipe", RUNS)
def test_they_generate_the_same_images(runs, recipe):
    run = runs / RUNS[recipe]
    generate.main(["--run", str(run), "--batch", "4", "--seed", "5", "--out", "images.npy"])
    with np.load(OLD / "generated.npz") as images:
        expected = images[f"run_{run.name[:5]}"].astype(int)
    assert np.ptp(expected) > 50
    assert np.abs(np.load("images.npy") - expected).max() <= 1
