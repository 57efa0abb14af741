"""One device, several, or several machines: TensorFlow's own strategies, chosen in one place.

The number of replicas does not change a run: a step's batch, latents and shifts are drawn once from
(seed, step), each replica takes its slice of them, gradients are averaged once, and
BatchNormalization's statistics and the metrics are those of the whole batch.
"""

import faulthandler
import hashlib
import json
import os
import signal

import numpy as np
import tensorflow as tf

from tf2gan.devices.precision import computing_gpus
from tf2gan.devices.replicas import several_machines, sum_over_machines
from tf2gan.utils.errors import Tf2ganError, UsageError, brief

JOIN_SECONDS = 300  # that machines wait for each other: a cluster starts them minutes apart


def choose(devices=None):
    """Returns this process' `tf.distribute` strategy; call before TensorFlow looks for its devices.

    With TF_CONFIG set it is one of several machines (`MultiWorkerMirroredStrategy`); otherwise it
    has several devices (`MirroredStrategy`) where more than one is named, or more than one GPU is
    visible.

    Args:
      devices: names such as `GPU:0,GPU:2`, with commas; CPUs are logical ones, made as needed.

    Raises:
      UsageError: a name or TF_CONFIG is wrong.
      Tf2ganError: the machines do not come together.
    """
    if os.environ.get("TF_CONFIG"):
        if devices:
            raise UsageError(
                "--devices and TF_CONFIG are both given; several machines use all of their GPUs"
            )
        return _join()
    names = devices.split(",") if devices else []
    cpus = sum(name.startswith("CPU:") for name in names)
    if cpus > 1:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * cpus,
        )
    found = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    if wrong := [name for name in names if name not in found]:
        raise UsageError(f"--devices names {wrong[0]!r}; choose from {', '.join(found)}")
    if len(set(names)) < len(names):
        raise UsageError(f"--devices names one device twice: {devices}")
    names = names or [name for name in found if name.startswith("GPU:")]
    if len(names) > 1:
        return tf.distribute.MirroredStrategy(names)
    return tf.distribute.OneDeviceStrategy(names[0]) if devices else tf.distribute.get_strategy()


def _join():
    """Meets the other machines within `JOIN_SECONDS`.

    TensorFlow alone would wait for an hour, deaf to signals and timers of Python.
    """
    cluster = read_tf_config()
    addresses = ", ".join(address for job in cluster.values() for address in job)
    print(
        f"waiting for the machines of TF_CONFIG ({addresses}); "
        f"ends after {JOIN_SECONDS} s without them",
        flush=True,
    )
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(
            JOIN_SECONDS, exit=True, file=nowhere
        )  # its timer needs no Python
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise Tf2ganError(
                f"the machines of TF_CONFIG ({addresses}) did not come together ({brief(error)})"
            ) from error
        finally:
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGINT, handler)


def read_tf_config():
    """Returns the cluster of TF_CONFIG, or raises `UsageError`, one line."""
    text = os.environ["TF_CONFIG"]
    example = (
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        config = json.loads(text)
        cluster, kind, index = (
            config["cluster"],
            config["task"]["type"],
            int(config["task"]["index"]),
        )
        addresses = [address for job in cluster.values() for address in job]
        assert all(isinstance(address, str) for address in addresses)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UsageError(f"TF_CONFIG is {text[:100]!r}; expected {example}") from error
    if unknown := sorted(set(cluster) - {"chief", "worker"}):
        raise UsageError(f"TF_CONFIG has a job {unknown[0]!r}; only chief and worker compute here")
    if len(cluster.get("chief", ())) > 1 or not cluster.get("chief") and not cluster.get("worker"):
        raise UsageError(
            "TF_CONFIG has no chief: give one `chief`, or `worker`s, the first of whom is chief"
        )
    if len(set(addresses)) < len(addresses):
        raise UsageError(f"TF_CONFIG names one address twice: {', '.join(addresses)}")
    if not 0 <= index < len(cluster.get(kind, ())):
        raise UsageError(f"TF_CONFIG's task is {kind} {index}, which its cluster lacks")
    return cluster


def check_settings(strategy, batch, dtype):
    """Raises `UsageError` if the replicas cannot share a batch equally, or compute in `dtype`."""
    replicas = strategy.num_replicas_in_sync
    if (
        replicas > 1 and dtype == tf.float16
    ):  # its scaled losses decide on a replica what all must do
        raise UsageError(
            f"float16 is for one device, and there are {replicas}; "
            "choose --mixed-precision bfloat16, or one of --devices"
        )
    if batch % replicas:
        raise UsageError(
            f"--batch {batch} cannot be cut into {replicas} equal slices, one a replica; "
            f"give {batch // replicas * replicas or replicas} "
            f"or {(batch // replicas + 1) * replicas}"
        )


def choose_jit(asked, strategy):
    """Whether XLA compiles the step, and why, for `TrainConfig.jit_compile`.

    `auto` is on for one GPU: there a step takes 0.28 to 0.62 of the time. On a processor
    it is slower, and TensorFlow's strategies of several replicas do not go with it.
    """
    replicas, gpus = strategy.num_replicas_in_sync, len(computing_gpus(strategy))
    if asked == "on" and replicas > 1:
        raise UsageError(
            f"--jit-compile on is for one device, and there are {replicas}; leave it out"
        )
    if asked != "auto":
        return asked == "on", "as asked"
    return gpus == replicas == 1, "auto: it is for one GPU"


def why(error, strategy):
    """What an exception of TensorFlow means, on one line."""
    lost = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )
    if several_machines(strategy) and isinstance(error, lost):
        return "another machine ended or cannot be reached"
    return brief(error)


def describe(strategy):
    """How many replicas compute, for the line that a run begins with; empty for one."""
    replicas = strategy.num_replicas_in_sync
    return f"{replicas} replicas; " if replicas > 1 else ""


def check_alike(strategy, settings):
    """Raises `Tf2ganError` unless all machines were started with the same settings, a string."""
    if not several_machines(strategy):
        return
    cluster = read_tf_config()
    digest = hashlib.sha256((settings + json.dumps(cluster, sort_keys=True)).encode()).digest()
    own = np.frombuffer(digest[:16], np.uint16).astype(np.float64)
    machines = sum(map(len, cluster.values()))
    if np.any(sum_over_machines(strategy, [own])[0] != machines * own):
        raise Tf2ganError(
            "the machines were started with different flags, data or TF_CONFIGs; give all the same"
        )
