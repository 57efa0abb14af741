"""Data sets of other libraries, given to `train` as they are."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf2gan.data.arrays import from_arrays
from tf2gan.utils.errors import DataError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (24, 16, 12, 3), np.uint8), np.arange(24) % 3
GREY = X[..., 0]


class Torch:
    """As torchvision's: a pair of a tensor, channels first in 0 to 1, and a number."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return X[i].transpose(2, 0, 1).astype(np.float32) / 255, int(Y[i])


class Loader:
    """As a DataLoader: batches of such pairs."""

    def __iter__(self):
        for i in range(0, 24, 5):
            batch = [Torch()[j] for j in range(i, min(i + 5, 24))]
            yield np.stack([image for image, _ in batch]), np.array([label for _, label in batch])


class Hub:
    """As Hugging Face's: dicts of Pillow's images, whose features name the classes."""

    column_names = ["image", "label"]
    shape = (24, 2)
    features = {"image": None, "label": type("ClassLabel", (), {"names": ["cat", "dog", "owl"]})}

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return {"image": Image.fromarray(X[i]), "label": int(Y[i])}


GIVEN = {
    "tf.data of images": (lambda: tf.data.Dataset.from_tensor_slices(X), False),
    "tf.data of pairs": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)), True),
    "tf.data in batches": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(7), True),
    "TFDS": (lambda: tf.data.Dataset.from_tensor_slices({"image": X, "label": Y, "id": Y}), True),
    "Keras": (lambda: tf.data.Dataset.from_tensor_slices((X, Y[:, None])), True),
    "one-hot": (lambda: tf.data.Dataset.from_tensor_slices((X, np.eye(3)[Y])), True),
    "names": (lambda: tf.data.Dataset.from_tensor_slices({"image_id": Y, "image": X}), False),
    "PyTorch": (Torch, True),
    "DataLoader": (Loader, True),
    "Hugging Face": (Hub, True),
    "pairs": (lambda: list(zip(X, Y, strict=True)), True),
    "Pillow": (lambda: [Image.fromarray(image) for image in X], False),
    "arrays in a list": (lambda: list(X), False),
    "tensor": (lambda: tf.constant(X), False),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_it_is_read_as_it_is(kind):
    make, labelled = GIVEN[kind]
    data = from_arrays(make(), name="given")
    assert np.array_equal(data.images, X)
    names = ("cat", "dog", "owl") if kind == "Hugging Face" else ("0", "1", "2")
    assert data.class_names == (names if labelled else ())
    assert data.labels is None or np.array_equal(data.labels, Y)


def test_grey_images_beside_labels_of_as_many_numbers():
    """`[16, 12]` with a one-hot of 16 classes is one image, and 24 such with 24 numbers a batch."""
    pairs = [(image, np.eye(16)[label]) for image, label in zip(GREY, Y, strict=True)]
    data = from_arrays(pairs, name="given")
    assert np.array_equal(data.images[..., 0], GREY) and np.array_equal(data.labels, Y)
    data = from_arrays([(GREY[:12], Y[:12]), (GREY[12:], Y[12:])], name="given")
    assert np.array_equal(data.images[..., 0], GREY) and np.array_equal(data.labels, Y)


@pytest.mark.parametrize("unknown", [-1, None, 5])
def test_a_label_that_no_class_has_is_none(unknown, capsys):
    class Partly(Hub):
        def __getitem__(self, i):
            return {**super().__getitem__(i), **({"label": unknown} if i == 3 else {})}

    assert from_arrays(Partly(), name="given").class_names == ()
    assert "1 of 24 images have no label; labels are left aside" in capsys.readouterr().err


def test_both_parts_in_grey_and_in_another_size():
    pairs = tf.data.Dataset.from_tensor_slices((GREY, Y))
    data = from_arrays(pairs, test_images=pairs.take(5), name="given", image_size=(28, 28))
    assert data.images.shape == (24, 28, 28, 1) and data.test_images.shape == (5, 28, 28, 1)
    assert np.array_equal(data.test_labels, Y[:5])
    sizes = [Image.fromarray(X[0]).resize((9 + i, 30)) for i in range(4)]
    data = from_arrays(sizes, name="given", image_size=(16, 20), color_mode="grayscale")
    assert data.images.shape == (4, 16, 20, 1)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: tf.data.Dataset.from_tensor_slices(X).repeat(), "repeated for ever"),
        (lambda: tf.data.Dataset.from_tensor_slices(X).take(0), "holds no examples"),
        (lambda: tf.data.Dataset.from_tensor_slices({"a": X, "b": Y}), "no image among a, b"),
        (lambda: {"train": Hub(), "test": Hub()}, "is a dict of train, test; give one of them"),
        (lambda: [Image.fromarray(X[0]), Image.fromarray(X[0][:8])], "several sizes; give image_s"),
    ],
)
def test_what_cannot_be_read_is_one_line(make, said):
    with pytest.raises(DataError, match=said) as error:
        from_arrays(make(), name="given")
    assert "\n" not in str(error.value)
