"""What a folder, a file or an archive holds: entries with names, read in place and within bounds.

What an entry is, its content decides, not its name. Nothing is ever unpacked to disk.
"""

import contextlib
import functools
import importlib
import io
import os
import re

from PIL import Image

from tf2gan.data.files.unpack import PACKED_SUFFIX, UNPACKERS, Unpacked
from tf2gan.utils.errors import DataError
from tf2gan.utils.messages import reading, shown

HEAD = 1024  # bytes that tell what a content is
PICTURE_MOST = 256 << 20  # bytes of one picture's file
ENTRIES_MOST = 5_000_000
PLUGINS = ("pillow_heif", "pillow_jxl", "pillow_avif")  # for formats that Pillow lacks

IDX_NAME = re.compile(r"idx[1-4]-(ubyte|int)(\.gz)?$")
# Ghostscript would run the code in an EPS; the others only say what another library may read.
REFUSED_FORMATS = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
MAGIC = [  # of contents, and where they lie
    ("zip", 0, rb"PK(\x03\x04|\x05\x06)"),
    ("npy", 0, rb"\x93NUMPY"),
    ("hdf5", 0, rb"\x89HDF\r\n\x1a\n"),
    ("hdf5", 512, rb"\x89HDF\r\n\x1a\n"),
    ("parquet", 0, rb"PAR1"),
    ("matlab", 0, rb"MATLAB 5\.0"),
    ("hdf5", 0, rb"MATLAB 7\.3"),
    ("idx", 0, rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x04]"),
    ("pickle", 0, rb"\x80[\x02-\x05]"),
    ("tar", 257, rb"ustar"),
    ("picture", 0, rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|RIFF....WEBP|II\*\0|MM\0\*|8BPS|qoif|DDS "),
    ("picture", 0, rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|P[1-6]\s|\0\0\x01\0.\0"),
    ("picture", 0, rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51|.{4}ftypavi"),
]
MAGIC = [(kind, place, re.compile(pattern, re.S)) for kind, place, pattern in MAGIC]


@functools.cache
def picture_formats():
    """What Pillow may open: its names of formats, and the suffixes of files in them."""
    for plugin in PLUGINS:  # used where somebody has installed them
        with contextlib.suppress(ImportError):
            module = importlib.import_module(plugin)
            getattr(module, "register_heif_opener", lambda: None)()
    suffixes = Image.registered_extensions()  # also fills Image.OPEN
    formats = tuple(name for name in Image.OPEN if name not in REFUSED_FORMATS)
    known = {suffix for suffix, name in suffixes.items() if name in (*formats, "MPO")}
    return formats, frozenset(known)


class Entry:
    """One file, in a folder or in an archive.

    Attributes:
      name: its path below the source, with `/`.
      where: what messages call it, on one line.
      path: where it lies on disk, or None in an archive.
      position: its place in an archive, which is read quickest in this order.
      in_order: whether another order would unpack the archive from its beginning each time.
      unpacked: whether it is stored as it is, not compressed on its own.
      used: whether more of it was read than its beginning.
    """

    def __init__(
        self, name, where, *, path=None, opener=None, sizes=None, position=0, in_order=False
    ):
        self.name, self.path, self.position, self.in_order = name, path, position, in_order
        self._where, self._opener, self._sizes = where, opener, sizes
        self.used = False

    @property
    def where(self):
        return shown(self._where)

    @property
    def base(self):
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def stem(self):
        """The last part of the name without its suffixes of a format and of a compression."""
        return os.path.splitext(PACKED_SUFFIX.sub("", self.base))[0]

    @property
    def suffix(self):
        """The suffix in lower case, `.csv` of `a.csv.gz` too."""
        return os.path.splitext(PACKED_SUFFIX.sub("", self.base))[1].lower()

    @property
    def size(self):
        """Bytes, before a compression of its own is undone."""
        if self._sizes is None:
            with reading(self.where):
                self._sizes = (os.stat(self.path).st_size,) * 2
        return self._sizes[0]

    @property
    def packed_size(self):
        """Bytes that it takes in its archive or on disk."""
        return self.size and self._sizes[1]

    @functools.cached_property
    def _unpack(self):
        with self.open_stored() as file:
            head = file.read(6)
        return next((call for magic, call in UNPACKERS.items() if head.startswith(magic)), None)

    @property
    def unpacked(self):
        return self._unpack is None

    @functools.cached_property
    def head(self):
        """The first kilobyte, unpacked; empty where that fails."""
        used, head = self.used, b""
        with contextlib.suppress(Exception), self.open() as file:
            head = file.read(HEAD)
        self.used = used
        return head

    @functools.cached_property
    def kind(self):
        """What the content is: a word of MAGIC, `text`, or `binary` for anything else."""
        if self.has_picture_suffix:
            return "picture"
        if IDX_NAME.search(self.base):
            return "idx"
        head = self.head
        for kind, place, pattern in MAGIC:
            if pattern.match(head, place):
                return kind
        return "text" if _is_text(head) else "binary"

    @property
    def has_picture_suffix(self):
        return os.path.splitext(self.name)[1].lower() in picture_formats()[1]

    def open_stored(self):
        """The file as it is stored."""
        return open(self.path, "rb") if self._opener is None else self._opener()

    def open(self):
        """A file of the unpacked content, which can be read forwards and sought in."""
        self.used = True
        with reading(self.where):
            if self.path and self.unpacked:
                return open(self.path, "rb")
            return io.BufferedReader(Unpacked(self), 1 << 16)

    def read(self, most):
        """The unpacked content, at most `most` bytes; `DataError` for more."""
        with reading(self.where), self.open() as file:
            pieces, size = [], 0
            while piece := file.read(1 << 20):  # a read of `most` would claim memory for `most`
                pieces.append(piece)
                size += len(piece)
                _check_bytes(self, size, most)
        return b"".join(pieces)

    def read_picture(self):
        """The content of a picture's file: `read` without its costs, for there are many."""
        if not self.has_picture_suffix:
            return self.read(PICTURE_MOST)
        _check_bytes(self, self.size, PICTURE_MOST)
        with self.open_stored() as file:
            return file.read()


def walk(folder, *, deep=True, lost=None):
    """The entries of a folder and of the folders in it, in no order; hidden ones are left out.

    Names of links that lead nowhere are added to the list `lost`, if there is one.
    """
    seen, waiting = set(), [(str(folder), "")]
    count = 0
    with reading(shown(str(folder))):
        while waiting:
            place, name = waiting.pop()
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as found:
                for item in found:
                    if is_hidden(item.name):
                        continue
                    if item.is_dir():
                        if deep:
                            waiting.append((item.path, f"{name}{item.name}/"))
                    elif item.is_file():
                        count += 1
                        if count > ENTRIES_MOST:
                            raise DataError(f"{folder} holds more than {ENTRIES_MOST} files")
                        yield Entry(name + item.name, item.path, path=item.path)
                    elif lost is not None and item.is_symlink():
                        lost.append(name + item.name)


def is_hidden(name):
    """Whether a file or folder is there for a system, not for us."""
    return name.startswith((".", "__MACOSX")) or name in ("Thumbs.db", "desktop.ini")


def _check_bytes(entry, size, most):
    if size > most:
        raise DataError(f"{entry.where} holds more than {most} bytes")


def _is_text(head):
    """Whether a head is text in ASCII or UTF-8: no control characters, and something to read."""
    if not head.strip() or re.search(rb"[\0-\x08\x0e-\x1f]", head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of the head
    return True
