"""The original's two layer graphs: at 28x28 grey its classes, order, shapes and parameter counts.

At other sizes they are the same layers in the same order: the original's 7 is a quarter of the
height and of the width, its 1 is the channels. From 48x48 pixels on G has one more doubling and D
one more pooling, from 96x96 two more: the Dense layers, which hold most of the weights, would grow
with the number of pixels.
"""

import itertools

import keras
import numpy as np
from keras import layers

from tf2gan.settings.sizes import doublings, read_size

LATENT_SIZE = 100
ImageSize = int | str | tuple[int, int]  # N, "HxW" or (H, W)


def build_generator(
    image_size: ImageSize = 28, channels: int = 1, *, seed: int | None = None
) -> keras.Sequential:
    """Builds the generator: latents `[B, 100]` in U(-1, 1) -> images `[B, H, W, C]` in [-1, 1].

    Source: the original's `generator_model`.

    Args:
      image_size: one number or (H, W), multiples of 4 from 12 to 128, of 8 from 48x48 pixels on, of
        16 from 96x96; `UsageError` otherwise.
      channels: C, 1 for grey or 3 for colour.
      seed: fixes the initial weights; without one each call draws others.
    """
    size = read_size(image_size)
    count = doublings(size)
    height, width = (side // 2**count for side in size)
    filters = 128 if count == 2 else 96
    glorot = _glorot_uniform(seed, network=0)
    stack = [
        keras.Input((LATENT_SIZE,)),
        layers.Dense(1024, kernel_initializer=glorot()),
        layers.Activation("tanh"),
        layers.Dense(filters * height * width, kernel_initializer=glorot()),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.Reshape((height, width, filters)),
    ]
    for _ in range(count - 1):
        stack += [
            layers.UpSampling2D(size=(2, 2)),
            layers.Conv2D(64, (5, 5), padding="same", kernel_initializer=glorot()),
            # The original has none here. Without, the deeper graph's tanh saturate in a hundred
            # steps: flat images of garish colours.
            *([layers.BatchNormalization()] if count > 2 else []),
            layers.Activation("tanh"),
        ]
    stack += [
        layers.UpSampling2D(size=(2, 2)),
        layers.Conv2D(channels, (5, 5), padding="same", kernel_initializer=glorot()),
        layers.Activation("tanh"),
    ]
    return keras.Sequential(stack, name="generator")


def build_discriminator(
    image_size: ImageSize = 28, channels: int = 1, *, seed: int | None = None
) -> keras.Sequential:
    """Builds the discriminator: images `[B, H, W, C]` in [-1, 1] -> probability of real `[B, 1]`.

    Source: the original's `discriminator_model`. The arguments are `build_generator`'s.
    """
    size = read_size(image_size)
    count = doublings(size)
    glorot = _glorot_uniform(seed, network=1)
    stack = [keras.Input((*size, channels))]
    small = min(size)
    # 64 and 128 filters in the original; narrower ones before them, where there are more pixels.
    for filters in (128 >> place for place in reversed(range(count))):
        # The first keeps the size, the last does not; others do where little would be left.
        last, first = filters == 128, small == min(size)
        padding = "valid" if last or small >= 24 and not first else "same"
        stack += [
            layers.Conv2D(filters, (5, 5), padding=padding, kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.MaxPooling2D(pool_size=(2, 2)),
        ]
        small = (small - 4 * (padding == "valid")) // 2
    stack += [
        layers.Flatten(),
        layers.Dense(1024, kernel_initializer=glorot()),
        layers.Activation("tanh"),
        layers.Dense(1, kernel_initializer=glorot()),
        layers.Activation("sigmoid"),
    ]
    return keras.Sequential(stack, name="discriminator")


def _glorot_uniform(seed, *, network):
    """Returns a maker of Glorot initializers, each with a seed of its own when `seed` is given."""
    layer = itertools.count()

    def make():
        if seed is None:
            return keras.initializers.GlorotUniform()
        entropy = np.random.SeedSequence((seed, network, next(layer)))
        return keras.initializers.GlorotUniform(seed=int(entropy.generate_state(1)[0] >> 1))

    return make
