"""How far moved images are from images, by what fills the gap: python benchmarks/edges.py DATA ...

Frechet distance of real images, still and moved by up to two pixels, to held-out ones.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tf2gan.commands import import_tensorflow

import_tensorflow()

import numpy as np
import tensorflow as tf

from tf2gan.config import TrainConfig
from tf2gan.data.load import load_data
from tf2gan.modern import moved
from tf2gan.quality.ruler import Ruler

REACH = 2  # pixels
IMAGES = 5000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="DATA", help="as train.py's --data")
    parser.add_argument("--image-size", help="as of train.py")
    parser.add_argument("--color-mode", help="as of train.py")
    flags = parser.parse_args()
    config = TrainConfig(image_size=flags.image_size, color_mode=flags.color_mode)
    print("| | still | wrap | mirror |\n| --- | --- | --- | --- |")
    for source in flags.data:
        data = load_data(source, config.image_size, config.color_mode)
        ruler = Ruler(data)
        images = ruler.training_images(IMAGES)
        ways = np.random.default_rng(0).integers(-REACH, REACH + 1, (len(images), 2))
        sets = [images]
        for edge in ("wrap", "mirror"):
            shifted = moved(tf.constant(images, tf.float32), tf.constant(ways), REACH, edge)
            sets.append(shifted.numpy().astype(np.uint8))
        distances = [f"{ruler.measure(pixels).frechet:.1f}" for pixels in sets]
        print(f"| {data.name} | {' | '.join(distances)} |", flush=True)


if __name__ == "__main__":
    main()
