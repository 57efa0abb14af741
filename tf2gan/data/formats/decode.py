"""Files of pictures -> uint8, many at a time, in any format, mode and size that Pillow reads."""

import collections
import concurrent.futures
import contextlib
import io
import logging
import os
import threading
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tf2gan.data.cache import room
from tf2gan.data.conversion import fitted
from tf2gan.data.files.entries import PICTURE_MOST, picture_formats
from tf2gan.data.files.left_out import what_is_wrong
from tf2gan.data.mapped import let_go
from tf2gan.settings.sizes import COLOR_MODES
from tf2gan.utils.errors import DataError, brief
from tf2gan.utils.messages import shown, warn
from tf2gan.utils.progress_bar import ProgressBar

PIXELS_MOST = 1 << 26  # of one picture: 64 million, 256 MiB with transparency
LARGE = 1 << 22  # pixels; larger pictures are decoded one at a time, to bound memory
HUGE = 1 << 24  # pixels; larger ones are shrunk by whole steps before anything else
GZIP_MOST = 1 << 18  # bytes of a FITS that Pillow unpacks whole: to a thousand times as many
CHUNK = 32  # pictures a task: a task costs as much as reading half a picture
GIVE_BACK = 64  # chunks, or images that move, until memory of what is on disk is given back
HELD_MOST = 1 << 24  # bytes of files that wait in a task; one that holds more is done at once
SMALL = 4096  # bytes; smaller pictures take Python longer than Pillow, and threads halve the speed
DAMAGED_MOST = 0.1  # of all pictures may be left out
# Where a picture may say which way is up; looking costs a quarter of reading a small picture.
ORIENTED = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
_large = threading.RLock()


def read_pictures(jobs, count, where, image_size, color_mode):
    """uint8 `[N, H, W, C]`, and a mask `[count]` of the pictures that could be read, N of them.

    Args:
      jobs: iterable of (row, entry) or (row, name, bytes), each row of the result once; taken a
        few at a time.
      count: how many there are.
      where: what messages call them all.
      image_size: (H, W); by default (28, 28).
      color_mode: `grayscale`, the default, or `rgb`.

    Raises:
      DataError: more than a tenth cannot be read, what is less being named in a warning; or there
        is no room for them (`tf2gan.data.cache.room`).
    """
    size, channels = image_size or (28, 28), COLOR_MODES[color_mode or "grayscale"]
    images = room((count, *size, channels))
    failed, passing = {}, set()  # row: (name, reason); rows that another try may read
    stop = threading.Event()

    def work(chunk):
        for row, *source in chunk:
            if stop.is_set():
                return
            try:
                images[row] = _read(source, size, channels)
            except Exception as error:  # Pillow's decoders raise whatever they stumble over
                name = source[0] if len(source) == 2 else source[0].name
                failed[row] = shown(name), _reason(error)
                if isinstance(error, MemoryError) or getattr(error, "errno", None):
                    passing.add(row)

    workers = min(os.cpu_count() or 1, 8)
    pending = collections.deque()
    with (
        ProgressBar("reading pictures", count) as bar,
        _quiet(),
        concurrent.futures.ThreadPoolExecutor(workers) as pool,
    ):
        try:
            for number, chunk in enumerate(_chunks(map(_in_order, jobs))):
                if number % GIVE_BACK == 0:
                    let_go(images)
                if _size(chunk) < SMALL * len(chunk) or _held(chunk) > HELD_MOST:
                    work(chunk)
                    bar.advance(len(chunk))
                    continue
                pending.append((pool.submit(work, chunk), len(chunk)))
                if len(pending) > 2 * workers:
                    bar.advance(_finished(*pending.popleft()))
            while pending:
                bar.advance(_finished(*pending.popleft()))
        finally:
            stop.set()  # of tasks that still run when the terminal is interrupted
    _tell_damaged([failed[row] for row in sorted(failed)], count, where, lasting=not passing)
    kept = np.ones(count, bool)
    kept[list(failed)] = False
    return (_compacted(images, kept) if failed else images), kept


def decode(content, size, channels):
    """uint8 `[*size, channels]` of the file of a picture, in bytes."""
    if len(content) < SMALL and (wrong := what_is_wrong(content)):
        raise DataError(wrong)
    # PNG, the most frequent, is tried alone: that saves a fifth of the time of a small one.
    formats = ("PNG",) if content.startswith(b"\x89PNG\r\n") else picture_formats()[0]
    with Image.open(io.BytesIO(content), formats=formats) as picture:
        pixels = picture.width * picture.height
        if pixels > PIXELS_MOST:
            raise DataError(f"{picture.width}x{picture.height} pixels, more than {PIXELS_MOST}")
        if len(content) > GZIP_MOST and any(tile[0] == "fits_gzip" for tile in picture.tile):
            raise DataError(f"FITS of more than {GZIP_MOST} bytes compressed")
        with _large if pixels > LARGE else contextlib.nullcontext():
            if pixels > LARGE:  # JPEG alone can be read at a fraction of its size
                picture.draft(None, (4 * size[1], 4 * size[0]))
            return fitted(_opaque(picture, size), size, channels)


def _opaque(picture, size):
    """A picture upright, on white where it is transparent, 16-bit greys brought to 8."""
    picture.load()
    if ORIENTED & picture.info.keys() or hasattr(picture, "tag_v2"):
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        sixteen = picture.mode.startswith("I;16")
        values = np.asarray(picture, np.float32)
        values = values if values.flags.writeable else values.copy()
        values *= 255 / 65535 if sixteen or values.max() > 255 else 1
        return Image.fromarray(np.clip(np.rint(values, out=values), 0, 255).astype(np.uint8))
    transparent = picture.has_transparency_data
    if picture.width * picture.height > HUGE:
        picture = picture.convert("RGBA" if transparent else "RGB")
        step = min(picture.width // (4 * size[1]), picture.height // (4 * size[0]))
        picture = picture.reduce(step) if step > 1 else picture
    if transparent:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture


def _compacted(images, kept):
    """The images kept, moved up in place: a copy would double the memory."""
    rows = np.flatnonzero(kept)
    for place, row in enumerate(rows):
        if place != row:
            images[place] = images[row]
        if place % GIVE_BACK == 0:
            let_go(images)
    return images[: len(rows)]


def _in_order(job):
    """A job with its bytes, or why there are none, if they are slow to read but in order."""
    row, *source = job
    if len(source) == 2 or not source[0].in_order:
        return job
    try:
        content = source[0].read_picture()
    except Exception as error:  # told with those of the pictures that cannot be decoded
        content = error
    return row, source[0].name, content


def _chunks(jobs):
    """Lists of at most CHUNK jobs, that end with the one that makes it more than HELD_MOST."""
    chunk, held = [], 0
    for job in jobs:
        chunk.append(job)
        held += _held([job])
        if len(chunk) == CHUNK or held > HELD_MOST:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _read(source, size, channels):
    if len(source) == 2:
        content = source[1]
        if isinstance(content, Exception):
            raise content
        if len(content) > PICTURE_MOST:
            raise DataError(f"more than {PICTURE_MOST} bytes")
        return decode(content, size, channels)
    (entry,) = source
    with _large if entry.size > LARGE else contextlib.nullcontext():
        return decode(entry.read_picture(), size, channels)


def _size(chunk):
    """The bytes of the files in a chunk."""
    return _held(chunk) + sum(job[1].size for job in chunk if len(job) == 2)


def _held(chunk):
    """Those of them that are in memory already."""
    contents = [job[2] for job in chunk if len(job) == 3]
    return sum(len(content) for content in contents if isinstance(content, bytes))


def _finished(task, count):
    task.result()
    return count


@contextlib.contextmanager
def _quiet():
    """Keeps Pillow's remarks on odd tags off the terminal: the pixels are there."""
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _reason(error):
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "no format of pictures that is known"
    return brief(error)


def _tell_damaged(failed, count, where, lasting):
    """Warns of pictures that are left out, or raises `DataError` if they are too many."""
    if not failed:
        return
    names = ", ".join(f"{name} ({reason})" for name, reason in failed[:3])
    if count == 1:
        raise DataError(f"{where}: {failed[0][0]} cannot be read as a picture ({failed[0][1]})")
    if len(failed) > DAMAGED_MOST * count:
        raise DataError(
            f"{where}: {len(failed)} of {count} pictures cannot be read, more than a tenth: {names}"
        )
    more = ", …" if len(failed) > 3 else ""
    told = f"{len(failed)} of {count} pictures cannot be read and are left out: {names}{more}"
    warn(told, lasting=lasting)
