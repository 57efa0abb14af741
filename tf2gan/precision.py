"""Which dtype the heavy arithmetic runs in, chosen once and with its reason."""

from pathlib import Path

import tensorflow as tf

CPU_INFO = Path("/proc/cpuinfo")


def choose_dtype(mixed_precision):
    """Returns (dtype, reason) for `TrainConfig.mixed_precision`.

    `auto` takes bfloat16 where the hardware multiplies matrices in it much faster than in float32,
    float16 where it does so in float16 alone, and float32 elsewhere. The hardware says so itself: a
    GPU by its compute capability (tensor cores: float16 from 7.0, bfloat16 from 8.0), a processor
    by its flag amx_bf16. The older flag avx512_bf16 does not count: with it alone, oneDNN's
    bfloat16 products and convolutions took 1.8 times as long as its float32 ones.
    """
    if mixed_precision is None:
        return tf.float32, "the default"
    if mixed_precision != "auto":
        return tf.as_dtype(mixed_precision), "as asked"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = details.get("compute_capability", (0, 0))
        name = f"GPU of compute capability {capability[0]}.{capability[1]}"
        if capability >= (8, 0):
            return tf.bfloat16, f"fast on a {name}"
        if capability >= (7, 0):
            return tf.float16, f"the only fast one on a {name}"
        return tf.float32, f"a {name} has no fast smaller type"
    if _cpu_has("amx_bf16"):
        return tf.bfloat16, "this processor multiplies it in AMX tiles"
    return tf.float32, "this processor shows no amx_bf16, so bfloat16 would be slower"


def _cpu_has(flag):
    try:
        return flag in CPU_INFO.read_text().split()
    except OSError:  # not Linux
        return False
