"""HDF5, through h5py, which Keras brings, and MATLAB's files, the older ones through SciPy."""

import io
import math

import numpy as np

from tf2gan.data.arrays import image_shape
from tf2gan.data.files.stored import check_count
from tf2gan.data.files.unpack import check_ratio
from tf2gan.data.formats.named_arrays import Named
from tf2gan.data.names import is_emnist
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading

FILE_MOST = 4 << 30  # bytes of one file that has to be in memory to be read


def needed(module, where):
    """A module of the extra `data`; `DataError` that says how to install it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise DataError(f'{where} needs {name}; pip install -e ".[data]"') from error


def for_library(entry):
    """What libraries read: a path, or a file in which they can go anywhere."""
    if entry.path and entry.unpacked:
        entry.used = True
        return entry.path
    return io.BytesIO(entry.read(FILE_MOST))


def hdf5_arrays(entry, stack):
    """The arrays of an HDF5 file; MATLAB's since 7.3 are such files, with the axes reversed."""
    h5py = needed("h5py", entry.where)
    found = []
    reversed_axes = entry.head.startswith(b"MATLAB")
    with reading(entry.where, "cannot be read as HDF5"):
        file = stack.enter_context(h5py.File(for_library(entry), "r"))

        def visit(name, item):
            # Nothing is read from other files, and nothing that MATLAB or Python would interpret.
            if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                return
            if item.dtype.kind in "biufS" and item.shape and not name.startswith("#"):
                array = _hdf5_array(entry, name, item, reversed_axes)
                found.append(array)

        file.visititems(visit)
    return _with_images_first(found) if reversed_axes else found


def matlab_arrays(entry):
    """The arrays of a MATLAB file before 7.3; those in structs by `struct/field`."""
    scipy_io = needed("scipy.io", entry.where)
    with reading(entry.where, "cannot be read as a MATLAB file"):
        content = entry.read(FILE_MOST)
        for name, shape, _ in scipy_io.whosmat(io.BytesIO(content)):
            check_count(shape, f"{name} in {entry.where}")
            check_ratio(math.prod(shape), entry.packed_size, f"{name} in {entry.where}")
        tree = scipy_io.loadmat(io.BytesIO(content), simplify_cells=True)
    found = []
    waiting = [("", tree)]
    while waiting:
        prefix, branch = waiting.pop()
        for key, value in branch.items():
            if key.startswith("__"):
                continue
            if isinstance(value, dict):
                waiting.append((f"{prefix}{key}/", value))
            elif isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
                name = f"{prefix}{key}"
                read = lambda value=value: value  # noqa: E731
                named = Named(
                    f"{entry.stem}/{name}",
                    f"{name} in {entry.where}",
                    value.shape,
                    value.dtype,
                    read,
                )
                found.append(named)
    return _with_images_first(found, is_emnist(entry.name))


def _hdf5_array(entry, name, item, reversed_axes):
    where = f"{name} in {entry.where}"

    def read():
        check_ratio(item.nbytes, item.id.get_storage_size(), where)
        with reading(where):
            return item[...].T if reversed_axes else item[...]

    shape = item.shape[::-1] if reversed_axes else item.shape
    return Named(f"{entry.stem}/{name}", where, shape, item.dtype, read)


def _with_images_first(arrays, turned=False):
    """MATLAB's arrays, whose images are counted along the last axis, as NumPy's are."""
    counts = {max(a.shape) for a in arrays if math.prod(a.shape) == max(a.shape)}
    return [_turned(array, counts) for array in arrays]


def _turned(array, counts):
    shape = array.shape
    order = None
    if len(shape) == 4 and shape[2] in (1, 3, 4) and shape[3] not in (1, 3, 4):
        order = (3, 0, 1, 2)
    elif len(shape) == 3 and shape[2] in counts - {shape[0]}:
        order = (2, 0, 1)
    elif len(shape) == 2 and shape[1] in counts - {shape[0]} and image_shape(shape[0]):
        order = (1, 0)
    if order is not None:
        read = lambda: array.read().transpose(order)  # noqa: E731
        return array._replace(shape=tuple(shape[axis] for axis in order), read=read)
    if math.prod(shape) == max(shape):
        return array._replace(shape=(max(shape),), read=lambda: _digits(array.read().reshape(-1)))
    return array


def _digits(labels):
    """Labels; MATLAB counts from 1, and the sets of digits have 10 for zero there."""
    if labels.dtype.kind in "iuf" and labels.size and labels.min() >= 1 and labels.max() == 10:
        return np.where(labels == 10, 0, labels)
    return labels
