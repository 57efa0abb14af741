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

import tf2gan
from conftest import ROOT, flags
from tf2gan import distribution
from tf2gan.checkpoints import checkpoint_steps
from tf2gan.config import TrainConfig
from tf2gan.errors import UsageError

BIAS = 3  # among G's weights the one that feeds BatchNormalization, which takes it out again

# Logical devices are made before TensorFlow looks for its devices: in a process of their own.
TWO_REPLICAS = """
import dataclasses
import numpy as np, tensorflow as tf
from tf2gan import distribution
from tf2gan.config import TrainConfig
from tf2gan.data import batch_rows
from tf2gan.gan import GAN
from tf2gan.recipes import RECIPES

two = distribution.choose("CPU:0,CPU:1")
assert two.num_replicas_in_sync == 2
images = tf.constant(np.random.default_rng(0).integers(0, 256, (64, 28, 28)), tf.uint8)

def trained(strategy, steps, recipe, **settings):
    at_once = dataclasses.replace(RECIPES[recipe], shift_after=0)
    gan = GAN(TrainConfig(batch=8, recipe=recipe, **settings), total_steps=20, recipe=at_once, strategy=strategy)
    metrics = gan.train_steps(images, batch_rows(0, steps, count=64, batch=8, seed=0))
    values = [v.numpy() for v in (*gan.generator.variables, *gan.discriminator.variables)]
    return values, {k: float(v) for k, v in metrics.items()}

# Adam divides small gradients by their size, rounding included: modern keeps together for fewer steps.
for recipe, steps in (("classic", 10), ("modern", 2)):
    (weights, metrics), (split_weights, split_metrics) = (trained(s, steps, recipe) for s in (None, two))
    for i, (ours, theirs) in enumerate(zip(split_weights, weights, strict=True)):
        if i != 3:  # the bias that feeds BatchNormalization, which takes it out again
            np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=str(i))
    for tag in metrics:
        np.testing.assert_allclose(split_metrics[tag], metrics[tag], rtol=1e-4, err_msg=tag)
weights, metrics = trained(two, 3, "modern", mixed_precision="bfloat16")
assert all(map(np.isfinite, metrics.values())) and metrics["loss/d"] > 0
print("equal")
"""


def test_two_replicas_equal_one(python):
    result = python("-c", TWO_REPLICAS)
    assert result.stdout == "equal\n", result.stderr[-2000:]


def start(number, ports, *args):
    """Starts machine `number` of the cluster of two on this computer."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "train.py"), *map(str, args)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**environment, "TF_CONFIG": config},
    )  # fmt: skip


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
def test_a_machine_lost_and_both_started_again_equal_one_machine(small, tmp_path, number, status, said):
    """Two processes on loopback: one is killed, the other ends by itself; then --resume."""
    settings = {**small, "steps": 30, "checkpoint_every": 5}
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
    assert checkpoint_steps(run)[-1] < 30
    chief, other = start_both("--logdir", tmp_path / "two", "--resume", "--steps=30")
    shown, error = chief.communicate(timeout=120)
    assert chief.returncode == 0 and "2 replicas" in shown and "step 30/30" in shown, error
    shown, error = other.communicate(timeout=60)
    assert other.returncode == 0 and "step " not in shown and "done" not in shown, error  # the chief alone shows

    # And writes: one folder, one event file for each time it was started.
    assert [path.name for path in (tmp_path / "two").iterdir() if path.is_dir()] == [run.name]
    assert len(list(run.glob("events*"))) == 2
    weights = [[w for network in tf2gan.load_run(folder) for w in network.get_weights()] for folder in (run, whole)]
    assert len(weights[0]) == 20
    for i, (ours, theirs) in enumerate(zip(*weights, strict=True)):
        if i != BIAS:
            np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=str(i))


def test_machines_with_different_flags_say_so(small, tmp_path):
    ports = free_ports()
    processes = [start(i, ports, "--logdir", tmp_path / "runs", *flags({**small, "seed": i})) for i in (0, 1)]
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 1 and "different flags, data or TF_CONFIGs" in error and error.count("\n") == 1, error
    assert not (tmp_path / "runs").exists()


CLUSTER = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "config, said",
    [
        ("nonsense", "TF_CONFIG is 'nonsense'; expected"),
        ("[]", "expected"),
        (json.dumps({"cluster": CLUSTER}), "expected"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}), "worker 2, which its cluster lacks"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}), "chief 0, which its cluster lacks"),
        (json.dumps({"cluster": {**CLUSTER, "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}), "a job 'ps'"),
        (json.dumps({"cluster": {}, "task": {"type": "worker", "index": 0}}), "has no chief"),
        (json.dumps({"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}), "one address twice"),
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
        (["--devices=CPU:0,CPU:1", "--batch=7"], 2, "--batch 7 cannot be cut into 2 equal slices, one a replica; give 6 or 8"),
        (["--devices=CPU:0,CPU:1", "--mixed-precision=float16"], 2, "float16 is for one device, and there are 2"),
        (["--devices=GPU:99"], 2, "--devices names 'GPU:99'; choose from CPU:0"),
        (["--devices=CPU:0,CPU:0"], 2, "names one device twice"),
    ],
)
def test_devices_on_the_command_line(python, small, tmp_path, args, status, said):
    result = python("train.py", "--logdir", tmp_path / "runs", *flags(small), *args)
    assert result.returncode == status and said in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert not (tmp_path / "runs").exists()
