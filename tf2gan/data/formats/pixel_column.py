"""A table whose rows hold all pixels of an image in one column, as FER2013 is published."""

import csv
import io

import numpy as np

from tf2gan.data.arrays import Part, assemble
from tf2gan.data.files.stored import check_count
from tf2gan.data.names import part_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading
from tf2gan.utils.progress_bar import ProgressBar

COLUMN = "pixels"
USAGES = {"privatetest": "test", "publictest": "val"}  # FER2013's
FIELD_MOST = 1 << 20  # characters of a field: 128x128 in colour


def find_pixel_columns(entries):
    """Those text files whose first line names a column of pixels."""
    return [entry for entry in entries if COLUMN in _names(entry)]


def load_pixel_column(entries, where, name, **wanted):
    """Loads such a table: beside the pixels a column of labels, and one that names the part."""
    if len(entries) > 1:
        names = listed(sorted(entry.name for entry in entries))
        raise DataError(f"{where} holds several data sets ({names}); give one of these files")
    (entry,) = entries
    names = _names(entry)
    pixels, usage = names.index(COLUMN), names.index("usage") if "usage" in names else None
    others = [i for i in range(len(names)) if i not in (pixels, usage)]
    parts = {}
    count = 0
    with reading(entry.where, "cannot be read as a table of images"), _text(entry) as text:
        csv.field_size_limit(FIELD_MOST)
        rows = csv.reader(text)
        next(rows)
        with ProgressBar(f"reading {entry.base}", entry.size) as bar:
            for row in filter(None, rows):
                image = np.array(row[pixels].split(), np.uint8)
                count += image.size
                check_count((count,), entry.where)
                used = row[usage].strip().lower() if usage is not None else "train"
                images, labels = parts.setdefault(USAGES.get(used) or part_of(used), ([], []))
                images.append(image)
                labels.append(row[others[0]].strip() if others else "")
                bar.advance(sum(map(len, row)))
    train, held_out = parts.get("train"), parts.get("test") or parts.get("val")
    if not train:
        raise DataError(f"{where} holds no training images")
    chosen = [_part(*part, entry, bool(others)) for part in (train, held_out) if part]
    return assemble(name, *chosen, **wanted)


def _part(images, labels, entry, labelled):
    if len({image.size for image in images}) > 1:
        raise DataError(f"{entry.where} holds images of mixed sizes; expected one size")
    labels = np.array(labels) if labelled else None
    return Part(np.stack(images), labels, entry.where, f"labels of {entry.where}")


def _names(entry):
    with reading(entry.where), entry.open() as file:
        line = file.readline(4096).decode("utf-8-sig", "replace")
    return [name.strip().strip('"').lower() for name in line.split(",")]


def _text(entry):
    return io.TextIOWrapper(entry.open(), "utf-8-sig", "replace", newline="")
