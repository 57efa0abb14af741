"""Data sets as uint8 `[N, 28, 28]`, and which rows of them make which batch."""

import dataclasses
import functools
import gzip
import hashlib
import os
import re
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tf2gan.errors import DataError, brief
from tf2gan.images import SIZE

MNIST_FILE = Path(__file__).parent / "data_files" / "mnist.npz"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
IDX_IMAGES = re.compile(r"(?P<head>.*?)images[-.]idx3-ubyte(?P<gz>\.gz)?")
IDX_MAXIMUM = 1 << 32  # bytes of pixels; a header that claims more is damaged


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
      name: a short name for folders and titles.
      images: uint8 `[N, 28, 28]`, the training images in file order; an `np.memmap` if they stay on disk.
      labels: integers `[N]`, or None.
      test_images, test_labels: the held-out part in the same form, or None.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None


def load_data(source):
    """Loads a data set by name or path; `DataError`, one line, when it cannot be used.

    Args:
      source: `mnist` (inside the package), `fashion_mnist` (downloaded by Keras), an `.npz` in the
        layout of `keras.datasets.mnist` (`x_train` uint8 `[N, 28, 28]`; `y_train`, `x_test` and
        `y_test` if there), a folder of IDX files (plain or `.gz`, named as MNIST, Fashion-MNIST,
        KMNIST and EMNIST are published) or one IDX image file, a folder of pictures, or an `.npy`
        uint8 `[N, 28, 28]`, which may be larger than memory: it is mapped, and read as it is needed.
    """
    if source == "mnist":
        return _load_mnist()
    if source == "fashion_mnist":
        return _load_fashion_mnist()
    path = Path(source).expanduser()
    if os.path.isdir(path):  # unlike Path.is_dir, False for any string
        return _load_folder(path)
    if not os.path.isfile(path):
        raise DataError(
            f"data {source!r} is no file or folder; give mnist, fashion_mnist or a path that exists"
        )
    if path.suffix == ".npz":
        return _load_npz(path)
    if path.suffix == ".npy":
        return _map_npy(path)
    if IDX_IMAGES.fullmatch(path.name):
        return _load_idx(path)
    raise DataError(
        f"{path} is neither an .npz or .npy nor named like an IDX image file (…images-idx3-ubyte)"
    )


def load_training_data(config):
    """Loads the data set that a `TrainConfig` names; `DataError` when it does not fill one batch."""
    data = load_data(config.data)
    if len(data.images) < config.batch:
        raise DataError(
            f"{config.data} has {len(data.images)} images, less than one batch of {config.batch}; "
            f"give a --batch of at most {len(data.images)}"
        )
    return data


def batches_per_epoch(count, batch):
    """The batches in one pass over `count` images; the last short one is dropped."""
    return count // batch


def total_steps(config, data):
    """The steps of a whole run of `config` on `data`."""
    return config.steps or config.epochs * batches_per_epoch(len(data.images), config.batch)


def batch_rows(first_step, steps, *, count, batch, seed=None):
    """Which images make the batches of a window: int32 `[steps, batch]`.

    File order, or with a `seed` an order of its own for every epoch. A pure function of the step, so
    that a resumed run sees what the run that never stopped saw. The last short batch of an epoch is
    dropped.
    """
    rows = []
    for step in range(first_step, first_step + steps):
        epoch, number = divmod(step, batches_per_epoch(count, batch))
        places = np.arange(number * batch, (number + 1) * batch)
        rows.append(places if seed is None else _epoch_order(seed, epoch, count)[places])
    return np.array(rows, np.int32)


@functools.lru_cache(maxsize=2)  # a window may touch two epochs
def _epoch_order(seed, epoch, count):
    """A permutation of the images from (seed, epoch), by a raw stream that NumPy promises to keep."""
    return np.argsort(np.random.Philox(key=(seed, epoch)).random_raw(count), kind="stable")


def subset(images, count):
    """`count` of the images, or all where there are fewer: drawn at random, always the same, in file order.

    Not the first ones, for some files are sorted by class; and not every n-th, for MNIST's training
    images come in turn from two groups of writers.
    """
    return images[np.sort(_epoch_order(0, 0, len(images))[:count])]


def _load_mnist():
    """The bundled MNIST, checked by SHA-256: a damaged install must not train in silence."""
    content = MNIST_FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise DataError(f"{MNIST_FILE} is damaged (its SHA-256 is wrong); install tf2gan again")
    return dataclasses.replace(_load_npz(MNIST_FILE), name="mnist")


def _load_fashion_mnist():
    from keras.datasets import fashion_mnist

    try:
        (images, labels), (test_images, test_labels) = fashion_mnist.load_data()
    except Exception as error:  # Keras wraps whatever the network did in a bare Exception
        reason = str(error).splitlines()[0][:200]
        raise DataError(
            f"fashion_mnist could not be downloaded ({reason}); "
            "download its four IDX files by hand and give their folder as --data"
        ) from error
    return Data("fashion_mnist", images, labels, test_images, test_labels)


def _load_npz(path):
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as file:
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
            arrays[name] = _check_images(arrays[name], f"{name} of {path}")
    _check_labels(arrays.get("y_train"), arrays["x_train"], f"y_train of {path}")
    _check_labels(arrays.get("y_test"), arrays.get("x_test"), f"y_test of {path}")
    return Data(
        path.stem,
        arrays["x_train"],
        arrays.get("y_train"),
        arrays.get("x_test"),
        arrays.get("y_test"),
    )


def _map_npy(path):
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser raises whatever it stumbles over
        raise DataError(
            f"{path} cannot be mapped as an .npy of plain numbers ({brief(error)})"
        ) from error
    return Data(path.stem, _check_images(images, str(path)))


def _load_folder(path):
    files = sorted(entry for entry in path.iterdir() if IDX_IMAGES.fullmatch(entry.name))
    # A file kept both plain and compressed counts once; the plain one is quicker to read.
    train = {
        match["head"]: entry
        for entry in reversed(files)
        if (match := IDX_IMAGES.fullmatch(entry.name)) and not _is_test_part(match["head"])
    }
    if len(train) > 1:
        names = ", ".join(entry.name for entry in sorted(train.values())[:4])
        raise DataError(
            f"{path} holds several data sets ({names}, …); give one of these files as --data"
        )
    if train:
        return _load_idx(next(iter(train.values())))
    if files:
        raise DataError(
            f"{path} holds {files[0].name} but no training images; expected train-images-idx3-ubyte"
        )
    return _load_pictures(path)


def _load_idx(path):
    """Loads an IDX image file, with the labels and the test part that lie beside it."""
    match = IDX_IMAGES.fullmatch(path.name)
    # EMNIST is published with rows and columns exchanged; turned here so that letters stand upright.
    transposed = match["head"].startswith("emnist-")
    images, labels = _read_idx_pair(path, match["head"], transposed)
    test_images = test_labels = None
    for name in ("t10k-", "test-"):
        head = re.sub(r"train-$", name, match["head"])
        test_path = _beside(path, head, "images", 3) if head != match["head"] else None
        if test_path:
            test_images, test_labels = _read_idx_pair(test_path, head, transposed)
            break
    name = match["head"].removesuffix("train-").strip("-.") or path.resolve().parent.name
    return Data(name, images, labels, test_images, test_labels)


def _read_idx_pair(path, head, transposed):
    images = _check_images(_read_idx(path, 3), str(path))
    if transposed:
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    labels_path = _beside(path, head, "labels", 1)
    labels = _read_idx(labels_path, 1) if labels_path else None
    _check_labels(labels, images, str(labels_path))
    return images, labels


def _beside(path, head, kind, dimensions):
    """The IDX file of another kind or part in the same folder, plain or compressed, or None."""
    for separator in "-.":
        for suffix in ("", ".gz"):
            candidate = path.with_name(f"{head}{kind}{separator}idx{dimensions}-ubyte{suffix}")
            if candidate.is_file():
                return candidate
    return None


def _read_idx(path, dimensions):
    """Reads one IDX file of unsigned bytes (the format on LeCun's page), plain or gzipped."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
                raise DataError(
                    f"{path} does not begin as an IDX file of bytes in {dimensions} dimensions"
                )
            shape = [int(size) for size in np.frombuffer(header[4:], ">u4")]
            size = int(np.prod(shape, dtype=object))
            if size > IDX_MAXIMUM:
                raise DataError(
                    f"{path} claims {shape} pixels in its header, more than {IDX_MAXIMUM} bytes"
                )
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(f"{path} cannot be read ({brief(error)})") from error
    if len(content) != size:
        kind = "ends early" if len(content) < size else "goes on too long"
        raise DataError(f"{path} {kind}: its header says {shape}, {size} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _load_pictures(path):
    """Loads a folder of pictures and its subfolders, sorted by path, as 28x28 grey."""
    suffixes = Image.registered_extensions()
    files = sorted(
        entry
        for entry in path.rglob("*")
        if entry.suffix.lower() in suffixes and not entry.name.startswith(".") and entry.is_file()
    )
    if not files:
        raise DataError(
            f"{path} holds no IDX files and no pictures; expected some that Pillow reads"
        )
    images = np.empty((len(files), SIZE, SIZE), np.uint8)
    for row, file in zip(images, files, strict=True):
        try:
            with Image.open(file) as picture:
                row[:] = np.asarray(_to_grey(picture))
        except Exception as error:  # and so do the decoders of Pillow
            raise DataError(f"{file} cannot be read as a picture ({brief(error)})") from error
    return Data(path.resolve().name, images)


def _to_grey(picture):
    """Turns a picture of any mode and size into 28x28 grey: scaled to cover, then cropped centrally.

    Transparent parts become white, as on paper; 16-bit greys are scaled to 8.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float32)
        scale = 255 / 65535 if picture.mode.startswith("I;16") or values.max() > 255 else 1
        picture = Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return ImageOps.fit(picture.convert("L"), (SIZE, SIZE), Image.Resampling.LANCZOS)


def _check_images(images, what):
    """Returns uint8 images `[N, 28, 28]`, N >= 1, or raises `DataError`; a last axis of 1 is dropped."""
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if (
        images.ndim != 3
        or images.shape[1:] != (SIZE, SIZE)
        or images.dtype != np.uint8
        or len(images) == 0
    ):
        raise DataError(
            f"{what} is {images.dtype} {list(images.shape)}; expected uint8 [N, 28, 28] with N >= 1"
        )
    return images


def _check_labels(labels, images, what):
    if labels is None or images is None:
        return
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{what} is {labels.dtype} {list(labels.shape)}; expected integers [{len(images)}], one an image"
        )


def _is_test_part(head):
    return head.endswith(("t10k-", "test-"))
