"""Every kind of data set that the README promises, and every way in which one can be wrong."""

import gzip
import struct

import numpy as np
import pytest
from conftest import ROOT
from forked import Forked
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tf2gan.data import mnist
from tf2gan.data.dataset import Data, batch_rows, batches_per_epoch, subset
from tf2gan.data.load import load_data
from tf2gan.settings.config import TrainConfig
from tf2gan.training import windows as training_windows
from tf2gan.training.windows import windows
from tf2gan.utils.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 28, 28), np.uint8)
LABELS = RNG.integers(0, 10, 12, np.uint8)


def classes(data):
    """The name of each image's class."""
    return [data.class_names[label] for label in data.labels]


def idx(array):
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_idx(folder, head="train-", separator="-", compress=False, images=IMAGES):
    for kind, array in (("images", images), ("labels", LABELS)):
        name = f"{head}{kind}{separator}idx{array.ndim}-ubyte"
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))


def test_bundled_mnist_is_whole():
    mnist = load_data("mnist")
    assert mnist.line() == "data: 60000 training images 28x28x1, 10 classes, 10000 test images"
    assert mnist.images.shape == (60000, 28, 28, 1) and mnist.images.dtype == np.uint8
    assert mnist.labels.dtype == np.int64 and mnist.class_names == tuple("0123456789")
    assert mnist.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(mnist.test_labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_damaged_bundle_is_noticed(tmp_path, monkeypatch):
    content = bytearray(mnist.MNIST_FILE.read_bytes())
    content[5_000_000] ^= 1
    monkeypatch.setattr(mnist, "MNIST_FILE", tmp_path / "mnist.npz")
    mnist.MNIST_FILE.write_bytes(content)
    with pytest.raises(DataError, match="damaged.*install"):
        load_data("mnist")


def test_fashion_mnist_comes_through_keras(monkeypatch):
    import keras

    split = (IMAGES, LABELS), (IMAGES[:3], LABELS[:3])
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: split)
    loaded = load_data("fashion_mnist")
    assert (loaded.name, len(loaded.images), len(loaded.test_images)) == ("fashion_mnist", 12, 3)

    def offline():
        raise Exception("URL fetch failure on https://…: None -- [Errno -3] no name\nmore")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", offline)
    with pytest.raises(DataError, match="downloaded.*IDX") as error:
        load_data("fashion_mnist")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channel", [False, True])
def test_npz(tmp_path, channel):
    images = IMAGES[..., None] if channel else IMAGES
    np.savez(tmp_path / "a.npz", x_train=images, y_train=LABELS, x_test=images[:3])
    loaded = load_data(str(tmp_path / "a.npz"))
    assert np.array_equal(loaded.images[..., 0], IMAGES)
    assert classes(loaded) == LABELS.astype(str).tolist()
    assert loaded.test_images.shape == (3, 28, 28, 1) and loaded.test_labels is None
    assert loaded.name == "a"


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("separator", "-.")
def test_idx_folder(tmp_path, compress, separator):
    write_idx(tmp_path, "train-", separator, compress)
    write_idx(tmp_path, "t10k-", separator, compress, IMAGES[::-1])
    loaded = load_data(str(tmp_path))
    assert np.array_equal(loaded.images[..., 0], IMAGES)
    assert classes(loaded) == LABELS.astype(str).tolist()
    assert np.array_equal(loaded.test_images[..., 0], IMAGES[::-1])
    assert loaded.name == tmp_path.name


def test_emnist_is_turned_upright_and_several_sets_are_told_apart(tmp_path):
    write_idx(tmp_path, "emnist-letters-train-", compress=True)
    write_idx(tmp_path, "emnist-letters-test-", compress=True)
    loaded = load_data(str(tmp_path))
    assert np.array_equal(loaded.images[..., 0], IMAGES.swapaxes(1, 2))
    assert loaded.name == "emnist-letters"
    assert np.array_equal(loaded.test_images[..., 0], IMAGES.swapaxes(1, 2))
    write_idx(tmp_path, "emnist-digits-train-")
    with pytest.raises(DataError, match="several data sets"):
        load_data(str(tmp_path))
    file = tmp_path / "emnist-digits-train-images-idx3-ubyte"
    assert load_data(str(file)).name == "emnist-digits"


def test_idx_without_labels(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    assert load_data(str(tmp_path)).labels is None


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]
)
def test_pictures_of_any_mode_and_size(tmp_path, mode):
    """A white square on black stays one, whatever the mode, the size and the folder."""
    pixels = np.zeros((60, 60), np.uint8)
    pixels[20:40, 20:40] = 255
    picture = Image.fromarray(pixels)
    if mode == "I;16":
        picture = Image.fromarray(pixels.astype(np.uint16) * 257)
    else:
        picture = (
            picture.convert("RGB").convert(mode)
            if mode in ("YCbCr", "P")
            else picture.convert(mode)
        )
    (tmp_path / "class").mkdir()
    suffix = "tif" if mode in ("CMYK", "YCbCr", "F", "I") else "png"
    picture.save(tmp_path / "class" / f"a.{suffix}")
    (tmp_path / "notes.txt").write_text("no picture")
    loaded = load_data(str(tmp_path))
    assert loaded.images.shape == (1, 28, 28, 1) and loaded.labels is None
    assert loaded.images[0, 14, 14] > 250 and loaded.images[0, 2, 2] < 5
    colour = load_data(str(tmp_path), (12, 20), "rgb").images
    assert colour.shape == (1, 12, 20, 3)
    assert colour[0, 6, 10].min() > 250 and colour[0, 0, 0].max() < 5


def test_transparent_is_white_and_pictures_are_sorted(tmp_path):
    Image.new("RGBA", (28, 28), (0, 0, 0, 0)).save(tmp_path / "b.png")
    Image.new("RGBA", (10, 50), (0, 0, 0, 255)).save(tmp_path / "a.png")
    images = load_data(str(tmp_path)).images
    assert images[0].max() == 0 and images[1].min() == 255


def broken(path, kind):
    """Makes one wrong data set and returns its path."""
    whole = idx(IMAGES)
    train = path / "train-images-idx3-ubyte"
    npz = path / "a.npz"
    if kind == "missing":
        return path / "nowhere"
    if kind == "other file":
        (path / "a.txt").write_text("hello")
        return path / "a.txt"
    if kind == "idx truncated":
        train.write_bytes(whole[:-1])
    elif kind == "idx too long":
        train.write_bytes(whole + b"x")
    elif kind == "idx header":
        train.write_bytes(whole[:7])
    elif kind == "idx magic":
        train.write_bytes(b"\0\0\x0f\x03" + whole[4:])
    elif kind == "idx huge claim":
        train.write_bytes(whole[:4] + b"\xff" * 12 + whole[16:])
    elif kind == "idx wrong size":
        train.write_bytes(idx(IMAGES[:, :21]))
    elif kind == "idx no images":
        train.write_bytes(idx(IMAGES[:0]))
    elif kind == "idx only test":
        (path / "t10k-images-idx3-ubyte").write_bytes(whole)
    elif kind == "idx labels":
        train.write_bytes(whole)
        (path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:-1]))
    elif kind == "gz truncated":
        (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole)[:-20])
    elif kind == "gz is no gz":
        (path / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b" + whole)
    elif kind == "picture truncated":
        Image.fromarray(RNG.integers(0, 256, (99, 99), np.uint8)).save(path / "a.png")
        content = (path / "a.png").read_bytes()
        (path / "a.png").write_bytes(content[: len(content) // 2])
    elif kind == "picture is text":
        (path / "a.jpg").write_text("no picture")
    elif kind == "npz no images":
        np.savez(npz, y_train=LABELS)
        return npz
    elif kind == "npz range":
        np.savez(npz, x_train=IMAGES / 100)
        return npz
    elif kind == "npz nan":
        np.savez(npz, x_train=np.full((12, 28, 28), np.nan))
        return npz
    elif kind == "npz integers":
        np.savez(npz, x_train=IMAGES.astype(int) * 2)
        return npz
    elif kind == "npz shape":
        np.savez(npz, x_train=IMAGES.reshape(12, -1)[:, :700])
        return npz
    elif kind == "npz size":
        np.savez(npz, x_train=IMAGES[:, :27, :27])
        return npz
    elif kind == "npz parts of two sizes":
        np.savez(npz, x_train=IMAGES, x_test=IMAGES[:, :20, :20])
        return npz
    elif kind == "npz labels":
        np.savez(npz, x_train=IMAGES, y_train=LABELS / 2)
        return npz
    elif kind == "npz pickle":
        np.savez(npz, x_train=np.array([{}], dtype=object))
        return npz
    elif kind == "npz truncated":
        np.savez(npz, x_train=IMAGES)
        npz.write_bytes(npz.read_bytes()[:-30])
        return npz
    elif kind == "npz flipped":
        np.savez_compressed(npz, x_train=IMAGES)
        content = bytearray(npz.read_bytes())
        content[len(content) // 2] ^= 0xFF
        npz.write_bytes(content)
        return npz
    elif kind == "npz is text":
        npz.write_text("hello")
        return npz
    return path


KINDS = """
missing, other file, empty folder, idx truncated, idx too long, idx header, idx magic,
idx huge claim, idx wrong size, idx no images, idx only test, idx labels, gz truncated,
gz is no gz, picture truncated, picture is text, npz no images, npz range, npz nan, npz integers,
npz shape, npz size, npz parts of two sizes, npz labels, npz pickle, npz truncated,
npz flipped, npz is text
"""


@pytest.mark.parametrize("kind", [kind.strip() for kind in KINDS.split(",")])
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, kind):
    path = broken(tmp_path, kind)
    with pytest.raises(DataError) as error:
        load_data(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@given(st.integers(1, 500), st.integers(1, 50), st.integers(0, 10_000), st.integers(1, 40))
def test_rows_do_not_depend_on_how_steps_are_cut_into_windows(count, batch, step, steps):
    batch = min(batch, count)
    rows = batch_rows(step, steps, count=count, batch=batch)
    assert rows.shape == (steps, batch) and rows.min() >= 0 and rows.max() < count
    singles = [batch_rows(step + i, 1, count=count, batch=batch) for i in range(steps)]
    assert np.array_equal(rows, np.concatenate(singles))


@given(st.integers(1, 2000), st.floats(0, 1))
def test_a_subset_is_random_distinct_and_in_order(count, share):
    chosen = subset(np.arange(count), int(share * count))
    assert len(chosen) == int(share * count) and np.all(np.diff(chosen) > 0)
    assert np.array_equal(chosen, subset(np.arange(count), int(share * count)))
    if len(chosen) > 200:  # neither the first ones nor every n-th
        assert (
            abs(np.mean(chosen < count / 2) - 0.5) < 0.15 and abs(np.mean(chosen % 2) - 0.5) < 0.15
        )


@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 5))
def test_an_epoch_is_the_file_in_order_without_the_short_batch(count, batch, epoch):
    batch = min(batch, count)
    steps = batches_per_epoch(count, batch)
    rows = batch_rows(epoch * steps, steps, count=count, batch=batch)
    assert np.array_equal(rows.ravel(), np.arange(steps * batch))


LARGER_THAN_MEMORY = """
import resource, sys, train
resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))  # without what is mapped from a file
train.main(sys.argv[1:])
"""


def test_data_larger_than_memory(tmp_path):
    """Eight gigabytes of images in six of memory; all but a few of them are a hole in the file."""
    count = (8 << 30) // 784
    images = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, (count, 28, 28))
    images[:9] = images[-9:] = load_data("mnist").images[:9, ..., 0]
    del images
    words = ["--data", tmp_path / "large.npy", "--logdir", tmp_path]
    words += ["--batch=8", "--steps=4", "--evaluate-every=0"]
    process = Forked("-c", LARGER_THAN_MEMORY, *words, cwd=ROOT)
    output, error = process.communicate()
    assert process.returncode == 0 and "step 4/4" in output, error


@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_a_mapped_file_gives_the_same_batches(tmp_path, monkeypatch, recipe):
    """Whatever the windows: each image of each batch, in the same order."""
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    np.save(tmp_path / "a.npy", images)
    mapped = load_data(str(tmp_path / "a.npy"))
    assert isinstance(mapped.images, np.memmap) and mapped.name == "a"
    config = TrainConfig(
        recipe=recipe, batch=4, steps=25, log_every=3, image_every=7, checkpoint_every=10
    )
    for (end, ours, rows), (same_end, theirs, same_rows) in zip(
        windows(config, mapped, 2), windows(config, Data("a", images[..., None]), 2), strict=True
    ):
        assert end == same_end and len(ours) <= 12  # only the window's own
        assert np.array_equal(ours[rows], np.asarray(theirs)[same_rows])
    assert end == 25
    monkeypatch.setattr(training_windows, "MAPPED_BYTES", 2 * 4 * 784)
    assert {len(ours) for _, ours, _ in windows(config, mapped, 2)} <= {4, 8}
