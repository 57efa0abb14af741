"""The networks as files: a run's `.keras`, strangers' weights, the original's HDF5."""

import contextlib
import json
import math
import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

from tf2gan.settings.sizes import read_size
from tf2gan.utils.errors import Tf2ganError, UsageError, brief

NO_ZIP = (OSError, ValueError, RuntimeError, zipfile.BadZipFile)  # what reading one raises
CONFIG_MOST = 1 << 20  # bytes of a model's description
NETWORKS = ("generator", "discriminator")  # each a file NAME.keras in a run folder


def load_run(path: str | os.PathLike) -> tuple[keras.Model, keras.Model]:
    """Returns (generator, discriminator) of a run folder, as plain Keras models.

    They are the weights of the newest checkpoint (of the generator, the moving average where the
    recipe has one), read from `generator.keras` and `discriminator.keras`.
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


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Loads weights into a model: a `.keras` or `.weights.h5` file, or the original's HDF5 file.

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


def shape_of(path, image_size=None):
    """(image size, channels) of the images that a generator makes whose weights are in a file.

    A `.keras` file says so. Of HDF5 the shapes of its arrays tell the channels, and of square
    images the size; of others `image_size`, (H, W), has to be given; it counts where it has as many
    pixels. The original's, where the file holds no such arrays: `load_weights` says what is wrong.
    """
    shapes = _shapes_in(path)
    kernels = [shape for shape in shapes if len(shape) == 4 and shape[:2] == (5, 5)]
    # One for each doubling beyond the original's two; an optimizer's arrays have the same shapes.
    base = next((shape[2] for shape in kernels if shape[2] > shape[3] == 64), 128)
    further = kernels.count((5, 5, 64, 64)) // max(1, kernels.count((5, 5, base, 64)))
    doubled = 4 ** (2 + further)
    pixels = [
        shape[1] // base * doubled
        for shape in shapes
        if len(shape) == 2 and shape[0] == 1024 < shape[1]
    ]
    channels = [shape[3] for shape in kernels if shape[2] == 64]
    channels = next((count for count in channels if count in (1, 3)), 1)
    if told := _size_told_by(path):
        return told, channels
    if image_size and pixels[:1] in ([], [math.prod(image_size)]):
        return image_size, channels
    side = math.isqrt(pixels[0]) if pixels else 28
    if pixels and side * side != pixels[0]:
        raise UsageError(
            f"{path} is for images of {pixels[0]} pixels that are not square; give --image-size HxW"
        )
    return (side, side), channels


def _size_told_by(path):
    """(H, W) from the JSON in a generator's `.keras` file, where there is one that tells."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            layers = json.loads(file.read(CONFIG_MOST))["config"]["layers"]
        classes = [layer["class_name"] for layer in layers]
        height, width, _ = layers[classes.index("Reshape")]["config"]["target_shape"]
        doubled = 2 ** classes.count("UpSampling2D")
        return read_size((doubled * height, doubled * width))
    except (*NO_ZIP, LookupError, TypeError, ValueError, UsageError):
        return None


def _shapes_in(path):
    """The shapes of all arrays in a `.keras` or HDF5 file; none where it is neither."""
    shapes = []
    try:
        with contextlib.ExitStack() as opened:
            if zipfile.is_zipfile(path):
                archive = opened.enter_context(zipfile.ZipFile(path))
                path = opened.enter_context(archive.open("model.weights.h5"))
            file = opened.enter_context(h5py.File(path, "r"))
            file.visititems(lambda _, item: shapes.append(getattr(item, "shape", ())))
    except (*NO_ZIP, KeyError):
        pass
    return shapes


def load_seed_weights(model, path):
    """Loads an HDF5 file of the original's `save_weights(name, True)`, whatever its extension.

    Layers are matched by their order, not by name: the original's names depend on what else its
    process had built. Nothing is changed unless every array has the shape of its variable.

    Args:
      model: a generator or discriminator with the original's layers.
      path: the file; the layout is Keras 1 and 2's (`layer_names`, `weight_names`), also inside
        the group `model_weights` of a whole saved model.

    Raises:
      UsageError: the file is not of that layout, or belongs to another network.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "model_weights" in file else file
            datasets = datasets_of(root)
            found = [dataset.shape for dataset in datasets]
            expected = [tuple(variable.shape) for variable in model.weights]
            # Nothing is read that has another shape: a file may declare any.
            arrays = read_arrays(datasets) if found == expected else None
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not an HDF5 weights file of the original ({brief(error)})"
        ) from error
    if arrays is None:
        wrong = next(
            (
                f"array {i} has shape {list(a)}, not {list(b)}"
                for i, (a, b) in enumerate(zip(found, expected, strict=False))
                if a != b
            ),
            f"it has {len(found)} arrays, not {len(expected)}",
        )
        raise UsageError(f"{path} holds no weights of the {model.name}: {wrong}")
    model.set_weights(arrays)


def datasets_of(group):
    """The HDF5 datasets of a group in the original's layout, in order.

    Raises:
      ValueError: one of them is no array of this file alone.
    """
    datasets = [
        group[_text(layer)][_text(weight)]
        for layer in group.attrs["layer_names"]
        for weight in group[_text(layer)].attrs["weight_names"]
    ]
    for dataset in datasets:
        if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
            raise ValueError(f"{dataset.name} is no array of this file")
    return datasets


def read_arrays(datasets):
    return [np.asarray(dataset, np.float32) for dataset in datasets]


def _text(name):
    return name.decode() if isinstance(name, bytes) else name
