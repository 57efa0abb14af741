"""What a data set is, whatever it was read from, and which images make which batch.

The batches are a pure function of the step.
"""

import dataclasses
import functools
import hashlib

import numpy as np

from tf2gan.data.mapped import before_reading, blocks
from tf2gan.settings.sizes import size_text

BLOCK = 1024  # images hashed at once
HASHED_MOST = 1 << 30  # bytes of images of which all are hashed; of more
SPREAD = 256  # of them, spread evenly; each costs a read from the disk


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
      name: a short name for folders and titles.
      images: uint8 `[N, H, W, C]`, the training images in file order, C 1 (grey) or 3 (red, green,
        blue); an `np.memmap` if they stay on disk.
      labels: int64 `[N]`, each the index of its class in `class_names`; None where the data have
        none.
      test_images, test_labels: the held-out part in the same form, or None.
      class_names: what each class is called, `"0"` to `"9"` for digits; empty without labels.
      source: the path that they were read from, absolute; None for others.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    source: str | None = None

    @property
    def image_size(self):
        """(height, width) in pixels."""
        return self.images.shape[1:3]

    @property
    def channels(self):
        """1 for grey, 3 for colour."""
        return self.images.shape[3]

    @property
    def has_classes(self):
        """Whether there are labels, of at least two kinds."""
        return len(self.class_names) > 1

    @property
    def test_count(self):
        """How many images are held out."""
        return 0 if self.test_images is None else len(self.test_images)

    @functools.cached_property
    def key(self):
        """A hash of what is trained on, the training images and labels: 64 hexadecimal digits."""
        return self._hash(blocks(self.images, BLOCK))

    def _hash(self, images):
        digest = _digest(images)
        if self.has_classes:
            digest.update(np.ascontiguousarray(self.labels, dtype="<i8"))
        if self.images.shape[1:] != (28, 28, 1):
            digest.update(str(self.images.shape).encode())
        return digest.hexdigest()

    @functools.cached_property
    def fingerprint(self):
        """What a run keeps of its data, to know them again wherever they are: a dict for JSON.

        Of more than a gigabyte some images are looked at, spread evenly: all would be read anew
        from the disk at every start.
        """
        whole = self.images.nbytes <= HASHED_MOST  # then it is the key, which may be known
        key = self.key if whole else self._hash(_looked_at(self.images))
        known = {
            "images": len(self.images),
            "classes": len(self.class_names),
            "size": [*self.image_size, self.channels],
            "sha256": key,
            "test_images": self.test_count,
        }
        if self.test_count:  # quality and the best checkpoint are measured on them
            known["test_sha256"] = _digest(_looked_at(self.test_images)).hexdigest()
        return known

    def class_counts(self):
        """(name, number of training images) of each class."""
        if self.labels is None:
            return []
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return list(zip(self.class_names, counts.tolist(), strict=True))

    def line(self):
        """What the data are, on one line that scripts may rely on."""
        return (
            f"data: {len(self.images)} training images "
            f"{size_text(self.image_size)}x{self.channels}, "
            f"{len(self.class_names)} classes, {self.test_count} test images"
        )


def _digest(pieces):
    """The SHA-256 of arrays, one after the other; it can be given more."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(np.ascontiguousarray(piece))
    return digest


def _looked_at(images):
    """Images for a fingerprint: all, or of more than `HASHED_MOST` some, the last among them."""
    if images.nbytes <= HASHED_MOST:
        yield from blocks(images, BLOCK)
        return
    for row in np.unique(np.linspace(0, len(images) - 1, SPREAD).astype(int)):
        before_reading(images)
        yield images[row]


def batches_per_epoch(count, batch):
    """The batches in one pass over `count` images; the last short one is dropped."""
    return count // batch


def total_steps(config, data):
    """The steps of a whole run of `config` on `data`."""
    return config.steps or config.epochs * batches_per_epoch(len(data.images), config.batch)


def batch_rows(first_step, steps, *, count, batch, seed=None):
    """Which images make the batches of a window: int32 `[steps, batch]`.

    File order, or with a `seed` an order of its own for every epoch. A pure function of the step,
    so that a resumed run sees what the run that never stopped saw. The last short batch of an epoch
    is dropped.
    """
    rows = []
    for step in range(first_step, first_step + steps):
        epoch, number = divmod(step, batches_per_epoch(count, batch))
        places = np.arange(number * batch, (number + 1) * batch)
        rows.append(places if seed is None else _epoch_order(seed, epoch, count)[places])
    return np.array(rows, np.int32)


@functools.lru_cache(maxsize=2)  # a window may touch two epochs
def _epoch_order(seed, epoch, count):
    """A permutation of the images from (seed, epoch), by a raw stream NumPy promises to keep."""
    return np.argsort(np.random.Philox(key=(seed, epoch)).random_raw(count), kind="stable")


def subset(images, count):
    """`count` images, or all if there are fewer: drawn at random, always the same, in file order.

    Not the first ones, for some files are sorted by class; and not every n-th, for MNIST's training
    images come in turn from two groups of writers.
    """
    return images[np.sort(_epoch_order(0, 0, len(images))[:count])]
