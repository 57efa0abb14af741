"""Several devices, several machines: the number of replicas does not change a run, and a lost machine does not hang it."""

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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tf2gan
from tf2gan import distribution
from tf2gan.config import TrainConfig
from tf2gan.errors import UsageError
from tf2gan.gan import METRICS
from tf2gan.runs.checkpoints import checkpoint_steps

BIAS = 3  # among G's weights the one that feeds BatchNormalization, which takes it out again

# Logical devices are made before TensorFlow looks for its devices: in a process of their own.
TWO_REPLICAS = """
import json, sys
from tf2gan import distribution

two = distribution.choose("CPU:0,CPU:1")
assert two.num_replicas_in_sync == 2
from tf2gan.config import TrainConfig
from tf2gan.training.loop import resume, train

settings, logdir = json.loads(sys.argv[1]), sys.argv[2]
for name, first, then in (("on_one", None, two), ("on_two", two, None)):
    config = TrainConfig(**settings, name=name)
    run = train(config, logdir, strategy=first, profile=name == "on_two")
    resume(run, steps=config.steps + 2, strategy=then)
"""


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


@pytest.mark.parametrize(
    "recipe, precision, equal_steps",
    # Adam divides small gradients by their size, rounding included: modern keeps together for fewer steps.
    [("classic", None, 8), ("modern", None, 2), ("modern", "bfloat16", 0)],
)
def test_two_replicas_equal_one(python, measurable, tmp_path, recipe, precision, equal_steps):
    """All that a default run does, on one device and on two; each resumed on the other's."""
    settings = {
        **measurable,
        "recipe": recipe,
        "mixed_precision": precision,
        "steps": 6 if equal_steps == 8 else 4,
    }
    result = python("-c", TWO_REPLICAS, json.dumps(settings), tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    on_one, on_two = (tmp_path / f"0000{i}-{name}" for i, name in enumerate(("on_one", "on_two")))
    (files, steps, values), (split_files, split_steps, split_values) = shown(on_one), shown(on_two)
    profile = {file for file in split_files if file.startswith("plugins/profile/")}
    assert profile and split_files - profile == files and split_steps == steps
    end = settings["steps"] + 2
    assert steps["quality/frechet"] == list(range(2, end + 1, 2)) and len(steps) > 60
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
    """Those of a run's networks, without the bias that feeds BatchNormalization, which takes it out again."""
    found = [array for network in tf2gan.load_run(run) for array in network.get_weights()]
    assert len(found) == 20
    return found[:BIAS] + found[BIAS + 1 :]


def start(number, ports, *args):
    """Starts machine `number` of the cluster of two on this computer."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})
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


def start_both(*args):
    ports = free_ports()
    return [start(number, ports, *args) for number in (0, 1)]


@pytest.mark.parametrize(
    "number, status, said",
    [
        (signal.SIGKILL, 1, "another machine ended or cannot be reached"),
        pytest.param(signal.SIGTERM, 143, "stopped and saved at step", marks=pytest.mark.slow),
    ],
)
def test_a_machine_lost_and_both_started_again_equal_one_machine(
    measurable, tmp_path, number, status, said
):
    """Two processes on loopback: one is killed, the other ends by itself; then --resume."""
    settings = {**measurable, "steps": 16, "log_every": 2, "image_every": 4, "evaluate_every": 6}
    whole = tf2gan.train(TrainConfig(**settings), tmp_path / "one")
    chief, other = start_both("--logdir", tmp_path / "two", *flags({**settings, "steps": 3000}))
    for line in chief.stdout:
        if line.startswith("step 8/"):
            break
    other.send_signal(number)
    _, error = chief.communicate(timeout=60)
    assert chief.returncode == status and error.count("\n") == 1, error
    assert said in error and "--resume 00000-digits-classic" in error
    other.communicate()

    run = tmp_path / "two" / "00000-digits-classic"
    assert checkpoint_steps(run)[-1] < 16
    chief, other = start_both("--logdir", tmp_path / "two", "--resume", "--steps=16")
    shown, error = chief.communicate(timeout=120)
    assert chief.returncode == 0 and "2 replicas" in shown and "step 16/16" in shown, error
    shown, error = other.communicate(timeout=60)
    assert other.returncode == 0 and "step " not in shown and "done" not in shown, (
        error
    )  # the chief alone shows

    # And writes: one folder, one event file for each time it was started.
    assert [path.name for path in (tmp_path / "two").iterdir() if path.is_dir()] == [run.name]
    assert len(list(run.glob("events*"))) == 2
    for ours, theirs in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_machines_with_different_flags_say_so(small, tmp_path):
    ports = free_ports()
    processes = [
        start(i, ports, "--logdir", tmp_path / "runs", *flags({**small, "seed": i})) for i in (0, 1)
    ]
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert (
            process.returncode == 1
            and "different flags, data or TF_CONFIGs" in error
            and error.count("\n") == 1
        ), error
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
    "args, status, said",
    [
        (
            ["--devices=CPU:0,CPU:1", "--batch=7"],
            2,
            "--batch 7 cannot be cut into 2 equal slices, one a replica; give 6 or 8",
        ),
        (
            ["--devices=CPU:0,CPU:1", "--mixed-precision=float16"],
            2,
            "float16 is for one device, and there are 2",
        ),
        (["--devices=GPU:99"], 2, "--devices names 'GPU:99'; choose from CPU:0"),
        (["--devices=CPU:0,CPU:0"], 2, "names one device twice"),
    ],
)
def test_devices_on_the_command_line(python, small, tmp_path, args, status, said):
    result = python("train.py", "--logdir", tmp_path / "runs", *flags(small), *args)
    assert (
        result.returncode == status and said in result.stderr and result.stderr.count("\n") == 1
    ), result.stderr
    assert not (tmp_path / "runs").exists()
