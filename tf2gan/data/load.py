"""From a name or a path to a data set: which reader takes it."""

import os
from pathlib import Path

from tf2gan.data.arrays import load_npz, map_npy
from tf2gan.data.idx import IDX_IMAGES, load_idx, load_idx_folder
from tf2gan.data.mnist import load_fashion_mnist, load_mnist
from tf2gan.data.pictures import load_pictures
from tf2gan.errors import DataError


def load_data(source):
    """Loads a data set by name or path; `DataError`, one line, when it cannot be used.

    Args:
      source: `mnist` (inside the package), `fashion_mnist` (downloaded by Keras), an `.npz` in the
        layout of `keras.datasets.mnist` (`x_train` uint8 `[N, 28, 28]`; `y_train`, `x_test` and
        `y_test` if there), a folder of IDX files (plain or `.gz`, named as MNIST, Fashion-MNIST,
        KMNIST and EMNIST are published) or one IDX image file, a folder of pictures, or an `.npy`
        uint8 `[N, 28, 28]`, which may be larger than memory: it is mapped, and read as it is
        needed.
    """
    if source == "mnist":
        return load_mnist()
    if source == "fashion_mnist":
        return load_fashion_mnist()
    path = Path(source).expanduser()
    if os.path.isdir(path):  # unlike Path.is_dir, False for any string
        return load_idx_folder(path) or load_pictures(path)
    if not os.path.isfile(path):
        raise DataError(
            f"data {source!r} is no file or folder; give mnist, fashion_mnist or a path that exists"
        )
    if path.suffix == ".npz":
        return load_npz(path)
    if path.suffix == ".npy":
        return map_npy(path)
    if IDX_IMAGES.fullmatch(path.name):
        return load_idx(path)
    raise DataError(
        f"{path} is neither an .npz or .npy nor named like an IDX image file (…images-idx3-ubyte)"
    )


def load_training_data(config):
    """Loads the data set that a `TrainConfig` names; `DataError` if it does not fill one batch."""
    data = load_data(config.data)
    if len(data.images) < config.batch:
        raise DataError(
            f"{config.data} has {len(data.images)} images, less than one batch of {config.batch}; "
            f"give a --batch of at most {len(data.images)}"
        )
    return data
