"""Other sizes and colour, everywhere: networks, step, files, pictures, the whole of a run."""

import json
import math
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from forked import Forked
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_polyphase import assert_equal, randomise

import tf2gan
from tf2gan.cli import generate
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.runs.weights import shape_of
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.sizes import check_size, doublings, read_size
from tf2gan.training.runner import Runner
from tf2gan.utils.errors import UsageError


def fits(size):
    return all(side % 2 ** doublings(size) == 0 for side in size)


def sizes(most):
    sides = st.integers(3, most // 4).map(lambda quarter: 4 * quarter)
    return st.tuples(sides, sides).filter(fits)


CHANNELS = st.sampled_from([1, 3])


@pytest.mark.parametrize(
    "value, size",
    [
        (28, (28, 28)),
        ("32", (32, 32)),
        ("32x48", (32, 48)),
        ((12, 128), (12, 128)),
        ([64, 64], (64, 64)),
    ],
)
def test_sizes_are_read(value, size):
    assert read_size(value) == size and TrainConfig(image_size=value).size == size


@pytest.mark.parametrize(
    "value, said",
    [
        (30, "30x30; .* multiples of 4 from 12 to 128, .*: the nearest is 28x28 or 32x32"),
        ("8x300", "8x300; .* the nearest is 12x128$"),
        (60, "60x60; .* of 8 from 48x48 pixels on, .*: the nearest is 56x56 or 64x64"),
        (100, "100x100; .* of 16 from 96x96: the nearest is 96x96 or 112x112"),
        ("28x30", "the nearest is 28x28 or 28x32"),
        (0, "the nearest is 12x12$"),
        ("1e2", "image_size is '1e2'; give a number of pixels, or HxW"),
        ("28x28x1", "give a number of pixels, or HxW"),
        (-28, "give a number of pixels, or HxW"),
        (True, "give a number of pixels, or HxW"),
        (28.5, "give a number of pixels, or HxW"),
        ("9" * 5000, "give a number of pixels, or HxW"),
    ],
)
def test_a_size_that_does_not_fit_is_one_line(value, said):
    for refuses in (read_size, build_generator, lambda size: TrainConfig(image_size=size)):
        with pytest.raises(UsageError, match=said) as error:
            refuses(value)
        assert "\n" not in str(error.value) and len(str(error.value)) < 250


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_nearest_sizes_fit_and_none_lies_between(height, width):
    try:
        check_size((height, width), "it")
    except UsageError as error:
        near = [read_size(text) for text in str(error).rpartition("nearest is ")[2].split(" or ")]
        for side, ends in ((height, [n[0] for n in near]), (width, [n[1] for n in near])):
            assert max(abs(side - end) for end in ends) < 16 or not 12 <= side <= 128
            assert all(12 <= end <= 128 for end in ends)
        assert all(map(fits, near))
    else:
        assert (height, width) == read_size((height, width))


@settings(max_examples=15, deadline=None)
@example((28, 28), 1)
@example((64, 64), 3)
@example((128, 128), 3)  # the largest
@given(sizes(64), CHANNELS)
def test_the_graphs_at_any_size(size, channels):
    """The original's layers in its order; larger images have more of the same kinds."""
    generator, discriminator = (
        build(size, channels) for build in (build_generator, build_discriminator)
    )
    further = doublings(size) - 2
    kinds = {
        model: [type(layer).__name__ for layer in model.layers]
        for model in (generator, discriminator)
    }
    block = ["UpSampling2D", "Conv2D", *["BatchNormalization"] * bool(further), "Activation"]
    assert kinds[generator] == [
        *("Dense", "Activation", "Dense", "BatchNormalization", "Activation", "Reshape"),
        *block * (1 + further),
        *("UpSampling2D", "Conv2D", "Activation"),
    ]
    assert kinds[discriminator] == [
        *("Conv2D", "Activation", "MaxPooling2D") * (2 + further),
        *("Flatten", "Dense", "Activation", "Dense", "Activation"),
    ]
    assert generator.output_shape == (None, *size, channels)
    assert discriminator.input_shape == generator.output_shape
    assert max(generator.count_params(), discriminator.count_params()) < 19_200_000
    if not further:
        small, pooled = size[0] * size[1] // 16, math.prod((side // 2 - 4) // 2 for side in size)
        assert generator.count_params() == (
            101 * 1024
            + 1025 * 128 * small
            + 4 * 128 * small
            + 25 * 128 * 64
            + 64
            + 1600 * channels
            + channels
        )
        assert discriminator.count_params() == (
            1600 * channels + 64 + 25 * 64 * 128 + 128 + (128 * pooled + 1) * 1024 + 1025
        )
    elif min(size) >= 48:
        assert all(6 <= side / 2 ** doublings(size) <= 12 for side in size)


def test_large_images_do_not_take_a_laptops_memory():
    """Weights in millions at 64x64 and 128x128 in colour: one Dense layer grew with the pixels."""
    for size, most in ((64, 15e6), (128, 20e6)):
        for build in (build_generator, build_discriminator):
            assert build(size, 3).count_params() < most


@settings(max_examples=6, deadline=None)
@example((48, 56), 3)
@given(sizes(40), CHANNELS)
def test_the_fast_evaluation_at_any_size(size, channels):
    rng = np.random.default_rng(size[0])
    latents = rng.uniform(-1, 1, (3, 100)).astype(np.float32)
    images = rng.uniform(-1, 1, (3, *size, channels)).astype(np.float32)
    assert_equal(randomise(build_generator(size, channels, seed=1)), latents, training=True)
    assert_equal(randomise(build_discriminator(size, channels, seed=1)), images, training=True)


def test_sizes_of_a_run_are_written_and_cannot_change():
    config = TrainConfig(image_size="32x48", color_mode="rgb")
    assert TrainConfig.from_json(config.to_json()) == config
    values = json.loads(config.to_json())
    assert values["image_size"] == [32, 48] and values["color_mode"] == "rgb"
    assert config.resumed(image_size="32x48", color_mode="rgb") == config
    old = TrainConfig.from_json("{}")  # of a version that knew one size
    assert (old.size, old.channels) == ((28, 28), 1)
    assert old.resumed(image_size="28").size == (28, 28)
    for changes, said in (
        ({"image_size": "32"}, "--image-size 32x32 contradicts the run, which has 32x48"),
        ({"color_mode": "grayscale"}, "--color-mode grayscale contradicts the run, which has rgb"),
    ):
        with pytest.raises(UsageError, match=said):
            config.resumed(**changes)


@pytest.mark.parametrize("recipe", ["classic", "modern"])
@pytest.mark.parametrize(
    "image_size, color_mode", [(12, "rgb"), ((20, 36), "grayscale"), ((48, 56), "rgb")]
)
def test_a_window_of_steps(recipe, image_size, color_mode):
    config = TrainConfig(recipe=recipe, image_size=image_size, color_mode=color_mode, batch=4)
    gan = tf2gan.GAN(config, total_steps=4)
    shape = (*config.size, config.channels)
    images = np.random.default_rng(0).integers(0, 256, (9, *shape), np.uint8)
    seen = []
    update = gan.update_both
    gan.update_both = lambda real, *rest, **more: seen.append(real) or update(real, *rest, **more)
    rows = np.array([[0, 3, 8, 2], [1, 1, 5, 7]], np.int32)
    tf.config.run_functions_eagerly(True)
    try:
        metrics = Runner(gan).run(tf.constant(images), rows)
    finally:
        tf.config.run_functions_eagerly(False)
    assert all(math.isfinite(value) for value in metrics.values())
    for real, row in zip(seen, rows, strict=True):  # what was gathered as words are those images
        assert np.array_equal(np.rint(real * 127.5 + 127.5), images[row])


@pytest.mark.parametrize("kind", [".keras", ".weights.h5", "seed"])
@pytest.mark.parametrize(
    "image_size, channels",
    [((28, 28), 1), ((44, 44), 3), ((16, 32), 3), ((12, 48), 1), ((64, 64), 3), ((96, 96), 1)],
)
def test_a_file_of_weights_tells_its_size(tmp_path, kind, image_size, channels):
    generator = build_generator(image_size, channels, seed=1)
    path = tmp_path / f"generator{kind}"
    if kind == "seed":
        write_seed_hdf5(path, generator)
    elif kind == ".keras":
        generator.save(path)
    else:
        generator.save_weights(path)
    if kind == ".keras":
        assert shape_of(path) == (image_size, channels)
    elif image_size == (12, 48):  # as many pixels as 24x24
        assert shape_of(path) == ((24, 24), channels)
    elif image_size == (16, 32):
        with pytest.raises(UsageError, match="512 pixels that are not square; give --image-size"):
            shape_of(path)
        assert shape_of(path, image_size) == (image_size, channels)
    else:
        assert shape_of(path) == (image_size, channels)
    loaded = build_generator(*shape_of(path, image_size))
    tf2gan.load_weights(loaded, path)
    for a, b in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        assert np.array_equal(a, b)


def write_seed_hdf5(path, model):
    """As Keras 1's `save_weights` did."""
    import h5py

    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [f"layer_{i}".encode() for i in range(len(layers))]
        for i, layer in enumerate(layers):
            group, names = file.create_group(f"layer_{i}"), []
            for j, weight in enumerate(layer.weights):
                group[f"w_{j}"] = weight.numpy()
                names.append(f"w_{j}".encode())
            group.attrs["weight_names"] = names


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 120 coloured pictures: discs on white, of other sizes and modes than wanted."""
    folder = tmp_path_factory.mktemp("pictures") / "discs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :40]
    for number in range(120):
        centre, colour = rng.uniform(12, 28, 2), rng.integers(0, 256, 3)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 90
        pixels = np.where(inside[..., None], colour, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


SMALL_RUN = """--logdir runs --image-size 20x24 --color-mode rgb --recipe modern --batch 8
    --set shift_from_epoch=0 --set shift_after=0.5 --mixed-precision bfloat16
    --evaluate-every 2 --image-every 2 --checkpoint-every 2"""  # images move from the middle on


@pytest.mark.long
def test_a_run_in_colour_does_all_that_a_default_run_does(pictures, tmp_path, monkeypatch):
    """As it is typed: trained, measured by a ruler of its own, stopped, resumed, generated from."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = [*SMALL_RUN.split(), "--data", str(pictures)]

    def call(*command):
        with Forked("-c", WITH_A_QUICK_RULER, *command, cwd=tmp_path) as process:
            output, errors = process.communicate()
        assert process.returncode == 0, errors
        return output

    output = call("train", *words, "--steps", "4", "--name", "whole")
    assert "KID" in output and "training the classifier" in output
    assert output.index("training the classifier") < output.index("recipe ")
    runs = [tmp_path / "runs" / name for name in ("00000-whole", "00001-parts")]
    shutil.copytree(*runs)
    for file in (runs[1] / "checkpoints").glob("ckpt-4.*"):
        file.unlink()
    assert "step 4/4" in call("train", "--logdir", "runs", "--resume", "1")
    for name in ("generator", "discriminator"):
        whole, parts = (keras.models.load_model(run / f"{name}.keras") for run in runs)
        for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
            assert np.array_equal(a, b)
    config = json.loads((runs[0] / "config.json").read_text())
    assert (config["image_size"], config["color_mode"]) == ([20, 24], "rgb")
    assert (runs[0] / "projector" / "sprites.png").exists()
    figures = json.loads((runs[0] / "summary.json").read_text())
    assert figures["quality"]["histogram"] is None and figures["quality"]["count"] == 60
    assert set(figures["best"]) == {"step", "frechet", "kid", "ruler"}
    for file in ("real", "step-000000", "step-000004"):
        with Image.open(runs[0] / "samples" / f"{file}.png") as grid:
            assert grid.mode == "RGB" and grid.size == (8 * 24, 8 * 20)
    with Image.open(runs[0] / "samples" / "timelapse.gif") as lapse:
        assert lapse.size == (8 * 24, 8 * 20)
    call("generate", "--run", "0", "--batch", "9", "--out", "a.png", "--nice")
    call("generate", "--run", "0", "--batch", "16", "--out", "a.gif", "--interpolate")
    call("generate", "--run", "0", "--batch", "9", "--out", "a.npz")
    call("generate", "--run", "0", "--batch", "3", "--out", "folder")
    call(
        *("generate", "--weights", str(runs[0] / "generator.keras"), "--image-size", "20x24"),
        *("--batch", "9", "--out", "b.npy"),
    )
    with np.load(tmp_path / "a.npz") as arrays:
        images = arrays["images"]
    assert images.shape == (9, 20, 24, 3) and images.dtype == np.uint8
    with Image.open(tmp_path / "a.png") as grid:
        assert grid.mode == "RGB" and grid.size == (3 * 24, 3 * 20)
    with Image.open(tmp_path / "folder" / "000002.png") as picture:
        assert np.array_equal(np.asarray(picture), images[2])
    with Image.open(tmp_path / "a.gif") as walk:
        assert walk.n_frames == 16 and walk.size == (24, 20)
    call("generate", "--run", "0", "--batch", "200", "--out", "many.npz")
    table = call("quality", "many.npz", "--data", str(pictures))
    assert "KID" in table and "class" not in table.replace("classifier", "").replace("classes", "")
    call("quality", str(runs[0]), "--nearest", "nearest.png")
    with Image.open(tmp_path / "nearest.png") as grid:
        assert grid.mode == "RGB"


WITH_A_QUICK_RULER = """
import sys
from tf2gan.quality import classifier
classifier.STEPS = 3  # of 2000
which = sys.argv.pop(1)
if which == "quality":
    from tf2gan.quality import __main__ as command
else:
    import importlib
    command = importlib.import_module(f"tf2gan.cli.{which}")
command.main()
"""


def test_weights_of_another_size_are_one_line(tmp_path):
    path = tmp_path / "generator.keras"
    build_generator(32, 3).save(path)
    with pytest.raises(UsageError, match="holds no weights of the generator"):
        tf2gan.load_weights(build_generator(), path)


@pytest.mark.parametrize("words, what", [(["--label", "7"], "--label"), ([], "--select rejection")])
def test_mnists_test_images_do_not_do_for_a_generator_in_colour(tmp_path, capsys, words, what):
    for build in (build_generator, build_discriminator):
        build(12, 3).save(tmp_path / f"{build.__name__}.keras")
    files = [f"--weights={tmp_path}/build_generator.keras"]
    if not words:
        files += [
            "--select=rejection",
            f"--discriminator-weights={tmp_path}/build_discriminator.keras",
        ]
    with pytest.raises(SystemExit) as stopped:
        generate.main([*files, *words, "--out", str(tmp_path / "a.png")])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1
    assert f"{what} needs the generator's data; it makes [12, 12, 3]" in error
