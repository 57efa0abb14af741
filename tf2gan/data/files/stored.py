"""Numbers as they lie in a file: read in pieces, never more than the file holds."""

import math

import numpy as np

from tf2gan.data.conversion import VALUES_MOST
from tf2gan.data.mapped import map_file
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading, shown

PIECE = 1 << 24


def check_count(shape, where):
    """Raises `DataError` for a shape of more values than a data set in memory has."""
    if math.prod(shape) > VALUES_MOST:
        raise DataError(
            f"{where} claims {list(shape)} values in its header, more than {VALUES_MOST} bytes "
            "of pixels"
        )


def read_values(file, dtype, shape, where, *, to_the_end=True):
    """An array `shape` of `dtype` from where an open file stands.

    Raises:
      DataError: the file ends early, or holds more (unless `to_the_end` is false).
    """
    check_count(shape, where)
    with reading(where):
        values = np.empty(math.prod(shape), dtype)  # memory is taken only as it is filled
        place, view = 0, memoryview(values.view(np.uint8))
        while place < len(view) and (count := file.readinto(view[place : place + PIECE])):
            place += count
        too_long = to_the_end and place == len(view) and file.read(1)
    if place < len(view) or too_long:
        kind = "goes on too long" if too_long else "ends early"
        raise DataError(f"{where} {kind}: its header says {list(shape)}, {len(view)} bytes")
    return values.reshape(shape)


def npy_header(entry):
    """(shape, whether in Fortran's order, dtype, where the values begin) of an `.npy`."""
    with reading(entry.where, _how(entry)), entry.open() as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(file)
        else:
            header = np.lib.format.read_array_header_2_0(file)
        start = file.tell()
    return *header, start


def is_plain(dtype):
    """Whether an array of it can be read without a pickle, and is no table."""
    return not (dtype.hasobject or dtype.fields)


def read_npy(entry):
    """The array of an `.npy`: mapped if it lies on disk, read otherwise."""
    shape, fortran, dtype, start = npy_header(entry)
    if not is_plain(dtype):
        raise DataError(
            f"{entry.where} {_how(entry)}: it holds {shown(str(dtype))[:80]}, "
            "which takes a pickle or a table to read"
        )
    if entry.path and entry.unpacked:
        return map_file(entry.path, entry.where)
    with entry.open() as file:
        file.seek(start)
        values = read_values(file, dtype, shape[::-1] if fortran else shape, entry.where)
    return values.T if fortran else values


def _how(entry):
    return f"cannot be {'mapped' if entry.path else 'read'} as an .npy of plain numbers"
