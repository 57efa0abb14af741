"""What is saved is what is restored; strangers' files load or are refused, and run nothing."""

from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from forked import Forked

import tf2gan
from tf2gan.gan import GAN
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.runs.checkpoints import Checkpoints, checkpoint_steps, restore_networks
from tf2gan.runs.weights import load_run, load_seed_weights, load_weights
from tf2gan.settings.config import TrainConfig
from tf2gan.utils.errors import UsageError

SEED_LAYERS = {  # tests/golden was recorded from these names, in this order
    "generator": [
        "dense_2",
        "activation_4",
        "dense_3",
        "batch_normalization",
        "activation_5",
        "reshape",
        "up_sampling2d",
        "conv2d_2",
        "activation_6",
        "up_sampling2d_1",
        "conv2d_3",
        "activation_7",
    ],
    "discriminator": [
        "conv2d",
        "activation",
        "max_pooling2d",
        "conv2d_1",
        "activation_1",
        "max_pooling2d_1",
        "flatten",
        "dense",
        "activation_2",
        "dense_1",
        "activation_3",
    ],
}
BUILD = {"generator": build_generator, "discriminator": build_discriminator}


def every_variable(gan):
    owners = (
        gan.generator.weights,
        gan.ema_generator.weights,
        gan.discriminator.weights,
        gan.d_optimizer.variables,
        gan.g_optimizer.variables,
    )
    return [variable for owner in owners for variable in owner]


@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_every_variable_comes_back(tmp_path, recipe):
    """Of a GAN of other weights, so that a restore that does nothing fails."""
    saved, restored = (GAN(TrainConfig(recipe=recipe, seed=seed)) for seed in (1, 2))
    rng = np.random.default_rng(0)
    for variable in every_variable(saved):
        variable.assign(rng.integers(1, 100, variable.shape).astype(variable.dtype))
    saved.step.assign(17)
    (tmp_path / "config.json").write_text(saved.config.to_json())
    Checkpoints(saved, tmp_path, keep=3).save()
    assert Checkpoints(restored, tmp_path, keep=3).restore() == 17
    for a, b in zip(every_variable(saved), every_variable(restored), strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), a.path
    generator, discriminator, step, _ = restore_networks(tmp_path)
    assert step == 17
    for network, expected in (
        (generator, saved.ema_generator),
        (discriminator, saved.discriminator),
    ):
        assert all(map(np.array_equal, network.get_weights(), expected.get_weights()))


def test_only_the_newest_are_kept(tmp_path):
    gan = GAN(TrainConfig())
    (tmp_path / "config.json").write_text(gan.config.to_json())
    checkpoints = Checkpoints(gan, tmp_path, keep=2)
    for step in (1, 5, 10):
        gan.step.assign(step)
        checkpoints.save()
    assert checkpoint_steps(tmp_path) == [5, 10]
    assert restore_networks(tmp_path, "5", discriminator=False)[1:] == (None, 5, False)
    with pytest.raises(UsageError, match="choose best, latest or 5, 10$"):
        restore_networks(tmp_path, "7")
    checkpoints.keep_best(SimpleNamespace(frechet=3.0, kid=1.0, believed="frechet", ruler="it"))
    for file in (tmp_path / "checkpoints").glob("ckpt-*"):
        file.unlink()
    with pytest.raises(
        UsageError, match="no checkpoint 'latest'; choose best$"
    ):  # evaluated, but not yet saved
        restore_networks(tmp_path, "latest")


def test_plain_keras_opens_the_models_where_tf2gan_cannot_be_imported(trained, tmp_path):
    _, run = trained
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.modules['tf2gan'] = None  # makes every import of it fail\n"
        "import keras, numpy as np\n"
        f"g = keras.models.load_model(r'{run / 'generator.keras'}')\n"
        f"d = keras.models.load_model(r'{run / 'discriminator.keras'}')\n"
        "images = g.predict(np.zeros((2, 100)), verbose=0)\n"
        "print(images.shape, d.predict(images, verbose=0).shape)\n"
    )
    output, error = Forked(script, cwd=tmp_path).communicate()
    assert output.strip() == "(2, 28, 28, 1) (2, 1)", error


@pytest.mark.xdist_group("measured")
def test_load_run_gives_the_newest_weights_as_plain_keras_models(trained, measured):
    """Of `modern` the averaged generator's."""
    for run in (trained[1], measured):
        networks, restored = tf2gan.load_run(run), restore_networks(run, "latest")[:2]
        for network, expected in zip(networks, restored, strict=True):
            assert type(network) is keras.Sequential
            assert all(map(np.array_equal, network.get_weights(), expected.get_weights()))


def test_load_run_of_nothing(tmp_path):
    with pytest.raises(UsageError, match="generator.keras is not there"):
        load_run(tmp_path)


def write_seed_file(path, model, root=""):
    """Writes weights as the original's `save_weights(name, True)` did (tests/golden's layout)."""
    with h5py.File(path, "w") as file:
        group = file.require_group(root) if root else file
        names = SEED_LAYERS[model.name]
        group.attrs["layer_names"] = [name.encode() for name in names]
        for name, layer in zip(names, model.layers, strict=True):
            weights = [f"{name}/{variable.name}:0" for variable in layer.weights]
            group.create_group(name).attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, variable in zip(weights, layer.weights, strict=True):
                group[name][weight] = variable.numpy()


@pytest.mark.parametrize("root", ["", "model_weights"])
@pytest.mark.parametrize("network", BUILD)
def test_seed_weights_load(tmp_path, network, root):
    saved, loaded = BUILD[network](seed=1), BUILD[network](seed=2)
    saved.set_weights([array + 0.5 for array in saved.get_weights()])
    write_seed_file(tmp_path / network, saved, root)  # no extension, as the original named it
    load_seed_weights(loaded, tmp_path / network)
    assert all(map(np.array_equal, saved.get_weights(), loaded.get_weights()))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_keras_weights_load(tmp_path, suffix):
    saved, loaded = build_generator(seed=1), build_generator(seed=2)
    path = tmp_path / f"g{suffix}"
    saved.save(path) if suffix == ".keras" else saved.save_weights(path)
    load_weights(loaded, path)
    assert all(map(np.array_equal, saved.get_weights(), loaded.get_weights()))


def test_wrong_weights_are_refused_and_change_nothing(tmp_path):
    write_seed_file(tmp_path / "discriminator", build_discriminator())
    build_discriminator().save(tmp_path / "d.keras")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "text.keras").write_text("hello")
    with h5py.File(tmp_path / "empty", "w"):
        pass
    with h5py.File(tmp_path / "lost", "w") as file:
        file.attrs["layer_names"] = [b"nowhere"]
    generator = build_generator(seed=1)
    before = generator.get_weights()
    for name in ("discriminator", "d.keras", "text", "text.keras", "empty", "lost", "missing"):
        with pytest.raises(UsageError, match=name) as error:
            load_weights(generator, tmp_path / name)
        assert "\n" not in str(error.value)
        assert all(map(np.array_equal, before, generator.get_weights())), name
