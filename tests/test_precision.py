"""Smaller types: who chooses them, and that they train, save and resume."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf2gan
from tf2gan.devices import precision
from tf2gan.devices.precision import choose_dtype
from tf2gan.gan import GAN
from tf2gan.networks.optimizers import apply_gradients, build_optimizer
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import RECIPES
from tf2gan.training import loop as training
from tf2gan.training.runner import Runner
from tf2gan.utils.errors import Tf2ganError


@pytest.mark.parametrize(
    "gpu, flags, expected, because",
    [
        (None, "avx512_bf16 amx_bf16", "bfloat16", "AMX"),
        (None, "avx512_bf16", "float32", "no fast bfloat16"),
        (None, "AuthenticAMD avx512_bf16", "bfloat16", "AMD"),
        (None, "AuthenticAMD avx2", "float32", "no fast bfloat16"),
        (None, None, "float32", "no fast bfloat16"),
        ((9, 0), "", "bfloat16", "9.0"),
        ((8, 0), "", "bfloat16", "8.0"),
        ((7, 5), "", "float16", "7.5"),
        ((6, 1), "amx_bf16", "float32", "6.1"),
    ],
)
def test_auto_takes_what_is_fast(monkeypatch, tmp_path, gpu, flags, expected, because):
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags} vme\n")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] if gpu else [])
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda device: {"compute_capability": gpu}
    )
    dtype, reason = choose_dtype("auto", tf.distribute.get_strategy())
    assert dtype.name == expected and because in reason


@pytest.mark.parametrize(
    "devices, expected, because",
    [
        (["CPU:0"], "float32", "this processor"),
        (["GPU:0"], "bfloat16", "9.0"),
        (["GPU:1"], "float16", "7.5"),
        (["GPU:0", "GPU:0"], "bfloat16", "9.0"),
        (["GPU:0", "GPU:1"], "float32", "7.5 is float16"),
    ],
)
def test_auto_looks_at_the_devices_that_compute(monkeypatch, tmp_path, devices, expected, because):
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [(9, 0), (7, 5)])
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu}
    )
    names = [f"/job:localhost/replica:0/task:0/device:{name}" for name in devices]
    strategy = SimpleNamespace(
        num_replicas_in_sync=len(names), extended=SimpleNamespace(worker_devices=names)
    )
    dtype, reason = choose_dtype("auto", strategy)
    assert dtype.name == expected and because in reason
    assert choose_dtype("auto", tf.distribute.OneDeviceStrategy("CPU:0"))[0] == tf.float32


def test_asked_for_or_left_alone():
    strategy = tf.distribute.get_strategy()
    assert choose_dtype(None, strategy)[0] == tf.float32
    assert choose_dtype("bfloat16", strategy)[0] == tf.bfloat16
    assert choose_dtype("float32", strategy)[0] == tf.float32  # a run of bfloat16 may go on in it


def steps(mixed_precision, count=3):
    gan = GAN(TrainConfig(batch=4, mixed_precision=mixed_precision))
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1)), tf.uint8)
    return gan, Runner(gan).run(images, np.tile(np.arange(4, dtype=np.int32), (count, 1)))


def test_bfloat16_is_float32_up_to_rounding():
    (_, expected), (gan, metrics) = steps(None), steps("bfloat16")
    for tag in ("loss/d", "loss/g", "gradient_norm/d", "gradient_norm/g"):
        np.testing.assert_allclose(metrics[tag], expected[tag], rtol=0.05)
    for variable in (
        *gan.generator.weights,
        *gan.discriminator.weights,
        *gan.g_optimizer.variables,
    ):
        assert variable.dtype in ("float32", "int64", "int32"), variable.path


def test_both_networks_compute_in_it():
    latents = tf.random.stateless_uniform((4, 100), (0, 1), -1, 1)
    images = tf.random.stateless_uniform((4, 28, 28, 1), (0, 2), -1, 1)
    outputs = []
    for mixed_precision in (None, "bfloat16"):
        gan = GAN(TrainConfig(batch=4, mixed_precision=mixed_precision))
        outputs.append((gan._generate(latents, training=True), gan._discriminate(images)))
    for exact, rounded in zip(*outputs, strict=True):
        assert 0 < np.abs(exact - rounded).max() < 0.1


@pytest.mark.slow
def test_float16_scales_its_losses_and_trains():
    """Slow: TensorFlow has no fast float16 convolution gradient on processors."""
    (_, expected), (gan, metrics) = steps(None, 1), steps("float16", 1)
    for tag in ("loss/d", "loss/g", "gradient_norm/d", "gradient_norm/g"):
        np.testing.assert_allclose(metrics[tag], expected[tag], rtol=0.05)
    for optimizer in (gan.d_optimizer, gan.g_optimizer):
        assert float(optimizer.dynamic_scale.numpy()) == 2.0**15
        assert int(optimizer.inner_optimizer.iterations.numpy()) == 1


def test_float16_skips_a_step_whose_gradients_overflow():
    gan = GAN(TrainConfig(batch=4, mixed_precision="float16"))
    before = gan.discriminator.get_weights()
    variables = gan.discriminator.trainable_variables
    gan.d_optimizer.apply([tf.fill(v.shape, np.float32(np.inf)) for v in variables], variables)
    assert all(map(np.array_equal, before, gan.discriminator.get_weights()))
    assert float(gan.d_optimizer.dynamic_scale.numpy()) == 2.0**14


def test_gradients_scaled_for_float16_are_applied_and_told_as_they_are():
    applied = {}
    for dtype in (tf.float32, tf.float16):
        network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        network.set_weights([np.zeros((2, 1)), np.zeros(1)])
        how = {"total_steps": None, "dtype": dtype}
        optimizer = build_optimizer(network, RECIPES["classic"], 0.1, **how)
        assert optimizer.scale_loss(1.0) == (1 if dtype == tf.float32 else 2.0**15)
        loss = [tf.constant([[3.0], [0.0]]), tf.constant([4.0])]
        scaled = [optimizer.scale_loss(1.0) * gradient for gradient in loss]
        assert float(apply_gradients(optimizer, scaled, network)) == pytest.approx(5)
        applied[dtype] = np.concatenate(network.get_weights(), None)
    np.testing.assert_allclose(applied[tf.float16], applied[tf.float32])
    assert applied[tf.float32][0] < 0


def test_every_gradient_is_scaled_by_what_the_optimizer_asks_for():
    """The penalty's too; what is told of them is not."""
    images = tf.random.stateless_uniform((4, 28, 28, 1), (0, 1), -1, 1)
    latents = tf.random.stateless_uniform((4, 100), (0, 2), -1, 1)
    gan = GAN(TrainConfig(recipe="modern", batch=4))
    applied, told = {}, {}
    for scale in (1.0, 8.0):
        applied[scale] = []
        for optimizer in (gan.d_optimizer, gan.g_optimizer):
            optimizer.scale_loss = lambda loss, scale=scale: scale * loss
            optimizer.apply = lambda gradients, variables, scale=scale: applied[scale].extend(
                gradients
            )
        metrics = gan.update_both(images, latents, latents, r1_due=tf.constant(True))
        told[scale] = {tag: float(value) for tag, value in metrics.items()}
    assert told[8.0] == pytest.approx(told[1.0], rel=1e-5)
    assert len(applied[1.0]) == 8 + 10
    for gradient, scaled in zip(applied[1.0], applied[8.0], strict=True):
        np.testing.assert_allclose(scaled / 8, gradient, rtol=1e-4, atol=1e-6)


def test_a_run_goes_on_in_another_precision(small, tmp_path):
    run = tf2gan.train(TrainConfig(**{**small, "steps": 1}), tmp_path)
    training.resume(run, steps=2, mixed_precision="bfloat16")
    training.resume(run, steps=3, mixed_precision=None)
    with pytest.raises(Tf2ganError, match="float16.*--mixed-precision") as error:
        training.resume(run, steps=4, mixed_precision="float16")
    assert "\n" not in str(error.value)
