"""Where pictures lie in folders: the parts of a set, and the class of each picture."""

import itertools
import json

import numpy as np

from tf2gan.data.dataset import Data
from tf2gan.data.formats.decode import read_pictures
from tf2gan.data.labels import encode
from tf2gan.data.names import PART_OF, part_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading, warn

STRAYS_MOST = 0.1  # of all pictures may lie outside the folders of classes
LIST = "dataset.json"  # StyleGAN's list of labels
LIST_MOST = 256 << 20  # bytes


def load_pictures(entries, where, name, *, label_list=None, image_size=None, color_mode=None):
    """Loads pictures that lie in folders or an archive, sorted by path.

    Args:
      entries: the pictures.
      where, name: what messages and the run call the source.
      label_list: StyleGAN's `dataset.json` beside them, if there is one.
      image_size, color_mode: what the pictures are brought to; by default 28x28 and grey.
    """
    entries = sorted(entries, key=lambda entry: entry.name.split("/"))
    folders = [entry.name.split("/")[:-1] for entry in entries]
    parts, folders = _split_parts(folders, entries, name)
    if label_list is not None:
        classes = _listed_classes(entries, label_list)
    else:
        classes = [folder[0] if folder else None for folder in folders]
    rows = {part: [i for i, own in enumerate(parts) if own == part] for part in set(parts)}
    train = rows.get("train", [])
    if not train:
        known = sorted(set(parts) - {"aside"})
        raise DataError(f"{where} holds no training pictures, only {listed(known)}")
    train, labelled = _with_classes(train, classes, entries)
    held_out = rows.get("test") or rows.get("val") or []
    order = train + held_out
    # Read all together, so that there is one bar and one line about what is damaged.
    jobs = sorted(enumerate(entries[i] for i in order), key=lambda job: job[1].position)
    images, kept = read_pictures(jobs, len(order), where, image_size, color_mode)
    labels, test_labels = (
        [classes[i] for i, good in zip(group, kept[start:], strict=False) if good]
        for group, start in ((train, 0), (held_out, len(train)))
    )
    count = len(labels)
    if not count:
        raise DataError(f"{where} holds no training pictures that can be read")
    labels = np.array(labels, str) if labelled else None
    has_test_labels = labelled and test_labels and None not in test_labels
    test_labels = np.array(test_labels, str) if has_test_labels else None
    labels, test_labels, class_names = encode(labels, test_labels)
    test_images = images[count:] if len(images) > count else None
    return Data(name, images[:count], labels, test_images, test_labels, class_names)


def _common(folders):
    """How many folders all of them begin with."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return len(list(same))


def _split_parts(folders, entries, name):
    """(the part of each picture, its folders without the part's and without what all begin with).

    A folder tells the part if another one at its level is called like a training part and another
    like a held-out one, or if all at its level are called exactly like parts. The levels are those
    of the folders that all share, and the two below them.
    """
    levels = range(_common(folders) + 2)
    for find in (_two_parts, _exact_parts):
        for level in levels:
            part_of_folder = find({folder[level] for folder in folders if len(folder) > level})
            parts = [
                part_of_folder.get(folder[level], "aside") if len(folder) > level else "aside"
                for folder in folders
            ]
            if "train" in parts:
                _tell_aside(parts, entries)
                return parts, _without_parts(parts, folders, level)
            # A source that is itself called `test` is given to be trained on.
            asked_for = PART_OF.get(name.lower()) in ("test", "val")
            if parts.count("aside") < STRAYS_MOST * len(parts) and not asked_for:
                return parts, folders
    common = _common(folders)
    return ["train"] * len(folders), [folder[common:] for folder in folders]


def _two_parts(names):
    """{folder: its part}, if one of `names` says train and another test or val; else empty."""
    known = {name: part_of(name) or "aside" for name in names}
    parts = set(known.values())
    return known if "train" in parts and parts & {"test", "val"} else {}


def _exact_parts(names):
    """{folder: its part}, if all `names` are words for parts and for nothing else; else empty."""
    known = {name: PART_OF.get(name.lower()) for name in names}
    return known if None not in known.values() and set(known.values()) != {"aside"} else {}


def _without_parts(parts, folders, level):
    """The folders without the one at `level`, which is the part, and without what all share."""
    rest = [folder[:level] + folder[level + 1 :] for folder in folders]
    inside = [place for place, part in enumerate(parts) if part != "aside"]
    for part in set(parts) - {"aside"}:  # seg_train/seg_train/<class>
        own = [place for place in inside if parts[place] == part]
        common = _common([rest[place] for place in own])
        if common > level and part_of(rest[own[0]][level]) == part:
            for place in own:
                rest[place] = rest[place][:level] + rest[place][level + 1 :]
    common = _common([rest[place] for place in inside])
    return [folder[common:] for folder in rest]


def _tell_aside(parts, entries):
    left_out = [e.name for e, part in zip(entries, parts, strict=True) if part == "aside"]
    if left_out:
        warn(
            f"{len(left_out)} of {len(entries)} pictures lie outside the training and the test "
            f"set and are left out: {listed(left_out, 3)}"
        )


def _with_classes(train, classes, entries):
    """(the training pictures to read, whether they have classes)."""
    strays = [i for i in train if classes[i] is None]
    known = {classes[i] for i in train} - {None}
    if len(known) < 2 or len(strays) >= STRAYS_MOST * len(train) and strays:
        return train, False
    if strays:
        warn(
            f"{len(strays)} of {len(train)} pictures lie outside the folders of classes and are "
            f"left out: {listed([entries[i].name for i in strays], 3)}"
        )
    return [i for i in train if classes[i] is not None], True


def _listed_classes(entries, label_list):
    """The class of each picture from StyleGAN's list, None where it has none."""
    with reading(label_list.where, "cannot be read as StyleGAN's list of labels"):
        listed_labels = json.loads(label_list.read(LIST_MOST))["labels"] or []
        root = label_list.name.removesuffix(LIST)
        known = {root + file: str(label) for file, label in listed_labels if isinstance(label, int)}
    return [known.get(entry.name) for entry in entries]
