"""`generate.py --project`: GAN inversion, shown from a first guess to the nearest image."""

import numpy as np

from tf2gan.data.dataset import subset
from tf2gan.data.load import load_data, load_data_of
from tf2gan.settings.sizes import MODE_OF
from tf2gan.utils.errors import DataError, UsageError

SHOWN = (0, 2, 5, 10, 20, 50, 100)  # steps of the way in a grid, before the last
COMPARED = 15  # test images that are looked for too, to know what a distance means


def read_target(path, shape):
    """A picture brought to `shape`, (H, W, C), as training pictures are: uint8 `[1, H, W, C]`."""
    images = load_data(path, shape[:2], MODE_OF[shape[2]]).images
    if len(images) != 1:
        raise UsageError(f"--project {path} holds {len(images)} images; give one picture")
    return images


def invert(target, generator, data, *, seed, moving):
    """Finds the image nearest to a picture, and says how near it is.

    Args:
      target: uint8 `[1, H, W, C]`, from `read_target`.
      generator: whose images are compared.
      data: its data set, whose classifier and test images tell what a distance means; or None.
      seed: of the first guesses.
      moving: whether every step is wanted, beside the picture, or a few in a row with it.

    Returns:
      (uint8 `[N, H, W, C]`, the latents of the way `[n, 100]`).
    """
    from tf2gan.quality.classifier import find_classifier
    from tf2gan.sampling.inversion import STEPS, Inversion
    from tf2gan.utils.progress_bar import ProgressBar

    tests, features = target[:0], None
    if data is not None:
        if classifier := find_classifier(data):
            features = classifier.features
        if data.test_images is not None:
            tests = subset(data.test_images, COMPARED)
    if features is None:
        print("pixels alone are compared: the classifier of these data is not at hand")
    together = np.concatenate([target, tests])
    nearest = Inversion(generator, features).run(together, steps=STEPS, seed=seed)
    way = []
    with ProgressBar("looking for the latent", STEPS) as bar:
        for step in nearest:
            way.append([part[0] for part in step[:2]])  # the first is the picture's
            bar.advance()
    distances = step[2]
    told = f"the nearest image is {distances[0]:.3f} from the picture"
    if len(tests):
        least, median, most = np.quantile(distances[1:], [0, 0.5, 1])
        told += f"; {len(tests)} test images: {median:.3f} in the median, {least:.3f} to {most:.3f}"
    print(f"{told} (root mean square of the pixels, 0 to 1)")
    latents, images = (np.stack(part) for part in zip(*way, strict=True))
    if moving:
        beside = np.broadcast_to(target, images.shape)
        return np.concatenate([beside, images], 2), latents
    steps = [*(step for step in SHOWN if step < STEPS), STEPS]
    return np.concatenate([target, images[steps]]), latents[steps]


def data_of(config, shape):
    """The data set of a configuration if it is at hand and its images are of a shape, or None."""
    try:
        data = load_data_of(config)
    except DataError:
        return None
    return data if data.images.shape[1:] == shape else None
