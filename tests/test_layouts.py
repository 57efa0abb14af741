"""Every layout in which people keep images: what is read is what was written, class by class."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import shutil
import struct
import tarfile
import tempfile
import zipfile

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tf2gan.data import arrays
from tf2gan.data.arrays import fingerprint, from_arrays
from tf2gan.data.files import archives, unpack
from tf2gan.data.files.unpack import Unpacked
from tf2gan.data.load import load_data
from tf2gan.data.mapped import before_reading
from tf2gan.utils.errors import DataError

RNG = np.random.default_rng(1)
X, XT = RNG.integers(0, 256, (24, 28, 28), np.uint8), RNG.integers(0, 256, (10, 28, 28), np.uint8)
Y, YT = RNG.permutation(24) % 10, RNG.permutation(10)
C, CT = (RNG.integers(0, 256, (n, 32, 32, 3), np.uint8) for n in (24, 10))
DIGITS = tuple("0123456789")


def names_of(data, labels):
    return None if labels is None else [data.class_names[label] for label in labels]


def check(data, images=X, labels=Y, test_images=XT, test_labels=YT, *, names=DIGITS):
    """Asserts that a `Data` holds these images (None: none) with these classes."""
    for ours, theirs in ((data.images, images), (data.test_images, test_images)):
        if theirs is None:
            assert ours is None
        else:
            assert ours.dtype == np.uint8
            assert np.array_equal(ours, theirs if theirs.ndim == 4 else theirs[..., None])
    for ours, theirs in ((data.labels, labels), (data.test_labels, test_labels)):
        if theirs is None:
            assert ours is None
        else:
            assert ours.dtype == np.int64
            assert names_of(data, ours) == [names[label] for label in theirs]
    assert data.class_names == (() if labels is None else names)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def idx(array, code=8):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def picture_files(train="train", test="test", images=X, labels=Y):
    """{name: content} of folders of classes in two parts; `train` may be empty for no parts."""
    files = {f"{train}/{y}/{i:02}.png": png(x) for i, (x, y) in enumerate(zip(X, Y, strict=True))}
    if test:
        for i, (x, y) in enumerate(zip(XT, YT, strict=True)):
            files[f"{test}/{y}/{i:02}.png"] = png(x)
    return {name.lstrip("/"): content for name, content in files.items()}


def idx_files(head="", train="train-", test="t10k-"):
    return {
        f"{head}{part}{kind}": idx(array)
        for part, images, labels in ((train, X, Y), (test, XT, YT))
        for kind, array in (
            ("images-idx3-ubyte", images),
            ("labels-idx1-ubyte", labels.astype(np.uint8)),
        )
    }


def csv(images, labels, header=True, separator=",", last=False):
    columns = [f"pixel{i}" for i in range(784)]
    rows = [[str(v) for v in image.ravel()] for image in images]
    label_name, labels = ["label"], [[str(label)] for label in labels]
    if last:
        lines = [row + label for row, label in zip(rows, labels, strict=True)]
        head = columns + label_name
    else:
        lines = [label + row for row, label in zip(rows, labels, strict=True)]
        head = label_name + columns
    return "\n".join(separator.join(line) for line in [head] * header + lines).encode() + b"\n"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**named):
    file = io.BytesIO()
    np.savez_compressed(file, **named)
    return file.getvalue()


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


def by_class(images, labels):
    """Images and labels in the order in which folders of classes are read."""
    order = np.lexsort((np.arange(len(labels)), labels))
    return images[order], labels[order]


SORTED = (*by_class(X, Y), *by_class(XT, YT))
CIFAR = {
    "data_batch_1.bin": b"".join(
        bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(C, Y.tolist(), strict=True)
    ),
    "test_batch.bin": b"".join(
        bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(CT, YT.tolist(), strict=True)
    ),
}


# Folders of pictures.


@pytest.mark.parametrize("train, test", [("train", "test"), ("training", "testing")])
@pytest.mark.parametrize("above", ["", "mnist_png/", "a/b/"])
def test_pictures_in_two_parts(tmp_path, train, test, above):
    files = {above + name: content for name, content in picture_files(train, test).items()}
    check(load_data(write(tmp_path, files)), *SORTED)


def test_the_held_out_part_is_test_or_else_val(tmp_path):
    write(tmp_path, picture_files("Train", "Valid"))
    check(load_data(str(tmp_path)), *SORTED)
    write(tmp_path, {"test/0/0.png": png(X[0]), "test/1/1.png": png(X[1])})
    loaded = load_data(str(tmp_path))
    assert len(loaded.images) == 24 and np.array_equal(loaded.test_images[..., 0], X[:2])


def test_a_part_may_be_the_second_folder(tmp_path):
    files = {}
    for kind, place in (("cat", 0), ("dog", 1)):
        files |= {f"{kind}/train/a.png": png(X[place]), f"{kind}/test/a.png": png(XT[place])}
    loaded = load_data(write(tmp_path, files))
    check(loaded, X[:2], [0, 1], XT[:2], [0, 1], names=("cat", "dog"))


def test_train_may_be_a_class(tmp_path):
    files = {f"{kind}/a.png": png(X[i]) for i, kind in enumerate(("car", "plane", "train"))}
    loaded = load_data(write(tmp_path, files))
    check(loaded, X[:3], [0, 1, 2], None, None, names=("car", "plane", "train"))


@pytest.mark.parametrize(
    "train, test",
    [
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train_images", "test_images"),
        ("trainingSet", "testSet"),
        ("train", "eval"),
        ("set/training_set/pictures", "set/evaluation/pictures"),
    ],
)
def test_parts_by_what_their_names_say(tmp_path, capfd, train, test):
    check(load_data(write(tmp_path, picture_files(train, test))), *SORTED)
    assert capfd.readouterr().err == ""


def test_folders_beside_parts_that_names_tell_are_left_aside(tmp_path, capfd):
    files = picture_files("seg_train/seg_train", "seg_test/seg_test")
    files["seg_pred/a.png"] = png(X[0])
    check(load_data(write(tmp_path, files)), *SORTED)
    assert "1 of 35 pictures lie outside the training and the test" in capfd.readouterr().err


def test_classes_whose_names_hold_the_word_for_one_part_are_classes(tmp_path):
    kinds = ("bullet train", "freight train", "train")
    loaded = load_data(write(tmp_path, {f"{kind}/a.png": png(X[0]) for kind in kinds}))
    assert loaded.class_names == kinds and loaded.test_images is None


@pytest.mark.parametrize("parts", [["test"], ["val"], ["test", "val"]])
@pytest.mark.parametrize("above", ["", "set/"])
@pytest.mark.parametrize("root", ["a", "test_val", "only_test", "train"])
def test_held_out_parts_alone_are_not_trained_on(tmp_path, capfd, root, parts, above):
    files = {
        f"{above}{part}/{y}/{i}.png": png(X[y]) for part in parts for y in (0, 1) for i in "ab"
    }
    many = {f"{above}{parts[0]}/1/{i}.png": png(X[1]) for i in range(10)}
    place = write(tmp_path / root, {**files, **many, f"{above}sample.png": png(X[0])})
    with pytest.raises(DataError, match=f"holds no training pictures, only {', '.join(parts)}$"):
        load_data(place)
    assert capfd.readouterr().err == ""
    part = parts[0]  # given itself
    assert load_data(f"{place}/{above}{part}").class_names == ("0", "1")
    write(tmp_path, {f"{part}.zip": zipped(files)})
    assert len(load_data(str(tmp_path / f"{part}.zip")).images) == 4 * len(parts)


def test_pictures_without_a_suffix_among_many_are_read(tmp_path):
    files = {f"{i // 30}/{i:02}.png": png(X[i % 24]) for i in range(60)}
    write(tmp_path, {**files, "0/zz": png(XT[0]), "LICENSE": b"mine"})
    loaded = load_data(str(tmp_path))
    assert len(loaded.images) == 61 and np.array_equal(loaded.images[30, ..., 0], XT[0])


@pytest.mark.parametrize("count", [10, 60])
@pytest.mark.parametrize("name", ["labels.csv", "metadata.jsonl", "00.cls", "my labels.txt"])
def test_labels_beside_pictures_that_are_not_read_are_named(tmp_path, capfd, count, name):
    write(tmp_path, {f"{i:02}.png": png(X[i % 24]) for i in range(count)})
    write(tmp_path, {name: b"00.png,3", "README.md": b"# mine"})
    assert load_data(str(tmp_path)).labels is None
    assert capfd.readouterr().err == (
        f"warning: {name} beside the pictures is not read; "
        "folders of classes give labels, or --labels FILE\n"
    )
    write(tmp_path / "classes", {**picture_files("", ""), name: b"00.png,3"})
    assert load_data(str(tmp_path / "classes")).labels is not None
    assert capfd.readouterr().err == ""


def test_a_damaged_picture_does_not_copy_the_others(tmp_path, capfd):
    write(tmp_path, {f"{i:02}.png": b"" if i in (3, 20) else png(x) for i, x in enumerate(X)})
    images = load_data(str(tmp_path)).images
    assert np.array_equal(images[..., 0], np.delete(X, [3, 20], 0))
    assert images.base is not None and images.base.shape[0] == 24


def test_what_lies_beside_the_parts_is_left_out_with_a_word(tmp_path, capfd):
    files = {**picture_files(), "extra/0/a.png": png(X[0]), "sample.png": png(X[0])}
    check(load_data(write(tmp_path, files)), *SORTED)
    assert capfd.readouterr().err == (
        "warning: 2 of 36 pictures lie outside the training and the test set and are left out: "
        "extra/0/a.png, sample.png\n"
    )


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    files = {f"{kind}/a.png": png(X[i]) for i, kind in enumerate((10, 2, 1))}
    assert load_data(write(tmp_path, files)).class_names == ("1", "2", "10")


def test_one_folder_is_no_class_and_strays_are_left_out(tmp_path, capfd):
    write(tmp_path, {f"all/{i:02}.png": png(x) for i, x in enumerate(X)})
    check(load_data(str(tmp_path)), X, None, None, None)
    write(tmp_path, picture_files("", ""))
    shutil.rmtree(tmp_path / "all")
    write(tmp_path, {"preview.png": png(X[0])})
    loaded = load_data(str(tmp_path))
    assert len(loaded.images) == 24 and len(loaded.class_names) == 10
    assert "preview.png" in capfd.readouterr().err
    write(tmp_path, {f"{i}.png": png(X[0]) for i in range(9)})
    assert load_data(str(tmp_path)).labels is None


def test_a_test_part_without_classes_has_no_labels(tmp_path):
    files = {**picture_files("train", ""), "test/0.png": png(XT[0]), "test/1.png": png(XT[1])}
    loaded = load_data(write(tmp_path, files))
    assert len(loaded.test_images) == 2 and loaded.test_labels is None


def test_a_class_of_the_test_part_alone(tmp_path, capfd):
    files = {**picture_files(), "test/owl/0.png": png(XT[0])}
    loaded = load_data(write(tmp_path, files))
    assert len(loaded.test_images) == 11 and loaded.test_labels is None
    assert "warning: class owl is in the test set alone" in capfd.readouterr().err


def test_damaged_pictures_are_counted_and_named(tmp_path, capfd):
    files = picture_files("", "")
    first, second = list(files)[3:5]
    files[first], files[second] = files[first][:-30], b""
    loaded = load_data(write(tmp_path, files))
    kept = [i for i in range(24) if i not in (3, 4)]
    check(loaded, *by_class(X[kept], Y[kept]), None, None)
    error = capfd.readouterr().err
    assert error.startswith("warning: 2 of 24 pictures cannot be read and are left out: ")
    assert error.count("\n") == 1 and first in error and second in error
    for name in list(files)[5:7]:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="4 of 24 pictures cannot be read, more than a tenth"):
        load_data(str(tmp_path))


def test_stylegans_list_says_the_classes(tmp_path):
    files = {f"{i // 12:05}/img{i:08}.png": png(x) for i, x in enumerate(X)}
    labels = [[name, int(y)] for name, y in zip(files, Y, strict=True)]
    write(tmp_path, {**files, "dataset.json": json.dumps({"labels": labels}).encode()})
    check(load_data(str(tmp_path)), X, Y, None, None)
    write(tmp_path, {"dataset.json": b'{"labels": null}'})
    check(load_data(str(tmp_path)), X, None, None, None)


def test_pictures_in_colour_and_in_another_size(tmp_path):
    source = write(tmp_path, {f"{i:02}.bmp": png(x) for i, x in enumerate(C)})
    assert np.array_equal(load_data(source, (32, 32), "rgb").images, C)
    assert load_data(source).images.shape == (24, 28, 28, 1)
    grey = load_data(source, (32, 32)).images
    assert np.array_equal(grey[0, ..., 0], np.asarray(Image.fromarray(C[0]).convert("L")))


def test_a_picture_is_turned_upright_whatever_says_so(tmp_path):
    picture = Image.new("L", (56, 28))
    picture.paste(255, (0, 0, 14, 28))  # a white bar on the left
    exif = Image.Exif()
    exif[0x112] = 6
    for name in ("a.png", "b.jpg", "c.tif", "d.webp"):
        picture.save(tmp_path / name, exif=exif)
    images = load_data(str(tmp_path), (28, 28)).images[..., 0].astype(int)
    assert np.all(images[:, 0].mean(1) < 60) and np.all(images[:, :, 0].std(1) < 60)
    plain = tmp_path / "plain"
    plain.mkdir()
    picture.crop((0, 0, 28, 28)).save(plain / "a.png")
    assert load_data(str(plain)).images[0, :, 3, 0].min() > 200


def test_content_without_a_suffix_and_links(tmp_path):
    write(tmp_path / "store", {f"{i:02}": png(x) for i, x in enumerate(X)})
    (tmp_path / "set").mkdir()
    for file in (tmp_path / "store").iterdir():
        (tmp_path / "set" / file.name).symlink_to(file)
    (tmp_path / "set" / "up").symlink_to(tmp_path / "set")
    write(tmp_path / "set", {".hidden.png": b"", "__MACOSX/._1.png": b"", "README.md": b"# mine"})
    check(load_data(str(tmp_path / "set")), X, None, None, None)
    check(load_data(str(tmp_path / "store" / "00")), X[:1], None, None, None)


# Archives: any of the layouts, in place.


def zipped(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


PACKERS = {
    "a.zip": zipped,
    "a.tar": tarred,
    "a.tgz": lambda files: gzip.compress(tarred(files)),
    "a.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "a.tar.xz": lambda files: lzma.compress(tarred(files)),
    "no_suffix": zipped,
}


@pytest.mark.parametrize("name", PACKERS)
def test_an_archive_of_pictures(tmp_path, name):
    files = {f"set/{name}": content for name, content in picture_files().items()}
    write(tmp_path, {name: PACKERS[name](files)})
    loaded = load_data(str(tmp_path / name))
    check(loaded, *SORTED)
    assert loaded.name == name.split(".")[0]


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("layout", ["idx", "csv", "npy", "npz", "cifar"])
def test_an_archive_of_anything_else(tmp_path, name, layout):
    files = {
        "idx": idx_files("gzip/"),
        "csv": {"mnist_train.csv": csv(X, Y), "mnist_test.csv": csv(XT, YT)},
        "npy": {
            "x_train.npy": npy(X),
            "y_train.npy": npy(Y),
            "x_test.npy": npy(XT),
            "y_test.npy": npy(YT),
        },
        "npz": {"d/a.npz": npz(x_train=X, y_train=Y, x_test=XT, y_test=YT)},
        "cifar": {f"cifar-10-batches-bin/{name}": content for name, content in CIFAR.items()},
    }[layout]
    write(tmp_path, {name: PACKERS[name](files)})
    wanted = (C, Y, CT, YT) if layout == "cifar" else ()
    check(load_data(str(tmp_path / name)), *wanted)


def test_archives_side_by_side(tmp_path):
    train = {f"images/{name}": content for name, content in picture_files("", "").items()}
    test = {f"{y}/{i}.png": png(x) for i, (x, y) in enumerate(zip(XT, YT, strict=True))}
    write(tmp_path, {"train.zip": zipped(train), "test.tar.gz": gzip.compress(tarred(test))})
    loaded = load_data(str(tmp_path))
    assert len(loaded.images) == 24 and len(loaded.test_images) == 10


def test_a_large_compressed_tar_is_unpacked_in_order(tmp_path, monkeypatch):
    """Pictures large enough for threads, which would go back and forth in it."""
    images = RNG.integers(0, 256, (200, 64, 64, 3), np.uint8)
    names = [f"{i:03}.png" for i in RNG.permutation(200)]
    files = {name: png(image) for name, image in zip(names, images, strict=True)}
    files[names[7]] = b"cut"
    write(tmp_path, {"a.tgz": gzip.compress(tarred(files), 1)})
    monkeypatch.setattr(archives, "IN_MEMORY", 1 << 16)
    starts = []
    start = Unpacked._start
    monkeypatch.setattr(Unpacked, "_start", lambda self: (starts.append(self), start(self)))
    loaded = load_data(str(tmp_path / "a.tgz"), (64, 64), "rgb")
    order = [place for place in np.argsort(names) if place != 7]
    assert np.array_equal(loaded.images, images[order])
    outer = [file for file in starts if file._entry.path]
    assert len(outer) <= 5  # looked at, listed and read


# IDX.


@pytest.mark.parametrize("kept", ["both", "folders"])
def test_idx_in_folders_called_like_their_files(tmp_path, kept):
    """Kaggle's MNIST: `train-images.idx3-ubyte` beside a folder called like it, with the same."""
    files = {f"{name}/{name}": content for name, content in idx_files().items()}
    if kept == "both":
        files |= {name.replace("-idx", ".idx"): content for name, content in idx_files().items()}
    check(load_data(write(tmp_path, files)))
    check(load_data(str(tmp_path / "train-images-idx3-ubyte" / "train-images-idx3-ubyte")))


@pytest.mark.parametrize("order", ["x_train.bin", "train_x.bin", "X_train.bin", "x_train"])
def test_idx_under_other_names(tmp_path, order):
    files = {}
    for part, images, labels in (("train", X, Y), ("test", XT, YT)):
        name = order.replace("train", part)
        files[name] = idx(images)
        files[name.replace("x", "y").replace("X", "Y")] = idx(labels.astype(np.uint8))
    check(load_data(write(tmp_path, files)))
    check(load_data(str(tmp_path / order)))


def test_idx_labels_of_no_images_are_named(tmp_path, capfd):
    files = {"train-images-idx3-ubyte": idx(X), "digits-idx1-ubyte": idx(Y.astype(np.uint8))}
    check(load_data(write(tmp_path, files)), X, None, None, None)
    assert "digits-idx1-ubyte is not read" in capfd.readouterr().err


@pytest.mark.parametrize("above", ["", "MNIST/raw/"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_idx_below_folders_and_compressed_whatever_the_name(tmp_path, above, pack):
    files = {above + name: pack(content) for name, content in idx_files().items()}
    check(load_data(write(tmp_path, files)))
    check(load_data(str(tmp_path / f"{above}train-images-idx3-ubyte")))
    check(load_data(str(tmp_path / f"{above}t10k-images-idx3-ubyte")), XT, YT, None, None)


def test_idx_of_qmnist_of_floats_and_in_colour(tmp_path):
    files = {
        "qmnist-train-images-idx3-ubyte.gz": gzip.compress(idx(X)),
        "qmnist-train-labels-idx2-int.gz": gzip.compress(
            idx(np.c_[Y, Y * 0 + 7].astype(">i4"), 12)
        ),
        "qmnist-test-images-idx3-ubyte": idx(XT),
        "qmnist-test-labels-idx2-int": idx(np.c_[YT, YT * 0].astype(">i4"), 12),
    }
    loaded = load_data(write(tmp_path / "q", files))
    check(loaded)
    assert loaded.name == "qmnist"
    floats = {"train-images": idx((X / 255).astype(">f4"), 13)}
    check(load_data(write(tmp_path / "f", floats)), X, None, None, None)
    check(load_data(write(tmp_path / "c", {"images.idx4": idx(C)})), C, None, None, None)


def test_several_idx_sets_below_a_folder_are_told_apart(tmp_path):
    files = {**idx_files("MNIST/raw/"), **idx_files("FashionMNIST/raw/")}
    with pytest.raises(DataError, match="several data sets .*FashionMNIST/raw/train-im.*MNIST/raw"):
        load_data(write(tmp_path, files))


# Arrays with names.

KERAS = {"x_train": X, "y_train": Y, "x_test": XT, "y_test": YT}
NAMES = [
    KERAS,
    {"train_images": X, "train_labels": Y[:, None], "test_images": XT, "test_labels": YT[:, None]},
    {"X_train": X, "Y_train": Y, "X_test": XT, "Y_test": YT},
    {"trainX": X, "trainY": Y, "testX": XT, "testY": YT},
    {"xtrain": X, "ytrain": Y, "xtest": XT, "ytest": YT},
    {"Xtr": X, "Ytr": Y, "Xte": XT, "Yte": YT},
    {"images": X, "labels": Y, "val_images": XT, "val_labels": YT},
    {"data": X, "target": np.eye(10)[Y], "test_data": XT, "test_target": np.eye(10, dtype=int)[YT]},
    {**KERAS, "x_val": X[:3], "y_val": Y[:3], "label_names": np.array(list("abc"))},
    {"imgs_train": X, "classes_train": Y.astype(float), "a": XT[0], **{"x_dev": XT, "y_dev": YT}},
    {"train/image": X[:, None], "train/label": Y, "test/image": XT[:, None], "test/label": YT},
]


@pytest.mark.parametrize("named", NAMES, ids=lambda named: next(iter(named)))
def test_names_of_arrays(tmp_path, named):
    np.savez(tmp_path / "a.npz", **named)
    check(load_data(str(tmp_path / "a.npz")))
    if "train/image" not in named:
        write(tmp_path / "folder", {f"{name}.npy": npy(array) for name, array in named.items()})
        check(load_data(str(tmp_path / "folder")))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in named.items():
            file[name] = array.astype("S") if array.dtype.kind == "U" else array
    check(load_data(str(tmp_path / "a.h5")))


def test_one_array_a_file(tmp_path):
    files = {
        f"kmnist-{part}-{kind}.npz": npz(arr_0=array)
        for part, images, labels in (("train", X, Y), ("test", XT, YT))
        for kind, array in (("imgs", images), ("labels", labels))
    }
    check(load_data(write(tmp_path, files)))
    check(load_data(str(tmp_path / "kmnist-train-imgs.npz")), X, None, None, None)


def test_what_generate_writes_is_read(tmp_path):
    write(tmp_path, {"images.npz": npz(images=X), "images.npy": npy(X)})
    check(load_data(str(tmp_path / "images.npz")), X, None, None, None)
    check(load_data(str(tmp_path / "images.npy")), X, None, None, None)


def test_an_array_of_each_class(tmp_path):
    """QuickDraw's `full_numpy_bitmap_cat.npy`, rows of 784."""
    files = {
        f"full_numpy_bitmap_{kind}.npy": npy(X[i::3].reshape(8, 784))
        for i, kind in enumerate(("dog", "cat", "owl"))
    }
    loaded = load_data(write(tmp_path / "a", files))
    images = np.concatenate([X[1::3], X[0::3], X[2::3]])
    check(loaded, images, np.repeat([0, 1, 2], 8), None, None, names=("cat", "dog", "owl"))
    pieces = {f"part_{i}.npy": npy(X[12 * i : 12 * i + 12]) for i in range(2)}
    check(load_data(write(tmp_path / "b", pieces)), X, None, None, None)


def test_several_arrays_of_images_are_not_guessed_at(tmp_path):
    np.savez(tmp_path / "a.npz", faces=X, houses=X, labels=Y)
    with pytest.raises(DataError, match="several arrays of images .faces, houses"):
        load_data(str(tmp_path / "a.npz"))


def test_a_mean_image_beside_the_images_is_left_out(tmp_path, capfd):
    for mean in (X.mean(0), X.mean(0, keepdims=True)):
        np.savez(tmp_path / "a.npz", images=X, labels=Y, mean_image=mean)
        check(load_data(str(tmp_path / "a.npz")), X, Y, None, None)
        assert "images is read; mean_image is left out" in capfd.readouterr().err


def test_objects_that_are_not_needed_are_passed_over(tmp_path):
    objects = np.array([{"author": "me"}] * 24, object)
    named = {"metadata": objects[0], "names": objects, "label_names": objects}
    np.savez(tmp_path / "a.npz", images=X, labels=Y, **named)
    check(load_data(str(tmp_path / "a.npz")), X, Y, None, None)
    np.savez(tmp_path / "a.npz", images=X, labels=objects)
    with pytest.raises(DataError, match="labels.npy in .*plain numbers"):
        load_data(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "a.npz", metadata=objects)
    with pytest.raises(DataError, match="metadata.npy in .*plain numbers"):
        load_data(str(tmp_path / "a.npz"))


def test_dsprites(tmp_path, capfd):
    """Black and white, a pickle beside them, six factors an image."""
    bits = (X > 127).astype(np.uint8)
    factors = RNG.integers(0, 40, (24, 6))
    named = {"latents_classes": factors, "latents_values": factors / 40, "imgs": bits}
    np.savez_compressed(tmp_path / "a.npz", metadata=np.array({1: 2}, object), **named)
    check(load_data(str(tmp_path / "a.npz")), bits * 255, None, None, None)
    error = capfd.readouterr().err
    assert "latents_classes" in error and "has several values an image" in error


def test_what_compresses_well_is_read(tmp_path, monkeypatch):
    """Ratios of hundreds, as sets in black and white have, beyond what is free."""
    bits = np.zeros((1000, 128, 128), np.uint8)
    for image in bits:
        row, column = RNG.integers(0, 96, 2)
        image[row : row + 32, column : column + 32] = 1
    np.savez_compressed(tmp_path / "a.npz", imgs=bits)
    assert bits.nbytes / (tmp_path / "a.npz").stat().st_size > 200
    monkeypatch.setattr(unpack, "FREE", 1 << 20)
    assert np.array_equal(load_data(str(tmp_path / "a.npz")).images[..., 0], bits * 255)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matlab(tmp_path, version):
    """SVHN: images along the last axis, 10 for zero."""
    for part, images, labels in (("train", C, Y), ("test", CT, YT), ("extra", C, Y)):
        path = tmp_path / f"{part}_32x32.mat"
        named = {"X": images.transpose(1, 2, 3, 0), "y": np.where(labels == 0, 10, labels)[:, None]}
        if version == "5":
            scipy.io.savemat(path, named, do_compression=True)
            continue
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in named.items():
                file[name] = array.T
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: any")
    check(load_data(str(tmp_path)), C, Y, CT, YT)
    check(load_data(str(tmp_path / "test_32x32.mat")), CT, YT, None, None)


def test_matlab_in_structs_and_in_columns(tmp_path):
    def part(images, labels):
        return {
            "images": images.swapaxes(1, 2).reshape(-1, 784),
            "labels": labels[:, None],
            "writers": labels[:, None],
        }

    scipy.io.savemat(
        tmp_path / "emnist-digits.mat", {"dataset": {"train": part(X, Y), "test": part(XT, YT)}}
    )
    check(load_data(str(tmp_path / "emnist-digits.mat")))
    scipy.io.savemat(
        tmp_path / "mnist-original.mat", {"data": X.reshape(24, 784).T, "label": Y[None] * 1.0}
    )
    check(load_data(str(tmp_path / "mnist-original.mat")), X, Y, None, None)


# Tables, records, parquet.


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    "separator, suffix", [(",", "csv"), ("\t", "tsv"), (";", "csv"), (" ", "txt")]
)
def test_tables(tmp_path, header, separator, suffix):
    files = {
        f"fashion-mnist_{part}.{suffix}": csv(images, labels, header, separator)
        for part, images, labels in (("train", X, Y), ("test", XT, YT))
    }
    check(load_data(write(tmp_path, files)))
    check(load_data(str(tmp_path / f"fashion-mnist_test.{suffix}")), XT, YT, None, None)


def test_tables_with_the_label_last_compressed_quoted_or_in_words(tmp_path):
    words = np.array(["ankle boot", "bag"])[Y % 2]
    files = {
        "last.csv": csv(X, Y, True, last=True),
        "plain_last.csv": csv(X, Y, False, last=True),
        "packed.csv.gz": gzip.compress(csv(X, Y)),
        "quoted.csv": csv(X, Y)
        .replace(b",", b'","')
        .replace(b"\n", b'"\r\n"')[:-1]
        .join([b'"', b""]),
        "bom.csv": b"\xef\xbb\xbf" + csv(X, Y),
        "plain_bom.csv": b"\xef\xbb\xbf" + csv(X, Y, False),
        "blank.csv": csv(X, Y).replace(b"\n", b"\n\n"),
    }
    for name, content in files.items():
        write(tmp_path, {name: content})
        check(load_data(str(tmp_path / name)), X, Y, None, None)
    for last in (False, True):
        write(tmp_path, {"words.csv": csv(X, words, last, last=last)})
        loaded = load_data(str(tmp_path / "words.csv"))
        check(loaded, X, Y % 2, None, None, names=("ankle boot", "bag"))
    write(tmp_path, {"unit.csv": csv(X / 255, Y)})
    check(load_data(str(tmp_path / "unit.csv")), X, Y, None, None)


def lines(columns):
    """A table of columns, each a list of values under its name."""
    rows = zip(*columns.values(), strict=True)
    return "\n".join(",".join(map(str, row)) for row in [columns, *rows]).encode() + b"\n"


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("beside", ["label", "kind", "number", "numbered", "file", "nothing"])
def test_tables_as_pandas_writes_them(tmp_path, first, beside):
    """Columns called by numbers, and before them a number of the row without a name."""
    pixels = {i + first: column for i, column in enumerate(X.reshape(24, 784).T)}
    columns, labels, names = {
        "label": ({"label": Y, **pixels}, Y, DIGITS),
        "kind": ({"kind": np.array(["cat", "dog"])[Y % 2], **pixels}, Y % 2, ("cat", "dog")),
        "number": ({"": range(300, 324), "label": Y, **pixels}, Y, DIGITS),
        "numbered": ({"": range(24), **pixels}, None, ()),
        "file": ({"file": [f"a{i}.png" for i in Y], "label": Y, **pixels}, Y, DIGITS),
        "nothing": (pixels, None, ()),
    }[beside]
    write(tmp_path, {"a.csv": lines(columns)})
    check(load_data(str(tmp_path / "a.csv")), X, labels, None, None, names=names)


def test_a_label_without_a_name_beside_names_of_files(tmp_path):
    pixels = dict(enumerate(X.reshape(24, 784).T, 1))
    files = [f"a{i}.png" for i in range(24)]
    write(tmp_path, {"a.csv": lines({0: Y, **pixels, "file": files})})
    check(load_data(str(tmp_path / "a.csv")), X, Y, None, None)
    content = lines({"file": files, "a": Y, **pixels}).partition(b"\n")[2]  # no header
    write(tmp_path, {"a.csv": content})
    check(load_data(str(tmp_path / "a.csv")), X, Y, None, None)


def test_kaggles_folder(tmp_path):
    """A test set without labels, and a table that is none of images."""
    write(tmp_path, {"train.csv": csv(X, Y), "sample_submission.csv": b"ImageId,Label\n1,0\n"})
    test = "\n".join(",".join(map(str, image.ravel())) for image in XT)
    write(
        tmp_path, {"test.csv": (",".join(f"pixel{i}" for i in range(784)) + "\n" + test).encode()}
    )
    check(load_data(str(tmp_path)), X, Y, XT, None)


def test_cifar(tmp_path):
    meta = "\n".join("airplane bird car cat deer dog frog horse ship truck".split())
    write(
        tmp_path / "10", {**CIFAR, "batches.meta.txt": f"{meta}\n\n".encode(), "readme.html": b"x"}
    )
    check(load_data(str(tmp_path / "10")), C, Y, CT, YT, names=tuple(meta.split()))
    check(
        load_data(str(tmp_path / "10" / "test_batch.bin")),
        CT,
        YT,
        None,
        None,
        names=tuple(meta.split()),
    )
    records = b"".join(
        bytes([9, y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(C, Y.tolist(), strict=True)
    )
    check(load_data(write(tmp_path / "100", {"train.bin": records})), C, Y, None, None)


def test_stl(tmp_path):
    images = RNG.integers(0, 256, (10, 96, 96, 3), np.uint8)
    stored = images.transpose(0, 3, 2, 1).tobytes()
    labels = (np.arange(10) + 1).astype(np.uint8).tobytes()
    kinds = tuple("airplane bird car cat deer dog horse monkey ship truck".split())
    files = {"train_X.bin": stored, "train_y.bin": labels, "test_X.bin": stored[: 2 * 27648]}
    files |= {"test_y.bin": labels[:2], "unlabeled_X.bin": stored}
    write(tmp_path, {**files, "class_names.txt": "\n".join(kinds).encode()})
    for source in (tmp_path, tmp_path / "train_X.bin"):
        loaded = load_data(str(source))
        assert np.array_equal(loaded.images, images) and loaded.class_names == kinds
        assert loaded.labels.tolist() == list(range(10))
    assert load_data(str(tmp_path)).test_labels.tolist() == [0, 1]


@pytest.mark.parametrize("structs", [True, False])
@pytest.mark.parametrize("words", [True, False])
def test_parquet(tmp_path, structs, words):
    kinds = [f"kind {i}" for i in range(10)]
    feature = {"label": {"names": kinds, "_type": "ClassLabel"}}
    hub = {b"huggingface": json.dumps({"info": {"features": feature}}).encode()}

    def save(name, images, labels):
        files = [{"bytes": png(x), "path": None} if structs else png(x) for x in images]
        labels = [kinds[label] for label in labels] if words else labels
        table = pyarrow.table({"image": files, "label": labels})
        pyarrow.parquet.write_table(
            table.replace_schema_metadata(None if words else hub), tmp_path / name
        )

    save("train-00000-of-00002.parquet", X[:12], Y[:12])
    save("train-00001-of-00002.parquet", X[12:], Y[12:])
    save("test-00000-of-00001.parquet", XT, YT)
    (tmp_path / "README.md").write_text("# mine")
    check(load_data(str(tmp_path)), names=tuple(kinds))


@pytest.mark.parametrize("labels", [[[1, 2]] * 24, [[1], [1, 2]] * 12])
def test_parquet_of_lists_of_labels(tmp_path, capfd, labels):
    table = pyarrow.table({"image": [png(x) for x in X], "label": labels})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    check(load_data(str(tmp_path)), X, None, None, None)
    assert "has several values an image, not one class, and is left aside" in capfd.readouterr().err


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    write(tmp_path, {"a.parquet": b"PAR1" * 9, "a.mat": b"MATLAB 5.0 MAT-file" * 9})
    monkeypatch.setattr(importlib, "import_module", missing)
    for name, library in (("a.parquet", "pyarrow"), ("a.mat", "scipy")):
        with pytest.raises(
            DataError, match=rf'{name} needs {library}; pip install -e "\.\[data\]"'
        ):
            load_data(str(tmp_path / name))


# Pickles are never opened.


@pytest.mark.parametrize(
    "name, advice",
    [
        ("cifar-10-batches-py/data_batch_1", "cifar-10-binary.tar.gz"),
        ("cifar-100-python/train", "cifar-100-binary.tar.gz"),
        ("mnist.pkl.gz", "give mnist"),
        ("faces.pickle", "np.savez"),
    ],
)
def test_a_pickle_is_refused_and_the_safe_version_named(tmp_path, name, advice):
    content = pickle.dumps({b"data": [1, 2]}, 0 if "pickle" in name else 2)
    write(tmp_path, {name: gzip.compress(content) if name.endswith("gz") else content})
    for source in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=f"is a pickle, which could run code.*{advice}"):
            load_data(str(source))


def test_pytorchs_files_are_refused(tmp_path):
    write(tmp_path, {"model.pt": zipped({"model/data.pkl": b"\x80\x02", "model/data/0": b"x"})})
    with pytest.raises(DataError, match="PyTorch"):
        load_data(str(tmp_path / "model.pt"))


# One array: every range, order of axes and type.

TYPES = {
    "uint8": lambda x: x,
    "int16": lambda x: x.astype(">i2"),
    "int64": lambda x: x.astype(np.int64),
    "uint16 to 65535": lambda x: x.astype(np.uint16) * 257,
    "0 to 255": lambda x: x.astype(np.float32),
    "0 to 1": lambda x: x / 255,
    "0 to 1, float32": lambda x: (x / 255).astype(np.float32),
    "0 to 1, overshot": lambda x: np.where(x == 255, 1.005, x / 255),
    "-1 to 1": lambda x: (x.astype(np.float32) - 127.5) / 127.5,
}
AXES = {
    "[N, H, W]": (1, lambda x: x[..., 0]),
    "[N, H, W, 1]": (1, lambda x: x),
    "[N, 1, H, W]": (1, lambda x: x.transpose(0, 3, 1, 2)),
    "[N, H * W]": (1, lambda x: x.reshape(len(x), -1)),
    "[N, H, W, 3]": (3, lambda x: x),
    "[N, 3, H, W]": (3, lambda x: x.transpose(0, 3, 1, 2)),
    "[N, 3 * H * W], by planes": (3, lambda x: x.transpose(0, 3, 1, 2).reshape(len(x), -1)),
    "[N, H * W * 3], by pixels": (3, lambda x: x.reshape(len(x), -1)),
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(TYPES)),
    st.sampled_from(sorted(AXES)),
    st.integers(1, 5),
    st.sampled_from([16, 20, 28]),
    st.integers(0, 2**32 - 1),
)
def test_the_same_pixels_from_every_range_and_order_of_axes(kind, order, count, side, seed):
    channels, turn = AXES[order]
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 200, side)[:, None, None] + np.array([0, 25, 55])[:channels]
    pixels = np.clip(slope + rng.integers(0, 6, (count, side, side, channels)), 0, 255)
    pixels = pixels.astype(np.uint8)
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255  # the whole range is there
    images = from_arrays(TYPES[kind](turn(pixels)), name="a").images
    assert images.dtype == np.uint8 and np.array_equal(images, pixels)


@given(st.integers(0, 2**32 - 1), st.sampled_from([bool, np.uint8, np.int64, np.float32]))
def test_black_and_white_is_0_and_255(seed, dtype):
    bits = np.random.default_rng(seed).integers(0, 2, (3, 16, 16))
    bits[0, 0, 0] = 1
    assert np.array_equal(from_arrays(bits.astype(dtype), name="a").images[..., 0], bits * 255)


def test_transparency_is_on_white():
    image = np.zeros((2, 16, 16, 4), np.uint8)
    image[0, ..., 3], image[1, ..., 3], image[1, ..., 0] = 0, 128, 200
    images = from_arrays(image, name="a").images
    assert images.shape == (2, 16, 16, 3) and images[0].min() == 255
    assert images[1, 0, 0].tolist() == [227, 127, 127]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", ["digits", "digits, inverted", "photos", "many classes"])
@pytest.mark.parametrize("count", [24, 600])
def test_rows_with_a_column_of_labels(mnist, kind, count, last):
    """Neither a corner that is nearly always dark nor one of all values is taken for labels."""
    if kind == "photos":
        images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    else:
        images = mnist.images[:count, ..., 0].copy()
        images[: count // 12, 0, 0] = images[: count // 12, -1, -1] = 1
    images = 255 - images if "inverted" in kind else images
    labels = mnist.labels[:count] if kind != "many classes" else np.arange(count) % 120
    rows = images.reshape(count, -1)
    loaded = from_arrays(
        np.hstack((rows, labels[:, None]) if last else (labels[:, None], rows)), name="a"
    )
    assert np.array_equal(loaded.images[..., 0], images)
    assert names_of(loaded, loaded.labels) == labels.astype(str).tolist()


def test_both_parts_are_measured_with_one_scale():
    signed = (X.astype(np.float32) - 127.5) / 127.5
    bright = np.maximum(XT, 128)
    loaded = from_arrays(signed, None, (bright.astype(np.float32) - 127.5) / 127.5, name="a")
    check(loaded, X, None, bright, None)


def test_arrays_of_other_libraries():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return X / 255

    check(from_arrays(Tensor(), Y.tolist(), XT.tolist(), YT, name="a"))
    check(
        from_arrays(X, np.array(list("ab"))[Y % 2], name="a"),
        X,
        Y % 2,
        None,
        None,
        names=("a", "b"),
    )


@pytest.mark.parametrize(
    "images, labels, said",
    [
        ([X[0], X[0][:9]], None, "mixed shapes"),
        (X[:0], None, r"\[0, 28, 28\]; expected images"),
        (X[0, 0], None, r"\[28\]; expected images"),
        (X.reshape(24, 28, 7, 4, 1), None, "expected images"),
        (np.array([{}]), None, "object"),
        (X * 1j, None, "complex"),
        (X.astype(int) - 1, None, "values from -1 to 254"),
        (X.astype(int) * 300, None, "values from 0 to 76500"),
        (np.where(X > 9, np.inf, X), None, "to inf"),
        (X, Y[:-1], r"labels is int64 \[23\]; expected integers \[24\], one an image"),
        (X, Y / 2, "labels is float64"),
        (X[:, :27], None, f"27x28.*nearest is 24x28 or 28x28; {arrays.RESIZES}"),
        (np.zeros((2, 10, 10)), None, f"10x10.*{arrays.RESIZES}"),
    ],
)
def test_arrays_that_do_not_fit(images, labels, said):
    with pytest.raises(DataError, match=said) as error:
        from_arrays(images, labels, name="a")
    assert "\n" not in str(error.value)


def test_images_of_several_classes_at_once_lose_their_labels(capfd):
    findings = np.eye(10, dtype=int)[Y]
    findings[3] = 1
    check(from_arrays(X, findings, XT, np.eye(10)[YT], name="a"), X, None, XT, None)
    assert capfd.readouterr().err.startswith("warning: labels names no class or several")
    for several in (np.eye(10)[Y] / 2, np.c_[Y, Y]):
        check(from_arrays(X, several, name="a"), X, None, None, None)
        assert capfd.readouterr().err.startswith("warning: labels has several values an image")


def test_arrays_in_another_size_and_colour(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=C[:, :27], x_test=CT, y_train=Y)
    loaded = load_data(str(tmp_path / "a.npz"), (16, 20), "grayscale")
    assert loaded.images.shape == (24, 16, 20, 1) and loaded.test_images.shape == (10, 16, 20, 1)
    np.save(tmp_path / "b.npy", X)
    assert np.array_equal(
        load_data(str(tmp_path / "b.npy"), None, "rgb").images, np.repeat(X[..., None], 3, 3)
    )
    assert load_data("mnist", (32, 32)).test_images.shape == (10000, 32, 32, 1)


# Files larger than memory.


@pytest.mark.parametrize("shape", [(24, 28, 28), (24, 28, 28, 1), (24, 784), (8, 28, 28, 3)])
def test_bytes_on_disk_are_mapped(tmp_path, shape):
    np.save(tmp_path / "a.npy", X.reshape(shape))
    loaded = load_data(str(tmp_path / "a.npy"))
    assert isinstance(loaded.images, np.memmap)
    assert loaded.images.shape == (*shape[:1], 28, 28, shape[3] if len(shape) == 4 else 1)
    assert loaded.images.tobytes() == X.tobytes()
    before_reading(loaded.images)
    before_reading(loaded.images[3:5])


@pytest.mark.parametrize("change", ["cut", "written", "gone"])
def test_a_mapped_file_that_changes_is_noticed(tmp_path, change):
    path = tmp_path / "a.npy"
    np.save(path, X)
    images = load_data(str(path)).images
    if change == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif change == "written":
        import os

        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    with pytest.raises(DataError, match="a.npy (has changed|cannot be read)"):
        before_reading(images[2:3])
    before_reading(X)


def test_a_mapped_array_that_is_given_stays_one(tmp_path):
    np.save(tmp_path / "a.npy", X)
    raw = np.memmap(tmp_path / "a.raw", np.uint8, "w+", shape=X.shape)
    raw[:] = X
    raw.flush()
    for mapped in (np.load(tmp_path / "a.npy", mmap_mode="r"), raw):
        images = from_arrays(mapped, Y, name="a").images
        assert isinstance(images, np.memmap) and np.array_equal(images[..., 0], X)
        before_reading(images)
        with open(mapped.filename, "ab") as file:
            file.write(b"more")
        with pytest.raises(DataError, match="has changed while it was in use"):
            before_reading(images)
    with tempfile.TemporaryFile() as file:
        file.write(X.tobytes())
        nameless = np.memmap(file, np.uint8, shape=X.shape)
        before_reading(from_arrays(nameless, name="a").images)


def test_given_arrays_in_another_size_and_colour():
    loaded = from_arrays(X[:, :27], None, XT, name="a", image_size=(16, 20), color_mode="rgb")
    assert loaded.images.shape == (24, 16, 20, 3) and loaded.test_images.shape == (10, 16, 20, 3)


def test_a_run_on_given_arrays_says_how_to_go_on():
    with pytest.raises(DataError) as error:
        load_data("arrays:0123")
    assert str(error.value) == (
        "the run was trained on arrays given in Python; "
        "give them again with tf2gan.resume(run, images=…)"
    )


def test_a_fingerprint_is_of_all_that_a_set_holds(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", X)
    mapped, given = load_data(str(tmp_path / "a.npy")), from_arrays(X.copy(), name="other")
    assert fingerprint(mapped) == fingerprint(given) and len(fingerprint(given)) == 32
    changed = X.copy()
    changed[-1, -1, -1] ^= 1
    sets = [from_arrays(X, Y, name="a"), from_arrays(changed, Y, name="a"), given]
    sets += [from_arrays(X, Y[::-1], name="a"), from_arrays(X, Y, XT, name="a")]
    sets += [from_arrays(X, Y, XT, YT, name="a"), from_arrays(X.reshape(12, 56, 28), name="a")]
    assert len({fingerprint(data) for data in sets}) == len(sets)
    before = fingerprint(given)
    monkeypatch.setattr(arrays, "chunks", lambda array: [slice(0, 7), slice(7, None)])
    assert fingerprint(given) == before


def test_a_column_of_pixels_as_fer2013_is_published(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 48, 48), np.uint8)
    usages = ["Training"] * 5 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    lines = [
        f"{number % 3},{' '.join(map(str, image.ravel()))},{usage}"
        for number, (image, usage) in enumerate(zip(images, usages, strict=True))
    ]
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    data = load_data(str(path))
    assert data.line() == "data: 5 training images 48x48x1, 3 classes, 2 test images"
    assert np.array_equal(data.images[..., 0], images[:5])
    assert np.array_equal(data.test_images[..., 0], images[7:])
    assert data.labels.tolist() == [0, 1, 2, 0, 1] and data.test_labels.tolist() == [1, 2]
    (tmp_path / "icml.csv").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="several data sets .fer2013.csv, icml.csv.; give one of"):
        load_data(str(tmp_path))
    path.write_text("\n".join(["emotion,pixels,Usage", lines[0][:-20], "1,3 4"]))
    with pytest.raises(DataError, match="fer2013.csv"):
        load_data(str(path))
