"""The original's two layer graphs, unchanged: classes, order, shapes and parameter counts."""

import itertools

import keras
import numpy as np
from keras import layers

LATENT_SIZE = 100


def build_generator(*, seed=None):
    """Builds the generator: latents `[B, 100]` in U(-1, 1) -> images `[B, 28, 28, 1]` in [-1, 1].

    A `seed` fixes the initial weights; without one each call draws others. Source: the original's
    `generator_model`.
    """
    glorot = _glorot_uniform(seed, network=0)
    return keras.Sequential(
        [
            keras.Input((LATENT_SIZE,)),
            layers.Dense(1024, kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.Dense(128 * 7 * 7, kernel_initializer=glorot()),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Reshape((7, 7, 128)),
            layers.UpSampling2D(size=(2, 2)),
            layers.Conv2D(64, (5, 5), padding="same", kernel_initializer=glorot()),
            layers.Activation("tanh"),
            layers.UpSampling2D(size=(2, 2)),
            layers.Conv2D(1, (5, 5), padding="same", kernel_initializer=glorot()),
            layers.Activation("tanh"),
        ],
        name="generator",
    )


def build_discriminator(*, seed=None):
    """Builds the discriminator: images `[B, 28, 28, 1]` in [-1, 1] -> probability of real `[B, 1]`.

    A `seed` fixes the initial weights; without one each call draws others. Source: the original's
    `discriminator_model`.
    """
    glorot = _glorot_uniform(seed, network=1)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
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
