"""Pixels: uint8 <-> [-1, 1], grids, and picture files. The one place that knows the range.

No TensorFlow here: generation and tests handle pictures without it.
"""

import io
import math
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tf2gan.data.mapped import blocks
from tf2gan.utils.errors import UsageError
from tf2gan.utils.files import PARTIAL, check_can_be_made, replacing
from tf2gan.utils.progress_bar import ProgressBar

FILE_SUFFIXES = (".png", ".gif", ".npz", ".npy")  # of --out; anything else is a folder
NEAREST_VALUES = 1 << 22  # compared at once: 16 MiB as floats
OUT_FORMATS = ".png (one grid), .gif, .npz, .npy, or a folder (one PNG an image)"


def to_unit(pixels):
    """Maps float pixels in [0, 255] to [-1, 1], the range of the generator's tanh (the original's).

    Takes NumPy arrays and tensors alike.
    """
    return (pixels - 127.5) / 127.5


def to_pixels(images):
    """Maps float images in [-1, 1] to uint8 in [0, 255], rounded; shapes stay.

    The original truncated, which darkens every grey by half a level on average.
    """
    return np.rint(np.clip(np.asarray(images, np.float32) * 127.5 + 127.5, 0, 255)).astype(np.uint8)


def tile_grid(images, columns=None):
    """Tiles images row by row into one picture, as the original's `combine_images` did.

    Args:
      images: `[N, H, W, C]`, or `[N, H, W]` for grey ones, N >= 1.
      columns: images in a row; by default floor(sqrt(N)), the original's rule.

    Returns:
      A picture `[ceil(N / columns) * H, columns * W]`, in colour with an axis of 3 more; of the
      same dtype; missing tiles are 0.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"images have shape {images.shape}; expected [N, H, W, C] with N >= 1")
    count, height, width, channels = images.shape
    columns = columns or math.isqrt(count)
    rows = math.ceil(count / columns)
    tiles = np.zeros((rows * columns, height, width, channels), images.dtype)
    tiles[:count] = images
    picture = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return as_pictures(picture.reshape(1, rows * height, columns * width, channels))[0]


def as_pictures(images):
    """Images `[N, H, W, C]` as files hold them: grey ones are `[N, H, W]`, which stay."""
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def side_by_side(pictures):
    """Pictures beside one another on black, in colour if one of them is."""
    if any(picture.ndim == 3 for picture in pictures):
        pictures = [np.stack([p] * 3, -1) if p.ndim == 2 else p for p in pictures]
    high = max(picture.shape[0] for picture in pictures)
    below = [[(0, high - p.shape[0])] + [(0, 0)] * (p.ndim - 1) for p in pictures]
    return np.concatenate([np.pad(p, ends) for p, ends in zip(pictures, below, strict=True)], 1)


def nearest_images(images, picture, count):
    """The images `[N, H, W, C]` with the least mean square from a picture `[H, W, C]`.

    Returns:
      (uint8 `[count, H, W, C]`, the roots of those mean squares `[count]`, 0 to 1), nearest first.
    """
    wanted = picture.reshape(-1).astype(np.float32)
    block = max(1, NEAREST_VALUES // wanted.size)
    some = (part.reshape(-1, wanted.size) for part in blocks(images, block))
    squares = np.concatenate([np.mean((part - wanted) ** 2, 1) for part in some])
    nearest = np.argsort(squares, kind="stable")[:count]
    return images[nearest], np.sqrt(squares[nearest]) / 255


def png_bytes(picture):
    """A picture, uint8 `[H, W]` or `[H, W, 3]`, as a PNG file in memory."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def write_png(path, picture):
    """Writes a picture, uint8 `[H, W]` or `[H, W, 3]`; whole or not at all."""
    with replacing(path) as partial:
        Image.fromarray(picture).save(partial, format="PNG")


def read_png(path):
    """Reads a picture that `write_png` wrote: uint8 `[H, W]` or `[H, W, 3]`."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def write_gif(path, pictures, seconds_per_frame=0.25):
    """Writes pictures as the frames of an endless animation; whole or not at all.

    A frame in colour has 256 of them, chosen for it: that is what the format holds.
    """
    first, *rest = [Image.fromarray(picture) for picture in pictures]
    with replacing(path) as partial:
        first.save(
            partial,
            format="GIF",
            save_all=True,
            append_images=rest,
            duration=round(1000 * seconds_per_frame),
            loop=0,
        )


def check_out(path):
    """Raises `UsageError` unless `write_images` can write to `path`."""
    path = Path(path)
    is_file = path.suffix in FILE_SUFFIXES
    try:
        if path.exists() and path.is_dir() == is_file:
            raise UsageError(
                f"{path} is a {'folder' if is_file else 'file'}; --out takes {OUT_FORMATS}"
            )
        if path.suffix and not is_file and not path.is_dir():
            raise UsageError(f"{path} ends in {path.suffix}; --out takes {OUT_FORMATS}")
        if not path.exists():
            check_can_be_made(path, "--out")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}") from error


def write_images(path, images, *, columns=None, seconds_per_frame=0.25, latents=None):
    """Writes uint8 images `[N, H, W, C]` in the format that the suffix of `path` names.

    `.png` is one grid, `.gif` one image a frame, `.npz` an array `images` and `.npy` the array
    itself, `[N, H, W]` where they are grey; anything else is a folder that gets one PNG an image,
    `000000.png` first. An `.npz` takes the latents too, if they are given.
    """
    path = Path(path)
    check_out(path)
    if path.suffix not in FILE_SUFFIXES:
        _write_folder(path, images)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        write_png(path, tile_grid(images, columns))
    elif path.suffix == ".gif":
        write_gif(path, as_pictures(images), seconds_per_frame)
    else:
        with replacing(path) as partial:
            if path.suffix == ".npz":
                more = {} if latents is None else {"latents": latents}
                np.savez_compressed(partial, images=as_pictures(images), **more)
            else:
                np.save(partial, as_pictures(images))


def _write_folder(path, images):
    """One PNG an image; none of them is there before all of them are written."""
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    partial = path / f"{PARTIAL}{os.getpid()}"  # in it, for beside it may be another disk
    try:
        partial.mkdir(exist_ok=True)
        with ProgressBar("writing images", len(images)) as bar:
            for index, picture in enumerate(as_pictures(images)):
                Image.fromarray(picture).save(partial / f"{index:06d}.png")
                bar.advance()
        for file in partial.iterdir():
            file.replace(path / file.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if is_new and not any(path.iterdir()):
            path.rmdir()
