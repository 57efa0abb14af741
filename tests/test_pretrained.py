"""The trained networks of the package, and runs that begin with trained networks."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, saved_state

import tf2gan
from tf2gan.cli.train import main as train
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.runs import pretrained
from tf2gan.runs.sources import Source, find_source, find_start, load_start
from tf2gan.sampling.sampler import Sampler, plain
from tf2gan.utils.errors import Tf2ganError, UsageError


def equal(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def test_they_are_plain_keras_models_of_the_originals_graphs():
    for network, build in zip(
        tf2gan.load_pretrained("mnist"), (build_generator, build_discriminator), strict=True
    ):
        assert type(network) is keras.Sequential
        for layer, own in zip(network.layers, build().layers, strict=True):
            assert (type(layer), layer.output.shape) == (type(own), own.output.shape)
        assert all(np.isfinite(array).all() for array in network.get_weights())
    assert pretrained.file_of("mnist").stat().st_size <= 25e6
    _, origin = pretrained.read_pretrained()
    assert {"config", "step", "frechet", "ruler"} <= set(origin)
    assert tf2gan.TrainConfig.from_json(json.dumps(origin["config"])).data == "mnist"


@pytest.mark.slow
@pytest.mark.xdist_group("ruler")
def test_they_draw_digits_of_all_kinds(ruler):
    generator, discriminator = tf2gan.load_pretrained()
    quality = ruler.measure(plain(Sampler(generator), 2000, seed=0))
    assert quality.ruler == pretrained.read_pretrained()[1]["ruler"]
    assert quality.frechet < ruler.floor(2000).frechet + 4
    assert quality.confidence > 0.95 and quality.histogram.min() > 0.07


def test_half_the_bits_are_all_that_is_lost(tmp_path):
    networks = build_generator(seed=1), build_discriminator(seed=2)
    pretrained.pack(networks, {"seed": 1}, tmp_path / "packed.h5")
    with h5py.File(tmp_path / "packed.h5") as file:
        assert json.loads(file.attrs["origin"]) == {"seed": 1}
        for network in networks:
            arrays = pretrained.read_arrays(pretrained.datasets_of(file[network.name]))
            for kept, array in zip(arrays, network.get_weights(), strict=True):
                np.testing.assert_allclose(kept, array, rtol=2**-11, atol=2**-25)


def test_a_damaged_file_is_one_line_and_draws_nothing(tmp_path, monkeypatch):
    content = bytearray(pretrained.file_of("mnist").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "mnist_networks.h5").write_bytes(content)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(Tf2ganError, match="is damaged .* install tf2gan again"):
        tf2gan.load_pretrained()
    (tmp_path / "mnist_networks.h5").unlink()
    with pytest.raises(Tf2ganError, match="cannot be read"):
        tf2gan.load_pretrained()
    with pytest.raises(UsageError, match="no trained networks 'cats'; choose mnist"):
        tf2gan.load_pretrained("cats")


def test_digits_in_an_empty_folder(python, tmp_path):
    """The first thing that a newcomer types, outside a clone."""
    script = "from tf2gan.cli.generate import main; main()"
    flags = ["--pretrained", "--label", 7, "--batch", 5, "--out", "sevens.npz"]
    result = python("-c", script, *flags, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    assert "of class 7" in result.stdout and result.stderr == ""
    assert np.load(tmp_path / "sevens.npz")["images"].shape == (5, 28, 28)
    assert [path.name for path in tmp_path.iterdir()] == ["sevens.npz"]


# Starting from trained weights.


def test_a_run_begins_with_them_and_with_nothing_else(tmp_path, small):
    config = tf2gan.TrainConfig(**{**small, "recipe": "modern", "start_from": "mnist", "steps": 2})
    run = tf2gan.train(config, tmp_path)
    begun = saved_state(run, 0)
    of_optimizers = [name for name in begun if "optimizer/_variables" in name]
    assert len(of_optimizers) > 30
    for name in of_optimizers:  # but for the rates, which are the recipe's
        values = np.frombuffer(begun[name], np.uint8)
        assert not values.any() or len(values) == 4
    generator, discriminator = tf2gan.load_pretrained()
    for name, network in {
        "generator": generator,
        "averaged_generator": generator,
        "discriminator": discriminator,
    }.items():
        copy = keras.models.clone_model(network)
        saved = tf.train.Checkpoint(**{name: copy})
        saved.restore(str(run / "checkpoints" / "ckpt-0"))
        assert equal(copy.get_weights(), network.get_weights()), name
    assert not equal(tf2gan.load_run(run)[0].get_weights(), generator.get_weights())
    assert json.loads((run / "config.json").read_text())["start_from"] == "mnist"


def test_it_goes_on_when_what_it_began_with_is_gone(tmp_path, small, trained, capsys):
    """Stopped before its first checkpoint but the one of its beginning."""
    shutil.copytree(trained[1], tmp_path / "old")
    settings = {**small, "start_from": str(tmp_path / "old"), "steps": 3, "checkpoint_every": 3}
    whole = tf2gan.train(tf2gan.TrainConfig(**settings), tmp_path / "runs")
    assert f"starts from the networks of {tmp_path / 'old'}" in capsys.readouterr().out
    for file in (*whole.glob("checkpoints/ckpt-3*"), *whole.glob("checkpoints/checkpoint")):
        file.rename(file.with_name(f"aside-{file.name}"))
    shutil.rmtree(tmp_path / "old")
    expected = [model.get_weights() for model in tf2gan.load_run(whole)]
    train(["--resume", str(whole)])
    assert "begins with" not in capsys.readouterr().out
    for model, weights in zip(tf2gan.load_run(whole), expected, strict=True):
        assert equal(model.get_weights(), weights)


def test_weights_of_any_file_begin_a_run(tmp_path, small):
    """The generator's alone, then the discriminator's too."""
    networks = build_generator(seed=5), build_discriminator(seed=6)
    for network in networks:
        network.save_weights(tmp_path / f"{network.name}.weights.h5")
    one = tf2gan.TrainConfig(**small, start_from=str(tmp_path / "generator.weights.h5"))
    generator, discriminator = load_start(one, find_start(one, tmp_path))
    assert equal(generator, networks[0].get_weights()) and discriminator is None
    gan = tf2gan.GAN(one)
    before = gan.discriminator.get_weights()
    gan.set_weights(generator)
    assert equal(gan.discriminator.get_weights(), before)
    path = str(tmp_path / "discriminator.weights.h5")
    both = tf2gan.TrainConfig(**small, start_from=one.start_from, start_from_discriminator=path)
    gan.set_weights(*load_start(both, find_start(both, tmp_path)))
    assert equal(gan.discriminator.get_weights(), networks[1].get_weights())
    assert equal(gan.generator.get_weights(), generator)


def test_a_run_is_found_by_its_number(trained, small):
    logdir, run = trained
    config = tf2gan.TrainConfig(**small, start_from="0")
    assert find_start(config, logdir).run == run


def test_a_file_comes_before_a_run_of_that_number_and_mnist_before_all(trained, tmp_path):
    """In the folder where it is typed."""
    logdir, run = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert find_source("0", logdir) == Source(run=run)
        for name in ("0", "mnist"):
            (tmp_path / name).touch()
        assert find_source("0", logdir) == Source(weights="0")
        assert find_source("mnist", logdir) == Source(pretrained="mnist")


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"start_from": "nowhere"}, "no such file, and no run of that name"),
        ({"start_from": "mnist", "start_from_discriminator": "d"}, "leave out --start-from-disc"),
        ({"start_from": "mnist", "image_size": 32}, "28x28, grayscale.* give --image-size 28x28"),
        ({"start_from": "mnist", "color_mode": "rgb"}, "--color-mode grayscale"),
    ],
)
def test_what_cannot_begin_a_run_is_one_line_and_makes_none(tmp_path, small, settings, said):
    (tmp_path / "pictures").mkdir()
    for i in range(8):
        keras.utils.save_img(tmp_path / "pictures" / f"{i}.png", np.zeros((32, 32, 3)))
    config = tf2gan.TrainConfig(**{**small, "data": str(tmp_path / "pictures"), **settings})
    with pytest.raises(UsageError, match=said):
        tf2gan.train(config, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_discriminators_file_alone_begins_nothing(small):
    with pytest.raises(UsageError, match="--start-from-discriminator goes with --start-from"):
        tf2gan.TrainConfig(**small, start_from_discriminator="d.keras")


def test_a_beginning_that_is_damaged_is_begun_again(tmp_path, small, trained):
    """Killed while the checkpoint of step 0 was written: the networks are read once more."""
    settings = {**small, "start_from": str(trained[1]), "steps": 3, "checkpoint_every": 3}
    run = tf2gan.train(tf2gan.TrainConfig(**settings), tmp_path)
    expected = tf2gan.load_run(run)[0].get_weights()
    for file in run.glob("checkpoints/*"):
        file.unlink()
    (run / "checkpoints" / "ckpt-0.index").write_bytes(b"torn")
    assert equal(tf2gan.load_run(tf2gan.resume(run))[0].get_weights(), expected)


def test_a_plan_says_what_does_not_fit(tmp_path, small, capsys):
    with pytest.raises(SystemExit):
        train(
            [
                "--start-from",
                "mnist",
                "--data",
                str(PICTURE),
                "--batch",
                "1",
                "--dry-run",
                "--color-mode",
                "rgb",
                "--logdir",
                str(tmp_path),
            ]
        )
    assert "give --image-size 28x28 --color-mode grayscale" in capsys.readouterr().err


PICTURE = ROOT / "docs" / "modern.png"


def test_the_packages_networks_are_measured_by_one_command(capsys, monkeypatch):
    from tf2gan.quality import __main__ as quality
    from tf2gan.quality import ruler

    monkeypatch.setattr(ruler, "SAMPLES", 300)
    quality.main(["mnist", "--seed", "1"])
    said = capsys.readouterr().out
    assert said.startswith("mnist, step ") and "Frechet distance" in said


def test_arrays_of_another_shape_are_never_read(tmp_path):
    """A file may declare more than any memory holds, and point at other files."""
    for name, options in {
        "huge": {"shape": (1 << 22, 1 << 20), "dtype": "f4"},
        "outside": {"shape": (100, 1024), "dtype": "f4", "external": [("/etc/passwd", 0, 409600)]},
    }.items():
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs["layer_names"] = [b"dense"]
            group = file.create_group("dense")
            group.attrs["weight_names"] = [b"kernel"]
            group.create_dataset("kernel", **options)
        with pytest.raises(UsageError, match="array 0 has shape|is no array of this file"):
            tf2gan.load_weights(build_generator(), tmp_path / name)
