"""How far altered real images are from real ones: python benchmarks/altered.py DATA ...

Real training images measured against held-out ones: as they are, moved by up to two pixels (by what
fills the gap), and with less detail, blurred or rebuilt from their first principal components. Of
every kind there are as many as before.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tf2gan.utils.command_line import import_tensorflow

import_tensorflow()

import numpy as np
import tensorflow as tf
from PIL import Image, ImageFilter

from tf2gan.data.images import as_pictures
from tf2gan.data.load import load_data
from tf2gan.networks.augmentation import translate
from tf2gan.quality.ruler import Ruler
from tf2gan.settings.config import TrainConfig

REACH, EDGES = 2, ("wrap", "mirror")  # pixels; what fills the gap
BLURS = (0.4, 0.6, 0.8)  # standard deviations of a Gaussian, in pixels
COMPONENTS = (100, 200)
IMAGES = 5000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="DATA", help="as train.py's --data")
    parser.add_argument("--image-size", help="as of train.py")
    parser.add_argument("--color-mode", help="as of train.py")
    flags = parser.parse_args()
    config = TrainConfig(image_size=flags.image_size, color_mode=flags.color_mode)
    print("| | | Frechet distance | precision | recall |\n| --- | --- | --- | --- | --- |")
    for source in flags.data:
        data = load_data(source, config.image_size, config.color_mode)
        ruler = Ruler(data)
        images = ruler.training_images(IMAGES)
        for what, altered in (("as they are", images), *moves(images), *less_detail(images)):
            quality = ruler.measure(altered)
            figures = f"{quality.frechet:.1f} | {quality.precision:.2f} | {quality.recall:.2f}"
            print(f"| {data.name} | {what} | {figures} |", flush=True)


def moves(images):
    """Yields (what fills the gap, uint8 images, each moved its own way)."""
    ways = np.random.default_rng(0).integers(-REACH, REACH + 1, (len(images), 2))
    for edge in EDGES:
        shifted = translate(tf.constant(images, tf.float32), tf.constant(ways), REACH, edge)
        yield f"moved, {edge}", shifted.numpy().astype(np.uint8)


def less_detail(images):
    """Yields (what was done, uint8 images of the same shape)."""
    for radius in BLURS:
        yield f"blurred by {radius} pixels", blurred(images, radius)
    rows = images.reshape(len(images), -1).astype(np.float32)
    mean = rows.mean(0)
    _, _, components = np.linalg.svd(rows - mean, full_matrices=False)
    for count in COMPONENTS:
        kept = components[:count]
        rebuilt = (rows - mean) @ kept.T @ kept + mean
        pixels = np.rint(rebuilt.clip(0, 255)).astype(np.uint8)
        yield f"{count} components", pixels.reshape(images.shape)


def blurred(images, radius):
    """Images blurred by a Gaussian of `radius` pixels."""
    blur = ImageFilter.GaussianBlur(radius)
    found = [Image.fromarray(picture).filter(blur) for picture in as_pictures(images)]
    return np.stack(found).reshape(images.shape)


if __name__ == "__main__":
    main()
