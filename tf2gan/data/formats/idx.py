"""IDX files, as MNIST, Fashion-MNIST, KMNIST, QMNIST and EMNIST are published (LeCun's page)."""

import re

import numpy as np

from tf2gan.data.arrays import Part, assemble
from tf2gan.data.files.entries import IDX_NAME, walk
from tf2gan.data.files.stored import read_values
from tf2gan.data.files.unpack import PACKED_SUFFIX
from tf2gan.data.names import is_emnist, part_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading, warn

TYPES = {8: "u1", 9: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LABELS, IMAGES = (1, 2), (3, 4)  # dimensions; QMNIST's labels have columns, the first the digit
PART_WORD = re.compile(r"(train|t10k|test|eval|val(id)?)(ing|idation|uation)?[-._]*", re.I)
X_OR_Y = re.compile(r"(?<![^-._])[xy](?![^-._])[-._]*", re.I)  # x_train.bin, y_train.bin


def load_idx(entries, where, name, *, chosen=None, **wanted):
    """Loads the IDX files among the entries of a folder or an archive.

    Args:
      entries: of kind `idx`; those that belong together are told by their names.
      where, name: what messages and the run call the source.
      chosen: the one of `entries` that was asked for; the others only lie beside it.
      wanted: `image_size` and `color_mode`.
    """
    sets = {}  # (what the names have in common, part): {3: the images, 1: the labels}
    # A file kept both plain and compressed counts once; the plain one is quicker to read.
    for entry in sorted(entries, key=lambda entry: (not entry.unpacked, entry.name)):
        key = _key(entry)
        dimensions = _dimensions(entry)
        sets.setdefault(key, {}).setdefault(3 if dimensions in IMAGES else 1, entry)
    train = [key for key, found in sets.items() if key[1] == "train" and 3 in found]
    if chosen is not None:
        if _dimensions(chosen) not in IMAGES:
            raise DataError(f"{chosen.where} holds no images; give the file …images-idx3-ubyte")
        train = [_key(chosen)]
        sets[train[0]][3] = chosen
    if not train:
        raise DataError(
            f"{where} holds {min(entry.base for entry in entries)} but no training images; "
            "expected train-images-idx3-ubyte"
        )
    if len(train) > 1:
        names = sorted(sets[key][3].name for key in train)
        raise DataError(
            f"{where} holds several data sets ({listed(names)}); give one of these files as --data"
        )
    lost = [found[1].name for found in sets.values() if 3 not in found]
    if lost and 1 not in sets[train[0]]:
        warn(f"{where}: {listed(lost)} is not read, for no images are called like it")
    (head, part) = train[0]
    parts = [_read_pair(sets[train[0]])]
    for other in ("test", "val") if part == "train" else ():
        if 3 in sets.get((head, other), {}):
            parts.append(_read_pair(sets[head, other]))
            break
    own = head.rpartition("/")[2].strip("-._")
    return assemble(own or name, *parts, **wanted)


def idx_beside(entry, folder):
    """The other IDX files of a folder, and if it is called like its file, of those beside it."""
    folders = [folder]
    if _is_own_folder(folder.name, entry.base):
        inside = [other for other in folder.parent.iterdir() if IDX_NAME.search(other.name)]
        folders = [folder.parent, *(other for other in inside if other.is_dir())]
    found = [other for each in folders for other in walk(each, deep=False)]
    return [other for other in found if other.base != entry.base and other.kind == "idx"]


def read_idx(entry):
    """The array of an IDX file, and of its head: shape and values as they are stored."""
    with entry.open() as file:
        with reading(entry.where):
            magic = file.read(4)
            dimensions = magic[3] if len(magic) == 4 else 0
            sizes = file.read(4 * dimensions)
        if magic[:2] != b"\0\0" or magic[2:3] not in map(_byte, TYPES) or dimensions > 4:
            magic = b""
        if not magic or len(sizes) < 4 * dimensions:
            raise DataError(f"{entry.where} does not begin as an IDX file of 1 to 4 dimensions")
        shape = [int(size) for size in np.frombuffer(sizes, ">u4")]
        return read_values(file, np.dtype(TYPES[magic[2]]), shape, entry.where)


def _read_pair(found):
    images, labels = found[3], found.get(1)
    pixels = read_idx(images)
    if is_emnist(images.name):
        pixels = np.ascontiguousarray(pixels.swapaxes(1, 2))
    if labels is None:
        return Part(pixels, None, images.where)
    values = read_idx(labels)
    if values.ndim == 2:
        values = values[:, 0]
    return Part(pixels, values, images.where, labels.where)


def _key(entry):
    """(folder and head of a name without its part, the part) of `train-images-idx3-ubyte`."""
    *folders, base = entry.name.split("/")
    if folders and _is_own_folder(folders[-1], base):  # as browsers and Kaggle unpack
        folders.pop()
    head = re.split(r"[-._]*(?:images|labels|idx[1-4]|imgs|lbls)", PACKED_SUFFIX.sub("", base))[0]
    head = re.sub(r"\.(bin|dat|idx|raw)$", "", head, flags=re.I)
    part = part_of(head) or "train"
    head = X_OR_Y.sub("", PART_WORD.sub("", head + "-"))
    return "/".join([*folders, head.strip("-")]), part


def _is_own_folder(name, base):
    """Whether a folder is called like its file: `train-images-idx3-ubyte` of `….idx3-ubyte.gz`."""
    return len({re.sub("[._]", "-", PACKED_SUFFIX.sub("", text)) for text in (name, base)}) == 1


def _dimensions(entry):
    """By the content, or where that is damaged by the name: for the message to come."""
    if len(entry.head) > 3:
        return entry.head[3]
    match = re.search(r"idx([1-4])", entry.base)
    return int(match[1]) if match else 3


def _byte(number):
    return bytes([number])
