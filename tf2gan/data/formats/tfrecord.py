"""TFRecords of `tf.train.Example`, as TensorFlow and TFDS write them: shards of one set."""

import functools
import io
import math
import re
import struct

import numpy as np
from PIL import Image

from tf2gan.data.arrays import Part, assemble, image_shape
from tf2gan.data.files.entries import PICTURE_MOST
from tf2gan.data.files.stored import check_count
from tf2gan.data.formats.pictures import read_stream
from tf2gan.data.labels import known_labels, text_of
from tf2gan.data.names import part_of, train_and_held_out
from tf2gan.utils.command_line import import_tensorflow
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading

NAME = re.compile(r"\.tfrec(ord)?s?(\.gz)?$|\.tfrec(ord)?s?-\d{5}-of-\d{5}|-\d{5}-of-\d{5}$", re.I)
SHARD = re.compile(r"-\d{5}-of-\d{5}(\.gz)?$")
IMAGES = ("image", "image/encoded", "image_raw", "img", "encoded", "jpeg", "png", "x", "data")
LABELS = ("label", "image/class/label", "labels", "class", "cls", "target", "y", "fine_label")
SIZES = (  # what the height, the width and the channels of raw pixels are called
    ("height", "image/height", "rows"),
    ("width", "image/width", "cols"),
    ("depth", "channels", "image/channels"),
)
CLASS_NAMES = "label.labels.txt"  # TFDS'
HOW = "cannot be read as TFRecords"
HEAD, FOOT = 12, 4  # bytes before and after a record: its length and checksums


def is_tfrecord(entry):
    return NAME.search(entry.base) is not None


def load_tfrecords(entries, beside, where, name, *, image_size=None, color_mode=None):
    """Loads TFRecord files; encoded pictures are read as a folder's, raw pixels as arrays.

    Args:
      entries: the files; names tell the parts.
      beside: other entries, where TFDS keeps the names of classes.
      where, name: what messages and the run call the source.
      image_size, color_mode: what the images are brought to.
    """
    _check_one_set(entries, where)
    parts = train_and_held_out(entries, where)
    train, held_out = ([Shard(entry) for entry in part] for part in parts)
    first = next(train[0].examples(), None)
    if first is None:
        raise DataError(f"{train[0].where} holds no records")
    image, label = _names_of(first, train[0].where)
    names = next((e for e in beside if e.base.endswith(CLASS_NAMES)), None)
    names = names and names.read(1 << 20).decode("utf-8", "replace").split("\n")[:-1]
    wanted = {"image_size": image_size, "color_mode": color_mode}
    shape = _raw_shape(first, image, train[0].where)
    if shape is not None:
        read = [_raw(part, image, label, shape) for part in (train, held_out) if part]
        return assemble(name, *read, class_names=names, **wanted)
    counts = [sum(shard.count for shard in part) for part in (train, held_out)]
    pictures = _pictures(train + held_out, image, label)
    return read_stream(pictures, counts[0], sum(counts), where, name, names, **wanted)


def _check_one_set(entries, where):
    """Refuses several data sets, or versions of one, as TFDS keeps them in folders."""
    found = set()
    for entry in entries:
        if cut := SHARD.search(entry.base):
            folders = [name for name in entry.name.split("/")[:-1] if not part_of(name)]
            prefix = NAME.sub("", entry.base[: cut.start()])
            own = [word for word in re.split(r"[^A-Za-z0-9]+", prefix) if not part_of(word)]
            found.add(("/".join(folders), "-".join(own)))
    if len(found) > 1:
        sets = sorted("/".join(filter(None, pair)) for pair in found)
        raise DataError(f"{where} holds several data sets ({listed(sets, 5)}); give one of them")


class Shard:
    """One file of records."""

    def __init__(self, entry):
        self.entry, self.where = entry, entry.where

    @functools.cached_property
    def count(self):
        """The number of records, none of which claims to be larger than a picture may be."""
        return sum(1 for _ in self._bounded())

    def examples(self):
        """The features of each `tf.train.Example`: a dict of lists."""
        import_tensorflow(lambda: None)  # without its notices, and before it looks for devices
        import tensorflow as tf

        with reading(self.where, HOW):
            for record in self._records():
                with reading(self.where, "holds no tf.train.Example"):
                    features = tf.train.Example.FromString(record).features.feature
                    example = {name: _list(value) for name, value in features.items()}
                yield example

    def _records(self):
        """The records; of a file on disk by TensorFlow's reader, which compares checksums."""
        import tensorflow as tf

        entry = self.entry
        readable = entry.path and (entry.unpacked or entry.base.endswith(".gz"))
        if not readable or self.count == 0:  # to be counted is to be within bounds
            return self._bounded()
        options = tf.io.TFRecordOptions("" if entry.unpacked else "GZIP")
        # `tf.data` has a reader too, but it would look for devices before they are chosen; that is
        # why this one's notice of it is not shown.
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel("ERROR")
        records = tf.compat.v1.io.tf_record_iterator(entry.path, options)
        logger.setLevel(level)
        return records

    def _bounded(self):
        """The records; no more is read at once than a picture may have."""
        with reading(self.where, HOW), self.entry.open() as file:
            while head := file.read(HEAD):
                length = struct.unpack("<Q", head[:8])[0] if len(head) == HEAD else PICTURE_MOST + 1
                if length > PICTURE_MOST:
                    raise DataError(f"{self.where} is no whole TFRecord file")
                record = file.read(length)
                if len(record) < length or len(file.read(FOOT)) < FOOT:
                    raise DataError(f"{self.where} ends in the middle of a record")
                yield record


def _list(feature):
    """The values of a `tf.train.Feature`."""
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def _names_of(example, where):
    """The names of the features that hold the image and the label, or None for no label."""
    images = [n for n, value in example.items() if value and isinstance(value[0], bytes)]
    image = next((name for name in IMAGES if name in images), images[0] if len(images) == 1 else "")
    if not image:
        raise DataError(f"{where} has no image among its features: {listed(example, 20)}")
    return image, next((name for name in LABELS if name in example and name != image), None)


def _raw_shape(example, image, where):
    """(H, W, C) of raw pixels; None where the bytes are a picture's file."""
    content = example[image][0]
    given = [next((example[n][0] for n in names if example.get(n)), None) for names in SIZES]
    height, width, depth = given
    if height and width and (depth or 1) * height * width == len(content):
        return height, width, depth or 1
    if _is_picture(content):
        return None
    if height and width:
        raise DataError(
            f"{where} says {height}x{width}x{depth or 1} of an image of {len(content)} "
            "bytes; raw pixels are read as uint8 alone"
        )
    return image_shape(len(content))


def _is_picture(content):
    try:
        with Image.open(io.BytesIO(content)):
            return True
    except Exception:  # Pillow's readers raise whatever they stumble over
        return False


def _value(example, label):
    """The label of an example: one value, several as a list (one-hot, say), None for none."""
    value = [text_of(v) if isinstance(v, bytes) else v for v in example.get(label) or [None]]
    return value[0] if len(value) == 1 else value


def _pictures(shards, image, label):
    """Yields (what to call it, its bytes, its label or None) of each image."""
    for shard in shards:
        for row, example in enumerate(shard.examples()):
            content = b"".join(example.get(image) or [b""])
            yield f"record {row} of {shard.entry.name}", content, _value(example, label)


def _raw(shards, image, label, shape):
    """The `Part` of shards of raw pixels."""
    pixels, labels, size = [], [], math.prod(shape)
    what = shards[0].where
    for _, content, value in _pictures(shards, image, label):
        if len(content) != size:
            raise DataError(f"{what} holds images of {size} bytes and of {len(content)}")
        pixels.append(np.frombuffer(content, np.uint8).reshape(shape))
        labels.append(value)
        check_count((len(pixels), *shape), what)
    labels = known_labels(labels, what)
    return Part(np.stack(pixels), labels, what, f"labels of {what}")
