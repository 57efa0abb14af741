"""Data sets of other libraries as arrays: `tf.data`, Hugging Face's `datasets`, PyTorch's."""

import itertools

import numpy as np
from PIL import Image

from tf2gan.data.conversion import MODES, VALUES_MOST, fitted
from tf2gan.data.labels import known_labels
from tf2gan.data.names import ROLE_OF, roles_of
from tf2gan.settings.sizes import COLOR_MODES
from tf2gan.utils.errors import DataError


def arrays_of(dataset, what, *, image_size=None, color_mode=None):
    """(images, labels or None) of a data set that yields examples one by one, or in batches.

    An example is an image, a pair (image, label), or a dict of both by name; images are arrays,
    tensors or Pillow's. `dataset` itself and None, where it is an array of images already.

    Args:
      dataset: a `tf.data.Dataset`, a Hugging Face `Dataset`, a PyTorch `Dataset` or `DataLoader`,
        a list of pairs, or an array of any library.
      what: what messages call it.
      image_size, color_mode: what Pillow's images are brought to; by default they keep theirs.

    Raises:
      DataError: it never ends, is empty, or has no images.
    """
    examples = _examples(dataset, what)
    if examples is None:
        return dataset, None
    images, labels, size = [], [], 0
    for example in examples:
        image, label = _parts(example, what)
        if isinstance(image, Image.Image):
            image = _pixels(image, image_size, color_mode)
        image = np.asarray(image)
        batch = image.ndim == 4 or image.ndim == 3 and _is_batch(label, len(image))
        images.extend(image if batch else [image])
        labels.extend(np.asarray(label) if batch and label is not None else [label])
        size += image.size
        if size > VALUES_MOST:
            raise DataError(f"{what} holds more than {VALUES_MOST} pixels; save them as an .npy")
    if not images:
        raise DataError(f"{what} holds no examples")
    if len({image.shape for image in images}) > 1:
        raise DataError(
            f"{what} holds images of several sizes; give image_size= in the TrainConfig"
        )
    if names := _class_names(dataset):  # -1 is what the hub's sets call unknown
        labels = [
            names[int(label)] if label is not None and 0 <= int(label) < len(names) else None
            for label in labels
        ]
    return np.stack(images), known_labels(labels, what)


def _is_batch(label, count):
    """Whether a label is those of `count` grey images, not one image's own, one-hot or `[1]`."""
    if label is None or np.shape(label) != (count,) or count == 1:
        return False
    values = np.asarray(label)
    return not (values.dtype.kind in "biuf" and sorted(values) == [0] * (count - 1) + [1])


def _examples(dataset, what):
    """An iterator over examples; None of an array."""
    if hasattr(dataset, "as_numpy_iterator"):  # tf.data
        if int(dataset.cardinality()) == -1:
            raise DataError(f"{what} is repeated for ever; give it without .repeat()")
        return dataset.as_numpy_iterator()
    if isinstance(dataset, dict):  # a DatasetDict
        raise DataError(f"{what} is a dict of {', '.join(map(str, dataset))}; give one of them")
    hub = hasattr(dataset, "column_names")  # which has a shape too, of rows and columns
    if not hub and (hasattr(dataset, "shape") or hasattr(dataset, "__array__")):
        return None
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        first = dataset[0] if len(dataset) else None
        if isinstance(first, tuple | dict | Image.Image) or not isinstance(dataset, list | tuple):
            return (dataset[i] for i in range(len(dataset)))
        return None
    if hasattr(dataset, "__iter__"):  # a DataLoader
        return itertools.islice(iter(dataset), VALUES_MOST)
    return None


def _parts(example, what):
    """(image, label or None) of an example."""
    if isinstance(example, dict):
        roles = {}
        for name in sorted(example, key=lambda name: name.lower() not in ROLE_OF):
            for role in roles_of(name):  # image goes before image_id
                roles.setdefault(role, example[name])
        if "images" not in roles:
            raise DataError(f"{what} has no image among {', '.join(example)}; call it image")
        return roles["images"], roles.get("labels")
    if isinstance(example, tuple | list) and len(example) >= 2:
        return example[0], example[1]
    return (example[0] if isinstance(example, tuple | list) else example), None


def _pixels(picture, image_size, color_mode):
    """A Pillow image as an array, in the size and colour wanted, or else in its own."""
    own = 1 if picture.mode in ("1", "L", "I;16", "F") else 3
    channels = COLOR_MODES[color_mode] if color_mode else own
    size = image_size or (picture.height, picture.width)
    return fitted(picture.convert(MODES[channels]), size, channels)


def _class_names(dataset):
    """What a Hugging Face `Dataset` calls its classes, or None."""
    features = getattr(dataset, "features", None)
    found = [features[name] for name in features if name in ("label", "labels")] if features else []
    return getattr(found[0], "names", None) if found else None
