"""WebDataset shards: tars whose files of one name are a sample, `000001.png` and `000001.cls`."""

import collections
import json
import re

from tf2gan.data.formats.label_table import word_of
from tf2gan.data.formats.pictures import read_parts
from tf2gan.data.labels import text_of
from tf2gan.data.names import natural, part_of
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


def shard_folders(archives):
    """{name: the folder that what it holds belongs in} of archives that are shards of one set.

    They are numbered one after the other, with at least four digits, `train-00000.tar`. The folder
    is that of the archive and of the part that its name tells; the shard's own is none.
    """
    groups = collections.defaultdict(dict)
    for entry in archives:
        if found := SHARD.fullmatch(entry.name):
            groups[found[1]][entry.name] = int(found[2])
    folders = {}
    for start, numbers in groups.items():
        if max(numbers.values()) - min(numbers.values()) == len(numbers) - 1:
            folder, _, base = start.rpartition("/")
            folders |= dict.fromkeys(numbers, "/".join(filter(None, (folder, part_of(base) or ""))))
    return folders if len(archives) > 1 and len(folders) == len(archives) else {}


def load_webdataset(shards, where, name, **wanted):
    """Loads shards as one set; a shard's name tells its part, `train-000.tar`.

    Args:
      shards: a dict of the shards' paths below the source to their entries.
      where, name: what messages and the run call them all.
      wanted: `image_size` and `color_mode`.
    """
    pictures, parts, classes = [], [], []
    for shard in sorted(shards, key=natural):
        _, _, base = shard.rpartition("/")
        part = part_of(base) or part_of(shard) if len(shards) > 1 else None
        labels = {_sample(entry): entry for entry in shards[shard] if _is_label(entry)}
        for entry in shards[shard]:
            if entry.has_picture_suffix:
                pictures.append(entry)
                parts.append(part or "train")
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
