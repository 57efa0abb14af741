"""Which dtype the heavy arithmetic runs in, chosen once and with its reason."""

from pathlib import Path

import tensorflow as tf

CPU_INFO = Path("/proc/cpuinfo")


def choose_dtype(mixed_precision, strategy=None):
    """Returns (dtype, reason) for a `mixed_precision` on the devices of a `tf.distribute` strategy.

    Without a strategy it is the one whose scope this is called in.

    `auto` takes bfloat16 where the hardware multiplies matrices in it much faster than in float32,
    float16 where it does so in float16 alone, on one device, and float32 elsewhere. The hardware
    says so itself: a GPU by its compute capability (tensor cores: float16 from 7.0, bfloat16 from
    8.0), a processor by its flag amx_bf16. The older flag avx512_bf16 alone counts on AMD's
    processors only: on a Zen 4 an iteration took 250 ms in place of 450, on an Intel Xeon 1.8 times
    as long.
    """
    if mixed_precision is None:
        return tf.float32, "the default"
    if mixed_precision != "auto":
        return tf.as_dtype(mixed_precision), "as asked"
    strategy = strategy or tf.distribute.get_strategy()
    details = [tf.config.experimental.get_device_details(gpu) for gpu in computing_gpus(strategy)]
    if details:
        capability = min(detail.get("compute_capability", (0, 0)) for detail in details)
        name = f"GPU of compute capability {capability[0]}.{capability[1]}"
        if capability >= (8, 0):
            return tf.bfloat16, f"fast on a {name}"
        if capability >= (7, 0) and strategy.num_replicas_in_sync == 1:
            return tf.float16, f"the only fast one on a {name}"
        if capability >= (7, 0):
            return tf.float32, f"the only fast one on a {name} is float16, which is for one device"
        return tf.float32, f"a {name} has no fast smaller type"
    if _cpu_has("amx_bf16"):
        return tf.bfloat16, "this processor multiplies it in AMX tiles"
    if _cpu_has("avx512_bf16") and _cpu_has("AuthenticAMD"):
        return tf.bfloat16, "this AMD processor has fast avx512_bf16"
    return tf.float32, "this processor shows no fast bfloat16, which would be slower"


def computing_gpus(strategy):
    """The GPUs that a `tf.distribute` strategy computes on, as physical devices."""
    gpus = tf.config.list_physical_devices("GPU")
    try:
        names = strategy.extended.worker_devices
    except (
        RuntimeError
    ):  # TensorFlow's default strategy names none; it takes the first GPU there is
        return gpus[:1]
    return [gpus[int(name.rpartition(":")[2])] for name in names if "GPU:" in name]


def _cpu_has(word):
    try:
        return word in CPU_INFO.read_text().split()
    except OSError:  # not Linux
        return False
