"""What a data set is, whatever it was read from."""

import dataclasses

import numpy as np

from tf2gan.settings.sizes import size_text


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
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

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

    def line(self):
        """What the data are, on one line that scripts may rely on."""
        return (
            f"data: {len(self.images)} training images "
            f"{size_text(self.image_size)}x{self.channels}, "
            f"{len(self.class_names)} classes, {self.test_count} test images"
        )
