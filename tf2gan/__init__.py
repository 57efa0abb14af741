"""tf2gan: the classic Keras MNIST GAN, rewritten for TensorFlow 2.

Importing this package is free: each of its names is loaded when it is first used, and TensorFlow
with the first that needs it.
"""

import importlib

from tf2gan import gpu
from tf2gan.devices import kernels as onednn

# Before anything of this package imports TensorFlow.
onednn.switch_on()
gpu.set_defaults()

__version__ = "0.2.0.dev0"

_MODULES = {  # public name: the module that holds it
    "TrainConfig": "settings.config",
    "GAN": "gan",
    "build_generator": "networks.models",
    "build_discriminator": "networks.models",
    "load_weights": "runs.weights",
    "load_run": "runs.weights",
    "load_pretrained": "runs.pretrained",
    "train": "training.loop",
    "resume": "training.loop",
}
__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module 'tf2gan' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tf2gan.{_MODULES[name]}"), name)
    globals()[name] = value  # the next time without this function
    return value


def __dir__():
    return sorted({*globals(), *__all__})
