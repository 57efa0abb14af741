"""Pixels: uint8 <-> [-1, 1], grids, and picture files. The one place that knows the range.

No TensorFlow here: generation and tests handle pictures without it.
"""

import math
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tf2gan.errors import UsageError
from tf2gan.progress_bar import ProgressBar
from tf2gan.runs.files import PARTIAL, replacing

SIZE = 28  # pixels a side
FILE_SUFFIXES = (".png", ".gif", ".npz", ".npy")  # of --out; anything else is a folder
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
      images: `[N, H, W]` or `[N, H, W, 1]`, N >= 1.
      columns: images in a row; by default floor(sqrt(N)), the original's rule.

    Returns:
      `[ceil(N / columns) * H, columns * W]` of the same dtype; missing tiles are 0.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images have shape {images.shape}; expected [N, H, W] with N >= 1")
    count, height, width = images.shape
    columns = columns or math.isqrt(count)
    rows = math.ceil(count / columns)
    tiles = np.zeros((rows * columns, height, width), images.dtype)
    tiles[:count] = images
    return (
        tiles.reshape(rows, columns, height, width)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width)
    )


def write_png(path, pixels):
    """Writes a uint8 `[H, W]` picture; whole or not at all."""
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def read_png(path):
    """Reads a grey picture: uint8 `[H, W]`."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def write_gif(path, frames, seconds_per_frame=0.25):
    """Writes uint8 `[N, H, W]` frames as an endless animation; whole or not at all."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
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
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if not above.is_dir():
            raise UsageError(f"--out {path}: {above} is no folder")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}") from error


def write_images(path, images, *, columns=None, seconds_per_frame=0.25):
    """Writes uint8 images `[N, H, W]` in the format that the suffix of `path` names.

    `.png` is one grid, `.gif` one image a frame, `.npz` an array `images` and `.npy` the array
    itself; anything else is a folder that gets one PNG an image, `000000.png` first.
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
        write_gif(path, images, seconds_per_frame)
    else:
        with replacing(path) as partial:
            if path.suffix == ".npz":
                np.savez_compressed(partial, images=images)
            else:
                np.save(partial, images)


def _write_folder(path, images):
    """One PNG an image; none of them is there before all of them are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}")
    try:
        partial.mkdir()
        with ProgressBar("writing images", len(images)) as bar:
            for index, image in enumerate(images):
                Image.fromarray(image).save(partial / f"{index:06d}.png")
                bar.advance()
        path.mkdir(exist_ok=True)
        for file in partial.iterdir():
            file.replace(path / file.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
