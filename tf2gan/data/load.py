"""From a name or a path to a data set: what lies there, and which reader takes it."""

import collections
import contextlib
import dataclasses
import os
import re
import time
from pathlib import Path

import numpy as np

from tf2gan.data import cache
from tf2gan.data.arrays import converted, fingerprint, from_arrays
from tf2gan.data.files.archives import expand
from tf2gan.data.files.entries import IDX_NAME, Entry, walk
from tf2gan.data.files.left_out import tell_left_out, what_it_is
from tf2gan.data.formats.arrow import load_arrow
from tf2gan.data.formats.cifar import is_records, load_records
from tf2gan.data.formats.hdf5 import hdf5_arrays, matlab_arrays
from tf2gan.data.formats.idx import idx_beside, load_idx
from tf2gan.data.formats.label_table import LIST, read_label_table, read_stylegan_list
from tf2gan.data.formats.named_arrays import has_images, load_named, npy_arrays
from tf2gan.data.formats.parquet import load_parquet
from tf2gan.data.formats.pictures import load_pictures
from tf2gan.data.formats.pixel_column import find_pixel_columns, load_pixel_column
from tf2gan.data.formats.tables import find_tables, load_tables
from tf2gan.data.formats.tfrecord import is_tfrecord, load_tfrecords
from tf2gan.data.formats.webdataset import in_their_folders, is_webdataset, load_webdataset
from tf2gan.data.mnist import load_fashion_mnist, load_mnist
from tf2gan.data.names import part_of, roles_of
from tf2gan.utils.errors import DataError, UsageError
from tf2gan.utils.messages import hearing, listed, reading, repeat, shown, warn

NAMES = ("mnist", "fashion_mnist")  # of data sets that need no path
ARRAYS = "arrays:"  # how `TrainConfig.data` begins where arrays were given; their hash follows
MANY = 50  # pictures; a folder with more is one of pictures, whatever else lies there
FORMATS = "pictures, IDX, .npz, .npy, HDF5, MATLAB, CSV, parquet, CIFAR's or STL's binary files"
LABEL_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".cls")
PICKLES = (".pkl", ".pickle", ".p", ".pt", ".pth", ".joblib")


def load_data(source, image_size=None, color_mode=None, *, labels=None, label_column=None):
    """Loads a data set by name or path; `DataError`, one line, when it cannot be used.

    Args:
      source: `mnist` (inside the package), `fashion_mnist` (downloaded by Keras), or the path of a
        file, a folder or an archive: docs/data.md lists the formats and layouts. A file that may be
        larger than memory (`.npy` of uint8) is mapped, and read as it is needed.
      image_size: (H, W), a checked size that images are brought to; by default pictures become
        28x28 and arrays keep theirs.
      color_mode: `grayscale` or `rgb`; by default pictures become grey and arrays keep theirs.
      labels: a file with the labels of pictures, on disk or in the source.
      label_column: its column of labels, by name or number; without `labels`, the level of folders
        that names the classes.
    """
    wanted = {"image_size": image_size, "color_mode": color_mode}
    of_pictures = {"labels": labels, "column": label_column}
    if source in NAMES:
        data = load_mnist() if source == "mnist" else load_fashion_mnist()
        return converted(data, **wanted)
    if source.startswith(ARRAYS):
        raise DataError(
            "the run was trained on arrays given in Python; "
            "give them again with tf2gan.resume(run, images=…)"
        )
    path = Path(os.path.expanduser(source))
    is_folder = os.path.isdir(path)  # unlike Path.is_dir, False for any string
    if not is_folder and not os.path.isfile(path):
        raise DataError(
            f"data {source!r} is no file or folder; give mnist, fashion_mnist or a path that exists"
        )
    where = shown(str(path))
    how = [_absolute(path), image_size, color_mode, labels, label_column]
    known = _key(source, is_folder, labels, how)
    found_from = from_any_folder(source)
    if known and (kept := cache.load(known[0], found_from, where)):
        data, said = kept
        repeat(said)
        return data
    started = time.monotonic()
    with hearing() as said:
        data = _load_path(path, is_folder, where, wanted, of_pictures)
    data = dataclasses.replace(data, source=found_from)
    is_read = not isinstance(data.images, np.memmap) or cache.is_room(data.images)
    if is_read and time.monotonic() - started > cache.KEPT_SECONDS:
        lasting = None not in said and known == _key(source, is_folder, labels, how)
        if known and lasting:  # nothing changed while it was read
            data = cache.keep(*known, data, said)
    return data


def _key(source, is_folder, labels, how):
    """(the name of what reading a source gives, its newest time); None if a file is gone by now."""
    try:
        return cache.key_of(_files(source, is_folder, labels), how)
    except (OSError, DataError):
        return None


def _files(source, is_folder, labels):
    """All files that may be read for a source, by the same names from any folder."""
    path = _absolute(source)
    if is_folder:
        files = [entry.path for entry in walk(path)]
    else:
        entry = Entry(os.path.basename(path), path, path=path)
        beside = entry.kind == "idx" or is_records(entry)
        folder = os.path.dirname(os.path.realpath(path))
        files = [path, *(e.path for e in (walk(folder, deep=False) if beside else ()))]
    if labels is not None and os.path.isfile(_absolute(labels)):
        files.append(_absolute(labels))
    return files


def _load_path(path, is_folder, where, wanted, of_pictures):
    lost = []
    with contextlib.ExitStack() as stack, reading(where):
        if is_folder:
            entries, name = list(walk(path, lost=lost)), path.resolve().name
            if lost and not entries:
                raise DataError(
                    f"{where} holds {len(lost)} links that lead nowhere ({listed(lost, 2)}); put "
                    "back what they lead to, or give the folder where it is"
                )
            data = _load_entries(entries, where, name, stack, wanted, of_pictures)
            tell_left_out(entries, lost)
        else:
            entry = Entry(path.name, str(path), path=str(path))
            data = _load_file(entry, where, stack, wanted, of_pictures)
    return data


def load_training_data(config, data=None, *, resumed=False):
    """Returns (the configuration with what follows from its data, the data).

    Args:
      config: a `TrainConfig`.
      data: a `tf2gan.data.dataset.Data`, if it is loaded already; otherwise `config.data` is.
      resumed: whether it is a run's, which was trained on its data before.

    Raises:
      DataError: the data cannot be used, do not fill one batch, or are not those of the run.
    """
    if data is None:
        path = from_any_folder(config.data)
        if resumed and os.path.isabs(path) and not os.path.exists(path):
            raise DataError(
                f"{path} is not there, and the run was trained on it; if it has moved, say where "
                "to: --data, beside --resume"
            )
        data = load_data_of(config)
    source = data.source or config.data
    if resumed and config.data_fingerprint is None:
        print(f"{source} is taken for the data of this run, which has no fingerprint of them")
    elif resumed and config.data_fingerprint != data.fingerprint:
        raise DataError(
            f"{source} is not what the run was trained on: "
            f"{_difference(config.data_fingerprint, data.fingerprint)}; say with --data where its "
            "data are, or start a new run from its networks with --start-from"
        )
    if len(data.images) < config.batch:
        raise DataError(
            f"{config.data} has {len(data.images)} images, less than one batch of {config.batch}; "
            f"give a --batch of at most {len(data.images)}"
        )
    labels = config.labels
    if labels is not None and os.path.isfile(_absolute(labels)):
        labels = _absolute(labels)  # otherwise it lies in the data
    return dataclasses.replace(config.of(data), data=source, labels=labels), data


def from_any_folder(source):
    """A data set's name, or its path as it is found from any folder."""
    return source if source in NAMES or source.startswith(ARRAYS) else _absolute(source)


def _absolute(path):
    return os.path.abspath(os.path.expanduser(path))


def _difference(then, now):
    """In what the data of two fingerprints differ, in words."""
    for name in ("images", "classes", "test_images"):
        if then.get(name) != now[name]:
            return f"{then.get(name)} {name.replace('_', ' ')} then, {now[name]} now"
    if then["sha256"] == now["sha256"]:
        return "the same training images, but other test images"
    return "as many images, but not the same pixels, order or labels"


def name_arrays(config, images, labels, test_images, test_labels):
    """Returns (the configuration that names given arrays by their hash, their `Data`)."""
    wanted = {"image_size": config.image_size, "color_mode": config.color_mode}
    data = from_arrays(images, labels, test_images, test_labels, name="arrays", **wanted)
    return dataclasses.replace(config, data=ARRAYS + fingerprint(data)), data


def check_same_data(run, config, given):
    """Raises `UsageError` unless the configuration `given` names the data of the run's."""
    if config.data != given.data:
        raise UsageError(f"{run} was trained on {config.data}; the arrays given are {given.data}")


def load_data_of(config):
    """The data set that a `TrainConfig` names."""
    labels = {"labels": config.labels, "label_column": config.label_column}
    return load_data(config.data, config.image_size, config.color_mode, **labels)


def _load_file(entry, where, stack, wanted, of_pictures):
    if entry.kind in ("zip", "tar"):
        entries = expand(entry, stack)
        if entry.kind == "tar" and not any(of_pictures.values()) and is_webdataset(entries):
            return load_webdataset([(entry, entries)], where, entry.stem, **wanted)
        data = _load_entries(entries, where, entry.stem, stack, wanted, of_pictures)
        tell_left_out(entries)
        return data
    folder = Path(entry.path).resolve().parent
    if entry.kind == "idx":  # its labels and its test set lie beside it
        beside = idx_beside(entry, folder)
        return load_idx([entry, *beside], where, folder.name, chosen=entry, **wanted)
    if is_records(entry):
        beside = [e for e in walk(folder, deep=False) if e.base != entry.base]
        return load_records([entry], beside, where, entry.stem, **wanted)
    return _load_entries([entry], where, entry.stem, stack, wanted, of_pictures)


def _load_entries(entries, where, name, stack, wanted, of_pictures, *, nested=False):
    """Loads what the entries of a folder, of an archive or of a file alone hold."""
    kinds = collections.defaultdict(list)
    many = sum(entry.has_picture_suffix for entry in entries) > MANY
    for entry in entries:
        # Among many pictures nothing is looked into, but for what goes before them and for what
        # may be a picture that lost its suffix.
        if not many or entry.has_picture_suffix or IDX_NAME.search(entry.base):
            kinds[_kind(entry)].append(entry)
        elif not entry.suffix and entry.kind == "picture":
            kinds["picture"].append(entry)
    if any(of_pictures.values()) and not kinds["picture"] and not (kinds["zip"] + kinds["tar"]):
        raise DataError(f"{where} holds no pictures, which --labels and --label-column are for")
    if kinds["idx"]:
        return load_idx(kinds["idx"], where, name, **wanted)
    if kinds["tfrecord"]:
        return load_tfrecords(kinds["tfrecord"], entries, where, name, **wanted)
    if kinds["arrow"]:
        return load_arrow(kinds["arrow"], where, name, stack, **wanted)
    arrays = []
    if not many:
        members = [
            member
            for entry in kinds["zip"]
            if entry.suffix == ".npz"
            for member in expand(entry, stack, prefix=f"{entry.stem}/")
        ]
        arrays = npy_arrays(kinds["npy"] + [e for e in members if e.kind == "npy"])
        arrays += [a for entry in kinds["hdf5"] for a in hdf5_arrays(entry, stack)]
        matlab = [e for e in kinds["matlab"] if part_of(e.base) != "aside"] or kinds["matlab"]
        arrays += [a for entry in matlab for a in matlab_arrays(entry)]
        if has_images(arrays):
            return load_named(arrays, where, name, **wanted)
        if kinds["parquet"]:
            return load_parquet(kinds["parquet"], where, name, stack, **wanted)
        if kinds["records"]:
            return load_records(kinds["records"], entries, where, name, **wanted)
        if columns := find_pixel_columns(kinds["text"]):
            return load_pixel_column(columns, where, name, **wanted)
        if tables := find_tables(kinds["text"]):
            return load_tables(tables, where, name, **wanted)
    for entry in kinds["text"]:
        entry.used = False  # it was looked at, and is no table of images
    if kinds["picture"]:
        return _load_pictures(kinds["picture"], entries, where, name, wanted, **of_pictures)
    archives = kinds["zip"] + kinds["tar"]
    if archives and not nested:  # a download beside others, such as train.zip and test.zip
        tars = [(entry, expand(entry, stack)) for entry in kinds["tar"]]
        if len(tars) > 1 and not any(of_pictures.values()):
            if any(is_webdataset(inner) for _, inner in tars):
                return load_webdataset(tars, where, name, **wanted)
        zips = [(entry, expand(entry, stack)) for entry in kinds["zip"]]
        inner = in_their_folders(zips + tars)
        data = _load_entries(inner, where, name, stack, wanted, of_pictures, nested=True)
        tell_left_out(inner)
        return data
    if arrays:
        return load_named(arrays, where, name, **wanted)  # says what it misses
    raise _nothing(entries, kinds, where)


def _load_pictures(pictures, entries, where, name, wanted, labels, column):
    """Loads pictures with the labels that were asked for, of a file or of a level of folders."""
    if labels is not None:
        asked, level = f"--labels {labels}", None
    else:
        asked, level = f"--label-column {column}" if column is not None else None, column
    read = _labels_for(entries, where, labels, column)
    data = load_pictures(pictures, where, name, labels=read, asked=asked, column=level, **wanted)
    if data.labels is None:
        _tell_unread_labels(entries)
    return data


def _kind(entry):
    """The kind of an entry; of formats without a mark in their content by name and length."""
    if is_tfrecord(entry):
        return "tfrecord"
    if entry.suffix == ".arrow":
        return "arrow"
    return "records" if is_records(entry) else entry.kind


def _labels_for(entries, where, labels, column):
    """The function from pictures to their labels that `load_pictures` takes, or None."""
    if labels is not None:
        inside = [entry for entry in entries if labels in (entry.name, entry.base)]
        path = _absolute(labels)
        if os.path.isfile(path):
            table = Entry(os.path.basename(path), labels, path=path)
            for entry in entries:
                if entry.path and not entry.has_picture_suffix:  # those are too many to look at
                    entry.used |= os.path.samefile(entry.path, path)
        elif inside:
            table = min(inside, key=lambda entry: entry.name.count("/"))
        else:
            raise DataError(f"--labels {labels}: there is no such file, nor one in {where}")
        return lambda pictures, parts: read_label_table(table, pictures, parts, column)
    lists = sorted((e for e in entries if e.base == LIST), key=lambda e: e.name.count("/"))
    return (lambda *pictures: read_stylegan_list(lists[0], *pictures)) if lists else None


def _tell_unread_labels(entries):
    """Warns of files that may hold labels of pictures, in one of the many ways there are."""
    unread = [
        entry.name
        for entry in entries
        if not entry.has_picture_suffix
        and entry.base != LIST
        and (entry.suffix in LABEL_SUFFIXES or roles_of(entry.stem) == {"labels"})
    ]
    if unread:
        warn(
            f"{listed(sorted(unread), 3)} beside the pictures is not read; "
            "folders of classes give labels, or --labels FILE"
        )


def _nothing(entries, kinds, where):
    """The error for a source that holds nothing that can be read."""
    if told := what_it_is(entries):
        return DataError(f"{where} {told}")
    pickles = [entry for entry in entries if entry.suffix in PICKLES] or kinds["pickle"]
    if pickles:
        return DataError(
            f"{pickles[0].where} is a pickle, which could run code, and is not opened; "
            f"{_safe_version(pickles[0].where)}"
        )
    if len(entries) == 1 and entries[0].path == where:
        with entries[0].open() as file:  # what is cut says so itself
            file.read(1)
        suffix = entries[0].suffix
        how = {
            ".npz": "cannot be read as an .npz of plain arrays",
            ".npy": "cannot be mapped as an .npy of plain numbers",
        }.get(suffix, "is no data set that can be read")
        return DataError(f"{where} {how}; expected {FORMATS}")
    return DataError(
        f"{where} holds no IDX files and no pictures, and nothing else that can be read; "
        f"expected {FORMATS}"
    )


def _safe_version(where):
    """Where the set of a pickle can be had without one."""
    known = {
        r"cifar-?100": "take cifar-100-binary.tar.gz",
        r"cifar": "take cifar-10-binary.tar.gz",
        r"notmnist": "take the .tar.gz of pictures",
        r"fashion": "give fashion_mnist, or the four IDX files",
        r"mnist|training\.pt|test\.pt": "give mnist, which is in the package",
        r"data_batch|test_batch": "take cifar-10-binary.tar.gz",
    }
    for pattern, advice in known.items():
        if re.search(pattern, where, re.I):
            return advice
    return "save its arrays with np.savez(..., images=..., labels=...)"
