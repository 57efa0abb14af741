"""Parquet, as the Hugging Face hub keeps pictures: a column of files, a column of labels."""

import json

from tf2gan.data.files.unpack import FREE, check_ratio
from tf2gan.data.formats.hdf5 import for_library, needed
from tf2gan.data.formats.pictures import read_stream
from tf2gan.data.names import train_and_held_out
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import listed, reading

IMAGES = ("image", "img", "images", "picture")
LABELS = ("label", "labels", "fine_label", "class", "target", "y", "digit")
BATCH = 64  # rows read at a time, if they are small
BATCH_MOST = 1 << 26  # bytes that these rows of a small file may unpack to, if all mean one value


def load_parquet(entries, where, name, stack, *, image_size=None, color_mode=None):
    """Loads files such as `train-00000-of-00002.parquet`; the pictures are read as a folder's."""
    parquet = needed("pyarrow.parquet", where)
    train, held_out = train_and_held_out(entries, where)
    files = []
    for entry in train + held_out:
        with reading(entry.where, "cannot be read as parquet"):
            file = stack.enter_context(parquet.ParquetFile(for_library(entry)))
            files.append((entry, file, *picture_columns(file.schema_arrow, entry)))
    counts = [file.metadata.num_rows for _, file, *_ in files]
    first = sum(counts[: len(train)])
    names = label_names(files[0][1].schema_arrow, files[0][3])
    wanted = {"image_size": image_size, "color_mode": color_mode}
    return read_stream(_rows(files), first, sum(counts), where, name, names, **wanted)


def _rows(files):
    """Yields (what to call it, bytes, label or None) of each picture."""
    for entry, file, column, label_column in files:
        columns = [column, label_column] if label_column else [column]
        unpacked = row = 0
        with reading(entry.where, "cannot be read as parquet"):
            count = _batch(entry, file.metadata, columns)
            for batch in file.iter_batches(batch_size=count, columns=columns):
                unpacked += batch.nbytes
                check_ratio(unpacked, entry.packed_size, entry.where)
                given = batch[label_column].to_pylist() if label_column else [None] * len(batch)
                for value, label in zip(batch[column], given, strict=True):
                    value = value.as_py()
                    content = value.get("bytes") if isinstance(value, dict) else value
                    yield f"row {row} of {entry.name}", content or b"", label
                    row += 1


def _batch(entry, metadata, columns):
    """How many rows to read at a time.

    A value that stands in the file once may be that of all rows, so that each of them may unpack to
    as much as the whole group of rows.
    """
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        pieces = [group.column(place) for place in range(group.num_columns)]
        groups.append(
            sum(
                piece.total_uncompressed_size
                for piece in pieces
                if any(f"{piece.path_in_schema}.".startswith(f"{name}.") for name in columns)
            )
        )
    check_ratio(sum(groups), entry.packed_size, entry.where)
    most = min(max(BATCH_MOST, 4 * entry.packed_size), FREE)
    return min(max(most // max([1, *groups]), 1), BATCH)


def picture_columns(schema, entry):
    """(the column of pictures, the column of labels or None)."""
    import pyarrow.types as types

    def is_picture(field):
        if types.is_struct(field.type):
            return field.type.get_field_index("bytes") >= 0
        return types.is_binary(field.type) or types.is_large_binary(field.type)

    pictures = [field.name for field in schema if is_picture(field)]
    if not pictures:
        raise DataError(
            f"{entry.where} has no column of pictures among {listed(schema.names)}; "
            "expected image, a struct with bytes"
        )
    column = next((name for name in IMAGES if name in pictures), pictures[0])
    return column, next((name for name in LABELS if name in schema.names), None)


def label_names(schema, label_column):
    """What the hub says the classes are called, or None."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        names = features[label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) else None
