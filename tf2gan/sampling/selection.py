"""Which of the generated images are kept: all, the discriminator's choice, those of one class."""

import numpy as np

from tf2gan.data.dataset import subset
from tf2gan.networks.latents import CALIBRATION, SAMPLES
from tf2gan.sampling.sampler import BLOCK, plain
from tf2gan.utils.errors import Tf2ganError, UsageError
from tf2gan.utils.progress_bar import ProgressBar

NICE_CANDIDATES = 20  # drawn for each image that `nice` keeps (the original's figure)
CALIBRATION_IMAGES = 10_000  # generated ones, and at most so many held-out real ones
MOST_CANDIDATES = 1_000  # drawn for each image that is kept, before that is given up
GAMMA_PERCENTILE = 95  # `rejection` accepts at least half of the candidates above it, fewer below
HOPELESS = 12_800  # candidates after which a class is given up that is hardly among them
SURE = 0.9  # the least probability of its class that an image of a class has


def select(selection, sampler, count, *, seed, held_out=None):
    """Returns (uint8 `[count, H, W, C]`, acceptance rate or None) plain, nice or by rejection.

    `held_out` are the real images `[N, H, W, C]` that `rejection` calibrates with.
    """
    if selection == "rejection":
        return rejection(sampler, count, seed=seed, real_images=held_out)
    return (nice if selection == "nice" else plain)(sampler, count, seed=seed), None


class OfClass:
    """A `Sampler` that yields images of one class alone; `plain`, `nice`, `rejection` take it.

    Args:
      sampler: the `Sampler` that draws the candidates.
      probability: maps uint8 `[N, H, W, C]` to the probability `[N]` that each is of the class.
      name: what messages call the class.

    Attributes:
      drawn, found: the candidates so far, and how many of them were of the class.
    """

    def __init__(self, sampler, probability, name):
        self._sampler, self._probability, self._name = sampler, probability, name
        self.progress, self.scores = sampler.progress, sampler.scores
        self.drawn = self.found = 0

    def blocks(self, count, seed, use=SAMPLES, *, bar=None):
        """As `Sampler.blocks`; the draws that calibrate `rejection` are of all classes."""
        if use == CALIBRATION:
            yield from self._sampler.blocks(count, seed, use, bar=bar)
            return
        wanted, endless = count, 1 << 40
        with bar or ProgressBar("drawing images of the class", count, shown=self.progress) as own:
            silent = ProgressBar("", endless, shown=False)
            for pixels, logits in self._sampler.blocks(endless, seed, use, bar=silent):
                kept = np.flatnonzero(self._probability(pixels) >= SURE)
                self.drawn, self.found = self.drawn + len(pixels), self.found + len(kept)
                if self.drawn >= HOPELESS and self.found * MOST_CANDIDATES < self.drawn:
                    break
                if not len(kept):
                    continue
                yield pixels[kept[:wanted]], logits[kept[:wanted]]
                wanted -= len(kept[:wanted])
                if bar is None:
                    own.advance(len(kept))
                if not wanted:
                    return
        raise Tf2ganError(
            f"{self.found} of {self.drawn} candidates were {self._name} with a probability of at "
            f"least {SURE:.0%}, less than one in {MOST_CANDIDATES}: the generator makes few; "
            "choose another --label, or train longer"
        )


def nice(sampler, count, *, seed):
    """Returns the `count` images that the discriminator finds most real, best first.

    The original's `--nice`: 20 candidates an image, all ranked together. Memory stays bounded: only
    some more than the best `count` seen so far are kept. Ranking by logits equals ranking by
    probability, and still tells apart the scores that a float32 sigmoid rounds to 1.

    Returns:
      uint8 `[count, H, W, C]`.
    """
    images, scores, held = [], [], 0
    for pixels, logits in sampler.blocks(NICE_CANDIDATES * count, seed):
        images, scores, held = [*images, pixels], [*scores, logits], held + len(pixels)
        if held > 2 * count + BLOCK:  # sorting after every block would take longer than drawing it
            images, scores = ([part] for part in _best(images, scores, count))
            held = count
    return _best(images, scores, count)[0]


def _best(images, scores, count):
    images, scores = np.concatenate(images), np.concatenate(scores)
    keep = np.argsort(-scores, kind="stable")[:count]
    return images[keep], scores[keep]


def rejection(sampler, count, *, seed, real_images):
    """Returns `count` images by Discriminator Rejection Sampling, and the share that was accepted.

    A calibrated discriminator tells how much more likely real data are to hold an image than the
    generator is to make it; an image is kept with a probability that grows with that ratio (Azadi
    et al. 2018). The logistic fit and the largest ratio come from generated images that are used
    for nothing else, and from held-out real ones.

    Args:
      sampler: a `Sampler` with a discriminator.
      real_images: uint8 `[N, H, W, C]`, images that it was not trained on.

    Returns:
      (uint8 `[count, H, W, C]` in the order in which they were drawn, the acceptance rate).
    """
    if real_images is None:
        raise UsageError(
            "rejection sampling needs held-out images, and the data set has no test set; use nice"
        )
    real_logits = sampler.scores(subset(real_images, CALIBRATION_IMAGES))
    fake_logits = np.concatenate(
        [logits for _, logits in sampler.blocks(CALIBRATION_IMAGES, seed, CALIBRATION)]
    )
    scale, shift = fit_logistic(real_logits, fake_logits)
    calibration_ratios = scale * fake_logits + shift
    at_percentile, largest = (
        np.percentile(calibration_ratios, GAMMA_PERCENTILE),
        calibration_ratios.max(),
    )
    uniform = np.random.Generator(np.random.Philox(key=seed))
    accepted, found, drawn = [], 0, 0
    bar = ProgressBar("drawing until enough are accepted", count, shown=sampler.progress)
    for pixels, logits in sampler.blocks(MOST_CANDIDATES * count, seed, bar=bar):
        ratios = scale * logits + shift
        largest = max(largest, ratios.max())
        # At gamma 0 the sampling is exact, and as rare as the largest ratio is large; below, more
        # is accepted. Above it would be sharper than the data.
        gamma = min(0, _acceptance_logits(at_percentile, largest))
        chance = _sigmoid(_acceptance_logits(ratios, largest) - gamma)
        kept = pixels[uniform.random(len(pixels)) < chance]
        accepted.append(kept)
        bar.advance(len(kept))
        found, drawn = found + len(kept), drawn + len(pixels)
        if found >= count:
            break
    if found < count:
        raise Tf2ganError(
            f"rejection accepted {found} of {drawn} candidates, less than the {count} wanted: "
            "the discriminator tells all of them from real images; use nice or plain"
        )
    return np.concatenate(accepted)[:count], found / drawn


def fit_logistic(real_logits, fake_logits):
    """Fits P(real) = sigmoid(scale * logit + shift) by Newton's method; returns (scale, shift).

    Held-out scores make an overconfident discriminator's odds honest (Platt 1999).
    """
    x = np.concatenate([real_logits, fake_logits]).astype(np.float64)
    y = np.concatenate([np.ones(len(real_logits)), np.zeros(len(fake_logits))])
    # Real and fake count alike, however many there are of each.
    weight = np.where(y == 1, 0.5 / len(real_logits), 0.5 / len(fake_logits))
    design, beta = np.stack([x, np.ones_like(x)], 1), np.zeros(2)
    for _ in range(50):
        p = _sigmoid(design @ beta)
        # The ridge keeps the fit finite where real and fake can be told apart without error.
        gradient = design.T @ (weight * (y - p)) - 1e-6 * beta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        change = np.linalg.solve(hessian, gradient)
        beta += np.clip(change, -1, 1)
        if np.abs(change).max() < 1e-9:
            break
    return tuple(beta)


def _acceptance_logits(ratios, largest):
    """F of Azadi et al., before gamma: the logit of exp(ratio - largest)."""
    below = np.minimum(ratios - largest, -1e-6)
    return below - np.log1p(-np.exp(below))


def _sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))
