"""What TensorFlow is told of kernels and GPUs before it is imported. Figures: docs/speed.md.

Standard library only. By itself TensorFlow takes oneDNN's kernels only where the processor has
AVX512_VNNI, AVX512_BF16 or AMX; they are faster on other x86 processors too.
"""

import os
import platform
import sys
import warnings

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def set_defaults():
    """Sets what the user has not decided, by environment variables that TensorFlow reads once."""
    switch_on_onednn()
    # Otherwise the first program takes the whole card, and images generated beside a run end there.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # Threads that only launch make a step shorter: 1.08 ms in place of 1.30 for one of 32 images.
    os.environ.setdefault("TF_GPU_THREAD_MODE", "gpu_private")


def switch_on_onednn():
    """Switches oneDNN on for a TensorFlow yet to be imported; warns where it is too late."""
    if platform.machine() not in ("x86_64", "AMD64") or ONEDNN in os.environ:
        return
    if "tensorflow" not in sys.modules:
        os.environ[ONEDNN] = "1"
    elif not has_onednn():
        warnings.warn(
            "TensorFlow was imported before tf2gan and computes without oneDNN, which is slower on "
            f"this processor; import tf2gan first, or set {ONEDNN}=1",
            stacklevel=4,
        )


def has_onednn():
    """Whether TensorFlow, which must be imported, computes with oneDNN on the processor."""
    from tensorflow.python.util import _pywrap_util_port  # there is no public way to ask

    return _pywrap_util_port.IsMklEnabled()
