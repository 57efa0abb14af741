"""Tables in text, a row an image: comma, semicolon, tab or space between the numbers."""

import codecs
from typing import NamedTuple

import numpy as np

from tf2gan.data.arrays import Part, assemble, image_shape
from tf2gan.data.files.entries import Entry
from tf2gan.data.files.stored import check_count
from tf2gan.data.names import ROLE_OF, is_emnist, part_of_file
from tf2gan.settings.sizes import LEAST
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading
from tf2gan.utils.progress_bar import ProgressBar

BLOCK = 1 << 22  # bytes of text parsed at a time
LINE_MOST = 1 << 22  # bytes of a line: 128x128 in colour, 80 characters a number
LEFT_OUT = {"", "id", "index", "unnamed: 0", "imageid", "image_id"}  # columns of pandas and Kaggle


class Table(NamedTuple):
    """What the first two lines of a file tell."""

    entry: Entry
    separator: str | None  # None: any white space
    header: bool
    columns: int
    label: int | None  # the column of labels; None if there is none or the content must tell
    text_label: bool
    left_out: tuple  # columns that are neither pixels nor labels: numbers of rows, names of files


def find_tables(entries):
    """Those text files that are tables of images."""
    return [table for entry in entries if (table := _look(entry)) is not None]


def load_tables(tables, where, name, **wanted):
    """Loads tables, one a part; `wanted`: `image_size` and `color_mode`."""
    groups = {}
    for table in tables:
        part = part_of_file(table.entry, alone=len(tables) == 1)
        groups.setdefault(part, []).append(table)
    train, held_out = groups.get("train", []), groups.get("test") or groups.get("val") or []
    if not train or len(train) > 1 or len(held_out) > 1:
        names = listed(sorted(table.entry.name for table in tables))
        kind = "several data sets" if train else "no training part"
        raise DataError(f"{where} holds {kind} ({names}); give one of these files as --data")
    return assemble(name, *(_read(table) for table in train + held_out), **wanted)


def _look(entry):
    """The `Table` that a text file is, or None."""
    with reading(entry.where), entry.open() as file:
        lines = [line for line in (_line(file), _line(file)) if line]
    if not lines:
        return None
    separator = max(",;\t", key=lines[0].count)
    separator = separator if separator in lines[0] else None
    first, last = (line.split(separator) for line in (lines[0], lines[-1]))
    if len(first) < LEAST * LEAST or len(first) != len(last):
        return None
    header = _is_header(first, last)
    names = [field.strip().lower() for field in first] if header else []
    left_out = {i for i, field in enumerate(names) if field in LEFT_OUT}
    labels = [i for i, field in enumerate(names) if ROLE_OF.get(field) == "labels"]
    text = [i for i, field in enumerate(last) if not _is_number(field) and i not in left_out]
    if text and not separator:
        return None
    if labels:
        label = labels[0]
        left_out |= {i for i in text if i != label}
    elif len(text) == 1 and image_shape(len(first) - len(left_out) - 1):
        label = text[0]
    else:
        label = None
        left_out |= set(text)
        if len(text) > 1 and image_shape(len(first) - len(left_out)):
            return None  # which of them is the label, nothing tells
    pixels = len(first) - len(left_out) - (label is not None)
    if not image_shape(pixels) and not (label is None and image_shape(pixels - 1)):
        return None
    return Table(entry, separator, header, len(first), label, label in text, tuple(left_out))


def _is_header(first, second):
    """Whether a first line names the columns, with words or as pandas does with their numbers."""
    numbers = [float(field) for field in first if _is_number(field)]
    if len(numbers) < len(first) - 1 or any(
        _is_number(below) and not _is_number(above)
        for above, below in zip(first, second, strict=True)
    ):
        return True
    return any(numbers == list(range(start, start + len(numbers))) for start in (0, 1))


def _read(table):
    """The `Part` of a table, its values uint8 where they are whole and small, else float32."""
    entry, blocks, text_labels, values, dtype = table.entry, [], [], 0, np.uint8
    converters = dict.fromkeys(table.left_out, lambda field: 0)
    if table.text_label:
        converters[table.label] = lambda field: text_labels.append(field.strip()) or 0
    with ProgressBar(f"reading {entry.base}", entry.size) as bar, entry.open() as file:
        if table.header:
            _line(file)
        while text := file.read(BLOCK):
            text += file.readline(LINE_MOST)
            text = text if blocks else text.removeprefix(codecs.BOM_UTF8)  # Excel writes one
            lines = text.decode("utf-8", "replace").replace('"', "").splitlines()
            lines = [line for line in lines if line.strip()]
            if not lines:
                continue
            block, dtype = _parse(table, lines, dtype, converters, text_labels)
            values += block.size
            check_count((values,), entry.where)
            blocks.append(block)
            bar.advance(len(text))
    if not blocks:
        raise DataError(f"{entry.where} has a header and no rows")
    rows = np.concatenate(blocks)
    labels = np.array(text_labels) if table.text_label else None
    if table.label is not None and not table.text_label:
        labels = rows[:, table.label]
    no_pixels = {*table.left_out, table.label} - {None}
    rows = np.delete(rows, sorted(no_pixels), axis=1) if no_pixels else rows
    if is_emnist(entry.name):
        rows, labels = _upright(rows, labels)
    return Part(rows, labels, entry.where, f"labels of {entry.where}")


def _parse(table, lines, dtype, converters, text_labels):
    """(the numbers of some lines `[lines, columns]`, their dtype: float32 once bytes don't do)."""
    where = table.entry.where
    how = {"delimiter": table.separator, "comments": None, "ndmin": 2, "encoding": None}
    how["converters"] = converters
    before = len(text_labels)
    try:
        block = np.loadtxt(lines, dtype=dtype, **how)
    except ValueError:
        dtype = np.float32
        del text_labels[before:]
        with reading(where, "cannot be read as a table of numbers"):
            block = np.loadtxt(lines, dtype=dtype, **how)
    if block.shape[1] != table.columns:
        raise DataError(f"{where} has rows of {block.shape[1]} numbers and of {table.columns}")
    return block, dtype


def _upright(rows, labels):
    """EMNIST's rows, which go down the columns of the images."""
    if labels is None and not image_shape(rows.shape[1]):
        labels, rows = rows[:, 0], rows[:, 1:]
    height, width, _ = image_shape(rows.shape[1])
    return rows.reshape(-1, height, width).swapaxes(1, 2), labels


def _line(file):
    """The next line that is not blank, as text without quotes; empty at the end."""
    while line := file.readline(LINE_MOST):
        text = line.decode("utf-8-sig", "replace").replace('"', "").strip("\r\n")
        if text.strip():
            return text
    return ""


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True
