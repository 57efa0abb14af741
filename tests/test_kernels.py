"""oneDNN is switched on before TensorFlow is imported, unless the user or TensorFlow came first."""

import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
from conftest import ROOT

from tf2gan.devices import kernels
from tf2gan.settings.config import TrainConfig

STATE = (
    "import os, sys; {first}; import tf2gan; "
    "print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'), 'tensorflow' in sys.modules)"
)


def state(first="pass", **environment):
    inherited = {k: v for k, v in os.environ.items() if k != kernels.ONEDNN}
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
    monkeypatch.delenv(kernels.ONEDNN, raising=False)
    monkeypatch.setattr(kernels.platform, "machine", lambda: "x86_64")
    monkeypatch.setitem(sys.modules, "tensorflow", sys)  # some module: it is there
    monkeypatch.setattr(kernels, "has_onednn", lambda: in_use)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        kernels.switch_on_onednn()
    assert kernels.ONEDNN not in os.environ
    assert len(said) == (0 if in_use else 1)
    if said:
        assert "import tf2gan first, or set TF_ENABLE_ONEDNN_OPTS=1" in str(said[0].message)


def test_a_run_says_which_kernels_it_computes_with(monkeypatch):
    from tf2gan.training import job

    class Runner:
        strategy = None
        jit_compile, jit_reason = False, "auto: it is for one GPU"
        gan = SimpleNamespace(config=TrainConfig())

    monkeypatch.setattr(job, "computing_gpus", lambda strategy: [])
    monkeypatch.setattr(kernels, "has_onednn", lambda: False)
    assert job.how_computed(Runner) == "without oneDNN"
    monkeypatch.setattr(kernels, "has_onednn", lambda: True)
    assert job.how_computed(Runner) == "with oneDNN"
    Runner.jit_compile, Runner.jit_reason = True, "as asked"
    with_xla = "with XLA (as asked), which compiles in the first window"
    assert job.how_computed(Runner) == f"with oneDNN, {with_xla}"
    monkeypatch.setattr(job, "computing_gpus", lambda strategy: ["GPU:0"])
    assert job.how_computed(Runner) == with_xla
