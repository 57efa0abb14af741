"""Finding a picture in latent space."""

import numpy as np
import pytest

from tf2gan.cli import inversion as project
from tf2gan.cli.generate import main as generate
from tf2gan.data.images import to_pixels, write_png
from tf2gan.networks.models import build_generator
from tf2gan.runs.pretrained import load_pretrained
from tf2gan.sampling.inversion import Inversion
from tf2gan.sampling.sampler import sample_latents
from tf2gan.utils.errors import UsageError


@pytest.fixture(scope="module")
def generator():
    return load_pretrained()[0]


def test_what_a_generator_makes_it_finds_again(generator):
    """Its own images; far nearer than the first guess, and digits are nearer than noise."""
    own = to_pixels(generator(sample_latents(3, seed=77), training=False))
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), np.uint8)
    way = list(Inversion(generator).run(np.concatenate([own, noise]), starts=2, steps=80))
    assert len(way) == 81
    latents, images, distances = way[-1]
    assert latents.shape == (4, 100) and np.abs(latents).max() <= 1
    assert images.shape == (4, 28, 28, 1) and images.dtype == np.uint8
    assert (distances[:3] < 0.7 * way[0][2][:3]).all() and (distances[:3] < distances[3] / 2).all()
    # What is told is what the latents make, and how far that is.
    again = to_pixels(generator(latents, training=False)).astype(int)
    assert np.abs(again - images).max() <= 1
    apart = np.sqrt(((again[:3] - own) ** 2).mean((1, 2, 3))) / 255
    np.testing.assert_allclose(apart, distances[:3], atol=0.002)


def test_a_picture_is_found_by_itself_whatever_stands_beside_it(generator):
    import tensorflow as tf

    rows = lambda images: 1 + tf.reduce_mean(images, [2, 3])  # noqa: E731
    targets = to_pixels(generator(sample_latents(2, seed=5), training=False))
    both = list(Inversion(generator, rows).run(targets, starts=2, steps=5))[-1]
    alone = list(Inversion(generator, rows).run(targets[:1], starts=2, steps=5))[-1]
    np.testing.assert_allclose(alone[0][0], both[0][0], atol=1e-3)


def test_what_was_nearest_is_kept(generator):
    noise = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 1), np.uint8)
    distances = [step[2] for step in Inversion(generator).run(noise, starts=1, steps=30)]
    assert (np.diff(distances, axis=0) <= 0).all() and (distances[-1] < distances[0]).all()


def test_features_are_looked_at_too(generator, monkeypatch):
    """They guide the descent; what is nearest is told by the pixels."""
    import tensorflow as tf

    monkeypatch.setattr("tf2gan.sampling.inversion.FEATURES_WEIGHT", 100)
    corner = lambda images: 1 + tf.reshape(images[:, 8:20, 8:20], (-1, 144))  # noqa: E731
    targets = to_pixels(generator(sample_latents(8, seed=9), training=False))
    first, *_, last = Inversion(generator, corner).run(targets, starts=1, steps=30)
    away = [
        np.abs(images.astype(int) - targets)[:, 8:20, 8:20].mean() for _, images, _ in (first, last)
    ]
    assert away[1] < 0.7 * away[0]
    apart = np.sqrt(((last[1].astype(int) - targets) ** 2).mean((1, 2, 3))) / 255
    np.testing.assert_allclose(apart, last[2], atol=0.002)
    *_, plain = Inversion(generator).run(targets, starts=1, steps=30)
    assert plain[2].mean() < last[2].mean()  # looking at nothing else, it comes nearer in pixels


@pytest.mark.parametrize("suffix, shape", [(".png", (28, 9 * 28)), (".gif", (28, 56))])
def test_the_way_to_a_picture(tmp_path, monkeypatch, capsys, suffix, shape):
    from PIL import Image

    monkeypatch.setattr(project, "COMPARED", 2)
    if suffix == ".gif":
        monkeypatch.setattr("tf2gan.sampling.inversion.STEPS", 30)
    picture = np.zeros((40, 60), np.uint8)
    picture[5:35, 28:33] = 255
    write_png(tmp_path / "one.png", picture)
    out = tmp_path / f"way{suffix}"
    generate(["--pretrained", "--project", str(tmp_path / "one.png"), "--out", str(out)])
    assert "the nearest image is 0." in (said := capsys.readouterr().out)
    assert "2 test images: 0." in said
    with Image.open(out) as way:
        assert way.size == shape[::-1]
        if suffix == ".gif":
            assert 10 < way.n_frames <= 31  # steps that change nothing are one frame
        if suffix == ".png":  # the picture is at the left, what came nearest at the right
            grid = np.asarray(way, np.float32)
            first, guess, last = grid[:, :28], grid[:, 28:56], grid[:, -28:]
            assert np.abs(last - first).mean() < np.abs(guess - first).mean()


def test_latents_come_out_in_an_npz(tmp_path, monkeypatch):
    monkeypatch.setattr("tf2gan.sampling.inversion.STEPS", 5)
    write_png(tmp_path / "black.png", np.zeros((28, 28), np.uint8))
    monkeypatch.setattr(project, "data_of", lambda config, shape: None)
    generate(
        ["--pretrained", "--project", str(tmp_path / "black.png"), "--out", str(tmp_path / "w.npz")]
    )
    with np.load(tmp_path / "w.npz") as way:
        images, latents = way["images"], way["latents"]
    assert images.shape == (4, 28, 28) and latents.shape == (3, 100)  # the picture, and the way
    made = to_pixels(load_pretrained()[0](latents[-1:], training=False))[0, ..., 0]
    assert np.abs(made.astype(int) - images[-1]).max() <= 1


def test_several_pictures_are_not_one(tmp_path):
    np.save(tmp_path / "two.npy", np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(UsageError, match="holds 2 images; give one picture"):
        project.read_target(str(tmp_path / "two.npy"), (28, 28, 1))


def test_where_the_data_are_gone_pixels_alone_are_compared():
    from tf2gan.settings.config import TrainConfig

    assert project.data_of(TrainConfig(data="gone"), (28, 28, 1)) is None
    assert project.data_of(TrainConfig(), (32, 32, 1)) is None  # they are other data


def test_colour_is_compared_in_colour():
    generator = build_generator(12, 3, seed=0)
    target = to_pixels(generator(sample_latents(1, seed=3), training=False))
    way = list(Inversion(generator).run(target, starts=2, steps=30))
    assert way[-1][1].shape == (1, 12, 12, 3) and way[-1][2] < way[0][2]
