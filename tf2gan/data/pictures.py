"""Folders of pictures, in any mode and size that Pillow reads."""

import warnings

import numpy as np
from PIL import Image, ImageOps

from tf2gan.data.dataset import Data
from tf2gan.data.images import SIZE
from tf2gan.errors import DataError, brief
from tf2gan.progress_bar import ProgressBar


def load_pictures(path):
    """Loads a folder of pictures and its subfolders, sorted by path, as 28x28 grey."""
    suffixes = Image.registered_extensions()
    files = sorted(
        entry
        for entry in path.rglob("*")
        if entry.suffix.lower() in suffixes and not entry.name.startswith(".") and entry.is_file()
    )
    if not files:
        raise DataError(
            f"{path} holds no IDX files and no pictures; expected some that Pillow reads"
        )
    images = np.empty((len(files), SIZE, SIZE), np.uint8)
    with ProgressBar("reading pictures", len(files)) as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of odd TIFF and EXIF tags: pixels are there
        for row, file in zip(images, files, strict=True):
            try:
                with Image.open(file) as picture:
                    row[:] = np.asarray(_to_grey(picture))
            except Exception as error:  # Pillow's decoders raise whatever they stumble over
                raise DataError(f"{file} cannot be read as a picture ({brief(error)})") from error
            bar.advance()
    return Data(path.resolve().name, images)


def _to_grey(picture):
    """Turns a picture of any mode and size into 28x28 grey: scaled to cover, cropped centrally.

    Transparent parts become white, as on paper; 16-bit greys are scaled to 8.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float32)
        scale = 255 / 65535 if picture.mode.startswith("I;16") or values.max() > 255 else 1
        picture = Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return ImageOps.fit(picture.convert("L"), (SIZE, SIZE), Image.Resampling.LANCZOS)
