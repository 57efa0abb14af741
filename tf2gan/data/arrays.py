"""NumPy's files: `.npz` in Keras' layout, and `.npy`, which may be larger than memory."""

import numpy as np

from tf2gan.data.dataset import Data, check_images, check_labels
from tf2gan.errors import DataError, brief


def load_npz(path):
    arrays = {}
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                if name in file:
                    arrays[name] = file[name]
    except Exception as error:  # the parsers of zip and NumPy raise whatever they stumble over
        raise DataError(
            f"{path} cannot be read as an .npz of plain arrays ({brief(error)})"
        ) from error
    if "x_train" not in arrays:
        raise DataError(f"{path} has no array x_train; expected Keras' layout: x_train, y_train, …")
    for name in ("x_train", "x_test"):
        if name in arrays:
            arrays[name] = check_images(arrays[name], f"{name} of {path}")
    check_labels(arrays.get("y_train"), arrays["x_train"], f"y_train of {path}")
    check_labels(arrays.get("y_test"), arrays.get("x_test"), f"y_test of {path}")
    return Data(
        path.stem,
        arrays["x_train"],
        arrays.get("y_train"),
        arrays.get("x_test"),
        arrays.get("y_test"),
    )


def map_npy(path):
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser raises whatever it stumbles over
        raise DataError(
            f"{path} cannot be mapped as an .npy of plain numbers ({brief(error)})"
        ) from error
    return Data(path.stem, check_images(images, str(path)))
