"""Values of any kind -> uint8; pictures of any mode and size -> the size and colour wanted."""

import numpy as np
from PIL import Image, ImageOps

from tf2gan.data.cache import room
from tf2gan.data.mapped import let_go
from tf2gan.utils.errors import DataError
from tf2gan.utils.progress_bar import ProgressBar

CHUNK = 1 << 24  # values worked on at a time: 128 MiB as doubles
VALUES_MOST = 1 << 32  # of one array that is read whole; a head that claims more is damaged
MODES = {1: "L", 3: "RGB"}  # channels: Pillow's word
# The ranges in which people keep pixels: lowest, highest, how far beyond them rounding and
# interpolation may lead, what their highest value reaches at least, and (factor, offset) that bring
# them to 0..255. Numbers up to 3, say, are in none of them, though they lie within 0..255.
RANGES = [
    (0, 1, 0.01, 0, (255, 0)),
    (-1, 1, 0.01, -1, (127.5, 127.5)),
    (0, 255, 0.5, 32, (1, 0)),
]


def chunks(array):
    """Slices of rows that hold about CHUNK values, at least one row each."""
    rows = max(1, CHUNK // max(1, array[:1].size))
    return [slice(first, first + rows) for first in range(0, len(array), rows)]


def scale_of(arrays, what):
    """(factor, offset) that bring the values of all `arrays`, of one dtype, to 0..255.

    All values are looked at, for an array of pixels is known by its lowest and its highest; of
    uint8 only as many as it takes to find one above 1.
    """
    dtype = arrays[0].dtype
    parts = (array[rows] for array in arrays for rows in chunks(array))
    if dtype == np.uint8:
        return (1, 0) if any(part.max() > 1 for part in parts) else (255, 0)
    if dtype.kind == "b":
        return (255, 0)
    if dtype.kind not in "iuf":
        raise DataError(f"{what} is {dtype}; expected numbers")
    limits = [(part.min(), part.max()) for part in parts]
    lowest = np.min([low for low, _ in limits])
    highest = np.max([high for _, high in limits])
    if dtype.kind == "f":
        for low, high, slack, least, scale in RANGES:
            if low - slack <= lowest and least <= highest <= high + slack:  # nor is NaN
                return scale
    elif lowest >= 0 and highest <= 255:
        return (255, 0) if highest <= 1 else (1, 0)
    elif dtype == np.uint16:
        return (255 / 65535, 0)
    raise DataError(
        f"{what} has values from {lowest} to {highest}; expected 0 to 255, 0 to 1 or -1 to 1"
    )


def to_uint8(images, scale):
    """uint8 of the same shape, but for a fourth channel, which is transparency: on white.

    The array itself, mapped or not, where nothing is to be done.
    """
    if images.dtype == np.uint8 and scale == (1, 0) and images.shape[-1] != 4:
        return images
    factor, offset = scale
    channels = min(images.shape[-1], 3)
    pixels = room((*images.shape[:-1], channels))
    precision = np.float64 if images.dtype.itemsize > 4 else np.float32
    for rows in chunks(images):
        values = images[rows].astype(precision)
        values *= factor
        values += offset
        np.clip(np.rint(values, out=values), 0, 255, out=values)
        if images.shape[-1] == 4:
            cover = values[..., 3:] / 255
            values = np.rint(values[..., :3] * cover + 255 * (1 - cover))
        pixels[rows] = values
        let_go(pixels)
        let_go(images)
    return pixels


def resized(images, size, channels):
    """uint8 `[N, *size, channels]` of uint8 `[N, H, W, C]`, each as a picture would be."""
    if images.shape[1:] == (*size, channels):
        return images
    pixels = room((len(images), *size, channels))
    with ProgressBar("resizing images", len(images)) as bar:
        for number, (image, row) in enumerate(zip(images, pixels, strict=True)):
            if number % 1000 == 0:
                let_go(images)
                let_go(pixels)
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            row[:] = fitted(picture, size, channels)
            bar.advance()
    return pixels


def fitted(picture, size, channels):
    """uint8 `[*size, channels]` of an opaque picture: scaled to cover, cropped centrally."""
    if picture.mode != MODES[channels]:
        picture = picture.convert(MODES[channels])
    height, width = size
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(height, width, channels)
