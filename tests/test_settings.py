"""`--set` as a person types it: what it changes, where it is written down, what is refused."""

import json

import numpy as np
import pytest
from conftest import flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.cli import train
from tf2gan.settings.recipes import HYPERPARAMETERS


def test_a_set_value_is_trained_with_and_written_down(small, tmp_path, capsys, few_samples):
    """In the configuration, in the Text and HParams tabs, and in what the run says."""
    changes = {"g_learning_rate": 0.002, "momentum": 0.0, "shuffle": True}
    words = [f"--set={name}={value}" for name, value in changes.items()]
    args = ["--logdir", str(tmp_path), *flags({**small, "steps": 2, "evaluate_every": 2}), *words]
    train.main(args)
    said = "recipe classic with g_learning_rate=0.002, momentum=0.0, shuffle=True:"
    assert said in capsys.readouterr().out
    run = tmp_path / "00000-digits-classic"
    values = json.loads((run / "config.json").read_text())["recipe_values"]
    assert changes.items() <= values.items() and len(values) == len(HYPERPARAMETERS)
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    text = make_ndarray(events.Tensors("config")[0].tensor_proto).item().decode()
    assert '"g_learning_rate": 0.002' in text
    metadata = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    shown = plugin_data_pb2.HParamsPluginData.FromString(metadata).session_start_info.hparams
    assert set(HYPERPARAMETERS) < set(shown) and shown["g_learning_rate"].number_value == 0.002
    assert shown["shuffle"].bool_value and shown["optimizer"].string_value == "sgd"

    with pytest.raises(SystemExit) as stopped:
        train.main(["--logdir", str(tmp_path), "--resume", "--set", "momentum=0.9"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1
    assert "--set momentum=0.9 contradicts the run, which has 0.0" in error
    train.main(["--logdir", str(tmp_path), "--resume", "--steps=3", "--set", "momentum=0"])


@pytest.mark.parametrize(
    "words, said",
    [
        (
            ["g_learing_rate=0.1"],
            "a recipe has no hyperparameter 'g_learing_rate'; g_learning_rate?",
        ),
        (["zzz=1"], "a recipe has no hyperparameter 'zzz'; --help lists them"),
        (["batch=64"], "a recipe has no hyperparameter 'batch'; --batch is a flag of its own"),
        (["shift"], "--set takes NAME=VALUE, and 'shift' has no ="),
        (["shift=two"], "shift is 'two'; it must be a whole number"),
        (["d_learning_rate=fast"], "d_learning_rate is 'fast'; it must be a number"),
        (["shuffle=2"], "shuffle is '2'; it must be true or false"),
        (["d_learning_rate=-1"], "d_learning_rate is -1.0; the least is 1e-08"),
        (["shift=1", "shift=14"], "shift is 14; the most is 13"),
        (["beta_2=0.9"], "beta_2 does nothing where optimizer is sgd; set optimizer too"),
        (["averaging_every=2"], "averaging_every does nothing where averaging is 0.0"),
    ],
)
def test_what_cannot_be_set_is_one_line(tmp_path, capsys, words, said):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--logdir", str(tmp_path / "runs"), *[f"--set={word}" for word in words]])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and said in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_help_shows_every_value_with_its_range(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for name, field in HYPERPARAMETERS.items():
        assert f"{name} (" in shown and " ".join(field.metadata["help"].split()) in shown
    assert "0 to 63 pixels" in shown and "2 in modern" in shown


def test_a_changed_value_changes_the_run_and_its_own_value_does_not(small, tmp_path):
    def weights(**changes):
        config = tf2gan.TrainConfig(**{**small, "steps": 1}, recipe_values=changes)
        generator, _ = tf2gan.load_run(tf2gan.train(config, tmp_path))
        return generator.get_weights()

    assert not np.array_equal(weights(g_learning_rate=0.1)[0], weights()[0])
    same = tf2gan.TrainConfig(**small, recipe_values={"g_learning_rate": 0.001})
    assert same == tf2gan.TrainConfig(**small)
