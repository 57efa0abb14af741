"""How the step is run: nothing waits for a GPU's host, XLA computes the same, draws stay."""

import os

import numpy as np
import pytest
import tensorflow as tf
from conftest import flags
from hypothesis import given
from hypothesis import strategies as st
from placement import Walk

from tf2gan.data.dataset import batch_rows
from tf2gan.devices import kernels
from tf2gan.devices import strategy as distribution
from tf2gan.gan import GAN, METRICS
from tf2gan.networks.augmentation import translate
from tf2gan.networks.latents import DISCRIMINATOR, GENERATOR, draw_latents
from tf2gan.settings.config import TrainConfig
from tf2gan.training import loop
from tf2gan.training.runner import Runner, as_words, from_words
from tf2gan.utils.errors import UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1), np.uint8)
BIAS = 3  # among G's trainable variables the one that BatchNormalization takes out again


def gan(recipe, **settings):
    config = TrainConfig(recipe=recipe, batch=4, **settings)
    return GAN(config, total_steps=8, epoch_steps=1)


def runner(recipe, **settings):
    return Runner(gan(recipe, **settings))


# A GPU's host


@pytest.mark.parametrize("precision", [None, "bfloat16", "float16"])
@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_no_step_needs_the_host_of_a_gpu(recipe, precision):
    """By the registry of kernels: no operation without a GPU's, no number computed on the host."""
    traced = runner(recipe, mixed_precision=precision, jit_compile="off").graph_function
    walk = Walk(traced.get_concrete_function())
    assert {"Conv2D", "GatherV2", "StatelessRandomUniformV2", "Bitcast"} <= walk.seen
    assert ("MaxPoolGradGrad" in walk.seen) == (recipe == "modern")
    assert not walk.hosted
    # What is outside the loop happens once a window.
    assert not {found for found in walk.copied if found[0] == "While"}


def test_the_walk_finds_what_would_wait_for_the_host():
    """As the step was: a gather of bytes, indices computed in int32, keys drawn in the loop."""

    @tf.function(input_signature=[tf.TensorSpec((40, 28, 28, 1), tf.uint8)], autograph=False)
    def as_it_was(images):
        def step(index):
            shifts = tf.random.stateless_uniform((4, 2), [0, 1], -2, 3, tf.int32, alg="philox")
            rows = (tf.range(28) - shifts[:, :1] - index) % 28
            batch = tf.cast(tf.gather(images, rows[:, 0]), tf.float32)
            return index + 1 + 0 * tf.cast(tf.reduce_sum(batch), tf.int32)

        return tf.while_loop(lambda index: index < 3, step, [0])

    walk = Walk(as_it_was.get_concrete_function())
    assert any("GatherV2 ['uint8']" in found for _, found in walk.hosted)
    assert any("to the host" in found for _, found in walk.copied)
    assert any("to the device" in found for _, found in walk.copied)


@given(st.integers(1, 9), st.sampled_from([(28, 28), (12, 12), (8, 4, 3), (16,)]))
def test_bytes_come_out_of_words_as_they_went_in(count, shape):
    images = np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)
    words = as_words(tf.constant(images))
    assert words.dtype == tf.int64 and words.shape == (count, np.prod(shape) // 8)
    rows = np.random.default_rng(0).integers(0, count, 5)
    assert np.array_equal(from_words(tf.gather(words, rows), shape), images[rows])


@given(
    st.integers(1, 6), st.integers(4, 9), st.integers(4, 9), st.integers(1, 3), st.integers(0, 3)
)
def test_images_are_rolled_each_its_own_way(count, height, width, channels, reach):
    rng = np.random.default_rng(count)
    images = rng.normal(size=(count, height, width, channels)).astype(np.float32)
    shifts = rng.integers(-reach, reach + 1, (count, 2))
    found = translate(tf.constant(images), tf.constant(shifts), reach).numpy()
    for image, shift, expected in zip(found, shifts, images, strict=True):
        assert np.array_equal(image, np.roll(expected, shift, (0, 1)))


def test_the_user_decides_before_tf2gan_does(monkeypatch):
    names = ("TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_THREAD_MODE")
    assert set(names) <= set(os.environ)  # by the import of tf2gan
    for decided, expected in ({}, "true"), ({names[0]: "false"}, "false"):
        for name in names:
            monkeypatch.delenv(name, raising=False)
        for name, value in decided.items():
            monkeypatch.setenv(name, value)
        kernels.set_defaults()
        assert [os.environ[name] for name in names] == [expected, "gpu_private"]


# Draws


def test_a_window_draws_what_version_0_1_drew():
    """Latents of (seed, step, use), shifts of (seed, -1 - step), by TensorFlow's own function."""
    seen = []
    subject = gan("modern", seed=5)
    original = subject.update_both

    def spy(*batches, r1_due):
        seen.append((*batches, int(subject.step)))
        return original(*batches, r1_due=r1_due)

    subject.update_both = spy
    subject.step.assign(3)
    rows = batch_rows(3, 3, count=40, batch=4)
    tf.config.run_functions_eagerly(True)
    try:
        Runner(subject).run(tf.constant(IMAGES), rows)
    finally:
        tf.config.run_functions_eagerly(False)
    for number, (real, for_d, for_g, shifts, step) in enumerate(seen, 3):
        assert step == number
        assert np.array_equal(real * 127.5 + 127.5, IMAGES[rows[number - 3]])
        assert np.array_equal(for_d, draw_latents(4, seed=5, index=number, use=DISCRIMINATOR))
        assert np.array_equal(for_g, draw_latents(4, seed=5, index=number, use=GENERATOR))
        key = tf.constant([5, -1 - number], tf.int64)
        drawn = tf.random.stateless_uniform((4, 2), key, -2, 3, tf.int32, alg="philox")
        assert np.array_equal(shifts, drawn if number >= 5 else np.zeros((4, 2)))  # five epochs
    key = tf.constant([5, 3 * 4 + GENERATOR], tf.int64)
    theirs = tf.random.stateless_uniform((4, 100), key, -1.0, 1.0, alg="philox")
    assert np.array_equal(seen[0][2], theirs)


# XLA


@pytest.mark.parametrize("recipe", [pytest.param("classic", marks=pytest.mark.slow), "modern"])
def test_a_compiled_step_is_the_plain_one(recipe):
    """Step by step from the same state, latents and shifts: 1e-5 in every variable and metric."""
    in_graph, by_xla = runner(recipe, jit_compile="off"), runner(recipe, jit_compile="on")
    assert by_xla.jit_compile and not in_graph.jit_compile
    plain, compiled = in_graph.gan, by_xla.gan
    images = tf.constant(IMAGES)
    # Adam divides gradients by their own size; its first steps would divide rounding by rounding.
    warm = 4 if recipe == "modern" else 0
    in_graph.run(images, batch_rows(0, max(warm, 1), count=40, batch=4))
    for step in range(max(warm, 1), max(warm, 1) + 3):
        for ours, theirs in zip(compiled.variables, plain.variables, strict=True):
            ours.assign(theirs)
        compiled.step.assign(plain.step)
        rows = batch_rows(step, 1, count=40, batch=4)
        expected, found = in_graph.run(images, rows), by_xla.run(images, rows)
        for tag in METRICS:
            np.testing.assert_allclose(found[tag], expected[tag], rtol=1e-4, atol=1e-5, err_msg=tag)
        left_out = plain.generator.trainable_variables[BIAS].path
        for ours, theirs in zip(compiled.variables, plain.variables, strict=True):
            if theirs.path != left_out:
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=theirs.path)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_xla_compiles_the_gradient_penalty(precision):
    """XLA has the second derivative of a max-pooling in float32 alone, on a GPU too."""
    subject = runner("modern", mixed_precision=precision, jit_compile="on")
    assert subject.jit_compile, subject.jit_reason


@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_pooling_in_float32_is_the_same_to_the_last_bit(recipe):
    """With ties, which bfloat16 has many of: values, and gradients of the penalty's kind."""
    subject = gan(recipe, mixed_precision="bfloat16")
    images, found = tf.constant(np.round(IMAGES / 127.5 - 1), tf.float32), []
    kernel = subject.discriminator.trainable_variables[0].value
    for pool_dtype in (None, tf.float32):
        with tf.GradientTape() as tape, tf.GradientTape() as slope_tape:
            tape.watch(kernel)
            slope_tape.watch(images)
            logits = subject._discriminate(images, pool_dtype)
            slopes = slope_tape.gradient(logits, images)
        found.append((logits, slopes, tape.gradient(slopes, kernel)))
    for ours, theirs in zip(*found, strict=True):
        assert np.any(ours) and np.array_equal(ours, theirs)


def test_what_xla_cannot_compile_runs_without_it(small, tmp_path, capsys, monkeypatch):
    """An operation that is Python's: a line says so, and the run goes on."""
    update = GAN.generator_step

    def calling_python(self, latents, *shifts):
        same = tf.numpy_function(np.array, [latents], tf.float32)
        return update(self, tf.reshape(same, latents.shape), *shifts)

    monkeypatch.setattr(GAN, "generator_step", calling_python)
    run = loop.train(TrainConfig(**{**small, "steps": 2}, jit_compile="on"), tmp_path)
    said = [line for line in capsys.readouterr().out.splitlines() if "XLA" in line]
    assert len(said) == 1 and "without XLA (it cannot compile this step: " in said[0]
    assert "PyFunc" in said[0]
    assert (run / "summary.json").exists()


def test_determinism_is_not_compiled(python, small, tmp_path):
    """It forbids draws without a seed, and XLA's gradient of a max-pooling."""
    settings = {**small, "steps": 2, "jit_compile": "on"}
    said = python("train.py", "--logdir", tmp_path, *flags(settings), TF_DETERMINISTIC_OPS="1")
    assert said.returncode == 0, said.stderr
    assert "without XLA (it cannot compile this step: " in said.stdout
    assert "deterministic" in said.stdout


@pytest.mark.parametrize(
    "asked, gpus, replicas, expected",
    [
        ("auto", 0, 1, False),
        ("auto", 1, 1, True),
        ("auto", 2, 2, False),
        ("auto", 0, 2, False),
        ("on", 0, 1, True),
        ("off", 1, 1, False),
        ("off", 2, 2, False),
    ],
)
def test_auto_compiles_on_one_gpu(monkeypatch, asked, gpus, replicas, expected):
    monkeypatch.setattr(distribution, "computing_gpus", lambda strategy: ["GPU"] * gpus)

    class Strategy:
        num_replicas_in_sync = replicas

    assert distribution.choose_jit(asked, Strategy)[0] == expected
    if replicas > 1:
        with pytest.raises(UsageError, match="--jit-compile on is for one device, and there are 2"):
            distribution.choose_jit("on", Strategy)
