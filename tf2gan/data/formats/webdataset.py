"""WebDataset shards: tars whose files of one name are a sample, `000001.png` and `000001.cls`."""

import collections
import json
import re

from tf2gan.data.formats.label_table import word_of
from tf2gan.data.formats.pictures import read_parts
from tf2gan.data.labels import text_of
from tf2gan.data.names import natural, part_of, part_of_file
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading

LABELS = (".cls", ".cls.txt", ".label", ".json")  # ends of the files beside a picture
KEYS = ("label", "cls", "class", "class_name", "category")  # of a .json
LABEL_MOST = 1 << 20  # bytes of one of these files
LOOKED_AT = 100  # pictures by which shards are told
SHARD = re.compile(r"(.*?)(\d{4,12})\.[^/\d]*")


def is_webdataset(entries):
    """Whether the entries of a tar are samples: most pictures have a label of their name."""
    pictures = [_sample(entry) for entry in entries if entry.has_picture_suffix][:LOOKED_AT]
    labels = {_sample(entry): entry for entry in entries if _is_label(entry)}
    told = [_label(labels[sample]) for sample in pictures if sample in labels]
    return 2 * (len(told) - told.count(None)) > len(pictures)


def in_their_folders(archives):
    """The entries of several archives as those of one folder; an archive is a folder in it.

    Shards of one set are none: archives that are numbered one after the other, with at least four
    digits, `train-00000.tar`. What they hold lies in the folder of their part, if they tell one.

    Args:
      archives: pairs of an archive's entry and of the entries in it, whose names are changed.
    """
    shards = _folders_of_shards([archive.name for archive, _ in archives])
    for archive, entries in archives:
        folder = shards.get(archive.name, archive.name.split(".")[0])
        for entry in entries:
            entry.name = f"{folder}/{entry.name}"
    return [entry for _, entries in archives for entry in entries]


def _folders_of_shards(names):
    """{name: the folder of its part} of archives that are shards of one set; empty for others."""
    groups = collections.defaultdict(dict)
    for name in names:
        if found := SHARD.fullmatch(name):
            groups[found[1]][name] = int(found[2])
    folders = {}
    for start, numbers in groups.items():
        if max(numbers.values()) - min(numbers.values()) == len(numbers) - 1:
            folder, _, base = start.rpartition("/")
            folders |= dict.fromkeys(numbers, "/".join(filter(None, (folder, part_of(base)))))
    return folders if len(folders) == len(names) > 1 else {}


def load_webdataset(shards, where, name, **wanted):
    """Loads shards as one set; a shard's name tells its part, `train-000.tar`.

    Args:
      shards: pairs of an archive's entry and of the entries in it.
      where, name: what messages and the run call them all.
      wanted: `image_size` and `color_mode`.
    """
    pictures, parts, classes = [], [], []
    for archive, entries in sorted(shards, key=lambda shard: natural(shard[0].name)):
        part = part_of_file(archive, alone=len(shards) == 1)
        labels = {_sample(entry): entry for entry in entries if _is_label(entry)}
        for entry in entries:
            if entry.has_picture_suffix:
                pictures.append(entry)
                parts.append(part)
                label = labels.get(_sample(entry))
                classes.append(label and _label(label))
    if not pictures:
        raise DataError(f"{where} holds WebDataset shards without pictures")
    return read_parts(pictures, parts, classes, where, name, **wanted)


def _is_label(entry):
    return entry.base.lower().endswith(LABELS)


def _sample(entry):
    """What the files of a sample have in common: the name up to its first dot."""
    folder, _, base = entry.name.rpartition("/")
    return f"{folder}/{base.partition('.')[0]}"


def _label(entry):
    """The label in a file, as text; None where a .json has none."""
    with reading(entry.where, "cannot be read as a label"):
        text = text_of(entry.read(LABEL_MOST)).strip()
        if not entry.base.lower().endswith(".json"):
            return text or None
        content = json.loads(text)
    if not isinstance(content, dict):
        return word_of(content)
    return next((word_of(content[key]) for key in KEYS if key in content), None)
