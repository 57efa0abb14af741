"""What was misread in silence: shards, lists of labels, sorted classes; what is left out."""

import gzip
import io
import json
import os
import struct
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from test_layouts import SORTED, XT, YT, X, Y, check, picture_files, png, write

from tf2gan.cli import train
from tf2gan.data.load import load_data
from tf2gan.utils.errors import DataError

FILES = {f"{i:02}.png": png(x) for i, x in enumerate(X)}


def classes(data):
    return dict(data.class_counts())


def tar(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


# WebDataset


def shard(images, labels, suffix):
    files = {}
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        files[f"{i:06}.png"] = png(image)
        whole = json.dumps({"label": int(label), "size": 28}) if suffix == "json" else str(label)
        files[f"{i:06}.{suffix}"] = whole.encode()
    return tar(files)


@pytest.mark.parametrize("suffix", ["cls", "json"])
def test_shards_are_one_set_and_their_names_tell_the_parts(tmp_path, capsys, suffix):
    write(
        tmp_path,
        {
            "digits-train-000000.tar": shard(X[:12], Y[:12], suffix),
            "digits-train-000001.tar": shard(X[12:], Y[12:], suffix),
            "digits-val-000000.tar": shard(XT, YT, suffix),
        },
    )
    check(load_data(str(tmp_path)))
    assert capsys.readouterr().out == ""


def test_a_shard_alone_and_shards_without_parts(tmp_path):
    write(tmp_path, {f"{i:05}.tar": shard(X[i::2], Y[i::2], "cls") for i in range(2)})
    order = np.r_[0:24:2, 1:24:2]
    check(load_data(str(tmp_path)), X[order], Y[order], None, None)
    data = load_data(str(tmp_path / "00001.tar"))
    assert len(data.images) == 12 and data.test_images is None
    assert [data.class_names[label] for label in data.labels] == [str(y) for y in Y[1::2]]


def test_shards_in_folders_of_their_part(tmp_path, capsys):
    """`train/00000.tar` and `val/00000.tar` have one name and are two shards."""
    parts = {"train": (X, Y), "val": (XT, YT)}
    for part, (images, labels) in parts.items():
        half = len(images) // 2
        write(
            tmp_path / part,
            {
                "00000.tar": shard(images[:half], labels[:half], "cls"),
                "00001.tar": shard(images[half:], labels[half:], "cls"),
            },
        )
    check(load_data(str(tmp_path)))
    assert capsys.readouterr() == ("", "")


def test_one_json_in_a_tar_of_folders_is_no_webdataset(tmp_path):
    files = picture_files()
    name = next(name for name in files if name.endswith(".png"))
    files[name[:-4] + ".json"] = b'{"shapes": []}'
    (tmp_path / "set.tar").write_bytes(tar(files))
    check(load_data(str(tmp_path / "set.tar")), *SORTED)


@pytest.mark.parametrize("captions", [True, False])
def test_shards_without_labels_are_no_classes(tmp_path, captions):
    """As img2dataset writes them."""
    for n in range(3):
        files = {f"{n:05}{i:04}.png": png(x) for i, x in enumerate(X[8 * n : 8 * n + 8])}
        if captions:
            files |= {name[:-3] + "txt": b"a photo" for name in files}
            files |= {name[:-3] + "json": b'{"caption": "a photo"}' for name in files}
        (tmp_path / f"{n:05}.tar").write_bytes(tar(files))
    check(load_data(str(tmp_path)), X, None, None, None, names=())


def test_tars_of_classes_stay_classes(tmp_path):
    """ImageNet's: numbers in their names are not those of shards."""
    for n, name in enumerate(("n01440764", "n01443537")):
        (tmp_path / f"{name}.tar").write_bytes(
            tar({f"{name}_{i}.png": png(x) for i, x in enumerate(X[n::2])})
        )
    assert classes(load_data(str(tmp_path))) == {"n01440764": 12, "n01443537": 12}


def test_labels_for_the_pictures_of_shards(tmp_path):
    (tmp_path / "a-0000.tar").write_bytes(shard(X[:12], Y[:12], "cls"))
    files = {f"{i:06}.png": png(x) for i, x in enumerate(X[12:], 12)}
    (tmp_path / "a-0001.tar").write_bytes(tar(files))
    (tmp_path / "odd.csv").write_text("".join(f"{i:06},{i % 2}\n" for i in range(24)))
    for source, count in (("", 12), ("a-0001.tar", 6)):
        data = load_data(str(tmp_path / source), labels=str(tmp_path / "odd.csv"))
        assert classes(data) == {"0": count, "1": count}
    for flag in ({"labels": "nowhere"}, {"label_column": "7"}):
        with pytest.raises(DataError, match="nowhere|no folders"):
            load_data(str(tmp_path / "a-0000.tar"), **flag)


# Lists of labels


@pytest.mark.parametrize(
    "name, label",
    [
        (lambda n: n.replace("/", "\\"), int),
        (lambda n: n, lambda y: [int(y)]),
        (lambda n: n, float),
        (lambda n: n, str),
        (lambda n: n.rpartition("/")[2], lambda y: [int(i == y) for i in range(10)]),
    ],
)
@pytest.mark.parametrize("pairs", [list, dict])
def test_stylegans_list_in_all_its_forms(tmp_path, name, label, pairs):
    files = {f"{i // 12:05}/img{i:08}.png": png(x) for i, x in enumerate(X)}
    labels = pairs([(name(file), label(y)) for file, y in zip(files, Y, strict=True)])
    write(tmp_path, {**files, "dataset.json": json.dumps({"labels": labels}).encode()})
    check(load_data(str(tmp_path)), X, Y, None, None)


def test_a_list_of_another_use_is_passed_over_and_one_that_fits_nothing_says_so(tmp_path, capsys):
    write(tmp_path, {**picture_files(test=None, train=""), "dataset.json": b'{"name": "digits"}'})
    check(load_data(str(tmp_path)), *SORTED[:2], None, None)
    assert "dataset.json has no list `labels`" in capsys.readouterr().err
    write(tmp_path, {"dataset.json": b'{"labels": [["elsewhere/a.png", 3]]}'})
    assert load_data(str(tmp_path)).labels is None
    assert "names none of the 24 pictures" in capsys.readouterr().err


def celeba():
    rows = "".join(f"{i:02}.png  {1 if y % 2 else -1} -1\n" for i, y in enumerate(Y))
    return f"24\nSmiling Young\n{rows}", "Smiling"


TABLES = {
    "celeba.txt": celeba(),
    "tiny.txt": ("".join(f"{i:02}.png\tn0{y % 2}\t0\t0\t9\n" for i, y in enumerate(Y)), "2"),
    "kaggle.csv": ("id,breed\n" + "".join(f"{i:02},{y % 2}\n" for i, y in enumerate(Y)), None),
    "bare.csv": ("".join(f"img/{i:02}.png;{y % 2}\n" for i, y in enumerate(Y)), None),
    "metadata.jsonl": (
        "".join(
            json.dumps({"file_name": f"{i:02}.png", "label": int(y) % 2, "text": "a digit"}) + "\n"
            for i, y in enumerate(Y)
        ),
        None,
    ),
    "names.json": (json.dumps({f"{i:02}.png": f"kind {y % 2}" for i, y in enumerate(Y)}), None),
    "many.json": (
        json.dumps({f"{i:02}.png": {"odd": bool(y % 2), "n": 1} for i, y in enumerate(Y)}),
        "odd",
    ),
}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_labels(tmp_path, capsys, table, inside):
    text, column = TABLES[table]
    write(tmp_path / "data" / "img", FILES)
    place = tmp_path / "data" if inside else tmp_path
    write(place, {table: text.encode()})
    labels = table if inside else str(tmp_path / table)
    data = load_data(str(tmp_path / "data"), labels=labels, label_column=column)
    assert np.array_equal(data.images[..., 0], X) and len(data.class_names) == 2
    odd = [data.class_names[label] in ("1", "n01", "kind 1", "True") for label in data.labels]
    assert odd == [bool(y % 2) for y in Y]
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text, column, said",
    [
        (celeba()[0], None, "several columns; choose one with --label-column: Smiling, Young"),
        (celeba()[0], "Hat", "no column 'Hat'; choose one with --label-column: Smiling, Young"),
        ("a.png,1\nb.png,2\n", None, "names none of the 24 pictures.* a.png, b.png.* 00.png"),
        ("", None, "holds no labels"),
        ("[" * 100_000, None, "cannot be read as a table of labels"),
        ('{"a": ', None, "cannot be read as a table of labels"),
    ],
)
def test_a_table_that_does_not_tell_is_one_line(tmp_path, text, column, said):
    write(tmp_path, {**FILES, "labels.txt": text.encode()})
    with pytest.raises(DataError, match=said) as error:
        load_data(str(tmp_path), labels="labels.txt", label_column=column)
    assert "\n" not in str(error.value)


def test_a_table_that_names_some_says_how_many_are_left_out(tmp_path, capsys):
    rows = "".join(f"{i:02}.png,{i % 2}\n" for i in range(2, 24))
    write(tmp_path, {**FILES, "labels.csv": rows.encode()})
    assert classes(load_data(str(tmp_path), labels="labels.csv")) == {"0": 11, "1": 11}
    said = capsys.readouterr().err
    assert "does not name 2 of the 24 pictures" in said and "00.png, 01.png" in said


def test_a_picture_of_the_same_name_elsewhere_gets_no_label(tmp_path):
    """`val/00.png` is not `train/00.png`, whatever the list says of that."""
    files = {f"{part}/{name}": png for part in ("train", "val") for name, png in FILES.items()}
    rows = "".join(f"train/{name},{i % 2}\n" for i, name in enumerate(FILES))
    write(tmp_path, {**files, "labels.csv": rows.encode()})
    data = load_data(str(tmp_path), labels="labels.csv")
    assert classes(data) == {"0": 12, "1": 12} and data.test_labels is None


NUMBERED = {f"{i}.png": png(x) for i, x in enumerate(X)}


@pytest.mark.parametrize(
    "text",
    [
        ",label,id\n" + "".join(f"{i},{(23 - i) % 2},{23 - i}\n" for i in range(24)),  # pandas
        "label,id\n" + "".join(f"{i % 2},{i}\n" for i in range(24)),
        "\n".join(f"{i}.png {('even', 'odd')[i % 2]},of numbers" for i in range(24)),
        "\n".join(f"{i}.png\t{('even', 'odd')[i % 2]}, of numbers" for i in range(24)),
    ],
)
def test_names_and_labels_are_not_exchanged(tmp_path, text):
    write(tmp_path, {**NUMBERED, "labels.txt": text.encode()})
    data = load_data(str(tmp_path), labels="labels.txt", label_column=None if "id" in text else "2")
    order = sorted(range(24), key=str)  # of the files
    assert len(data.class_names) == 2
    assert len({(label, n % 2) for label, n in zip(data.labels.tolist(), order, strict=True)}) == 2


def test_a_bare_name_labels_the_training_picture_alone(tmp_path, capsys):
    """Kaggle's: `trainLabels.csv` says 1, and there is a `train/1.png` and a `test/1.png`."""
    files = {f"{part}/{name}": png for part in ("train", "test") for name, png in NUMBERED.items()}
    rows = "id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(24))
    write(tmp_path, {**files, "trainLabels.csv": rows.encode()})
    data = load_data(str(tmp_path), labels="trainLabels.csv")
    assert classes(data) == {"a": 12, "b": 12}
    assert data.test_labels is None and data.test_count == 24
    assert "does not name 24 of the 48" in capsys.readouterr().err
    files = {f"{part}/{name}": png for part in ("x", "y") for name, png in NUMBERED.items()}
    write(tmp_path / "unclear", {**files, "labels.csv": rows.encode()})
    with pytest.raises(DataError, match="--labels labels.csv leaves no classes: 48 of 48"):
        load_data(str(tmp_path / "unclear"), labels="labels.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_no_encoding_makes_one_class_of_two(tmp_path, capsys, encoding):
    rows = "id,label\n" + "".join(f"{i:02},{'éèz'[i % 3]}\n" for i in range(24))
    write(tmp_path, {**FILES, "labels.csv": rows.encode(encoding)})
    assert classes(load_data(str(tmp_path), labels="labels.csv")) == {"z": 8, "è": 8, "é": 8}
    assert ("cp1252" in capsys.readouterr().err) == (encoding == "cp1252")


@pytest.mark.parametrize(
    "row, said",
    [
        (lambda i: f"{i:02},{'' if i < 12 else i % 2}\n", "12 of 24 training pictures have no"),
        (lambda i: f"{i:02},{i % 2}\n" if i < 10 else "", "14 of 24 training pictures have no"),
        (lambda i: f"{i:02},cat\n", "all of one class, cat"),
        (lambda i: f"{i:02},cat\n{i:02},dog\n", "24 of 24 training pictures have no label"),
        (lambda i: f"{i:02}\n", "has no column of labels, only one of names"),
    ],
)
def test_labels_that_were_asked_for_and_make_no_classes_are_an_error(tmp_path, row, said):
    write(tmp_path, {**FILES, "labels.csv": "".join(map(row, range(24))).encode()})
    with pytest.raises(DataError, match=said):
        load_data(str(tmp_path), labels="labels.csv")


def test_a_picture_with_two_labels_has_none(tmp_path, capsys):
    rows = "".join(f"{i:02},{'ab'[i % 2]}\n" for i in range(24)) + "03,a\n"
    write(tmp_path, {**FILES, "labels.csv": rows.encode()})
    assert classes(load_data(str(tmp_path), labels="labels.csv")) == {"a": 12, "b": 11}
    assert "has several labels for 1 of the 24" in capsys.readouterr().err


@pytest.mark.parametrize("column", ["1", "²", "9" * 5000])
def test_a_column_that_holds_no_labels(tmp_path, column):
    rows = "".join(f"{i:02},a,b\n" for i in range(24))
    write(tmp_path, {**FILES, "labels.csv": rows.encode()})
    with pytest.raises(DataError, match="no column .*; choose one with --label-column: 2, 3"):
        load_data(str(tmp_path), labels="labels.csv", label_column=column)


@pytest.mark.parametrize(
    "content",
    ['{"labels": ["cat", "dog"]}', '{"labels": 5}', '{"labels": {"0": "cat"}}', '{"a', "[" * 10**5],
)
def test_a_list_of_another_use_leaves_the_folders_their_classes(tmp_path, capsys, content):
    write(tmp_path, {**picture_files(test=None, train=""), "dataset.json": content.encode()})
    check(load_data(str(tmp_path)), *SORTED[:2], None, None)
    assert "dataset.json" in capsys.readouterr().err


def test_a_hostile_table_costs_little(tmp_path):
    write(tmp_path, FILES)
    bombs = {
        "keys.json": json.dumps([{f"k{i}": i} for i in range(12_000)]),
        "deep.csv": "a/" * 60_000 + "1.png,1\n",
        "coco.json": json.dumps({"images": [{"id": 1}], "labels": [{"a": [{}, {}]}]}),
    }
    for name, text in bombs.items():
        (tmp_path / name).write_text(text)
        tracemalloc.start()
        with pytest.raises(DataError) as error:
            load_data(str(tmp_path), labels=name)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20, name
        tracemalloc.stop()
        assert "\n" not in str(error.value) and len(str(error.value)) < 2000 + len(str(tmp_path))


# Classes as people lay them out


def laid_out(tmp_path, place):
    write(tmp_path, {f"{place(i)}/{i:02}.png": png(x) for i, x in enumerate(X)})
    return str(tmp_path)


@pytest.mark.parametrize(
    "place, expected",
    [
        (lambda i: ("a/airfield", "a/alley", "b/bar")[i % 3], {"airfield", "alley", "bar"}),
        (lambda i: ("a/arch", "h/house/inside", "h/house/outside")[i % 3],
         {"arch", "house/inside", "house/outside"}),
        (lambda i: f"{('cat', 'dog')[i % 2]}/{2020 + i % 3}", {"cat", "dog"}),
        (lambda i: f"{2020 + i % 3}/{('cat', 'dog')[i % 2]}", {"cat", "dog"}),
        (lambda i: f"{('cat', 'dog')[i % 2]}/2024-0{1 + i % 3}-11", {"cat", "dog"}),
        (lambda i: f"{('cat', 'dog')[i % 2]}/images", {"cat", "dog"}),
        (lambda i: f"images/{('cat', 'dog')[i % 2]}", {"cat", "dog"}),
        (lambda i: str(2020 + i % 3), {"2020", "2021", "2022"}),  # of coins, say
        (lambda i: "ab"[i % 2], {"a", "b"}),
        (lambda i: f"{2000 + i % 3}/images", {"2000", "2001", "2002"}),
        (lambda i: f"{('photo', 'jpg')[i % 2]}/a", {"photo", "jpg"}),
    ],
)  # fmt: skip
def test_folders_that_only_sort_are_no_classes(tmp_path, capsys, place, expected):
    assert set(load_data(laid_out(tmp_path, place)).class_names) == expected
    above = {place(i).split("/")[0] for i in range(24)}
    said = capsys.readouterr().err
    if len(above) < 2 or above & expected:
        assert said == ""
    else:
        assert f"{', '.join(sorted(above))} are not taken as classes, but as an order" in said
        folder = load_data(str(tmp_path), label_column="1")
        assert set(folder.class_names) == above and capsys.readouterr().err == ""


def test_where_two_readings_are_possible_a_line_says_how_to_choose_the_other(tmp_path, capsys):
    kinds = ("pets/cat", "pets/dog", "farm/cow", "farm/pig")
    folder = laid_out(tmp_path, lambda i: kinds[i % 4])
    assert classes(load_data(folder)) == {"farm": 12, "pets": 12}
    assert "the first folders are the classes; --label-column 2 takes" in capsys.readouterr().err
    assert set(load_data(folder, label_column="2").class_names) == {"cat", "cow", "dog", "pig"}
    assert capsys.readouterr().err == ""
    with pytest.raises(DataError, match="it is a level of folders, 1 to 2"):
        load_data(folder, label_column="breed")


def test_labels_are_for_pictures(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match="holds no pictures, which --labels"):
        load_data(str(tmp_path), label_column="2")
    write(tmp_path / "p", FILES)
    with pytest.raises(DataError, match="--labels nowhere: there is no such file, nor one in"):
        load_data(str(tmp_path / "p"), labels="nowhere")


# Arrow, as `save_to_disk` writes it


def arrow(path, images, labels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    feature = {"label": {"names": [f"kind {i}" for i in range(10)], "_type": "ClassLabel"}}
    hub = {b"huggingface": json.dumps({"info": {"features": feature}}).encode()}
    files = [{"bytes": png(x), "path": None} for x in images]
    table = pyarrow.table({"image": files, "label": labels}).replace_schema_metadata(hub)
    options = pyarrow.ipc.IpcWriteOptions(**options)
    with pyarrow.ipc.new_stream(str(path), table.schema, options=options) as stream:
        stream.write_table(table, max_chunksize=5)


def test_a_folder_of_save_to_disk(tmp_path, capsys):
    arrow(tmp_path / "train" / "data-00000-of-00002.arrow", X[:12], Y[:12])
    arrow(tmp_path / "train" / "data-00001-of-00002.arrow", X[12:], Y[12:])
    arrow(tmp_path / "test" / "data-00000-of-00001.arrow", XT, YT)
    arrow(tmp_path / "train" / "cache-1f.arrow", X, Y)
    for name in ("dataset_dict.json", "train/state.json", "train/dataset_info.json"):
        (tmp_path / name).write_text("{}")
    kinds = tuple(f"kind {i}" for i in range(10))
    check(load_data(str(tmp_path)), names=kinds)
    assert capsys.readouterr().out == "left out: 3 .json, 1 .arrow\n"
    check(load_data(str(tmp_path / "test")), XT, YT, None, None, names=kinds)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "train", "train")
    check(load_data(str(tmp_path / "a.tar")), X, Y, None, None, names=kinds)


@given(st.data())
def test_a_hostile_arrow_stream_is_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("arrow") / "a.arrow"
    arrow(path, X, Y)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 9))]
    else:
        place = data.draw(st.integers(0, 4000))
        content[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    path.write_bytes(content)
    try:
        read = load_data(str(path))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < len(read.images) <= 24


def test_a_compressed_arrow_stream_is_refused(tmp_path):
    arrow(tmp_path / "a.arrow", X, Y, compression="zstd")
    with pytest.raises(DataError, match="a.arrow is compressed inside; save it as parquet"):
        load_data(str(tmp_path))


# TFRecords


def example(**values):
    features = {}
    for name, value in values.items():
        if isinstance(value, bytes):
            kind = {"bytes_list": tf.train.BytesList(value=[value])}
        else:
            kind = {"int64_list": tf.train.Int64List(value=np.ravel(value).astype(int))}
        features[name.replace("__", "/")] = tf.train.Feature(**kind)
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def records(path, images, labels, describe, compression=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for image, label in zip(images, labels, strict=True):
            writer.write(example(**describe(image, label)))


FEATURES = {
    "encoded": lambda x, y: {"image": png(x), "label": y},
    "slim": lambda x, y: {"image__encoded": png(x), "image__class__label": y, "image__height": 28},
    "raw": lambda x, y: {"image_raw": x.tobytes(), "label": y, "height": 28, "width": 28},
    "square": lambda x, y: {"image": x.tobytes(), "label": y},
    "one-hot": lambda x, y: {"image": x.tobytes(), "label": np.eye(10)[y]},
    "one-hot, encoded": lambda x, y: {"image": png(x), "label": np.eye(10)[y]},
}


@pytest.mark.parametrize("compression", [None, "GZIP"])
@pytest.mark.parametrize("features", FEATURES)
def test_tfrecords(tmp_path, features, compression):
    """Sharded; by the names that TFDS and others give to files."""
    end = ".gz" if compression else ""
    for number, rows in enumerate((slice(0, 12), slice(12, None))):
        path = tmp_path / "1.0.0" / f"digits-train.tfrecord-0000{number}-of-00002{end}"
        records(path, X[rows], Y[rows], FEATURES[features], compression)
    path = tmp_path / "1.0.0" / f"digits-test.tfrecord-00000-of-00001{end}"
    records(path, XT, YT, FEATURES[features], compression)
    check(load_data(str(tmp_path)))


def test_tfds_names_its_classes(tmp_path, capsys):
    names = "zero one two three four five six seven eight nine".split()
    records(tmp_path / "digits-train.tfrecord-00000-of-00001", X, Y, FEATURES["encoded"])
    write(
        tmp_path, {"label.labels.txt": ("\n".join(names) + "\n").encode(), "features.json": b"{}"}
    )
    check(load_data(str(tmp_path)), X, Y, None, None, names=tuple(names))
    assert capsys.readouterr().out == "left out: 1 .json\n"


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_a_flipped_bit_of_a_tfrecord_is_found(tmp_path, compression, capfd):
    path = tmp_path / ("a.tfrecord" + (".gz" if compression else ""))
    records(path, X, Y, FEATURES["square"], compression)
    check(load_data(str(tmp_path)), X, Y, None, None)
    assert capfd.readouterr() == ("", "")
    content = bytearray(gzip.decompress(path.read_bytes()) if compression else path.read_bytes())
    content[200] ^= 1
    path.write_bytes(gzip.compress(content) if compression else content)
    with pytest.raises(DataError, match="cannot be read as TFRecords .*corrupted record") as error:
        load_data(str(tmp_path))
    assert "\n" not in str(error.value)


def test_raw_pixels_of_another_type_are_refused(tmp_path):
    """Not read as images of another size."""
    floats = lambda x, y: {**FEATURES["raw"](x, y), "image_raw": x.astype("<f4").tobytes()}  # noqa: E731
    records(tmp_path / "a.tfrecord", X, Y, floats)
    with pytest.raises(DataError, match="says 28x28x1 of an image of 3136 bytes.* uint8 alone"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("other", ["digits/3.0.1/digits", "fashion/1.0.0/fashion"])
def test_several_sets_of_tfrecords_are_not_mixed(tmp_path, other):
    for name in ("digits/1.0.0/digits", other):
        for part, images, labels in (("train", X, Y), ("test", XT, YT)):
            path = tmp_path / f"{name}-{part}.tfrecord-00000-of-00001"
            records(path, images, labels, FEATURES["encoded"])
    with pytest.raises(DataError, match="holds several data sets .digits/1.0.0/digits, "):
        load_data(str(tmp_path))
    check(load_data(str(tmp_path / "digits" / "1.0.0")))


def test_tfrecords_of_which_some_have_no_label_say_so(tmp_path, capsys):
    some = lambda x, y: {"image": png(x), **({"label": y} if x[0, 0] != X[3, 0, 0] else {})}  # noqa: E731
    records(tmp_path / "a.tfrecords", X, Y, some)
    assert load_data(str(tmp_path / "a.tfrecords")).labels is None
    assert "of 24 images have no label; labels are left aside" in capsys.readouterr().err


def test_tfrecords_without_labels(tmp_path):
    records(tmp_path / "a.tfrecords", X, Y, lambda x, y: {"image": png(x)})
    check(load_data(str(tmp_path / "a.tfrecords")), X, None, None, None)


def record(content):
    """A file of one record, its checksums right."""
    with tempfile.NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            writer.write(content)
        return Path(file.name).read_bytes()


@given(st.data())
def test_a_cut_tfrecord_is_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "cut"
    path = folder / "a.tfrecord"
    records(path, X, Y, FEATURES["encoded"])
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole) - 1))])
    lengths = np.cumsum([16 + len(example(**FEATURES["encoded"](x, y)))
                         for x, y in zip(X, Y, strict=True)])  # fmt: skip
    if path.stat().st_size in lengths:  # between two records
        assert len(load_data(str(path)).images) <= 24
    else:
        with pytest.raises(DataError, match="a.tfrecord") as error:
            load_data(str(path))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content, said",
    [
        (struct.pack("<Q", 1 << 60) + b"0000", "is no whole TFRecord file"),
        (struct.pack("<Q", 9) + b"0000" + b"\xff" * 9 + b"0000", "corrupted record at 0"),
        (record(b"\xff" * 9), "holds no tf.train.Example"),
        (record(b""), "has no image among its features"),
        (
            gzip.compress(struct.pack("<Q", 200 << 20) + bytes(300 << 20)),
            "holds no tf.train.Example",
        ),
    ],
    ids=["length", "checksum", "no example", "no image", "bomb"],
)
def test_a_tfrecord_that_lies_is_one_line(tmp_path, content, said):
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        load_data(str(tmp_path))
    assert "\n" not in str(error.value)


# What is left out, and what is refused by its name


def test_what_is_left_out_is_said_by_kind(tmp_path, capsys):
    others = {f"IMG_{i}.heic": b"\0\0\0\x18ftypheic" + bytes(500) for i in range(20)}
    others |= {"notes.txt": b"mine", "LICENSE": b"free", "film.mp4": b"\0" * 99}
    write(tmp_path, {**FILES, **others})
    os.symlink("/gone.png", tmp_path / "gone.png")
    check(load_data(str(tmp_path)), X, None, None, None)
    assert capsys.readouterr().out == (
        "left out: 20 .heic (pip install pillow-heif), 1 .mp4 (a video: save its frames), 1 .txt, "
        "1 without a suffix, 1 links that lead nowhere (gone.png)\n"
    )


def test_pictures_beside_arrays_and_a_third_part_are_left_out_with_a_line(tmp_path, capsys):
    write(tmp_path / "a", FILES)
    np.save(tmp_path / "a" / "images.npy", X)
    check(load_data(str(tmp_path / "a")), X, None, None, None, names=())
    assert capsys.readouterr().out == "left out: 24 .png\n"
    parts = {"train": X[:12], "test": X[12:20], "val": X[20:]}
    for part, images in parts.items():
        write(tmp_path / "b" / part, {f"{i}.png": png(x) for i, x in enumerate(images)})
    assert load_data(str(tmp_path / "b")).test_count == 8
    said = capsys.readouterr().out
    assert said == "left out: 4 pictures of a validation set, beside the test set\n"


def test_a_few_pointers_among_pictures_are_named(tmp_path, capsys):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 812\n"
    write(tmp_path, {**FILES, "a.png": pointer, "b.png": b""})
    check(load_data(str(tmp_path)), X, None, None, None)
    said = capsys.readouterr().err
    assert "a.png (a Git LFS pointer: run git lfs pull), b.png (empty)" in said


@pytest.mark.parametrize(
    "files, said",
    [
        ({"set.zip": b"<!DOCTYPE html><html>quota exceeded</html>"}, "is a web page"),
        ({"set.npz": b"\n <html><body>log in</body></html>"}, "is a web page"),
        ({"x.npy": b"version https://git-lfs.github.com/spec/v1\n"}, "a Git LFS pointer: run git"),
        ({"x.csv": b""}, "empty"),
        (
            {"set.zip.crdownload": b"PK"},
            r"1 .crdownload, and nothing else \(an incomplete download",
        ),
        (
            {f"{i}.heic": b"\0\0\0\x18ftypheic" for i in range(9)},
            "9 .heic.*pip install pillow-heif",
        ),
        ({"data.mdb": b"\0" * 99}, "LMDB"),
    ],
    ids=["zip", "npz", "npy", "csv", "half", "heic", "lmdb"],
)
def test_what_cannot_be_read_is_refused_by_its_name(tmp_path, files, said):
    write(tmp_path / "set", files)
    with pytest.raises(DataError, match=said) as error:
        load_data(str(tmp_path / "set"))
    assert "\n" not in str(error.value)
    if len(files) == 1 and "mdb" not in str(files):
        with pytest.raises(DataError, match=said):
            load_data(str(tmp_path / "set" / next(iter(files))))


def test_links_that_lead_nowhere_alone(tmp_path):
    for i in range(3):
        os.symlink(f"/gone/{i}.png", tmp_path / f"{i}.png")
    with pytest.raises(DataError, match="holds 3 links that lead nowhere"):
        load_data(str(tmp_path))


# The dry run


def test_a_dry_run_shows_what_was_understood(tmp_path, capsys):
    folder = laid_out(tmp_path / "set", lambda i: f"kind{i % 12}")
    write(tmp_path / "set", {"notes.txt": b"mine"})
    train.main(["--data", folder, "--dry-run", "--batch", "8", "--recipe", "modern"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "left out: 1 .txt"
    assert said[1] == "data: 24 training images 28x28x1, 12 classes, 0 test images"
    assert said[2].startswith("classes: kind0 2, kind1 2, ") and said[2].endswith(", and 2 more")
    assert said[3] == f"settings: --data {folder}, --batch 8"
    assert said[4].startswith("plan: ") and said[5].startswith("chosen for 24 images ")
    assert said[6].startswith("24 images may be memorised") and len(said) == 7
