"""The recipes: `modern` does what it says, and `classic` is as it was (tests/test_golden.py)."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tf2gan.data.dataset import Data, batch_rows, total_steps
from tf2gan.gan import GAN
from tf2gan.networks.augmentation import translate
from tf2gan.networks.optimizers import FusedAdam, FusedSGD
from tf2gan.networks.polyphase import forward
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import RECIPES, settle, why_chosen
from tf2gan.training.runner import METRICS, Runner

MODERN = RECIPES["modern"]


@pytest.mark.parametrize(
    "fused, plain, settings",
    [
        (FusedAdam, keras.optimizers.Adam, {"beta_1": 0.5}),
        (FusedSGD, keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
        (FusedSGD, keras.optimizers.SGD, {"momentum": 0.9, "nesterov": False}),
        (FusedSGD, keras.optimizers.SGD, {"momentum": 0.0, "nesterov": True}),
    ],
)
def test_fused_updates_are_keras_own(fused, plain, settings):
    rate = keras.optimizers.schedules.CosineDecay(0.01, 20, alpha=0.02)
    values = {}
    for kind in (fused, plain):
        rng = np.random.default_rng(0)
        variables = [
            keras.Variable(rng.standard_normal(shape), dtype="float32") for shape in ((30, 7), (7,))
        ]
        optimizer = kind(rate, **settings)
        optimizer.build(variables)
        step = tf.function(optimizer.apply)
        for _ in range(12):
            step([tf.constant(rng.standard_normal(v.shape), tf.float32) for v in variables])
        values[kind] = [v.numpy() for v in variables]
    for a, b in zip(values[fused], values[plain], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 60),
    st.integers(1, 9),
    st.integers(0, 200),
    st.integers(1, 40),
)
def test_every_epoch_is_a_permutation_and_windows_do_not_matter(seed, count, batch, first, steps):
    batch = min(batch, count)
    whole = batch_rows(first, steps, count=count, batch=batch, seed=seed)
    singles = [
        batch_rows(first + i, 1, count=count, batch=batch, seed=seed)[0] for i in range(steps)
    ]
    assert np.array_equal(whole, singles)
    per_epoch = count // batch
    epoch = batch_rows(per_epoch * 3, per_epoch, count=count, batch=batch, seed=seed).ravel()
    assert len(set(epoch)) == len(epoch) and set(epoch) <= set(range(count))


def test_orders_differ_between_epochs_and_seeds():
    rows = {
        tuple(batch_rows(step, 1, count=100, batch=100, seed=seed)[0])
        for step in (0, 1)
        for seed in (0, 1)
    }
    assert len(rows) == 4


def test_the_batch_is_the_recipes_unless_given():
    assert TrainConfig().batch == 128
    assert TrainConfig(recipe="modern").batch == 32
    assert TrainConfig(recipe="modern", batch=7).batch == 7


def go_on(gan, steps):
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)), tf.uint8)
    Runner(gan).run(images, batch_rows(int(gan.step), steps, count=8, batch=4, seed=0))


def test_the_average_follows_the_generator():
    """At steps 0, 8, 16, by the share that eight steps would make."""
    gan = GAN(TrainConfig(recipe="modern", batch=4), total_steps=10)
    go_on(gan, 1)
    start = gan.ema_generator.get_weights()
    for average, new in zip(start, gan.generator.get_weights(), strict=True):
        np.testing.assert_allclose(average, new, rtol=1e-4, atol=1e-6)
    go_on(gan, 7)
    assert all(map(np.array_equal, gan.ema_generator.get_weights(), start))
    go_on(gan, 1)
    for average, old, new in zip(
        gan.ema_generator.get_weights(), start, gan.generator.get_weights(), strict=True
    ):
        np.testing.assert_allclose(
            average, old + (1 - 0.5**8) * (new - old), rtol=1e-4, atol=1e-5
        )  # 9 / 18 stays
    gan = GAN(TrainConfig())
    assert gan.ema_generator is gan.generator


def test_the_discriminator_sees_moved_images():
    """Each its own way by up to two pixels, reals and fakes alike; in both updates."""
    gan = GAN(TrainConfig(recipe="modern", batch=4), total_steps=400, epoch_steps=40)
    ways = []
    gan.update_both = lambda *batches, r1_due: (
        ways.append(batches[-1].numpy()) or dict.fromkeys(METRICS, 0.0)
    )
    tf.config.run_functions_eagerly(True)
    try:
        Runner(gan).run(tf.zeros((4, 28, 28, 1), tf.uint8), np.zeros((400, 4), np.int32))
    finally:
        tf.config.run_functions_eagerly(False)
    assert not np.any(ways[:200])  # the first five epochs
    drawn = np.stack(ways[200:])
    for image in range(4):
        two = range(-2, 3)
        assert {*map(tuple, drawn[:, image])} == {(down, right) for down in two for right in two}
    assert not np.array_equal(drawn[:, 0], drawn[:, 1])
    images = tf.random.stateless_uniform((2, 28, 28, 1), (0, 1), -1, 1)
    latents = tf.random.stateless_uniform((2, 100), (0, 2), -1, 1)
    fakes = forward(gan.generator, latents, training=True).numpy()
    shifts = tf.constant([(1, -2), (-1, 0)])
    judged = []
    discriminate = gan._discriminate
    gan._discriminate = lambda images: judged.append(images) or discriminate(images)
    gan.discriminator_step(images, latents, shifts)
    gan.generator_step(latents, shifts)
    for number, (down, right) in enumerate(shifts.numpy()):
        assert np.array_equal(judged[0][number], np.roll(images[number], (down, right), (0, 1)))
        for seen in (judged[0][2 + number], judged[-1][number]):
            np.testing.assert_allclose(
                seen, np.roll(fakes[number], (down, right), (0, 1)), atol=1e-5
            )


@pytest.mark.parametrize("shape", [(12, 16, 3), (28, 28, 1)])
@pytest.mark.parametrize("reach", [1, 5])
def test_moved_by_any_way_with_either_edge(shape, reach):
    ways = np.array([(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)])
    images = np.random.default_rng(0).uniform(-1, 1, (len(ways), *shape)).astype(np.float32)
    for edge, mode in (("wrap", "wrap"), ("mirror", "symmetric")):
        found = translate(tf.constant(images), tf.constant(ways), reach, edge)
        for image, (down, right), seen in zip(images, ways, found, strict=True):
            padded = np.pad(image, [(reach, reach), (reach, reach), (0, 0)], mode)
            top, left = reach - down, reach - right
            expected = padded[top : top + shape[0], left : left + shape[1]]
            assert np.array_equal(seen, expected), (edge, down, right)


def test_images_move_from_the_later_of_both_settings_on():
    for share, epoch, first in ((0.0, 0, 0), (0.5, 0, 50), (0.5, 7, 70), (0.9, 2, 90)):
        values = {"shift_after": share, "shift_from_epoch": epoch}
        config = TrainConfig(recipe="modern", batch=4, recipe_values=values)
        assert GAN(config, total_steps=100, epoch_steps=10).augment_from == first


def test_how_long_a_run_is_follows_from_the_recipe_and_the_data():
    """Small sets are passed over more often; what is asked for is done, whatever it is."""
    lengths = {}
    for recipe, count in (("classic", 60_000), ("classic", 4_000), ("modern", 60_000)):
        data = Data("it", np.zeros((count, 28, 28, 1), np.uint8))
        config = TrainConfig(recipe=recipe).of(data)
        assert TrainConfig.from_json(config.to_json()) == config
        lengths[recipe, count] = config.epochs
    assert lengths == {("classic", 60_000): 30, ("classic", 4_000): 30, ("modern", 60_000): 10}
    small = Data("small", np.zeros((3786, 28, 28, 1), np.uint8))
    config = TrainConfig(recipe="modern").of(small)
    assert config.epochs == 85 and 10_000 <= total_steps(config, small) < 10_000 + 118
    assert TrainConfig(recipe="modern", epochs=3).of(small).epochs == 3
    assert total_steps(TrainConfig(recipe="modern", steps=7).of(small), small) == 7


def test_the_edge_is_a_setting_of_the_run():
    gan = GAN(TrainConfig(recipe="modern", batch=4, recipe_values={"shift_edge": "mirror"}))
    images = tf.random.stateless_uniform((4, 28, 28, 1), (0, 1), -1, 1)
    latents = tf.random.stateless_uniform((4, 100), (0, 2), -1, 1)
    judged = []
    discriminate = gan._discriminate
    gan._discriminate = lambda images: judged.append(images) or discriminate(images)
    shifts = tf.tile(tf.constant([(2, 0)]), (4, 1))
    gan.discriminator_step(images, latents, shifts)
    gan.generator_step(latents, shifts)
    for seen in (judged[0], judged[-1]):  # the two rows that came from above are mirrored
        assert np.array_equal(seen[:, :2], seen[:, 3:1:-1])


def test_the_rates_fall_over_the_run():
    gan = GAN(TrainConfig(recipe="modern", batch=4), total_steps=10)
    go_on(gan, 10)
    for optimizer, rate in (
        (gan.d_optimizer, MODERN.d_learning_rate),
        (gan.g_optimizer, MODERN.g_learning_rate),
    ):
        assert float(optimizer.learning_rate) == pytest.approx(0.02 * rate, rel=1e-3)
    assert float(GAN(TrainConfig(recipe="modern")).g_optimizer.learning_rate) == pytest.approx(
        MODERN.g_learning_rate
    )


def test_the_penalty_is_the_squared_slope_at_real_images():
    """Against Keras' own graphs, differentiated twice; it counts for the steps without it too."""
    gan = GAN(TrainConfig(recipe="modern", batch=4))
    real = tf.random.stateless_uniform((4, 28, 28, 1), (0, 1), -1, 1)
    latents = tf.random.stateless_uniform((4, 100), (0, 2), -1, 1)
    variables = [variable.value for variable in gan.discriminator.trainable_variables]
    before_sigmoid = keras.Sequential(gan.discriminator.layers[:-1])
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(real)
            logits = before_sigmoid(real)
        penalty = tf.reduce_mean(tf.reduce_sum(inner.gradient(logits, real) ** 2, [1, 2, 3]))
        loss = MODERN.penalty_every * MODERN.gradient_penalty / 2 * penalty
    expected = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    applied = []
    gan.d_optimizer.apply = lambda gradients, variables: applied.append(gradients)
    for due in (False, True):
        gan.discriminator_step(real, latents, r1_due=tf.constant(due))
    assert penalty > 0
    for without, with_r1, b in zip(*applied, expected, strict=True):
        scale = float(tf.reduce_max(tf.abs(b)) + tf.reduce_max(tf.abs(without)))
        np.testing.assert_allclose(with_r1 - without, b, rtol=1e-3, atol=1e-6 + 1e-4 * scale)
    gan.g_optimizer.apply = lambda gradients, variables: None
    for _ in range(2):  # it is due at step 0, and not at step 1
        gan.train_step(real, latents, latents)
    norms = [float(tf.linalg.global_norm(gradients)) for gradients in applied]
    assert norms[2:] == pytest.approx([norms[1], norms[0]]) and norms[1] != norms[0]


def test_modern_takes_large_batches():
    """TensorFlow rewrote the sum with the penalty's gradients, and failed in a second window."""
    gan = GAN(TrainConfig(recipe="modern", batch=96), total_steps=20)
    images, rows = tf.zeros((96, 28, 28, 1), tf.uint8), np.arange(96, dtype=np.int32)[None]
    runner = Runner(gan)
    for step in (7, 15):  # the penalty comes second in both windows
        gan.step.assign(step)
        assert np.isfinite(runner.run(images, np.repeat(rows, 2, 0))["loss/d"])


def test_modern_chooses_for_the_images_once():
    """As the size and number of images ask for; what was set by hand stays, and so does a run's."""
    data = Data("faces", np.zeros((10_000, 64, 64, 3), np.uint8))
    chosen = TrainConfig(recipe="modern").of(data)
    assert chosen.recipe_values != MODERN and chosen.recipe_values.gradient_penalty == 2.0
    assert chosen.title == "modern"
    by_hand = TrainConfig(recipe="modern", recipe_values={"gradient_penalty": 0.5}).of(data)
    assert by_hand.title == "modern with gradient_penalty=0.5"
    assert by_hand.recipe_values.gradient_penalty == 0.5  # its own default is a choice too
    assert by_hand.recipe_values.d_learning_rate == chosen.recipe_values.d_learning_rate
    assert TrainConfig.from_json(by_hand.to_json()).of(data) == by_hand
    whole = dataclasses.replace(MODERN, shift=3)
    assert TrainConfig(recipe="modern", recipe_values=whole).of(data).recipe_values == whole
    said = why_chosen(chosen, 10_000)
    assert "chosen for 12288 values an image: gradient_penalty=2.0" in said
    assert any(
        "10000 images" in line and "shift=8, shift_edge=mirror, zoom=0.1" in line for line in said
    )
    assert not any("gradient_penalty" in line for line in why_chosen(by_hand, 10_000))
    for recipe, digits in (("modern", MODERN), ("classic", RECIPES["classic"])):
        mnist = Data("digits", np.zeros((60_000, 28, 28, 1), np.uint8))
        assert TrainConfig(recipe=recipe).of(mnist).recipe_values == digits
        assert why_chosen(TrainConfig(recipe=recipe).of(mnist), 60_000) == []
    assert TrainConfig().of(data).recipe_values == RECIPES["classic"]
    many = Data("faces", np.broadcast_to(np.zeros((), np.uint8), (20_000, 64, 64, 3)))
    values = settle("modern", MODERN.with_changes({}), many.image_size, 3, len(many.images))
    assert (values.shift, values.augment_target) == (MODERN.shift, 0)
    both = MODERN.with_changes({"shift": 4, "shift_from_epoch": 0})
    both = dataclasses.replace(TrainConfig(recipe="modern"), recipe_values=both).of(data)
    assert not any("shift" in line for line in why_chosen(both, 10_000))  # set by hand, not chosen
    read = TrainConfig.from_json(chosen.to_json())
    assert why_chosen(read.of(data), 10_000) == []  # of a run that goes on nothing is chosen
    again = dataclasses.replace(TrainConfig(recipe="modern", image_size=64), image_size=28)
    assert again.recipe_values == MODERN
    fixed = settle("modern", MODERN.with_changes({"augment_probability": 0.5}), (28, 28), 1, 500)
    assert (fixed.augment_target, fixed.zoom) == (0, 0.1)  # what is fixed by hand is not steered
    asked = settle("modern", MODERN.with_changes({"mirror": True}), (28, 28), 1, 500)
    assert (asked.mirror, asked.zoom, asked.augment_target) == (True, 0.1, 0.6)
    for shift in (0, 3):
        own = settle("modern", MODERN.with_changes({"shift": shift}), (28, 28), 1, 500)
        assert own == dataclasses.replace(MODERN, shift=shift)
    assert any("may be memorised" in line for line in why_chosen(TrainConfig(), 500))
