"""What a data set is, and what every reader of one checks."""

import dataclasses

import numpy as np

from tf2gan.data.images import SIZE
from tf2gan.errors import DataError


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
      name: a short name for folders and titles.
      images: uint8 `[N, 28, 28]`, the training images in file order; an `np.memmap` if they
        stay on disk.
      labels: integers `[N]`, or None.
      test_images, test_labels: the held-out part in the same form, or None.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None


def check_images(images, what):
    """Returns uint8 `[N, 28, 28]`, N >= 1, or raises `DataError`; a last axis of 1 is dropped."""
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if (
        images.ndim != 3
        or images.shape[1:] != (SIZE, SIZE)
        or images.dtype != np.uint8
        or len(images) == 0
    ):
        raise DataError(
            f"{what} is {images.dtype} {list(images.shape)}; expected uint8 [N, 28, 28] with N >= 1"
        )
    return images


def check_labels(labels, images, what):
    if labels is None or images is None:
        return
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{what} is {labels.dtype} {list(labels.shape)}; "
            f"expected integers [{len(images)}], one an image"
        )
