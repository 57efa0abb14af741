"""The fast evaluation is the Keras model: values, every gradient, both networks, any sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from tf2gan.networks import polyphase
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.networks.polyphase import forward


def randomise(model, seed=0):
    """Gives biases and BatchNormalization values other than 0 and 1: leaving one out shows."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [w + 0.1 * rng.random(w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model


def outcome(forward, model, inputs):
    """Outputs, gradients of each variable and of the inputs, BatchNormalization's statistics."""
    before = model.get_weights()
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = forward(inputs)
        weighting = tf.random.stateless_normal(outputs.shape, (0, 1))
        loss = tf.reduce_sum(outputs * weighting)
    gradients = tape.gradient(loss, [*model.trainable_variables, inputs])
    state = [variable.numpy() for variable in model.non_trainable_variables]
    model.set_weights(before)
    return [outputs.numpy(), *[gradient.numpy() for gradient in gradients], *state]


def assert_equal(model, inputs, *, training, tolerance=3e-5, **options):
    expected = outcome(lambda x: model(x, training=training), model, inputs)
    found = outcome(lambda x: forward(model, x, training=training, **options), model, inputs)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        # The bias that feeds a BatchNormalization has a true gradient of 0: an absolute scale.
        scale = max(np.abs(b).max(), 1e-2 * max(np.abs(e).max() for e in expected))
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=tolerance)


NETWORKS = {
    "generator": (build_generator, (6, 100)),
    "discriminator": (build_discriminator, (6, 28, 28, 1)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype, tolerance", [("float32", 3e-5), ("bfloat16", 0.06)])
def test_both_networks(network, training, dtype, tolerance):
    build, shape = NETWORKS[network]
    inputs = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    assert_equal(
        randomise(build(seed=1)),
        inputs,
        training=training,
        dtype=tf.as_dtype(dtype),
        tolerance=tolerance,
    )


def test_the_rewrites_are_used(monkeypatch):
    """Equal results alone would not show that anything became cheaper."""
    sizes = []
    original = tf.nn.conv2d
    monkeypatch.setattr(
        tf.nn,
        "conv2d",
        lambda x, k, *rest: (sizes.append((x.shape[1], k.shape[0])), original(x, k, *rest))[1],
    )
    forward(build_generator(), tf.zeros((1, 100)), training=False)
    assert sizes == [(7, 3), (14, 3)]  # not (14, 5) and (28, 5)
    seen = []
    discriminator = build_discriminator()
    tanh = discriminator.layers[1]
    monkeypatch.setattr(tanh, "activation", lambda x: (seen.append(x.shape[1]), tf.tanh(x))[1])
    monkeypatch.setattr(polyphase, "MONOTONIC", (*polyphase.MONOTONIC, tanh.activation))
    forward(discriminator, tf.zeros((1, 28, 28, 1)), training=False)
    assert seen == [14]


def test_pooling_first_is_exact():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 28, 28, 1)).astype(np.float32)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Activation("tanh"), layers.MaxPooling2D(2)]
    )
    assert np.array_equal(forward(model, images, training=False), model(images))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([1, 3, 5, 7]),
    st.booleans(),
    st.sampled_from([None, "tanh"]),
)
def test_upsampled_convolutions_of_any_size(
    batch, height, width, channels, filters, size, bias, activation
):
    model = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            layers.UpSampling2D(2),
            layers.Conv2D(filters, size, padding="same", use_bias=bias, activation=activation),
        ]
    )
    inputs = (
        np.random.default_rng(size).normal(size=(batch, height, width, channels)).astype(np.float32)
    )
    assert_equal(randomise(model), inputs, training=True)


@pytest.mark.parametrize(
    "stack",
    [
        [layers.UpSampling2D(3), layers.Conv2D(2, 5, padding="same")],
        [layers.UpSampling2D(2, interpolation="bilinear"), layers.Conv2D(2, 5, padding="same")],
        [layers.UpSampling2D(2), layers.Conv2D(2, 4, padding="same")],
        [layers.UpSampling2D(2), layers.Conv2D(2, (3, 5), padding="same")],
        [layers.UpSampling2D(2), layers.Conv2D(2, 5, padding="valid")],
        [layers.UpSampling2D(2), layers.Conv2D(2, 5, padding="same", strides=2)],
        [layers.UpSampling2D(2), layers.Conv2D(2, 3, padding="same", dilation_rate=2)],
        [layers.UpSampling2D(2), layers.Conv2D(4, 3, padding="same", groups=2)],
        [layers.UpSampling2D(2)],
        [
            layers.Conv2D(3, 3, strides=2, activation="relu"),
            layers.UpSampling2D(2),
            layers.Flatten(),
        ],
        [layers.Conv2DTranspose(3, 3), layers.DepthwiseConv2D(3), layers.LeakyReLU()],
        [layers.Activation("gelu"), layers.MaxPooling2D(2)],  # not monotonic
        [layers.Activation("softmax"), layers.MaxPooling2D(2)],  # not of one number
        [layers.Activation("relu"), layers.MaxPooling2D(3, strides=1, padding="same")],
        [layers.Activation("tanh"), layers.AveragePooling2D(2), layers.LayerNormalization()],
        [
            layers.BatchNormalization(),
            layers.Dense(3),
            layers.Dropout(0.0),
            layers.GlobalAveragePooling2D(),
        ],
    ],
)
def test_what_no_rewrite_knows_is_evaluated_as_it_is(stack):
    stack = [type(layer).from_config(layer.get_config()) for layer in stack]  # one graph a test
    model = keras.Sequential([keras.Input((8, 8, 2)), *stack])
    inputs = np.random.default_rng(1).normal(size=(3, 8, 8, 2)).astype(np.float32)
    assert_equal(randomise(model), inputs, training=True)


def test_logits_stop_before_the_last_activation():
    discriminator = build_discriminator(seed=1)
    images = tf.random.stateless_uniform((4, 28, 28, 1), (1, 2), -1, 1)
    logits = forward(discriminator, images, training=False, logits=True)
    np.testing.assert_allclose(tf.sigmoid(logits), discriminator(images), atol=1e-6)


def test_sensitive_parts_stay_float32(monkeypatch):
    """In bfloat16 the last layers, BatchNormalization and the outputs compute in float32."""
    dtypes = []
    convolution, product = tf.nn.conv2d, tf.matmul
    monkeypatch.setattr(
        tf.nn, "conv2d", lambda x, *rest: (dtypes.append(x.dtype.name), convolution(x, *rest))[1]
    )
    monkeypatch.setattr(
        tf, "matmul", lambda x, *rest: (dtypes.append(x.dtype.name), product(x, *rest))[1]
    )
    images = forward(build_generator(), tf.zeros((1, 100)), training=False, dtype=tf.bfloat16)
    assert dtypes == ["bfloat16"] * 3 + ["float32"] and images.dtype == tf.float32
    dtypes.clear()
    logits = forward(build_discriminator(), images, training=False, dtype=tf.bfloat16, logits=True)
    assert dtypes == ["bfloat16"] * 3 + ["float32"] and logits.dtype == tf.float32
