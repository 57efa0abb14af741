"""The original's two layer graphs: at 28x28 grey its classes, order, shapes and parameter counts.

At other sizes they are the same layers in the same order: the original's 7 is a quarter of the
height and of the width, its 1 is the channels.
"""

import itertools

import keras
import numpy as np
from keras import layers

from tf2gan.settings.sizes import read_size

LATENT_SIZE = 100
ImageSize = int | str | tuple[int, int]  # N, "HxW" or (H, W)


def build_generator(
    image_size: ImageSize = 28, channels: int = 1, *, seed: int | None = None
) -> keras.Sequential:
    """Builds the generator: latents `[B, 100]` in U(-1, 1) -> images `[B, H, W, C]` in [-1, 1].

    Source: the original's `generator_model`.

    Args:
      image_size: one number or (H, W), multiples of 4 from 12 to 128; `UsageError` otherwise.
      channels: C, 1 for grey or 3 for colour.
      seed: fixes the initial weights; without one each call draws others.
    """
    height, width = read_size(image_size)
    glorot = _glorot_uniform(seed, network=0)
    return keras.Sequential(
        [
            keras.Input((LATENT_SIZE,)),
            layers.Dense(1024, kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.Dense(128 * (height // 4) * (width // 4), kernel_initializer=glorot()),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Reshape((height // 4, width // 4, 128)),
            layers.UpSampling2D(size=(2, 2)),
            layers.Conv2D(64, (5, 5), padding="same", kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.UpSampling2D(size=(2, 2)),
            layers.Conv2D(channels, (5, 5), padding="same", kernel_initializer=glorot()),
            layers.Activation("tanh"),
        ],
        name="generator",
    )


def build_discriminator(
    image_size: ImageSize = 28, channels: int = 1, *, seed: int | None = None
) -> keras.Sequential:
    """Builds the discriminator: images `[B, H, W, C]` in [-1, 1] -> probability of real `[B, 1]`.

    Source: the original's `discriminator_model`. The arguments are `build_generator`'s.
    """
    glorot = _glorot_uniform(seed, network=1)
    return keras.Sequential(
        [
            keras.Input((*read_size(image_size), channels)),
            layers.Conv2D(64, (5, 5), padding="same", kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(128, (5, 5), kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dense(1024, kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.Dense(1, kernel_initializer=glorot()),
            layers.Activation("sigmoid"),
        ],
        name="discriminator",
    )


def _glorot_uniform(seed, *, network):
    """Returns a maker of Glorot initializers, each with a seed of its own when `seed` is given."""
    layer = itertools.count()

    def make():
        if seed is None:
            return keras.initializers.GlorotUniform()
        entropy = np.random.SeedSequence((seed, network, next(layer)))
        return keras.initializers.GlorotUniform(seed=int(entropy.generate_state(1)[0] >> 1))

    return make
