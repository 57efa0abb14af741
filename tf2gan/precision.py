"""Which dtype the heavy arithmetic runs in, chosen once and with its reason."""

from pathlib import Path

import tensorflow as tf

CPU_INFO = Path("/proc/cpuinfo")


def choose_dtype(mixed_precision):
    """Returns (dtype, reason) for `TrainConfig.mixed_precision`.

    `auto` takes bfloat16 where the hardware multiplies matrices in it much faster than in float32,
    float16 where it does so in float16 alone, and float32 elsewhere. The hardware says so itself: a
    GPU by its compute capability (tensor cores: float16 from 7.0, bfloat16 from 8.0), a processor
    by its flag amx_bf16. The older flag avx512_bf16 alone counts on AMD's processors only: on a
    Zen 4 an iteration took 250 ms in place of 450, on an Intel Xeon 1.8 times as long.
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
    if _cpu_has("avx512_bf16") and _cpu_has("AuthenticAMD"):
        return tf.bfloat16, "this AMD processor has fast avx512_bf16"
    return tf.float32, "this processor shows no fast bfloat16, which would be slower"


def _cpu_has(word):
    try:
        return word in CPU_INFO.read_text().split()
    except OSError:  # not Linux
        return False
