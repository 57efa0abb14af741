"""tf2gan: the classic Keras MNIST GAN, rewritten for TensorFlow 2.

Importing this package is free: each of its names is loaded when it is first used, and TensorFlow
with the first that needs it.
"""

import importlib

from tf2gan.devices import kernels

TYPE_CHECKING = False  # editors and type checkers know it by its name; importing typing takes 2 ms
if TYPE_CHECKING:  # the names below, which are loaded when first used
    from tf2gan.gan import GAN as GAN
    from tf2gan.networks.models import build_discriminator as build_discriminator
    from tf2gan.networks.models import build_generator as build_generator
    from tf2gan.runs.pretrained import load_pretrained as load_pretrained
    from tf2gan.runs.weights import load_run as load_run
    from tf2gan.runs.weights import load_weights as load_weights
    from tf2gan.settings.config import TrainConfig as TrainConfig
    from tf2gan.training.loop import resume as resume
    from tf2gan.training.loop import train as train
    from tf2gan.utils.errors import DataError as DataError
    from tf2gan.utils.errors import Tf2ganError as Tf2ganError
    from tf2gan.utils.errors import UsageError as UsageError

kernels.set_defaults()  # before anything of this package imports TensorFlow

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
    "Tf2ganError": "utils.errors",
    "UsageError": "utils.errors",
    "DataError": "utils.errors",
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
