"""Saving and restoring: TensorFlow checkpoints, plain `.keras` files, the seed's HDF5 weights."""

import re
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from tf2gan.errors import Tf2ganError, UsageError, brief
from tf2gan.files import replacing
from tf2gan.models import build_discriminator, build_generator

NETWORKS = ("generator", "discriminator")


class Checkpoints:
    """The checkpoints of one run: both networks, both optimizers and the step.

    Args:
      gan: a `tf2gan.gan.GAN`.
      run: the run folder.
      keep: how many of the newest checkpoints stay on disk.
    """

    def __init__(self, gan, run, *, keep):
        self._gan = gan
        self._run = Path(run)
        self._checkpoint = tf.train.Checkpoint(
            generator=gan.generator,
            discriminator=gan.discriminator,
            d_optimizer=gan.d_optimizer,
            g_optimizer=gan.g_optimizer,
            step=gan.step,
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self._run / "checkpoints"), max_to_keep=keep
        )

    def save(self):
        """Saves a checkpoint of the present step, then `generator.keras` and `discriminator.keras`."""
        self._manager.save(checkpoint_number=self._gan.step)
        for name in NETWORKS:
            with replacing(self._run / f"{name}.keras") as partial:
                getattr(self._gan, name).save(partial)

    def restore(self):
        """Restores the newest checkpoint, if there is one; returns the step it was saved at, or 0."""
        path = self._manager.latest_checkpoint
        if path is not None:
            names = [name for name, _ in tf.train.list_variables(path)]
            scaled = any("inner_optimizer" in name for name in names)
            if scaled != hasattr(self._gan.d_optimizer, "inner_optimizer"):
                raise Tf2ganError(
                    f"{path} was saved {'in' if scaled else 'without'} float16, whose loss scales "
                    "are part of the training; resume with the --mixed-precision it was trained with"
                )
            self._checkpoint.restore(path).assert_existing_objects_matched()
        return int(self._gan.step)


def load_run(path):
    """Returns (generator, discriminator) of a run folder, as plain Keras models.

    They are the weights of the newest checkpoint, read from `generator.keras` and
    `discriminator.keras`.
    """
    models = []
    for name in NETWORKS:
        file = Path(path) / f"{name}.keras"
        if not file.is_file():
            raise UsageError(f"{file} is not there; expected a run folder with a checkpoint")
        try:
            models.append(keras.models.load_model(file, compile=False))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise Tf2ganError(f"{file} cannot be read as a Keras model ({brief(error)})") from error
    return tuple(models)


def checkpoint_steps(run):
    """Returns the steps at which the run has checkpoints, ascending."""
    names = (Path(run) / "checkpoints").glob("ckpt-*.index")
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"ckpt-(\d+)\.index", name.name)))


def restore_networks(run, which="latest", *, discriminator=True):
    """Builds the networks and restores them from a checkpoint of a run; no optimizer is read.

    Args:
      run: the run folder.
      which: `latest` or a step.
      discriminator: whether the discriminator is wanted too.

    Returns:
      (generator, discriminator or None, step).
    """
    steps = checkpoint_steps(run)
    if not steps:
        raise UsageError(f"{run} has no checkpoint yet")
    if which != "latest" and which not in map(str, steps):
        raise UsageError(
            f"{run} has no checkpoint {which!r}; choose latest or {', '.join(map(str, steps))}"
        )
    step = steps[-1] if which == "latest" else int(which)
    networks = {"generator": build_generator()}
    if discriminator:
        networks["discriminator"] = build_discriminator()
    path = str(Path(run) / "checkpoints" / f"ckpt-{step}")
    try:
        status = tf.train.Checkpoint(**networks).restore(path)
        status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        raise Tf2ganError(
            f"checkpoint {path} is damaged ({brief(error)}); choose another with --checkpoint"
        ) from error
    return networks["generator"], networks.get("discriminator"), step


def load_weights(model, path):
    """Loads weights into a model: a `.keras` or `.weights.h5` file, or the seed's HDF5 file.

    Only arrays are read, never a model's configuration: a stranger's file cannot run code.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"weights {path}: there is no such file")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                from_the_seed = "layer_names" in file.attrs or "model_weights" in file
            if from_the_seed:
                load_seed_weights(model, path)
                return
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} holds no weights of the {model.name} ({brief(error)}); "
            "expected a .keras or .weights.h5 file, or an HDF5 file of the original"
        ) from error


def load_seed_weights(model, path):
    """Loads the HDF5 file that the seed's `save_weights(name, True)` wrote, whatever its extension.

    Layers are matched by their order, not by name: the seed's names depend on what else its
    process had built. Nothing is changed unless every array has the shape of its variable.

    Args:
      model: a generator or discriminator with the seed's layers.
      path: the file; the layout is Keras 1 and 2's (`layer_names`, `weight_names`), also inside
        the group `model_weights` of a whole saved model.

    Raises:
      UsageError: the file is not of that layout, or belongs to another network.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "model_weights" in file else file
            arrays = [
                np.asarray(root[_text(layer)][_text(weight)], np.float32)
                for layer in root.attrs["layer_names"]
                for weight in root[_text(layer)].attrs["weight_names"]
            ]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not an HDF5 weights file of the original ({brief(error)})"
        ) from error
    found = [array.shape for array in arrays]
    expected = [tuple(variable.shape) for variable in model.weights]
    if found != expected:
        wrong = next(
            (f"array {i} has shape {list(a)}, not {list(b)}" for i, (a, b) in enumerate(zip(found, expected)) if a != b),
            f"it has {len(found)} arrays, not {len(expected)}",
        )
        raise UsageError(f"{path} holds no weights of the {model.name}: {wrong}")
    model.set_weights(arrays)


def _text(name):
    return name.decode() if isinstance(name, bytes) else name
