"""Several devices, several machines: their number does not change a run.

And a lost machine does not hang it.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, flags
from forked import TRAIN_WITH_FEW_SAMPLES, Forked
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan.devices import strategy as distribution
from tf2gan.gan import METRICS
from tf2gan.runs.folders import checkpoint_steps
from tf2gan.settings.config import TrainConfig
from tf2gan.utils.errors import UsageError

BIAS = 3  # among G's weights the one that feeds BatchNormalization, which takes it out again

# Logical devices are made before TensorFlow looks for its devices: in a process of their own.
TWO_REPLICAS = """
import json, sys
from tf2gan.devices import strategy as distribution

two = distribution.choose("CPU:0,CPU:1")
assert two.num_replicas_in_sync == 2
from tf2gan.settings.config import TrainConfig
from tf2gan.data.load import load_data
from tf2gan.quality import ruler
from tf2gan.training import evaluation
from tf2gan.training.loop import resume, train

settings, logdir = json.loads(sys.argv[1]), sys.argv[2]
data = load_data(settings["data"])
# Of fewer images, and with one ruler, evaluations do the same in a fraction of the time.
evaluation.SCORED, evaluation.PROJECTED, ruler.SAMPLES = 128, 64, 128
the_ruler = ruler.Ruler(data)
evaluation.Ruler = lambda data: the_ruler
for name, first, then in (("on_one", None, two), ("on_two", two, None)):
    config = TrainConfig(**settings, name=name)
    run = train(config, logdir, data=data, strategy=first, profile=name == "on_two")
    resume(run, data=data, steps=config.steps + 2, strategy=then)
"""
CASES = [  # recipe, precision, steps before --resume, steps that are equal
    pytest.param("classic", None, 6, 8, marks=pytest.mark.slow),
    # Adam divides small gradients by their size, rounding included: modern keeps together for
    # fewer steps.
    pytest.param("modern", None, 4, 2, marks=pytest.mark.slow),
    ("modern", "bfloat16", 4, 0),
]


def shown(run):
    """What a person finds of a run: files, TensorBoard's tags with their steps, and its scalars."""
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    points = {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}
    files = {
        str(path.relative_to(run))
        for path in run.rglob("*")
        if path.is_file() and "tfevents" not in path.name
    }
    values = {
        tag: [float(make_ndarray(p.tensor_proto)) for p in points[tag]]
        for tag in (*METRICS, "quality/frechet")
    }
    return files, {tag: [point.step for point in found] for tag, found in points.items()}, values


def on_one_and_two(measurable, logdir, recipe, precision, steps):
    """A pair of run folders: on one device and on two.

    They do all that a default run does, and are resumed on the other's devices. An evaluation comes
    on the way, another at the end, and one more after --resume.
    """
    # Augmentation starts on the way; in float32 it is strong, and the replicas are compared then.
    values = {"shift_from_epoch": 0, "shift_after": 0.25} if recipe == "modern" else {}
    values |= {"augment_probability": 0.7} if values and not precision else {}
    settings = {
        **measurable,
        "recipe": recipe,
        "mixed_precision": precision,
        "steps": steps,
        "checkpoint_every": 4,
        "evaluate_every": 3,
        "recipe_values": values,
    }
    process = Forked("-c", TWO_REPLICAS, json.dumps(settings), logdir, cwd=ROOT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error[-3000:]
    runs = sorted(logdir.glob("0*"))
    assert [run.name[6:] for run in runs] == ["on_one", "on_two"]
    return runs


@pytest.mark.long
@pytest.mark.parametrize("recipe, precision, trained_steps, equal_steps", CASES)
def test_two_replicas_equal_one(
    measurable, tmp_path, recipe, precision, trained_steps, equal_steps
):
    on_one, on_two = on_one_and_two(measurable, tmp_path, recipe, precision, trained_steps)
    (files, steps, values), (split_files, split_steps, split_values) = shown(on_one), shown(on_two)
    profile = {file for file in split_files if file.startswith("plugins/profile/")}
    assert profile and split_files - profile == files and split_steps == steps
    end = trained_steps + 2
    assert steps["quality/frechet"] == [3, trained_steps, end]
    assert len(steps) > 60
    assert {
        "summary.json",
        "samples/timelapse.gif",
        "projector/sprites.png",
        "generator.keras",
    } <= files
    assert any(file.startswith("checkpoints/best/") for file in files)
    for tag in METRICS:
        assert np.isfinite(split_values[tag]).all()
        if equal_steps:
            compared = np.array(steps[tag]) <= equal_steps
            np.testing.assert_allclose(
                np.array(split_values[tag])[compared],
                np.array(values[tag])[compared],
                rtol=1e-3,
                atol=1e-5,
                err_msg=tag,
            )
    if equal_steps == end:
        for ours, theirs in zip(weights(on_two), weights(on_one), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def weights(run):
    """Those of a run's networks, without the bias that feeds BatchNormalization."""
    found = [array for network in tf2gan.load_run(run) for array in network.get_weights()]
    assert len(found) == 20
    return found[:BIAS] + found[BIAS + 1 :]


def start(number, ports, *args, forked):
    """Starts machine `number` of the cluster of two on this computer."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})
    if forked:
        return Forked("-c", TRAIN_WITH_FEW_SAMPLES, *args, cwd=ROOT, TF_CONFIG=config)
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "train.py"), *map(str, args)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "TF_CONFIG": config},
    )


def free_ports():
    with socket.socket() as a, socket.socket() as b:
        for free in (a, b):
            free.bind(("127.0.0.1", 0))
        return [a.getsockname()[1], b.getsockname()[1]]


@contextlib.contextmanager
def both(*args, forked=False, **changes):
    """Both machines, started with the same arguments but for `changes`, arguments of the second.

    Forked, TensorFlow has read TF_CPP_MIN_LOG_LEVEL before they are: what it logs is not what a
    person sees. Their evaluations are of few samples.
    """
    ports = free_ports()
    more = flags(changes)
    with (
        start(0, ports, *args, forked=forked) as chief,
        start(1, ports, *args, *more, forked=forked) as other,
    ):
        try:
            yield chief, other
        finally:  # a test that failed leaves none behind
            chief.kill()
            other.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, status, said",
    [
        (signal.SIGKILL, 1, "another machine ended or cannot be reached"),
        (signal.SIGTERM, 143, "stopped and saved at step"),
    ],
)
def test_a_machine_lost_and_both_started_again_equal_one_machine(
    measurable, tmp_path, number, status, said
):
    """Two processes on loopback: one is killed, the other ends by itself; then --resume."""
    settings = {**measurable, "steps": 8, "log_every": 2, "image_every": 4}
    config = TrainConfig(**{**settings, "evaluate_every": 0})  # which changes no weight
    whole = tf2gan.train(config, tmp_path / "one")
    settings |= {"steps": 3000, "evaluate_every": 6}
    with both("--logdir", tmp_path / "two", *flags(settings)) as (chief, other):
        for line in chief.stdout:
            if line.startswith("step 4/"):
                break
        other.send_signal(number)
        _, error = chief.communicate(timeout=60)
        assert chief.returncode == status and error.count("\n") == 1, error
        assert said in error and "--resume 00000-digits-classic" in error
        other.communicate()

    run = tmp_path / "two" / "00000-digits-classic"
    saved = checkpoint_steps(run)[-1]
    assert saved < 8
    resumed = both("--logdir", tmp_path / "two", "--resume", "--steps=8", forked=True)
    with resumed as (chief, other):
        shown, error = chief.communicate(timeout=120)
        assert chief.returncode == 0 and "2 replicas" in shown and "step 8/8" in shown, error
        assert shown.count("Frechet distance") == 1 + (saved < 6)  # at step 6, and at the end
        shown, error = other.communicate(timeout=60)
        # The chief alone shows.
        assert other.returncode == 0 and "step " not in shown and "done" not in shown, error

    # And writes: one folder, one event file for each time it was started.
    assert [path.name for path in (tmp_path / "two").iterdir() if path.is_dir()] == [run.name]
    assert len(list(run.glob("events*"))) == 2
    for ours, theirs in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_machines_with_different_flags_say_so(small, tmp_path):
    with both("--logdir", tmp_path / "runs", *flags(small), seed=small["seed"] + 1) as processes:
        for process in processes:
            _, error = process.communicate(timeout=120)
            assert process.returncode == 1 and error.count("\n") == 1, error
            assert "different flags, data or TF_CONFIGs" in error
    assert not (tmp_path / "runs").exists()


CLUSTER = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "config, said",
    [
        ("nonsense", "TF_CONFIG is 'nonsense'; expected"),
        ("[]", "expected"),
        (json.dumps({"cluster": CLUSTER}), "expected"),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}),
            "worker 2, which its cluster lacks",
        ),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}),
            "chief 0, which its cluster lacks",
        ),
        (
            json.dumps(
                {"cluster": {**CLUSTER, "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}
            ),
            "a job 'ps'",
        ),
        (json.dumps({"cluster": {}, "task": {"type": "worker", "index": 0}}), "has no chief"),
        (
            json.dumps(
                {"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}
            ),
            "one address twice",
        ),
    ],
)
def test_what_is_wrong_with_tf_config_is_said(monkeypatch, config, said):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        distribution.choose()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "args, said",
    [
        (
            ["--devices=CPU:0,CPU:1", "--batch=7"],
            "--batch 7 cannot be cut into 2 equal slices, one a replica; give 6 or 8",
        ),
        (
            ["--devices=CPU:0,CPU:1", "--mixed-precision=float16"],
            "float16 is for one device, and there are 2",
        ),
        (
            ["--devices=CPU:0,CPU:1", "--jit-compile=on"],
            "--jit-compile on is for one device, and there are 2; leave it out",
        ),
        (["--devices=GPU:99"], "--devices names 'GPU:99'; choose from CPU:0"),
        (["--devices=CPU:0,CPU:0"], "names one device twice"),
    ],
)
def test_devices_on_the_command_line(small, tmp_path, args, said):
    words = ["--logdir", tmp_path / "runs", *flags(small), *args]
    process = Forked(ROOT / "train.py", *words, cwd=ROOT)
    _, error = process.communicate()
    assert process.returncode == 2 and said in error and error.count("\n") == 1, error
    assert not (tmp_path / "runs").exists()
