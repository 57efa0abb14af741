"""Zip and tar: their entries, read where they lie."""

import io
import tarfile
import threading
import zipfile

from tf2gan.data.files.entries import ENTRIES_MOST, Entry, is_hidden
from tf2gan.data.files.unpack import check_ratio
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading, shown

IN_MEMORY = 512 << 20  # bytes of an archive that is unpacked whole; a larger one is read in order
PYTORCH = "is a PyTorch file, in which a pickle could run code; save the arrays with np.savez"


def expand(entry, stack, prefix=""):
    """The entries of an archive, their names after `prefix`; `stack` closes its file at the end.

    Raises:
      DataError: it is no whole archive.
    """
    entry.used = True
    how = "cannot be read as an .npz" if entry.suffix == ".npz" else f"is no whole {entry.kind}"
    with reading(entry.where, how):
        file = stack.enter_context(_seekable(entry))
        if entry.kind == "zip":
            found = _zip_entries(entry, stack.enter_context(zipfile.ZipFile(file)))
        else:
            in_order = not isinstance(file, io.BytesIO) and not (entry.path and entry.unpacked)
            found = list(_tar_entries(entry, file, in_order))
    for inner in found:
        inner.name = prefix + inner.name
    if len(found) > ENTRIES_MOST:
        raise DataError(f"{entry.where} holds more than {ENTRIES_MOST} files")
    return found


def _seekable(entry):
    """A file of an archive in which one can go back and forth."""
    if entry.path and entry.unpacked:
        return entry.open()
    file = entry.open()
    content = bytearray()
    while len(content) <= IN_MEMORY and (piece := file.read(1 << 20)):
        content += piece
    if len(content) > IN_MEMORY:
        if entry.kind == "zip":
            raise DataError(f"{entry.where} is an archive in an archive; unpack the outer one")
        file.seek(0)
        return file
    file.close()
    return io.BytesIO(content)


def _zip_entries(entry, archive):
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.filename.endswith("data.pkl") for info in infos):
        raise DataError(f"{entry.where} {PYTORCH}")
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    check_ratio(unpacked, min(packed, entry.size), entry.where)
    return [
        Entry(
            _tidy(info.filename),
            _where(entry, info.filename),
            opener=lambda info=info: archive.open(info),
            sizes=(info.file_size, info.compress_size),
            position=info.header_offset,
        )
        for info in infos
        if _is_visible(info.filename)
    ]


def _tar_entries(entry, file, in_order):
    lock = threading.Lock()
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if not member.isreg() or member.issparse() or not _is_visible(member.name):
                continue
            yield Entry(
                _tidy(member.name),
                _where(entry, member.name),
                opener=lambda member=member: io.BufferedReader(_Slice(file, lock, member)),
                sizes=(member.size, member.size),
                position=member.offset_data,
                in_order=in_order,
            )


class _Slice(io.RawIOBase):
    """A stretch of a file that several threads read."""

    def __init__(self, file, lock, member):
        self._file, self._lock = file, lock
        self._place, self._end = member.offset_data, member.offset_data + member.size

    def readable(self):
        return True

    def readinto(self, buffer):
        with self._lock:
            self._file.seek(self._place)
            count = self._file.readinto(memoryview(buffer)[: self._end - self._place])
        self._place += count
        return count


def _is_visible(name):
    return not any(is_hidden(part) for part in _tidy(name).split("/"))


def _tidy(name):
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _where(entry, name):
    return f"{shown(name)} in {entry.where}"
