"""IDX files, as MNIST, Fashion-MNIST, KMNIST and EMNIST are published (format: LeCun's page)."""

import gzip
import re
import zlib

import numpy as np

from tf2gan.data.dataset import Data, check_images, check_labels
from tf2gan.errors import DataError, brief

IDX_IMAGES = re.compile(r"(?P<head>.*?)images[-.]idx3-ubyte(?P<gz>\.gz)?")
IDX_MAXIMUM = 1 << 32  # bytes of pixels; a header that claims more is damaged


def load_idx_folder(path):
    """Loads the IDX files of a folder; None when it holds none."""
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
        return load_idx(next(iter(train.values())))
    if files:
        raise DataError(
            f"{path} holds {files[0].name} but no training images; expected train-images-idx3-ubyte"
        )
    return None


def load_idx(path):
    """Loads an IDX image file, with the labels and the test part that lie beside it."""
    match = IDX_IMAGES.fullmatch(path.name)
    # EMNIST is published with rows and columns exchanged; turned here so that letters are upright.
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
    images = check_images(_read_idx(path, 3), str(path))
    if transposed:
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    labels_path = _beside(path, head, "labels", 1)
    labels = _read_idx(labels_path, 1) if labels_path else None
    check_labels(labels, images, str(labels_path))
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


def _is_test_part(head):
    return head.endswith(("t10k-", "test-"))
