"""MNIST, which is in the package, and Fashion-MNIST, which Keras downloads."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np

from tf2gan.data.arrays import from_arrays
from tf2gan.utils.errors import DataError

MNIST_FILE = Path(__file__).parent / "mnist.npz"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load_mnist():
    """The bundled MNIST, checked by SHA-256: a damaged install must not train in silence."""
    content = MNIST_FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise DataError(f"{MNIST_FILE} is damaged (its SHA-256 is wrong); install tf2gan again")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return from_arrays(*(file[name] for name in ARRAYS), name="mnist")


def has_fashion_mnist():
    """Whether Keras has downloaded it already."""
    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
    return (folder / "fashion-mnist" / "train-images-idx3-ubyte.gz").is_file()


def load_fashion_mnist():
    from keras.datasets import fashion_mnist

    try:
        (images, labels), (test_images, test_labels) = fashion_mnist.load_data()
    except Exception as error:  # Keras wraps whatever the network did in a bare Exception
        reason = str(error).splitlines()[0][:200]
        raise DataError(
            f"fashion_mnist could not be downloaded ({reason}); "
            "download its four IDX files by hand and give their folder as --data"
        ) from error
    return from_arrays(images, labels, test_images, test_labels, name="fashion_mnist")
