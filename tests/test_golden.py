"""The step is the original's: twelve iterations of its own loop, recorded under Keras 2.15."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf2gan.data.images import to_unit
from tf2gan.data.load import load_data
from tf2gan.gan import GAN
from tf2gan.settings.config import TrainConfig

GOLDEN = json.loads((Path(__file__).parent / "golden" / "seed_loop.json").read_text())
pytestmark = pytest.mark.xdist_group("golden")  # they share a training

STEPS, BATCH = GOLDEN["steps"], GOLDEN["batch_size"]


def draw_weights(rng, network):
    """As the golden file says: Glorot uniform kernels, in the order of get_weights."""
    weights = []
    for variable in network.weights:
        shape = tuple(variable.shape)
        if variable.name == "kernel":
            window = int(np.prod(shape[:-2]))
            limit = np.sqrt(6 / (window * (shape[-2] + shape[-1])))
            weights.append(rng.uniform(-limit, limit, shape))
        elif variable.name in ("gamma", "moving_variance"):
            weights.append(np.ones(shape))
        else:
            weights.append(np.zeros(shape))
    return [array.astype(np.float32) for array in weights]


@pytest.fixture(scope="module")
def recorded():
    """A GAN trained on the golden inputs, with the losses of each step and the test latents."""
    gan = GAN(TrainConfig(batch=BATCH))
    rng = np.random.default_rng(GOLDEN["seed"])
    gan.generator.set_weights(draw_weights(rng, gan.generator))
    gan.discriminator.set_weights(draw_weights(rng, gan.discriminator))
    latents = rng.uniform(-1, 1, (STEPS, BATCH, 100)), rng.uniform(-1, 1, (STEPS, BATCH, 100))
    test_latents = rng.uniform(-1, 1, (16, 100)).astype(np.float32)
    images = to_unit(load_data("mnist").images[: STEPS * BATCH].astype(np.float32))
    train_step = tf.function(gan.train_step)
    losses = [
        train_step(
            tf.constant(images[i * BATCH : (i + 1) * BATCH]),
            tf.constant(latents[0][i], tf.float32),
            tf.constant(latents[1][i], tf.float32),
        )
        for i in range(STEPS)
    ]
    return gan, losses, test_latents


@pytest.mark.parametrize("tag, key", [("loss/d", "d_loss"), ("loss/g", "g_loss")])
def test_every_loss_is_the_seeds(recorded, tag, key):
    losses = [float(step[tag]) for step in recorded[1]]
    np.testing.assert_allclose(losses, GOLDEN[key], rtol=0, atol=1e-5)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_final_weights_are_the_seeds(recorded, network):
    gan = recorded[0]
    weights = getattr(gan, network).weights
    assert len(weights) == len(GOLDEN[network])
    for variable, expected in zip(weights, GOLDEN[network], strict=True):
        value = variable.numpy().astype(np.float64)
        assert list(value.shape) == expected["shape"]
        if expected["name"] == "dense_3/bias":
            # It feeds a BatchNormalization: its true gradient is 0, what is recorded is rounding.
            continue
        np.testing.assert_allclose(value.ravel()[:4], expected["first"], rtol=0, atol=1e-4)
        # The recorded sums run over up to 6.4 million numbers: 1e-4 of their absolute sum.
        tolerance = 1e-4 * max(1.0, expected["abs_sum"])
        np.testing.assert_allclose(value.sum(), expected["sum"], rtol=0, atol=tolerance)
        np.testing.assert_allclose(np.abs(value).sum(), expected["abs_sum"], rtol=1e-4, atol=1e-4)


def test_sampled_pixels_and_scores_are_the_seeds(recorded):
    gan, _, test_latents = recorded
    images = gan.generator(test_latents, training=False)
    scores = gan.discriminator(images, training=False).numpy()[:, 0]
    images = images.numpy()[..., 0]
    np.testing.assert_allclose(images.mean((1, 2)), GOLDEN["test_image_mean"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(images[:, 14, 14], GOLDEN["test_pixels_14_14"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(scores, GOLDEN["test_scores"], rtol=0, atol=1e-4)
