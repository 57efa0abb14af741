"""Arrow streams, as Hugging Face's `save_to_disk` and its cache keep a data set: `.arrow` files."""

from tf2gan.data.files.unpack import FREE
from tf2gan.data.formats.hdf5 import for_library, needed
from tf2gan.data.formats.parquet import label_names, picture_columns
from tf2gan.data.formats.pictures import read_stream
from tf2gan.data.names import train_and_held_out
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading

HOW = "cannot be read as an Arrow stream"
# Places in the tables of Arrow's Message.fbs: Message.header, RecordBatch.compression.
HEADER, COMPRESSION = 8, 10


def load_arrow(entries, where, name, stack, *, image_size=None, color_mode=None):
    """Loads files such as `train/data-00000-of-00002.arrow`; pictures are read as a folder's."""
    needed("pyarrow", where)
    # What `map` and `filter` computed lies beside the data under such names.
    entries = [entry for entry in entries if not entry.base.startswith("cache-")] or entries
    train, held_out = train_and_held_out(entries, where)
    files = [(entry, for_library(entry)) for entry in train + held_out]
    counts = [_count(*file) for file in files]
    with reading(files[0][0].where, HOW):
        schema = _open(files[0][1]).schema
        names = label_names(schema, picture_columns(schema, files[0][0])[1])
    first, total = sum(counts[: len(train)]), sum(counts)
    wanted = {"image_size": image_size, "color_mode": color_mode}
    return read_stream(_rows(files), first, total, where, name, names, **wanted)


def _source(file):
    """A file as pyarrow reads it: mapped, if it lies on disk."""
    import pyarrow

    return pyarrow.memory_map(file) if isinstance(file, str) else pyarrow.py_buffer(file.getvalue())


def _open(file):
    import pyarrow

    return pyarrow.ipc.open_stream(_source(file))


def _count(entry, file):
    """The rows of a stream; refuses one whose buffers are compressed, which may be bombs."""
    import pyarrow
    from flatbuffers.table import Table

    with reading(entry.where, HOW):
        for message in pyarrow.ipc.MessageReader.open_stream(_source(file)):
            if message.type == "record batch":
                metadata = message.metadata.to_pybytes()
                root = Table(metadata, int.from_bytes(metadata[:4], "little"))
                header = Table(metadata, root.Indirect(root.Offset(HEADER) + root.Pos))
                if header.Offset(COMPRESSION):
                    raise DataError(f"{entry.where} is compressed inside; save it as parquet")
            if message.body and message.body.size > FREE:
                raise DataError(f"{entry.where} has batches of more than {FREE} bytes")
        return sum(batch.num_rows for batch in _open(file))


def _rows(files):
    """Yields (what to call it, bytes, label or None) of each picture."""
    for entry, file in files:
        row = 0
        with reading(entry.where, HOW):
            stream = _open(file)
            column, label_column = picture_columns(stream.schema, entry)
            for batch in stream:
                batch.validate(full=True)  # an offset beyond its end would be read as it stands
                labels = batch[label_column] if label_column else [None] * len(batch)
                for value, label in zip(batch[column], labels, strict=True):
                    value, label = value.as_py(), label and label.as_py()
                    content = value.get("bytes") if isinstance(value, dict) else value
                    yield f"row {row} of {entry.name}", content or b"", label
                    row += 1
