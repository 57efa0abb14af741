"""The graphs are the original's."""

import keras
import numpy as np
import pytest

from tf2gan.networks.models import build_discriminator, build_generator

GENERATOR = (
    "Dense Activation Dense BatchNormalization Activation Reshape "
    "UpSampling2D Conv2D Activation UpSampling2D Conv2D Activation"
)
DISCRIMINATOR = (
    "Conv2D Activation MaxPooling2D Conv2D Activation MaxPooling2D Flatten "
    "Dense Activation Dense Activation"
)


@pytest.mark.parametrize(
    "build, classes, inputs, outputs, parameters",
    [
        (build_generator, GENERATOR, (100,), (28, 28, 1), 6_763_777),
        (build_discriminator, DISCRIMINATOR, (28, 28, 1), (1,), 3_485_441),
    ],
)
def test_graph(build, classes, inputs, outputs, parameters):
    model = build()
    assert isinstance(model, keras.Sequential)
    assert [type(layer).__name__ for layer in model.layers] == classes.split()
    assert (model.input_shape[1:], model.output_shape[1:]) == (inputs, outputs)
    assert model.count_params() == parameters


def test_ranges():
    latents = np.random.default_rng(0).uniform(-1, 1, (4, 100))
    images = build_generator()(latents, training=False).numpy()
    scores = build_discriminator()(images, training=False).numpy()
    assert np.all(np.abs(images) <= 1) and np.ptp(images) > 0
    assert np.all((scores > 0) & (scores < 1))


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_seed_fixes_the_initial_weights(build):
    first, again, other = (build(seed=seed).get_weights() for seed in (2**31 - 1, 2**31 - 1, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(build().get_weights()[0], build().get_weights()[0])
