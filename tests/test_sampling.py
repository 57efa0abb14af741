"""Images follow from the seed and nothing else."""

import numpy as np
import pytest

from tf2gan import sampling
from tf2gan.images import to_pixels
from tf2gan.models import build_discriminator, build_generator
from tf2gan.sampling import Sampler, draw_latents, nice, plain, sample_latents


@pytest.fixture(scope="module")
def networks():
    return build_generator(seed=1), build_discriminator(seed=1)


@pytest.fixture(scope="module")
def sampler(networks):
    return Sampler(*networks)


def test_latents_are_uniform_and_no_draw_repeats_another():
    draws = [
        draw_latents(500, seed=seed, index=index, use=use).numpy()
        for seed in (0, 2**31 - 1) for index in (0, 1, 10**9) for use in range(3)
    ]
    for latents in draws:
        assert latents.shape == (500, 100) and latents.dtype == np.float32
        assert latents.min() >= -1 and latents.max() < 1
        assert abs(latents.mean()) < 0.02 and abs(latents.std() - 1 / np.sqrt(3)) < 0.01
    assert len({latents.tobytes() for latents in draws}) == len(draws)


def test_latents_equal_those_of_the_past():
    """Pinned: a changed draw would change every run and every picture of a seed."""
    latents = draw_latents(2, seed=3, index=5, use=1).numpy()
    np.testing.assert_array_equal(latents[:, 0], np.float32(PINNED))


PINNED = [-0.2658963203430176, -0.9713170528411865]


def test_same_seed_same_pixels_whatever_the_batch(sampler):
    whole = plain(sampler, 300, seed=5)
    assert whole.shape == (300, 28, 28) and whole.dtype == np.uint8
    for count in (1, 7, 128, 129):
        assert np.array_equal(plain(sampler, count, seed=5), whole[:count])
    assert not np.array_equal(plain(sampler, 1, seed=6), whole[:1])


def test_samples_are_the_generators(networks, sampler):
    images = networks[0](sample_latents(200, seed=5), training=False)[..., 0]
    difference = plain(sampler, 200, seed=5).astype(int) - to_pixels(images)
    assert np.abs(difference).max() <= 1  # rounding at other batch sizes


def test_nice_is_the_originals_rule(networks, sampler):
    generator, discriminator = networks
    images = generator(sample_latents(20 * 9, seed=2), training=False)
    scores = discriminator(images, training=False).numpy()[:, 0]
    expected = to_pixels(images[..., 0])[np.argsort(-scores, kind="stable")[:9]]
    chosen = nice(sampler, 9, seed=2).astype(int)
    assert chosen.shape == (9, 28, 28)
    assert np.abs(chosen - expected).max() <= 1


def test_memory_is_bounded_by_the_block(networks, monkeypatch):
    """Ten thousand images and their candidates are never evaluated at once."""
    seen = []
    original = sampling.to_pixels
    monkeypatch.setattr(sampling, "to_pixels", lambda images: (seen.append(len(images)), original(images))[1])
    nice(Sampler(*networks), 20, seed=0)
    assert max(seen) <= sampling.BLOCK and sum(seen) == 400
