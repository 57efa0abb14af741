"""Where pictures lie in folders: the parts of a set, and the class of each picture."""

import itertools
import re

from tf2gan.data.dataset import Data
from tf2gan.data.formats.decode import read_pictures
from tf2gan.data.labels import as_values, encode, known_labels
from tf2gan.data.names import PART_OF, part_of
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, say, warn

STRAYS_MOST = 0.1  # of all pictures may lie outside the folders of classes
# Folders that only sort: dates, and words for pictures.
SORTING = re.compile(
    r"(19|20)\d\d([-_. ]?\d\d){0,2}|images?|imgs?|pictures?|photos?|jpe?g(images)?|png|rgb", re.I
)


def load_pictures(
    entries,
    where,
    name,
    *,
    labels=None,
    asked=None,
    column=None,
    image_size=None,
    color_mode=None,
):
    """Loads pictures that lie in folders or an archive, sorted by path.

    Args:
      entries: the pictures.
      where, name: what messages and the run call the source.
      labels: a function from the entries and their parts to the label of each, None for some; by
        default folders name the classes.
      asked: what the labels were asked for with, so that it is an error if they make no classes.
      column: without `labels`, which level of folders names the classes, a number from 1; by
        default the first that does not merely sort.
      image_size, color_mode: what the pictures are brought to; by default 28x28 and grey.
    """
    entries = sorted(entries, key=lambda entry: entry.name.split("/"))
    folders = [entry.name.split("/")[:-1] for entry in entries]
    parts, folders = _split_parts(folders, entries, name)
    classes = labels(entries, parts) if labels is not None else None
    if classes is None:
        known = "train" in parts  # otherwise there is nothing to say of classes
        classes = _folder_classes(folders, column, where) if known else [None] * len(parts)
    read = {"image_size": image_size, "color_mode": color_mode}
    return read_parts(entries, parts, classes, where, name, asked=asked, **read)


def read_parts(
    entries, parts, classes, where, name, *, asked=None, image_size=None, color_mode=None
):
    """A `Data` of pictures, of each of which the part and the class, or None, is known.

    Raises:
      DataError: nothing to train on, or no classes though they were `asked` for, a flag.
    """
    for entry in entries:
        entry.used = True  # those that are not read have lines of their own
    rows = {part: [i for i, own in enumerate(parts) if own == part] for part in set(parts)}
    train = rows.get("train", [])
    if not train:
        known = sorted(set(parts) - {"aside"})
        raise DataError(f"{where} holds no training pictures, only {listed(known)}")
    train, labelled = _with_classes(train, classes, entries, asked)
    held_out = rows.get("test") or rows.get("val") or []
    if rows.get("test") and rows.get("val"):
        say(f"left out: {len(rows['val'])} pictures of a validation set, beside the test set")
    order = train + held_out
    # Read all together, so that there is one bar and one line about what is damaged.
    jobs = sorted(enumerate(entries[i] for i in order), key=lambda job: job[1].position)
    images, kept = read_pictures(jobs, len(order), where, image_size, color_mode)
    labels = [classes[i] if labelled else None for i in order]
    return _assembled(images, kept, labels, len(train), where, name)


def read_stream(
    pictures, first, total, where, name, class_names=None, *, image_size=None, color_mode=None
):
    """A `Data` of pictures that come one after the other, with their labels.

    Args:
      pictures: iterable of (what to call it, the bytes of its file, its label or None).
      first: how many of them, at the beginning, are trained on; the others are held out.
      total: how many there are.
      class_names: what the labels 0, 1, … are called, or None.
    """
    labels = []

    def jobs():
        for what, content, label in pictures:
            labels.append(label)
            yield len(labels) - 1, what, content

    images, kept = read_pictures(jobs(), total, where, image_size, color_mode)
    if len(labels) != total:
        raise DataError(f"{where} has {len(labels)} rows; its header says {total}")
    return _assembled(images, kept, labels, first, where, name, class_names)


def _assembled(images, kept, labels, first, where, name, class_names=None):
    """The `Data` of what could be read of pictures.

    Args:
      images: uint8 `[n, H, W, C]`, those that could.
      kept: bools, which these are of all.
      labels: of all, None for some.
      first: how many of all, at the beginning, are trained on; the others are held out.
    """
    count = int(kept[:first].sum())
    if not count:
        raise DataError(f"{where} holds no training pictures that can be read")
    values = []
    for rows, what in ((slice(first), where), (slice(first, None), f"the test set of {where}")):
        own = [label for label, good in zip(labels[rows], kept[rows], strict=True) if good]
        known = known_labels(own, what) if own else None
        values.append(None if known is None else as_values(known, len(own), f"labels of {what}"))
    train_labels, test_labels, class_names = encode(*values, names=class_names)
    test_images = images[count:] if len(images) > count else None
    return Data(name, images[:count], train_labels, test_images, test_labels, class_names)


def _folder_classes(folders, column, where):
    """The class of each picture by its folders, None for one that lies in none."""
    if column is not None:
        place = int(column) - 1 if re.fullmatch("[0-9]{1,6}", column) else -1
        if not 0 <= place < max(map(len, folders), default=0):
            deep = max(map(len, folders), default=0)
            raise DataError(
                f"{where}: --label-column is {column}; without --labels it is a level of folders, "
                f"1 to {deep}"
                if deep
                else f"{where} has no folders that --label-column could name"
            )
        return [folder[place] if len(folder) > place else None for folder in folders]
    folders, by_letter = _without_sorting(folders, where)
    if by_letter:  # Places365: a/apartment_building/outdoor
        return ["/".join(folder) or None for folder in folders]
    classes = [folder[0] if folder else None for folder in folders]
    below = {tuple(folder[:2]) for folder in folders if len(folder) > 1}
    if len(below) > len(set(classes) - {None}) > 1:
        warn(f"{where}: the first folders are the classes; --label-column 2 takes those below them")
    return classes


def _without_sorting(folders, where):
    """(folders without the levels that only sort, whether letters did).

    Dates, numbers of a year, and words such as `images` sort; so do letters above folders that
    begin with them. A level that is the only one names classes, whatever it is called. Where one of
    several names is taken away, a line says how to have it name the classes.
    """
    by_letter, levels = False, list(range(max(map(len, folders), default=0)))
    while True:
        deep = max(map(len, folders), default=0)
        found = ((level, _sorted_by(folders, level)) for level in range(deep if deep > 1 else 0))
        level, how = next((pair for pair in found if pair[1]), (None, None))
        if how is None:
            return folders, by_letter
        names = {folder[level] for folder in folders if len(folder) > level}
        column = levels.pop(level) + 1
        if len(names) > 1 and level == 0:  # above the classes; below them another line says it
            warn(
                f"{where}: the folders {listed(sorted(names), 3)} are not taken as classes, but as "
                f"an order of those below them; --label-column {column} takes them"
            )
        folders, by_letter = _without(folders, level), by_letter or how == "letters"


def _sorted_by(folders, level):
    """What sorts at a level of folders, `letters` or `words`; None where it tells more."""
    names = {folder[level] for folder in folders if len(folder) > level}
    if len(names) > 1 and len(set(map(tuple, _without(folders, level)))) == 1:
        return None  # nothing else would name the classes
    pairs = {tuple(f[level : level + 2]) for f in folders if len(f) > level + 1}
    letters = all(len(name) == 1 and name.isalpha() for name in names)
    if letters and pairs and all(b.lower().startswith(a.lower()) for a, b in pairs):
        return "letters"
    inside = all(len(folder) > 1 for folder in folders if len(folder) > level)
    return "words" if inside and all(SORTING.fullmatch(name) for name in names) else None


def _without(folders, level):
    return [folder[:level] + folder[level + 1 :] for folder in folders]


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
    rest = _without(folders, level)
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


def _with_classes(train, classes, entries, asked):
    """(the training pictures to read, whether they have classes)."""
    strays = [i for i in train if classes[i] is None]
    known = {classes[i] for i in train} - {None}
    few = len(known) < 2
    if few or strays and len(strays) >= STRAYS_MOST * len(train):
        told = f"{len(strays)} of {len(train)} training pictures have no label"
        if asked:
            why = f"all of one class, {listed(known)}" if few and not strays else told
            raise DataError(
                f"{asked} leaves no classes: {why}; two classes, and a label for nine pictures of "
                "ten, are the least"
            )
        if known and strays:
            warn(f"{told}; the labels of the others ({listed(known, 3)}) are left aside")
        return train, False
    if strays:
        warn(
            f"{len(strays)} of {len(train)} pictures have no class and are left out: "
            f"{listed([entries[i].name for i in strays], 3)}"
        )
    return [i for i in train if classes[i] is not None], True
