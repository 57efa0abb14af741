"""Images follow from the seed and nothing else."""

import numpy as np
import pytest

from tf2gan.data.images import to_pixels
from tf2gan.networks.latents import CALIBRATION, draw_latents
from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.sampling import sampler as sampling
from tf2gan.sampling import selection
from tf2gan.sampling.sampler import Sampler, interpolation, plain, sample_latents
from tf2gan.sampling.selection import OfClass, fit_logistic, nice, rejection, select
from tf2gan.utils.errors import Tf2ganError, UsageError


@pytest.fixture(scope="module")
def networks():
    return build_generator(seed=1), build_discriminator(seed=1)


@pytest.fixture(scope="module")
def sampler(networks):
    return Sampler(*networks)


def test_latents_are_uniform_and_no_draw_repeats_another():
    draws = [
        draw_latents(500, seed=seed, index=index, use=use).numpy()
        for seed in (0, 2**31 - 1)
        for index in (0, 1, 10**9)
        for use in range(3)
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
    assert whole.shape == (300, 28, 28, 1) and whole.dtype == np.uint8
    for count in (1, 7, 128, 129):
        assert np.array_equal(plain(sampler, count, seed=5), whole[:count])
    assert not np.array_equal(plain(sampler, 1, seed=6), whole[:1])


def test_samples_are_the_generators(networks, sampler):
    images = networks[0](sample_latents(200, seed=5), training=False)
    difference = plain(sampler, 200, seed=5).astype(int) - to_pixels(images)
    assert np.abs(difference).max() <= 1  # rounding at other batch sizes


def test_nice_is_the_originals_rule(networks, sampler):
    generator, discriminator = networks
    images = generator(sample_latents(20 * 9, seed=2), training=False)
    scores = discriminator(images, training=False).numpy()[:, 0]
    expected = to_pixels(images)[np.argsort(-scores, kind="stable")[:9]]
    chosen = nice(sampler, 9, seed=2).astype(int)
    assert chosen.shape == (9, 28, 28, 1)
    assert np.abs(chosen - expected).max() <= 1


def test_memory_is_bounded_by_the_block(networks, monkeypatch):
    """Ten thousand images and their candidates are never evaluated at once, nor kept."""
    seen, ranked = [], []
    original = sampling.to_pixels
    monkeypatch.setattr(
        sampling, "to_pixels", lambda images: (seen.append(len(images)), original(images))[1]
    )
    best = selection._best
    monkeypatch.setattr(
        selection, "_best", lambda images, *rest: ranked.append(images) or best(images, *rest)
    )
    nice(Sampler(*networks), 20, seed=0)
    assert max(seen) <= sampling.BLOCK and sum(seen) == 400
    assert max(sum(map(len, images)) for images in ranked) <= 2 * 20 + 2 * sampling.BLOCK


class Scored:
    """A sampler of black and of white images, which a discriminator scores as it likes."""

    progress = False

    def __init__(self, real, fake, logits):
        self._rng, self._real, self._fake, self._logits = (
            np.random.default_rng(0),
            real,
            fake,
            logits,
        )

    def scores(self, pixels):
        return np.where(pixels[:, 0, 0, 0] > 0, *self._logits)

    def blocks(self, count, seed, use=None, **bar):
        for start in range(0, count, 128):
            white = self._rng.random(min(128, count - start)) < self._fake
            yield (
                np.where(white[:, None, None, None], 255, 0).astype(np.uint8)
                * np.ones((1, 28, 28, 1), np.uint8),
                np.where(white, *self._logits),
            )


def test_rejection_moves_the_samples_towards_the_data():
    """White is half of the data, a tenth of the samples; D knows, but shouts, and is calibrated."""
    truth = np.array([np.log(0.5 / 0.1), np.log(0.5 / 0.9)])
    sampler = Scored(0.5, 0.1, 7 * truth + 3)
    real = np.zeros((1000, 28, 28, 1), np.uint8)
    real[::2] = 255
    images, rate = rejection(sampler, 4000, seed=1, real_images=real)
    assert images.shape == (4000, 28, 28, 1) and 0 < rate < 1
    assert 0.45 < np.mean(images[:, 0, 0] > 0) < 0.55  # a tenth of the samples before
    assert rate == pytest.approx(0.2, abs=0.03)  # one over the largest ratio


def test_rejection_accepts_half_at_the_percentile_where_the_largest_ratio_is_rare():
    """Logits N(1, 1) of real, N(-1, 1) of generated images: exactly, 1 in 250 would be accepted."""
    rng = np.random.default_rng(0)

    class Normal:
        progress = False

        def scores(self, pixels):
            return rng.normal(1, 1, len(pixels))

        def blocks(self, count, seed, use=None, **bar):
            for _ in range(0, count, 128):
                logits = rng.normal(-1, 1, 128)
                yield (
                    np.uint8(np.clip(logits * 30 + 128, 0, 255))[:, None, None, None]
                    * np.ones((1, 28, 28, 1), np.uint8),
                    logits,
                )

    images, rate = rejection(
        Normal(), 4000, seed=0, real_images=np.zeros((10_000, 28, 28, 1), np.uint8)
    )
    logits = (images[:, 0, 0, 0].astype(float) - 128) / 30
    # Near the percentile, -1 + 1.645, half of the density N(-1, 1) is left: a bin there tells.
    near = np.abs(logits - 0.645) < 0.15
    drawn = len(images) / rate * 0.0311  # the share of N(-1, 1) in that bin
    assert near.sum() / drawn == pytest.approx(0.5, abs=0.1)
    assert 0.08 < rate < 0.15


def test_logistic_fit_makes_the_odds_honest():
    rng = np.random.default_rng(0)
    real, fake = (
        rng.normal(1, 1, 50_000),
        rng.normal(-1, 1, 20_000),
    )  # log ratio of the densities: 2 x
    scale, shift = fit_logistic(10 * real + 5, 10 * fake + 5)
    assert scale == pytest.approx(0.2, rel=0.03) and shift == pytest.approx(-1, abs=0.05)
    assert np.isfinite(fit_logistic(np.ones(10), -np.ones(10))).all()  # told apart without error


def test_rejection_follows_from_the_seed(sampler, monkeypatch):
    monkeypatch.setattr(selection, "CALIBRATION_IMAGES", 500)
    real = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)
    with_few = lambda: rejection(sampler, 30, seed=4, real_images=real)  # noqa: E731
    (first, rate), (second, _) = with_few(), with_few()
    assert first.shape == (30, 28, 28, 1) and np.array_equal(first, second) and 0.01 < rate < 1
    assert np.array_equal(
        rejection(sampler, 7, seed=4, real_images=real)[0], first[:7]
    )  # whatever the batch


def test_rejection_needs_real_images(sampler):
    with pytest.raises(UsageError, match="held-out images"):
        select("rejection", sampler, 5, seed=0)


def test_rejection_gives_up_where_nothing_is_accepted(monkeypatch):
    monkeypatch.setattr(selection, "MOST_CANDIDATES", 2)
    monkeypatch.setattr(
        selection,
        "_acceptance_logits",
        lambda ratios, largest: np.where(ratios < largest, -50, 0.0),
    )
    real = np.full((100, 28, 28, 1), 255, np.uint8)
    with pytest.raises(Tf2ganError, match="of 20 candidates.*use nice"):
        rejection(Scored(1.0, 0.5, (-9.0, 9.0)), 10, seed=0, real_images=real)


def test_calibration_shares_no_image_with_the_samples(sampler):
    samples = next(sampler.blocks(128, 5))[0]
    calibration = next(sampler.blocks(128, 5, CALIBRATION))[0]
    assert not any(np.array_equal(a, b) for a in samples for b in calibration)


@pytest.mark.parametrize("count", [64, 1, 33])
def test_a_walk_is_closed_smooth_and_everywhere_likely(count):
    walk = interpolation(count, seed=3).numpy()
    assert walk.shape == (count, 100) and np.abs(walk).max() <= 1
    if count == 64:
        steps = np.linalg.norm(
            walk - np.roll(walk, -1, 0), axis=1
        )  # the last one leads back to the first
        assert steps.max() < 2 * steps.min()
        assert np.abs(walk.std(1) - 1 / np.sqrt(3)).max() < 0.12  # uniform between corners too
    assert np.array_equal(walk, interpolation(count, seed=3).numpy())


class Numbered:
    """A sampler whose image i is of the class i % classes; D prefers later images."""

    progress = False

    def __init__(self, classes):
        self._classes = classes

    def scores(self, pixels):
        return pixels[:, 0, 0, 0].astype(float)

    def blocks(self, count, seed, use=None, *, bar=None):
        for start in range(0, count, 128):
            numbers = np.arange(start, min(start + 128, count))
            images = np.zeros((len(numbers), 12, 12, 1), np.uint8)
            images[:, 0, 0, 0], images[:, 0, 1, 0] = numbers % self._classes, numbers % 251
            yield images, numbers % 1000 / 1000


def of_class(classes, label):
    probability = lambda pixels: np.where(pixels[:, 0, 0, 0] == label, 0.95, 0.2)  # noqa: E731
    return OfClass(Numbered(classes), probability, f"of class {label}")


def test_images_of_one_class_with_every_selection():
    chosen = of_class(10, 7)
    images = plain(chosen, 40, seed=0)
    assert images.shape == (40, 12, 12, 1) and np.all(images[:, 0, 0] == 7)
    assert images[:, 0, 1, 0].tolist() == [number % 251 for number in range(7, 400, 10)]
    assert chosen.found / chosen.drawn == pytest.approx(0.1, abs=0.01) and chosen.drawn < 600
    best = nice(of_class(10, 7), 5, seed=0)  # of the first hundred sevens
    assert best[:, 0, 1, 0].tolist() == [number % 251 for number in range(997, 947, -10)]
    real = np.zeros((200, 12, 12, 1), np.uint8)
    sevens = of_class(10, 7)
    kept, rate = rejection(sevens, 30, seed=0, real_images=real)
    assert np.all(kept[:, 0, 0] == 7) and len(kept) == 30 and 0 < rate <= 1
    assert sevens.drawn < 10_000  # as many as calibrate it, of all classes


def test_a_class_that_the_generator_does_not_make_is_given_up_soon(monkeypatch):
    chosen = of_class(10, 11)
    with pytest.raises(Tf2ganError, match="0 of 12800 candidates were of class 11 .* 90%"):
        plain(chosen, 1000, seed=0)
    monkeypatch.setattr(selection, "HOPELESS", 256)
    monkeypatch.setattr(selection, "MOST_CANDIDATES", 100)
    with pytest.raises(Tf2ganError, match="2 of 256 candidates .* less than one in 100"):
        plain(of_class(128, 127), 9, seed=0)


def test_a_rare_class_goes_with_every_selection():
    """Most blocks hold none of it."""
    chosen = of_class(251, 250)
    assert len(plain(chosen, 5, seed=0)) == len(nice(of_class(251, 250), 1, seed=0)) * 5
    real = np.zeros((200, 12, 12, 1), np.uint8)
    assert len(rejection(of_class(251, 250), 3, seed=0, real_images=real)[0]) == 3
