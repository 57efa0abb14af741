"""The binary versions of CIFAR-10, CIFAR-100 and STL-10: records of bytes without a header."""

import numpy as np

from tf2gan.data.arrays import Part, assemble
from tf2gan.data.files.stored import check_count, read_values
from tf2gan.data.names import natural, part_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed

CIFAR_PIXELS = 3 * 32 * 32
STL_PIXELS = 3 * 96 * 96
NAMES = ("batches.meta.txt", "fine_label_names.txt", "class_names.txt")
NAMES_MOST = 1 << 20  # bytes


def is_records(entry):
    """Whether a file is one of these sets', by its suffix and its length."""
    return (
        entry.suffix == ".bin"
        and entry.unpacked
        and entry.size > 0
        and (_label_bytes(entry) > 0 or _is_stl(entry, "x") or _is_stl(entry, "y"))
    )


def load_records(entries, beside, where, name, **wanted):
    """Loads the files of one of the sets.

    Args:
      entries: those of which `is_records` is true.
      beside: other entries, where labels (STL-10's) and the names of classes are looked for.
      where, name: what messages and the run call the source.
      wanted: `image_size` and `color_mode`.
    """
    stl = [entry for entry in entries if _is_stl(entry, "x")]
    entries = sorted(stl or entries, key=lambda entry: natural(entry.name))
    groups = {"train": [], "test": []}
    for entry in entries:
        part = part_of(entry.base) or "train"
        if part in groups or len(entries) == 1:
            groups["train" if len(entries) == 1 else part].append(entry)
    if not groups["train"]:
        raise DataError(f"{where} has no training part, only {listed([e.name for e in entries])}")
    read = _stl if stl else _cifar
    parts = [read(group, [*entries, *beside]) for group in groups.values() if group]
    return assemble(name, *parts, class_names=_class_names(beside), **wanted)


def _cifar(entries, _):
    labels, images = [], []
    check_count((sum(entry.size for entry in entries),), entries[0].where)
    if len({_label_bytes(entry) for entry in entries}) > 1:
        names = listed([entry.name for entry in entries])
        raise DataError(f"CIFAR-10 and CIFAR-100 lie together in {names}; give one of the files")
    for entry in entries:
        head = _label_bytes(entry)
        shape = entry.size // (head + CIFAR_PIXELS), head + CIFAR_PIXELS
        with entry.open() as file:
            records = read_values(file, np.uint8, shape, entry.where)
        labels.append(records[:, head - 1])  # CIFAR-100: the coarse label, then the fine one
        images.append(records[:, head:].reshape(-1, 3, 32, 32))
    what = entries[0].where
    return Part(np.concatenate(images), np.concatenate(labels), what, f"labels of {what}")


def _stl(entries, beside):
    (entry, *others) = entries
    if others:
        raise DataError(f"{entry.where} and {others[0].where} are the same part; give one of them")
    shape = entry.size // STL_PIXELS, 3, 96, 96
    with entry.open() as file:
        images = read_values(file, np.uint8, shape, entry.where).transpose(0, 1, 3, 2)
    label_file = entry.name[:-5] + "y.bin"
    for other in beside:
        if other.name == label_file:
            with other.open() as file:
                labels = read_values(file, np.uint8, (other.size,), other.where)
            return Part(images, labels.astype(np.int64) - 1, entry.where, other.where)
    return Part(images, None, entry.where)


def _class_names(beside):
    for entry in beside:
        if entry.base in NAMES:
            return entry.read(NAMES_MOST).decode("utf-8", "replace").split()
    return None


def _label_bytes(entry):
    """1 in CIFAR-10, 2 in CIFAR-100, 0 elsewhere; names decide where the length does not."""
    fitting = [head for head in (1, 2) if entry.size % (head + CIFAR_PIXELS) == 0]
    return fitting[-1 if "batch" not in entry.base else 0] if fitting else 0


def _is_stl(entry, kind):
    pixels = STL_PIXELS if kind == "x" else 1
    is_named = entry.base.lower().endswith(f"_{kind}.bin")
    if is_named and kind == "y" and entry.head.startswith(b"\0\0"):
        return False  # IDX: labels here are 1 to 10
    return is_named and entry.size % pixels == 0
