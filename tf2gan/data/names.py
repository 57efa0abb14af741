"""What the names of files and arrays tell: which part of a set, images or labels, which order."""

import re

from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed

PARTS = {
    "train": ("training", "train", "tr"),
    "test": ("testing", "test", "te"),
    "val": ("validation", "valid", "val", "dev", "evaluation", "eval"),
    "aside": ("unlabelled", "unlabeled", "extra"),
}
ROLES = {
    "images": "x images image imgs img data pixels features inputs input samples".split(),
    "labels": "y labels label targets target classes class".split(),
}
PART_OF = {word: part for part, words in PARTS.items() for word in words}
ROLE_OF = {word: role for role, words in ROLES.items() for word in words}


def words(name):
    """The words of a name, in lower case: `x_train`, `trainX` and `xtrain` are x and train."""
    found = []
    name = name.replace("t10k", "test")  # the ten thousand test images of MNIST
    for word in re.findall(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*|[0-9]+", name):
        found.extend(_unglued(word.lower()))
    return found


def part_of(name):
    """`train`, `test`, `val`, `aside` (not for training), or None where a name does not tell."""
    return next((PART_OF[word] for word in words(name) if word in PART_OF), None)


def part_of_file(entry, *, alone):
    """The part that an entry holds, by its name or else its folders; alone it is trained on."""
    return "train" if alone else part_of(entry.base) or part_of(entry.name) or "train"


def train_and_held_out(entries, where):
    """(the files of the training set, those of the test set or else of the validation set).

    Each in the order of their numbers; the second may be empty.

    Raises:
      DataError: none is of the training set.
    """
    parts = {}
    for entry in sorted(entries, key=lambda entry: natural(entry.name)):
        parts.setdefault(part_of_file(entry, alone=len(entries) == 1), []).append(entry)
    if "train" not in parts:
        raise DataError(f"{where} has no training part, only {listed([e.name for e in entries])}")
    return parts["train"], parts.get("test") or parts.get("val") or []


def roles_of(name):
    """What an array's name says it holds: a set of `images` and `labels`; may be empty or both."""
    return {ROLE_OF[word] for word in words(name) if word in ROLE_OF}


def natural(text):
    """A sort key by which 2 comes before 10, and `b` after `A`."""
    pieces = re.split(r"([0-9]{1,18})", text)
    return [
        (0, int(piece), "") if place % 2 else (1, 0, piece.lower())
        for place, piece in enumerate(pieces)
        if piece
    ] + [(2, 0, text)]


def is_emnist(name):
    """EMNIST is published with rows and columns exchanged, in every format."""
    return name.rpartition("/")[2].startswith("emnist-")


def _unglued(word):
    if word not in PART_OF and word not in ROLE_OF:
        for part in PART_OF:
            if word.startswith(part) and word[len(part) :] in ROLE_OF:
                return [part, word[len(part) :]]
            if word.endswith(part) and word[: -len(part)] in ROLE_OF:
                return [word[: -len(part)], part]
    return [word]
