"""The loop: run folders, curves, pictures, and a resumed run that equals one that never stopped."""

import json

import numpy as np
import pytest
from conftest import saved_state
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.data.dataset import Data, batch_rows
from tf2gan.data.images import read_png, tile_grid, to_pixels
from tf2gan.gan import METRICS
from tf2gan.runs import checkpoints
from tf2gan.sampling.sampler import sample_latents
from tf2gan.settings.config import TrainConfig
from tf2gan.training import loop as training
from tf2gan.training.windows import next_stop, windows
from tf2gan.utils.errors import DataError


def events(run):
    accumulator = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    return {tag: accumulator.Tensors(tag) for tag in accumulator.Tags()["tensors"]}


def test_run_folder(trained, small):
    _, run = trained
    assert run.name == "00000-digits-classic"
    written = json.loads((run / "config.json").read_text())
    fingerprint = written.pop("data_fingerprint")
    assert fingerprint["images"] == 40 and len(fingerprint["sha256"]) == 64
    settings = json.loads(TrainConfig(**small, image_size=28, color_mode="grayscale").to_json())
    assert settings.pop("data_fingerprint") is None and written == settings
    assert sorted(file.name for file in (run / "samples").iterdir()) == [
        "real.png",
        "step-000000.png",
        "step-000003.png",
        "step-000006.png",
        "timelapse.gif",
    ]
    assert checkpoints.checkpoint_steps(run) == [4, 6]
    assert {"generator.keras", "discriminator.keras", "config.json"} <= {
        file.name for file in run.iterdir()
    }
    assert not list(run.rglob("*partial*"))


def test_curves(trained):
    tags = events(trained[1])
    for tag in (*METRICS, "speed/images_per_second"):
        assert [event.step for event in tags[tag]] == [2, 3, 4, 6], tag
        assert np.isfinite([float(make_ndarray(event.tensor_proto)) for event in tags[tag]]).all()
    assert '"batch": 8' in make_ndarray(tags["config"][0].tensor_proto).item().decode()
    for network, layer in (("generator", "UpSampling2D"), ("discriminator", "MaxPooling2D")):
        assert layer in make_ndarray(tags[network][0].tensor_proto).item().decode()


def test_pictures(trained, small):
    """The grids in TensorBoard and in the folder are the generator's, of the same 64 latents."""
    _, run = trained
    tags = events(run)
    assert [event.step for event in tags["samples/fixed"]] == [0, 3, 6]
    assert [event.step for event in tags["samples/real"]] == [0]
    grid = read_png(run / "samples" / "step-000006.png").astype(int)
    generator, _ = tf2gan.load_run(run)
    images = generator(sample_latents(64, seed=small["seed"]), training=False)
    assert np.abs(grid - tile_grid(to_pixels(images))).max() <= 1
    width, height, encoded = make_ndarray(tags["samples/fixed"][-1].tensor_proto)[:3]
    (run.parent / "grid.png").write_bytes(encoded)
    assert np.array_equal(read_png(run.parent / "grid.png"), grid)


def test_a_resumed_run_equals_one_that_never_stopped(trained, small, tmp_path):
    _, whole = trained
    stopped = tf2gan.train(TrainConfig(**{**small, "steps": 3, "name": "mine"}), tmp_path)
    assert stopped.name == "00000-mine"
    assert training.resume(stopped, steps=6) == stopped
    assert saved_state(stopped, 6) == saved_state(whole, 6)
    assert (stopped / "samples/step-000006.png").read_bytes() == (
        whole / "samples/step-000006.png"
    ).read_bytes()


def test_the_same_seed_gives_the_same_run_whatever_the_cadence(trained, small, tmp_path):
    cadence = {"log_every": 5, "image_every": 6, "checkpoint_every": 2, "keep": 1}
    again = tf2gan.train(TrainConfig(**{**small, **cadence}), tmp_path)
    assert saved_state(again, 6) == saved_state(trained[1], 6)
    assert again.name == trained[1].name
    assert checkpoints.checkpoint_steps(again) == [6]


def test_epochs_are_passes_over_the_data(small, tmp_path):
    config = TrainConfig(**{**small, "steps": None, "epochs": 2, "batch": 16})
    run = tf2gan.train(config, tmp_path)
    assert checkpoints.checkpoint_steps(run) == [
        4
    ]  # 40 images: two batches of 16, the rest dropped


def test_too_few_images_for_a_batch_makes_no_folder(small, tmp_path):
    with pytest.raises(DataError, match="40 images.*batch of 41.*--batch"):
        tf2gan.train(TrainConfig(**{**small, "batch": 41}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@given(
    st.integers(0, 1000), st.integers(1, 100), st.lists(st.integers(1, 50), min_size=1, max_size=4)
)
def test_windows_end_at_every_multiple_of_every_cadence(step, more, cadences):
    total = step + more
    end = next_stop(step, total, *cadences)
    assert step < end <= total
    assert end == total or any(end % cadence == 0 for cadence in cadences)
    assert not any(
        between % cadence == 0 for between in range(step + 1, end) for cadence in cadences
    )


def test_a_window_ends_wherever_something_is_due():
    """Shown, drawn, saved or measured; each epoch is, where nothing is said of that."""
    data = Data("it", np.zeros((40, 28, 28, 1), np.uint8))
    every = {"log_every": 7, "image_every": 11, "checkpoint_every": 13, "evaluate_every": 17}
    due = {60, *(step for cadence in every.values() for step in range(cadence, 60, cadence))}
    config = TrainConfig(**every, batch=4, steps=60)
    assert [window.end for window in windows(config, data, 0)] == sorted(due)
    config = TrainConfig(**{**every, "log_every": 99, "evaluate_every": None}, batch=4, steps=25)
    assert [window.end for window in windows(config, data, 0)] == [10, 11, 13, 20, 22, 25]


@pytest.mark.parametrize("recipe, seed", [("classic", None), ("modern", 5)])
def test_the_order_of_the_images_is_the_recipes(recipe, seed):
    """The file's, or one of the run's seed for each epoch."""
    data = Data("it", np.zeros((40, 28, 28, 1), np.uint8))
    config = TrainConfig(recipe=recipe, batch=4, steps=25, seed=5)
    rows = np.concatenate([window.rows for window in windows(config, data, 0)])
    assert np.array_equal(rows, batch_rows(0, 25, count=40, batch=4, seed=seed))
