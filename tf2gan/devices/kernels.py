"""oneDNN's kernels: TensorFlow leaves them off on most x86 processors, where they are faster.

By itself it takes them only where the processor has AVX512_VNNI, AVX512_BF16 or AMX. It reads the
variable once, when it is imported, so it must be set before. Figures: docs/speed.md.
"""

import os
import platform
import sys
import warnings

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def switch_on():
    """Switches oneDNN on for a TensorFlow yet to be imported, unless the user has decided."""
    if platform.machine() not in ("x86_64", "AMD64") or VARIABLE in os.environ:
        return
    if "tensorflow" not in sys.modules:
        os.environ[VARIABLE] = "1"
    elif not in_use():
        warnings.warn(
            "TensorFlow was imported before tf2gan and computes without oneDNN, which is slower on "
            f"this processor; import tf2gan first, or set {VARIABLE}=1",
            stacklevel=3,
        )


def in_use():
    """Whether TensorFlow, which must be imported, computes with oneDNN on the processor."""
    from tensorflow.python.util import _pywrap_util_port  # there is no public way to ask

    return _pywrap_util_port.IsMklEnabled()


def describe():
    """`with oneDNN` or `without oneDNN`, for the line that a run begins with."""
    return "with oneDNN" if in_use() else "without oneDNN"
