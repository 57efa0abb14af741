"""Labels of pictures in a file of their own: tables in text, JSON, JSON Lines; StyleGAN's list."""

import collections
import csv
import json
import re

from tf2gan.data.files.entries import picture_formats
from tf2gan.data.files.unpack import FREE
from tf2gan.data.labels import text_of
from tf2gan.data.names import ROLE_OF
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading, warn

COLUMNS = {"label", "class", "category", "target", "class_name", "breed", "species"}
LIST = "dataset.json"  # StyleGAN's list of labels
NAMES = ("file_name", "filename", "file", "path", "image", "img", "image_id", "id", "name")
LOOKED_AT = 1000  # rows by which the column of names is told
CELLS_MOST = 32_000_000  # of a table in JSON, where each row may have keys of its own
DEPTH = 32  # folders of a name that are compared
MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def read_label_table(entry, entries, parts, column=None):
    """The label of each of `entries`, pictures, from a table; None for those that it does not name.

    Args:
      entry: the table. Names may lack their folder or their suffix, and may be a Windows path.
      entries: the pictures.
      parts: the part of each.
      column: the name or the number, from 1, of the column of labels; None where one tells itself.

    Raises:
      DataError: it is no table, names none of the pictures, or its columns are not clear.
    """
    known = {key for picture in entries for key in _keys(picture.name)}
    with reading(entry.where, "cannot be read as a table of labels"):
        text = _decoded(entry)
        if text.lstrip()[:1] in "[{":
            header, rows = _rows_of_json(text)
        else:
            header, rows = None, _rows_of_text(text, known)
    if not rows:
        raise DataError(f"{entry.where} holds no labels")
    titles = header or [cell.strip() for cell in rows[0]]
    names = _name_column(rows, titles, known, column)
    if names is None:
        raise DataError(
            f"{entry.where} names none of the {len(entries)} pictures; its first lines begin with "
            f"{listed([row[0] for row in rows[:2] if row])}, the pictures are called "
            f"{listed([picture.name for picture in entries], 2)}"
        )
    if header is None and not known & set(_keys(rows[0][names])):
        header, rows = rows[0], rows[1:]
    if header is not None and rows:  # CelebA's has no word above the names
        header = [""] * (len(rows[0]) - len(header)) + list(header)
    place = _label_column(entry, header, rows, names, column)
    pairs = [(row[names], row[place].strip()) for row in rows if len(row) > max(names, place)]
    return _matched(entries, parts, pairs, entry.where)


def read_stylegan_list(entry, entries, parts):
    """As `read_label_table`, of StyleGAN's `dataset.json`; None where it is of another use."""
    try:
        content = json.loads(entry.read(FREE))
    except (ValueError, RecursionError):
        warn(f"{entry.where} cannot be read as JSON, and is passed over")
        return None
    pairs = content.get("labels", False) if isinstance(content, dict) else False
    if pairs is None or pairs == []:
        return [None] * len(entries)  # StyleGAN's word for a set without labels
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    pairs = pairs if isinstance(pairs, list) else []
    pairs = [pair for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
    pairs = [(name, word_of(label)) for name, label in pairs if isinstance(name, str)]
    if not pairs:
        warn(f"{entry.where} has no list `labels`, as StyleGAN's have, and is not read")
        return None
    labels = _matched(entries, parts, pairs, entry.where)
    named = any(_stem(name) != name for name, _ in pairs)  # else the names of classes, say
    return labels if named or any(label is not None for label in labels) else None


def _decoded(entry):
    """The text of a table, in UTF-8 or what Windows writes."""
    content = entry.read(FREE)
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        warn(f"{entry.where} is not UTF-8, and is read as Windows' Western European (cp1252)")
        return text_of(content)


def _name_column(rows, titles, known, column):
    """The place of the column that names pictures, or None.

    A column that is called a label's, or was asked for as that, names pictures only if no other
    does. Of two that name as many, as an index beside ids does, the one that is called a name's;
    then the one whose values differ most.
    """
    some = rows[:LOOKED_AT]
    best, found = None, None
    for place in range(max(map(len, some))):
        cells = [row[place] for row in some if len(row) > place]
        hits = sum(not known.isdisjoint(_keys(cell)) for cell in cells)
        title = titles[place].lower() if place < len(titles) else ""
        asked = column is not None and column in (str(place + 1), *titles[place : place + 1])
        score = (not (asked or _says_label(title)), hits, title in NAMES, len(set(cells)))
        if hits and (best is None or score > best):
            best, found = score, place
    return found


def _matched(entries, parts, pairs, where):
    """The label of each entry from (name, label) pairs, None for some; says how many.

    Names match if one is the end of the other: `a/1.png` is called `1` or `set/a/1.png`, but not
    `b/1.png`. A shorter name that several longer ones end in tells nothing, unless they agree; nor
    does one that several pictures end in, unless one of them alone is trained on (Kaggle's lists
    name `train/1.png` by 1, and there is a `test/1.png`).
    """
    exact, ends, several = {}, {}, set()
    for name, label in pairs:
        label, whole = label or None, _tails(name)[0]
        for key in {whole, _stem(whole)}:
            if exact.setdefault(key, label) != label:
                several.add(key)
        for key in _keys(name):
            ends[key] = label if ends.get(key, label) == label else None
    called = [(_keys(entry.name), part) for entry, part in zip(entries, parts, strict=True)]
    shared = collections.Counter(key for keys, _ in called for key in set(keys))
    trained = collections.Counter(
        key for keys, part in called if part == "train" for key in set(keys)
    )
    labels, doubled = [], 0
    for keys, part in called:
        key = next((key for key in keys if key in exact), None)
        label = ends.get(keys[0]) if key is None else exact[key]
        if key is not None and shared[key] > 1 and not (part == "train" and trained[key] == 1):
            label = None
        if key in several:
            label, doubled = None, doubled + 1
        labels.append(label)
    missing = labels.count(None) - doubled
    if doubled:
        warn(f"{where} has several labels for {doubled} of the {len(labels)} pictures")
    if missing:
        how = "names none" if missing == len(labels) else f"does not name {missing}"
        warn(f"{where} {how} of the {len(labels)} pictures")
    return labels


def _keys(name):
    """What a picture may be called in a list, the most exact first: with folders and suffix."""
    tails = _tails(name)
    return [*tails, *(_stem(tail) for tail in tails)]


def _tails(name):
    parts = name.strip().replace("\\", "/").removeprefix("./").rsplit("/", DEPTH)[-DEPTH:]
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _stem(name):
    """A name without the suffix of a picture; of no other, for `1.2` is a name too."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in picture_formats()[1] else name


def word_of(value):
    """A label as text: 3, 3.0, [3] and "3" are one; a one-hot list is its place; else None."""
    if isinstance(value, list) and len(value) > 1:
        numbers = all(isinstance(item, int | float) for item in value)
        if numbers and sorted(value) == [0] * (len(value) - 1) + [1]:
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
    if len(header) * len(content) > CELLS_MOST:
        raise ValueError(f"{len(content)} rows with {len(header)} different keys")
    return header, [[word_of(row.get(key)) or "" for key in header] for row in content]


def _rows_of_text(text, known):
    """The rows of a table in text, by the separator with which most of them name pictures."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and re.fullmatch(r"\s*\d+\s*", lines[0]):  # CelebA: the number of rows
        lines = lines[1:]

    def split(lines, separator):
        if separator is None:
            return [line.split() for line in lines]
        return list(csv.reader(lines, delimiter=separator))

    def named(separator):
        rows = split(lines[:50], separator)
        wide = sum(len(row) > 1 for row in rows)
        return wide and sum(not known.isdisjoint(k for c in row for k in _keys(c)) for row in rows)

    sample = lines[min(1, len(lines) - 1)] if lines else ""
    separators = sorted("\t,;", key=sample.count, reverse=True)
    return split(lines, max([s for s in separators if s in sample] + [None], key=named))


def _label_column(entry, header, rows, names, column):
    """The place of the column of labels."""
    others = [i for i in range(max(map(len, rows[:LOOKED_AT]), default=0)) if i != names]
    titles = [title.strip() for title in header] if header else []
    if not others:
        raise DataError(f"{entry.where} has no column of labels, only one of names")
    if column is not None:
        places = [i for i in others if column in titles[i : i + 1]]
        places += [i for i in others if column == str(i + 1)]
        if places:
            return places[0]
    else:
        told = [i for i in others if i < len(titles) and _says_label(titles[i])]
        if len(told) == 1 or len(others) == 1:
            return (told or others)[0]
    there = [titles[i] if i < len(titles) and titles[i] else str(i + 1) for i in others]
    asked = f"no column {column!r}" if column is not None else "several columns"
    raise DataError(
        f"{entry.where} has {asked}; choose one with --label-column: {listed(there, 50)}"
    )


def _says_label(title):
    return title.lower() in COLUMNS or ROLE_OF.get(title.lower()) == "labels"
