"""Content that is compressed: read as it comes out, until it is more than data can be."""

import bz2
import gzip
import io
import lzma
import re

from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading

FREE = 256 << 20  # bytes that any content may unpack to
# Beyond that, how many times its packed size. Deflate reaches 1032, with nothing but zeros; sets in
# black and white reach hundreds. What unpacks to less is bounded by what it is, as arrays are.
RATIO = 1000
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
PACKED_SUFFIX = re.compile(r"\.(gz|bz2|xz)$", re.I)


def check_ratio(unpacked, packed, where):
    """Raises `DataError` where `packed` bytes become more than those of any data set."""
    if unpacked > FREE and unpacked > RATIO * packed:
        raise DataError(
            f"{where} unpacks to more than {RATIO} times its {packed} bytes; no data set does"
        )


class Unpacked(io.RawIOBase):
    """What comes out of a compressed entry, until it is more than data can be."""

    def __init__(self, entry):
        self._entry = entry
        self._start()

    def _start(self):
        self._stored = self._entry.open_stored()
        unpack = self._entry._unpack
        self._file = unpack(self._stored) if unpack else self._stored
        self._done = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, buffer):
        entry = self._entry
        with reading(entry.where):
            count = self._file.readinto(buffer)
        self._done += count
        check_ratio(self._done, entry.packed_size, entry.where)
        return count

    def tell(self):
        return self._done

    def seek(self, offset, whence=io.SEEK_SET):
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of what is compressed is not known")
        target = offset + (self._done if whence == io.SEEK_CUR else 0)
        if target < self._done:
            self.close_inner()
            self._start()
        while self._done < target and self.read(min(target - self._done, 1 << 20)):
            pass
        return self._done

    def close_inner(self):
        self._file.close()
        self._stored.close()

    def close(self):
        if not self.closed:
            self.close_inner()
        super().close()
