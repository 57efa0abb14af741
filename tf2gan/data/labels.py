"""Labels of any kind -> int64 indices of classes, and what the classes are called."""

import numpy as np

from tf2gan.data.names import natural
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import shown, warn


def as_values(labels, count, what):
    """One label an image: integers or strings `[count]`; `DataError` where they do not fit.

    None, and a warning, where an image may be of several classes at once or has several labels.

    Args:
      labels: integers, whole floats, booleans or strings, `[count]` or `[count, 1]`, or one-hot
        `[count, K]`.
      count: the number of images.
      what: what messages call the labels.
    """
    labels = np.asarray(labels)
    shape = list(labels.shape)
    if labels.ndim > 1 and labels.size == len(labels):
        labels = labels.reshape(-1)
    elif labels.ndim == 2 and labels.dtype.kind in "biuf" and np.all((labels == 0) | (labels == 1)):
        if len(labels) == count and np.any(labels.sum(1) != 1):  # a chest X-ray's findings
            warn(f"{what} names no class or several for some images and is left aside")
            return None
        labels = labels.argmax(1)
    elif labels.ndim == 2 and len(labels) == count or _has_lists(labels):
        warn(f"{what} has several values an image, not one class, and is left aside")
        return None
    wrong = DataError(
        f"{what} is {labels.dtype} {shape}; expected integers [{count}], one an image"
    )
    if labels.shape != (count,):
        raise wrong
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = labels.astype(np.int64)
        if not np.array_equal(whole, labels):
            raise wrong
        return whole
    if labels.dtype.kind == "S":
        return np.array([text_of(label) for label in labels.tolist()])
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        return labels.astype(str)
    if labels.dtype.kind in "UT":
        return labels.astype(str)
    if labels.dtype.kind not in "biu":
        raise wrong
    return labels.astype(np.int64)


def known_labels(values, where):
    """Labels as an array, lists of several lengths as one of objects; None where some lack.

    Args:
      values: a list of numbers, strings, lists of them, or None for what has no label.
      where: what a warning calls them, if only some lack.
    """
    if missing := sum(value is None for value in values):
        if missing < len(values):
            warn(f"{where}: {missing} of {len(values)} images have no label; labels are left aside")
        return None
    try:
        return np.array(values)
    except ValueError:
        array = np.empty(len(values), object)
        array[:] = values
        return array


def text_of(content):
    """A label's bytes as text: UTF-8, or else what Windows writes in Western Europe.

    Letters that cannot be read must not make one class of two.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", "backslashreplace")


def _has_lists(labels):
    return labels.dtype.kind == "O" and any(isinstance(label, list | tuple) for label in labels)


def encode(labels, test_labels=None, names=None):
    """(indices, indices of the test set or None, names of the classes).

    Args:
      labels, test_labels: from `as_values`; either may be None.
      names: what the classes 0, 1, … are called, where the data say so.

    A class that only the test set has makes its labels None: there is nothing to compare with.
    """
    if labels is None:
        return None, None, ()
    values, indices = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "U":
        order = np.array(sorted(range(len(values)), key=lambda i: _text_key(values[i])))
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        values, indices = values[order], places[indices]
    place_of = {value: place for place, value in enumerate(values.tolist())}
    if test_labels is not None:
        unknown = set(np.unique(test_labels).tolist()) - set(place_of)
        if unknown:
            name = shown(str(min(unknown, key=str)))
            warn(f"class {name} is in the test set alone, which is used without its labels")
            test_labels = None
        else:
            test_labels = np.array([place_of[value] for value in test_labels.tolist()], np.int64)
    if names is not None and len(values) and 0 <= values[0] and values[-1] < len(names):
        values = [names[value] for value in values]
    return indices.astype(np.int64).reshape(-1), test_labels, tuple(str(value) for value in values)


def _text_key(text):
    """Numbers first and by their value, then text as people sort it."""
    try:
        return (0, float(text), [])
    except ValueError:
        return (1, 0.0, natural(str(text)))
