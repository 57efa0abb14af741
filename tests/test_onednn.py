"""oneDNN is switched on before TensorFlow is imported, unless the user or TensorFlow came first."""

import os
import subprocess
import sys
import warnings

import pytest
from conftest import ROOT

from tf2gan.devices import kernels as onednn

STATE = (
    "import os, sys; {first}; import tf2gan; "
    "print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'), 'tensorflow' in sys.modules)"
)


def state(first="pass", **environment):
    inherited = {k: v for k, v in os.environ.items() if k != onednn.VARIABLE}
    command = [sys.executable, "-c", STATE.format(first=first)]
    settings = {"cwd": ROOT, "env": {**inherited, **environment}, "text": True}
    return subprocess.run(command, capture_output=True, check=True, **settings).stdout.strip()


@pytest.mark.parametrize(
    "machine, switched", [("x86_64", "1"), ("AMD64", "1"), ("aarch64", "None")]
)
def test_importing_the_package_switches_it_on_where_it_is_an_x86(machine, switched):
    assert state(f"import platform; platform.machine = lambda: {machine!r}") == f"{switched} False"


def test_what_the_user_has_said_stays():
    assert state(TF_ENABLE_ONEDNN_OPTS="0") == "0 False"


@pytest.mark.parametrize("in_use", [True, False])
def test_a_line_says_that_tensorflow_came_first(monkeypatch, in_use):
    """Only where it computes without: on many processors TensorFlow switches it on by itself."""
    monkeypatch.delenv(onednn.VARIABLE, raising=False)
    monkeypatch.setattr(onednn.platform, "machine", lambda: "x86_64")
    monkeypatch.setitem(sys.modules, "tensorflow", sys)  # some module: it is there
    monkeypatch.setattr(onednn, "in_use", lambda: in_use)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        onednn.switch_on()
    assert onednn.VARIABLE not in os.environ
    assert len(said) == (0 if in_use else 1)
    if said:
        assert "import tf2gan first, or set TF_ENABLE_ONEDNN_OPTS=1" in str(said[0].message)


def test_a_run_says_which_kernels_it_computes_with(monkeypatch):
    from tf2gan.training import loop

    class Gan:
        strategy = None
        jit_compile, jit_reason = False, "auto: it is for one GPU"

        class config:
            jit_compile = "auto"

    monkeypatch.setattr(loop, "computing_gpus", lambda strategy: [])
    monkeypatch.setattr(onednn, "in_use", lambda: False)
    assert loop.how_computed(Gan) == "without oneDNN"
    monkeypatch.setattr(onednn, "in_use", lambda: True)
    assert loop.how_computed(Gan) == "with oneDNN"
    Gan.jit_compile, Gan.jit_reason = True, "as asked"
    with_xla = "with XLA (as asked), which compiles in the first window"
    assert loop.how_computed(Gan) == f"with oneDNN, {with_xla}"
    monkeypatch.setattr(loop, "computing_gpus", lambda strategy: ["GPU:0"])
    assert loop.how_computed(Gan) == with_xla
