"""What one step touches, what it leaves alone, and how often it is traced."""

import numpy as np
import pytest
import tensorflow as tf

from tf2gan.gan import GAN, METRICS
from tf2gan.settings.config import TrainConfig
from tf2gan.training.runner import Runner


@pytest.fixture
def gan():
    return GAN(TrainConfig(batch=4, seed=7))


@pytest.fixture
def inputs():
    draw = lambda shape, key: tf.random.stateless_uniform(shape, (0, key), -1, 1)  # noqa: E731
    return draw((4, 28, 28, 1), 0), draw((4, 100), 1), draw((4, 100), 2)


def values(*things):
    return [variable.numpy().copy() for thing in things for variable in thing]


def equal(before, after):
    return [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def test_discriminator_step_leaves_the_generator_bit_equal(gan, inputs):
    g_before = values(gan.generator.weights, gan.g_optimizer.variables)
    d_before = values(gan.discriminator.trainable_variables)
    gan.discriminator_step(inputs[0], inputs[1])
    assert all(equal(g_before, values(gan.generator.weights, gan.g_optimizer.variables)))
    assert not any(equal(d_before, values(gan.discriminator.trainable_variables)))


def test_generator_step_leaves_the_discriminator_bit_equal(gan, inputs):
    d_before = values(gan.discriminator.weights, gan.d_optimizer.variables)
    g_before = values(gan.generator.weights)  # BatchNormalization's moving statistics included
    gan.generator_step(inputs[2])
    assert all(equal(d_before, values(gan.discriminator.weights, gan.d_optimizer.variables)))
    assert not any(equal(g_before, values(gan.generator.weights)))


def test_every_trainable_variable_gets_a_finite_gradient(gan, inputs):
    gan.train_step(*inputs)
    for network, optimizer in (
        (gan.discriminator, gan.d_optimizer),
        (gan.generator, gan.g_optimizer),
    ):
        momenta = values(optimizer.variables)[2:]  # after iterations and learning rate
        assert len(momenta) == len(network.trainable_variables)
        assert all(np.isfinite(momentum).all() and np.any(momentum) for momentum in momenta)


def test_metrics_are_finite_scalars_within_their_ranges(gan, inputs):
    metrics = gan.train_step(*inputs)
    assert set(metrics) == set(METRICS)
    for tag, value in metrics.items():
        assert value.shape == () and np.isfinite(value), tag
        if tag.startswith(("score", "accuracy")):
            assert 0 <= value <= 1, tag


def test_accuracy_and_score_count_each_side(gan, inputs):
    # A discriminator that says "real" to everything is right about real images only.
    last = gan.discriminator.layers[-2]
    last.kernel.assign(tf.zeros_like(last.kernel))
    last.bias.assign([5.0])
    metrics = gan.discriminator_step(inputs[0], inputs[1])
    assert (float(metrics["accuracy/real"]), float(metrics["accuracy/fake"])) == (1.0, 0.0)
    assert float(metrics["score/real"]) == pytest.approx(1 / (1 + np.exp(-5)))
    assert float(metrics["loss/d"]) == pytest.approx(
        (np.log1p(np.exp(-5)) + np.log1p(np.exp(5))) / 2
    )


def test_scores_and_accuracies_tell_real_from_fake(gan, inputs, monkeypatch):
    """Of a discriminator that finds white images real and black ones not."""
    for layer in gan.discriminator.layers:
        if layer.weights:  # each passes on what the first one sees of the brightness
            kernel = np.zeros(layer.kernel.shape, np.float32)
            kernel[(*(side // 2 for side in kernel.shape[:-2]), 0, 0)] = 1
            layer.kernel.assign(kernel)
    gan.discriminator.layers[-2].bias.assign([-0.25])
    white = tf.ones_like(inputs[0])
    monkeypatch.setattr(gan, "_generate", lambda latents, training: -white)
    logit = np.tanh(np.tanh(np.tanh(1.0)))
    expected = {
        "score/real": 1 / (1 + np.exp(0.25 - logit)),
        "score/fake": 1 / (1 + np.exp(0.25 + logit)),
        "accuracy/real": 1,
        "accuracy/fake": 1,
        "loss/d": (np.log1p(np.exp(0.25 - logit)) + np.log1p(np.exp(-0.25 - logit))) / 2,
    }
    metrics = gan.discriminator_step(white, inputs[1])
    assert {tag: float(metrics[tag]) for tag in expected} == pytest.approx(expected, rel=1e-5)


def test_many_calls_make_one_trace(gan):
    traced = tf.function(gan.train_step)
    for _ in range(2):
        traced(tf.zeros((4, 28, 28, 1)), tf.zeros((4, 100)), tf.zeros((4, 100)))
    assert traced.experimental_get_tracing_count() == 1
    # Windows of any length share theirs, of any data set.
    runner = Runner(gan)
    runner.trace()
    for count, images in ((1, 40), (2, 40), (1, 9)):
        runner.run(tf.zeros((images, 28, 28, 1), tf.uint8), np.zeros((count, 4), np.int32))
    assert runner.graph_function.experimental_get_tracing_count() == 1
    assert int(gan.step) == 2 + 4


def test_a_window_is_its_steps_and_its_metrics_their_mean():
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1)), tf.uint8)
    rows = np.arange(24, dtype=np.int32).reshape(6, 4)
    whole, parts = GAN(TrainConfig(batch=4)), GAN(TrainConfig(batch=4))
    mean, in_parts = Runner(whole).run(images, rows), Runner(parts)
    singles = [in_parts.run(images, rows[i : i + 1]) for i in range(6)]
    assert all(equal(values(whole.generator.weights), values(parts.generator.weights)))
    assert all(equal(values(whole.discriminator.weights), values(parts.discriminator.weights)))
    for tag in METRICS:
        np.testing.assert_allclose(
            mean[tag], np.mean([single[tag] for single in singles]), rtol=1e-5
        )


def test_seed_changes_the_run():
    images, rows = tf.zeros((4, 28, 28, 1), tf.uint8), np.arange(4, dtype=np.int32)[None]
    runs = [GAN(TrainConfig(batch=4, seed=seed)) for seed in (0, 0, 1)]
    losses = [Runner(gan).run(images, rows)["loss/g"] for gan in runs]
    assert losses[0] == losses[1] != losses[2]
