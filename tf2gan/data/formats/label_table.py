"""Labels of pictures in a file of their own: tables in text, JSON, JSON Lines; StyleGAN's list."""

import csv
import json
import os

from tf2gan.data.files.unpack import FREE
from tf2gan.data.names import ROLE_OF
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading, warn

COLUMNS = {"label", "class", "category", "target", "class_name", "breed", "species"}
LIST = "dataset.json"  # StyleGAN's list of labels
NAMES = ("file_name", "filename", "file", "path", "image", "img", "image_id", "id", "name")
LOOKED_AT = 1000  # rows by which the column of names is told


def read_label_table(entry, entries, column=None):
    """The label of each of `entries`, pictures, from a table; None for those that it does not name.

    Args:
      entry: the table. Names may lack their folder or their suffix, and may be a Windows path.
      entries: the pictures.
      column: the name or the number, from 1, of the column of labels; None where one tells itself.

    Raises:
      DataError: it is no table, names none of the pictures, or its column of labels is not clear.
    """
    with reading(entry.where, "cannot be read as a table of labels"):
        text = entry.read(FREE).decode("utf-8-sig", "replace")
        header, rows = _rows_of_json(text) if text.lstrip()[:1] in "[{" else _rows_of_text(text)
    if not rows:
        raise DataError(f"{entry.where} holds no labels")
    known = {key for picture in entries for key in _keys(picture.name)}
    some, width = rows[:LOOKED_AT], max(map(len, rows[:LOOKED_AT]))
    matches = [
        sum(len(r) > i and bool(known & set(_keys(r[i]))) for r in some) for i in range(width)
    ]
    names = max(range(width), key=matches.__getitem__)
    if not matches[names]:
        raise DataError(
            f"{entry.where} names none of the {len(entries)} pictures; its first lines begin with "
            f"{listed([row[0] for row in rows[:2] if row])}, the pictures are called "
            f"{listed([picture.name for picture in entries], 2)}"
        )
    if header is None and not known & set(_keys(rows[0][names])):
        header, rows = rows[0], rows[1:]
    if header is not None:  # CelebA's has no word above the names
        header = [""] * (len(rows[0]) - len(header)) + list(header)
    place = _label_column(entry, header, rows, names, column)
    pairs = [(row[names], row[place].strip()) for row in rows if len(row) > max(names, place)]
    return _matched(entries, pairs, entry.where)


def read_stylegan_list(entry, entries):
    """As `read_label_table`, of StyleGAN's `dataset.json`; None where it is of another use."""
    with reading(entry.where, "cannot be read as JSON"):
        content = json.loads(entry.read(FREE))
    if not isinstance(content, dict) or "labels" not in content:
        warn(f"{entry.where} has no list `labels`, as StyleGAN's have, and is not read")
        return None
    pairs = content["labels"] or []
    pairs = pairs.items() if isinstance(pairs, dict) else pairs
    pairs = [pair for pair in pairs if isinstance(pair, tuple | list) and len(pair) == 2]
    pairs = [(name, word_of(label)) for name, label in pairs if isinstance(name, str)]
    return _matched(entries, pairs, entry.where) if pairs else [None] * len(entries)


def _matched(entries, pairs, where):
    """The label of each entry from (name, label) pairs, None for some; says how many.

    Names match if one is the end of the other: `a/1.png` is called `1` or `set/a/1.png`, but not
    `b/1.png`. A shorter name that several longer ones end in tells nothing, unless they agree.
    """
    exact, ends = {}, {}
    for name, label in pairs:
        whole, *_ = _tails(name)
        for key in (whole, os.path.splitext(whole)[0]):
            exact.setdefault(key, label)
        for key in _keys(name):
            ends[key] = label if ends.get(key, label) == label else None
    labels = []
    for entry in entries:
        keys = _keys(entry.name)
        label = next((exact[key] for key in keys if key in exact), None)
        labels.append(label if label is not None else ends.get(keys[0]))
    missing = labels.count(None)
    if missing:
        how = "names none" if missing == len(labels) else f"does not name {missing}"
        warn(f"{where} {how} of the {len(labels)} pictures")
    return labels


def _keys(name):
    """What a picture may be called in a list, the most exact first: with folders and suffix."""
    tails = _tails(name)
    return [*tails, *(os.path.splitext(tail)[0] for tail in tails)]


def _tails(name):
    parts = name.strip().replace("\\", "/").removeprefix("./").split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def word_of(value):
    """A label as text: 3, 3.0, [3] and "3" are one; a one-hot list is its place; else None."""
    if isinstance(value, list) and len(value) > 1 and sorted(value) == [0] * (len(value) - 1) + [1]:
        value = value.index(1)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) else None


def _rows_of_json(text):
    """(names of columns, rows of text) of JSON or JSON Lines."""
    try:
        content = json.loads(text)
    except ValueError:
        content = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(content, dict) and isinstance(content.get("labels"), list | dict):
        content = content["labels"]
    if isinstance(content, dict) and not any(isinstance(v, dict) for v in content.values()):
        content = [{"file_name": name, "label": value} for name, value in content.items()]
    elif isinstance(content, dict):
        content = [{"file_name": name, **values} for name, values in content.items()]
    elif content and all(isinstance(row, list) for row in content):
        content = [{"file_name": row[0], "label": row[1]} for row in content if len(row) == 2]
    content = [row for row in content if isinstance(row, dict)]
    header = sorted({key for row in content for key in row}, key=lambda key: key not in NAMES)
    return header, [[word_of(row.get(key)) or "" for key in header] for row in content]


def _rows_of_text(text):
    """(None, rows) of a table in text, by the separator that the second line has most of."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].strip().isdigit():  # CelebA: the number of rows
        lines = lines[1:]
    sample = lines[min(1, len(lines) - 1)] if lines else ""
    separator = max("\t,;", key=sample.count)
    if separator in sample:
        return None, list(csv.reader(lines, delimiter=separator))
    return None, [line.split() for line in lines]


def _label_column(entry, header, rows, names, column):
    """The place of the column of labels."""
    others = [i for i in range(len(rows[0])) if i != names]
    titles = [title.strip() for title in header] if header else []
    if column is not None:
        if column in titles:
            return titles.index(column)
        if column.isdigit() and 1 <= int(column) <= len(rows[0]):
            return int(column) - 1
    else:
        told = [i for i in others if i < len(titles) and _says_label(titles[i])]
        if len(told) == 1 or len(others) == 1:
            return (told or others)[0]
    there = [titles[i] if i < len(titles) and titles[i] else str(i + 1) for i in others]
    asked = f"no column {column!r}" if column is not None else "several columns"
    raise DataError(
        f"{entry.where} has {asked}; choose one with --label-column: {listed(there, 50) or 'none'}"
    )


def _says_label(title):
    return title.lower() in COLUMNS or ROLE_OF.get(title.lower()) == "labels"
