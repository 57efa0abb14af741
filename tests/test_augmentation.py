"""Augmentation: each kind, what is drawn, how its probability is steered, and runs that have it."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from placement import Walk

import tf2gan
from tf2gan.data.dataset import batch_rows
from tf2gan.gan import METRICS
from tf2gan.networks import augmentation
from tf2gan.networks.augmentation import (
    augment,
    columns,
    cut_out,
    draw,
    resample,
    shade,
    translate,
    unchanged,
)
from tf2gan.networks.latents import philox_key
from tf2gan.runs.checkpoints import Checkpoints
from tf2gan.settings.recipes import AUGMENTATION, Recipe
from tf2gan.training.evaluation import overfitting_of
from tf2gan.training.runner import Runner

ALL = {
    "shift": 3,
    "shift_from_epoch": 0,
    "mirror": True,
    "zoom": 0.3,
    "rotation": 20.0,
    "color": 1.0,
    "cutout": 0.4,
}
EVERYTHING = Recipe(**{name: value for name, value in ALL.items() if name != "shift_from_epoch"})
NOISE = np.random.default_rng(0)


def images_of(count, height, width, channels):
    return NOISE.uniform(-1, 1, (count, height, width, channels)).astype(np.float32)


def drawn(recipe, count=4000, step=3, probability=None):
    keys = philox_key(0, -1 - step), philox_key(0, -1000 - step)
    chance = recipe.augment_probability if probability is None else probability
    return draw(*keys, count=count, recipe=recipe, probability=chance).numpy()


@pytest.mark.parametrize("shape", [(12, 16, 3), (28, 28, 1)])
def test_what_is_not_chosen_stays_to_the_last_bit(shape):
    images = images_of(5, *shape)
    assert np.array_equal(augment(images, unchanged(5, EVERYTHING), EVERYTHING), images)
    never = drawn(EVERYTHING, 5, probability=0.0)
    assert np.array_equal(augment(images, tf.constant(never), EVERYTHING), images)
    assert augment(images, None, EVERYTHING) is images


def test_maps_about_the_centre():
    """A flip and quarter turns are exact; twice the size is what every other pixel was."""
    images = images_of(4, 12, 12, 3)
    matrices = np.array(
        [[[1, 0], [0, -1]], [[0, 1], [-1, 0]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]]], np.float32
    )
    found = resample(images, matrices, tf.zeros((4, 2))).numpy()
    assert np.array_equal(found[0], images[0][:, ::-1])
    assert np.array_equal(found[1], np.rot90(images[1], -1)) or np.array_equal(
        found[1], np.rot90(images[1])
    )
    assert np.array_equal(found[2], np.rot90(images[2], 1)) or np.array_equal(
        found[2], np.rot90(images[2], -1)
    )
    assert not np.array_equal(found[1], found[2]) and np.array_equal(
        found[3], images[3][::-1, ::-1]
    )
    ramp = np.tile(np.linspace(-1, 1, 13, dtype=np.float32)[None, None, :, None], (1, 13, 1, 1))
    half = resample(ramp, np.array([[[0.5, 0], [0, 0.5]]], np.float32), tf.zeros((1, 2))).numpy()
    np.testing.assert_allclose(half, ramp / 2, atol=1e-6)


@pytest.mark.parametrize("edge", ["wrap", "mirror"])
def test_a_map_translates_as_translation_does(edge):
    """Without a map the two are equal to the last bit, at either edge."""
    shifts = tf.constant([(d, r) for d in range(-3, 4) for r in range(-3, 4)], tf.float32)
    images = images_of(len(shifts), 12, 16, 3)
    same = tf.tile(tf.eye(2)[None], (len(shifts), 1, 1))
    found = resample(images, same, shifts, edge)
    assert np.array_equal(found, translate(tf.constant(images), shifts, 3, edge))


@pytest.mark.parametrize("edge", ["wrap", "mirror"])
def test_no_map_reads_beyond_its_image(edge):
    """A place just below 0 is the size itself once rounded: it was the next image's first pixel."""
    images = np.stack([np.full((28, 28, 1), value, np.float32) for value in (-1, 0, 1)])
    angles = np.linspace(-np.pi, np.pi, 3000, dtype=np.float32).reshape(-1, 3)
    shifts = tf.constant([(1e-6, 1e-6), (28, -28), (-3, 3.0000002)], tf.float32)
    for angle in angles:
        cos, sin = np.cos(angle), np.sin(angle)
        matrices = np.stack([cos, -sin, sin, cos], 1).reshape(3, 2, 2)
        found = resample(tf.constant(images), tf.constant(matrices), shifts, edge).numpy()
        np.testing.assert_allclose(found, images, atol=1e-5)
    same = tf.tile(tf.eye(2)[None], (3, 1, 1))
    for tiny in (1e-6, 1e-7, 9.5e-7):
        shifts = tf.fill((3, 2), tf.constant(tiny, tf.float32))
        np.testing.assert_allclose(resample(images, same, shifts, edge), images, atol=1e-5)


def test_a_mirrored_edge_goes_on_beyond_the_image():
    images = images_of(1, 6, 24, 1)
    quarter = np.array([[[0, 1], [-1, 0]]], np.float32)
    found = resample(images, quarter, tf.zeros((1, 2)), "mirror").numpy()[0, :, :, 0]
    far = np.pad(images[0, :, :, 0], ((24, 24), (0, 0)), "symmetric")  # rows from -24 on
    rows, columns = np.mgrid[:6, :24] - np.array([2.5, 11.5])[:, None, None]
    down, right = np.rint(columns + 2.5).astype(int), np.rint(-rows + 11.5).astype(int)
    assert np.array_equal(found, far[down + 24, right])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(5, 9),
    st.integers(5, 9),
    st.sampled_from(["wrap", "mirror"]),
)
def test_the_gradient_of_a_map_is_its_adjoint(seed, height, width, edge):
    """<A x, y> = <x, A' y>, for bilinear maps of any size and angle: what reaches G is exact."""
    rng = np.random.default_rng(seed)
    images, others = rng.normal(size=(2, 3, height, width, 2)).astype(np.float32)
    matrices = tf.constant(rng.normal(size=(3, 2, 2)), tf.float32)
    shifts = tf.constant(rng.normal(size=(3, 2)), tf.float32)
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        product = tf.reduce_sum(resample(images, matrices, shifts, edge) * others)
    adjoint = tf.reduce_sum(images * tape.gradient(product, images))
    np.testing.assert_allclose(product, adjoint, rtol=1e-3, atol=1e-3)


def test_shades_and_cutout():
    images = images_of(2, 8, 10, 3)
    brighter = shade(images, *tf.constant([[0.5, 0], [1, 1], [1, 1]], tf.float32)).numpy()
    np.testing.assert_allclose(brighter[0], images[0] + 0.5, atol=1e-6)
    np.testing.assert_allclose(brighter[1], images[1], atol=1e-6)
    grey = shade(images, *tf.constant([[0, 0], [0, 1], [1, 0]], tf.float32)).numpy()
    np.testing.assert_allclose(
        grey[0], np.repeat(images[0].mean(2, keepdims=True), 3, 2), atol=1e-6
    )
    np.testing.assert_allclose(grey[1], images[1].mean(), atol=1e-6)
    cut = cut_out(images, tf.constant([[0.0, 0.0], [0.5, 0.5]]), 0.5).numpy()
    assert not np.any(cut[0, :2, :2]) and np.array_equal(cut[0, 2:], images[0, 2:])
    assert not np.any(cut[1, 2:6, 3:7]) and np.array_equal(cut[1, :2], images[1, :2])


def test_what_is_drawn_lies_within_the_recipe():
    numbers = drawn(EVERYTHING)
    assert np.array_equal(numbers, drawn(EVERYTHING)) and numbers.shape == (4000, 11)
    assert not np.array_equal(numbers, drawn(EVERYTHING, step=4))
    assert set(np.unique(numbers[:, :2])) == set(range(-3, 4))
    a, b, c, d = numbers[:, 2:6].T
    determinant = a * d - b * c
    assert 0.45 < np.mean(determinant < 0) < 0.55  # mirrored
    size = np.sqrt(np.abs(determinant))
    assert 1 / 1.31 < size.min() < 0.8 and 1.25 < size.max() < 1.31
    angle = np.degrees(np.arctan2(c, a))
    assert 19 < angle.max() < 20.01 and -20.01 < angle.min() < -19
    assert 0.49 < np.abs(numbers[:, 6]).max() <= 0.5
    for column, low, high in ((7, 0, 2), (8, 0.5, 1.5)):
        assert low <= numbers[:, column].min() < low + 0.02
        assert high - 0.02 < numbers[:, column].max() <= high
    assert 0 <= numbers[:, 9:].min() and numbers[:, 9:].max() <= 1


def test_each_kind_is_chosen_by_itself():
    numbers = drawn(EVERYTHING, probability=0.25)
    still = {
        "shift": np.all(numbers[:, :2] == 0, 1),
        "matrix": np.all(numbers[:, 2:6] == [1, 0, 0, 1], 1),
        "color": np.all(numbers[:, 6:9] == [0, 1, 1], 1),
        "cutout": numbers[:, 9] < -1,
    }
    for kind, expected in (("shift", 0.75), ("color", 0.75), ("cutout", 0.75)):
        assert np.mean(still[kind]) == pytest.approx(expected, abs=0.03), kind
    assert np.mean(still["matrix"]) == pytest.approx(0.75**2 * 0.875, abs=0.03)
    both = np.mean(still["shift"] & still["color"])
    assert both == pytest.approx(0.75**2, abs=0.03)


@pytest.mark.parametrize("kind", [kind for kind in AUGMENTATION if kind != "shift"])
def test_a_kind_alone_changes_nothing_else(kind):
    recipe = Recipe(**{kind: ALL[kind]})
    numbers, none = drawn(recipe, 50), unchanged(50, recipe).numpy()
    own = {"mirror": (2, 6), "zoom": (2, 6), "rotation": (2, 6), "color": (6, 9), "cutout": (9, 11)}
    first, end = own[kind]
    numbers[:, 9:] = np.where(numbers[:, 9:] < -1, -9, numbers[:, 9:])  # anywhere outside
    others = [i for i in range(11) if not first <= i < end]
    assert np.array_equal(numbers[:, others], none[:, others])
    assert np.any(numbers[:, first:end] != none[:, first:end])
    images = images_of(50, 12, 12, 3)
    assert not np.allclose(augment(images, tf.constant(numbers), recipe), images)


def test_what_is_off_costs_nothing():
    assert columns(Recipe()) == 0
    assert columns(Recipe(shift=2)) == 2  # as before there was anything else
    assert columns(Recipe(shift=2, augment_probability=0.5)) == len(augmentation.NONE)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 0.9), st.integers(1, 4096))
def test_the_probability_rises_where_d_overfits(probability, accuracy, target, count):
    found = float(augmentation.steered(probability, accuracy, target, count))
    expected = probability + (2 * accuracy - 1 - target) * count / 40_000
    assert found == pytest.approx(min(max(expected, 0), 1), abs=1e-5)


def test_the_overfitting_of_a_discriminator():
    assert overfitting_of([2, 4], [2, 4], [-3, -3]) == 0
    assert overfitting_of([2, 4], [-3, -3], [-3, -3]) == 1
    assert overfitting_of([0, 0], [1, 1], [0, 0]) == 0  # it tells nothing apart
    assert overfitting_of([1, 1], [-9, -9], [0, 0]) == 1


def gan_of(**values):
    config = tf2gan.TrainConfig(
        recipe="modern",
        batch=4,
        image_size=12,
        color_mode="rgb",
        recipe_values={**ALL, **values},
    )
    return tf2gan.GAN(config, total_steps=20)


def run_steps(runner, images, first, count):
    return runner.run(tf.constant(images), batch_rows(first, count, count=40, batch=4))


IMAGES = np.random.default_rng(1).integers(0, 256, (40, 12, 12, 3), np.uint8)


def test_real_and_generated_images_are_changed_alike_in_both_updates():
    gan, judged = gan_of(), []
    numbers = tf.constant(drawn(gan.recipe, 4))
    discriminate = gan._discriminate
    gan._discriminate = lambda images: judged.append(images.numpy()) or discriminate(images)
    real = tf.constant(images_of(4, 12, 12, 3))
    latents = tf.random.stateless_uniform((4, 100), (0, 2), -1, 1)
    fake = gan._generate(latents, training=True)
    gan.discriminator_step(real, latents, numbers)
    np.testing.assert_allclose(judged[0][:4], augment(real, numbers, gan.recipe), atol=1e-5)
    np.testing.assert_allclose(judged[0][4:], augment(fake, numbers, gan.recipe), atol=1e-5)
    before = gan.generator.get_weights()
    gan.generator_step(latents, numbers)
    np.testing.assert_allclose(judged[-1], augment(fake, numbers, gan.recipe), atol=1e-5)
    changed = [np.any(a != b) for a, b in zip(before, gan.generator.get_weights(), strict=True)]
    assert all(changed[:4])  # the gradient passes through all of it


def test_a_steered_run_resumes_to_the_last_bit(tmp_path):
    """Its probability is part of the state: killed after any step, it is the same run."""
    whole = Runner(gan_of(augment_target=0.6))
    for first in (0, 5):
        metrics = run_steps(whole, IMAGES, first, 5)
    assert 0 < metrics["augmentation/probability"] < 1 or metrics["accuracy/real"] < 0.8
    whole.gan.augment_probability.assign(0.3)
    Checkpoints(whole.gan, tmp_path, keep=1).save()
    run_steps(whole, IMAGES, 10, 5)
    other = Runner(gan_of(augment_target=0.6))
    assert Checkpoints(other.gan, tmp_path, keep=1).restore() == 10
    assert float(other.gan.augment_probability) == pytest.approx(0.3)
    run_steps(other, IMAGES, 10, 5)
    for ours, theirs in zip(other.gan.state, whole.gan.state, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_nothing_is_steered_before_augmentation_starts():
    gan = gan_of(augment_target=0.01, shift_after=0.5)  # from step 10 of 20 on
    runner = Runner(gan)
    gan.augment_probability.assign(0.4)
    run_steps(runner, IMAGES, 0, 10)
    assert float(gan.augment_probability) == pytest.approx(0.4)
    run_steps(runner, IMAGES, 10, 2)
    assert float(gan.augment_probability) != pytest.approx(0.4, abs=1e-7)


def test_xla_compiles_all_of_it():
    config = dataclasses.replace(gan_of(augment_target=0.6).config, jit_compile="on")
    runner = Runner(tf2gan.GAN(config, total_steps=20))
    assert runner.jit_compile, runner.jit_reason
    plain = Runner(gan_of(augment_target=0.6))
    for each in (runner, plain):
        each.gan.augment_probability.assign(0.7)
    found, expected = (run_steps(r, IMAGES, 0, 1) for r in (runner, plain))
    for tag in METRICS:  # G's come after Adam's first step, which divides rounding by rounding
        loose = 1e-2 if tag.endswith("/g") else 1e-3
        assert math.isclose(found[tag], expected[tag], rel_tol=loose, abs_tol=1e-5), tag


def test_none_of_it_needs_the_host_of_a_gpu():
    """By the registry of kernels, as tests/test_execution.py holds the recipes to."""
    config = dataclasses.replace(gan_of(augment_target=0.6).config, jit_compile="off")
    walk = Walk(Runner(tf2gan.GAN(config, total_steps=20)).graph_function.get_concrete_function())
    assert not walk.hosted
    assert not {found for found in walk.copied if found[0] == "While"}
