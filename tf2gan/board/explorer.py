"""What the tab GAN draws: images of latents, walks, directions, the latent of a drawing.

Each public method answers a request: it takes what `networks` returned, the query and the body,
and returns what becomes JSON. All that a client sends is checked here.
"""

import base64
import collections
import concurrent.futures
import functools
import json
import math
import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from werkzeug import wrappers

from tf2gan.data.images import nearest_images, png_bytes, tile_grid, write_images
from tf2gan.data.load import load_data
from tf2gan.data.mnist import has_fashion_mnist
from tf2gan.utils.command_line import import_tensorflow
from tf2gan.utils.errors import UsageError


def _processor_alone():
    """TensorBoard leaves a GPU to those who train."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


import_tensorflow(_processor_alone)

from tf2gan.quality.classifier import find_classifier  # noqa: E402
from tf2gan.sampling.inversion import Inversion  # noqa: E402
from tf2gan.sampling.sampler import LATENT_SIZE, Sampler, sample_latents, walk  # noqa: E402

SAMPLES = 64  # images of a seed, and at most so many latents at once
WEIGHTS_MOST = 250_000_000  # numbers in all networks that are kept, but for the last two
DATA_MOST = 1 << 30  # bytes of a data set in memory
PATIENCE = 2.0  # seconds that an answer waits for data; later ones have them
RETRIED = 30.0  # seconds after which data that were not at hand are looked for again
DIRECTIONS = 10
NEAREST = 8  # training images beside a drawing
POOL_MOST = 1 << 28  # bytes of training images that a drawing is compared with
PROJECTION_STEPS = 100
SHOWN_EVERY = 4  # of those steps
TYPES = {"png": "image/png", "gif": "image/gif"} | dict.fromkeys(
    ("npz", "npy", "latents"), "application/octet-stream"
)


class Explored:
    """A generator, its discriminator, and which data they are for."""

    def __init__(self, generator, discriminator, config):
        self.generator, self.sampler = generator, Sampler(generator, discriminator)
        self.shape = generator.output_shape[1:]
        self.size = generator.count_params() + discriminator.count_params()
        of_pictures = (config.labels, config.label_column)
        self.source = (config.data, config.image_size, config.color_mode, *of_pictures)

    @functools.cached_property
    def directions(self):
        """The ten directions that change the first layer most: SeFa (Shen and Zhou 2021)."""
        kernel = self.generator.layers[0].kernel.numpy()
        return _plain(np.linalg.svd(kernel, full_matrices=False)[0].T[:DIRECTIONS])


class Explorer:
    def __init__(self):
        self._kept, self._data = collections.OrderedDict(), collections.OrderedDict()
        self._lock = threading.Lock()  # one draws at a time: more would only wait for the cores
        self._reader = concurrent.futures.ThreadPoolExecutor(1)

    def networks(self, source, checkpoint):
        """The `Explored` of a `tf2gan.runs.sources.Source`; the last used ones are kept."""
        key = (source, checkpoint)
        if source.run:
            if not re.fullmatch("best|latest|[0-9]{1,12}", checkpoint or "best"):
                raise UsageError(f"there is no checkpoint {checkpoint[:20]!r}")
            folder = source.run / "checkpoints"
            lists = {"latest": "checkpoint", "best": "best/checkpoint", None: "best/checkpoint"}
            saved = folder / lists.get(checkpoint, f"ckpt-{checkpoint}.index")
            saved = saved if saved.exists() else folder / "checkpoint"
            key += (saved.stat().st_mtime_ns if saved.exists() else 0,)
        config = source.config
        with self._lock:
            if key not in self._kept:
                opened = source.open(checkpoint if source.run else None)
                self._kept[key] = Explored(opened.generator, opened.discriminator, config)
            self._kept.move_to_end(key)
            while len(self._kept) > 2 and sum(n.size for n in self._kept.values()) > WEIGHTS_MOST:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _known(self, networks, patience=0):
        """(the data, their classifier), each None until it has been read, if it is at hand.

        `patience` is how many seconds may be waited for it.
        """
        source = networks.source
        reading = self._data.get(source)
        if reading is None or reading.done() and reading.result()[2] < time.monotonic():
            reading = self._data[source] = self._reader.submit(_read, source)
            while len(self._data) > 2:
                self._data.popitem(last=False)
        concurrent.futures.wait([reading], patience)
        data, classifier, _ = reading.result() if reading.done() else (None, None, 0)
        right = data is not None and data.images.shape[1:] == networks.shape
        return (data, classifier) if right else (None, None)

    def samples(self, networks, query, body):
        """The 64 images of a seed, as `generate.py --seed` draws them, and the directions."""
        latents = sample_latents(SAMPLES, seed=_whole(query.get("seed"), 2**31 - 1)).numpy()
        self._known(networks, PATIENCE)
        drawn = self._drawn(networks, latents)
        return {"latents": _plain(latents), "directions": networks.directions, **drawn}

    def at(self, networks, query, body):
        """The images of given latents."""
        return self._drawn(networks, _latents(body))

    def walk(self, networks, query, body):
        """64 latents on the way between two, both ends among them, and every ninth as an image."""
        ends = _latents(body)
        if len(ends) != 2:
            raise UsageError("a walk has two ends")
        latents = walk(*ends, SAMPLES).numpy()
        return {"latents": _plain(latents), **self._drawn(networks, latents[::9])}

    def files(self, networks, query, body):
        """Images of latents in a format of `generate.py`, or the latents themselves, as a file."""
        kind, latents = query.get("format"), _latents(body)
        if kind not in TYPES:
            raise UsageError(f"a file is {', '.join(TYPES)}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"images.{kind}"
            if kind == "latents":
                np.save(path.with_suffix(".npy"), latents)
                return path.with_suffix(".npy").read_bytes(), TYPES[kind]
            with self._lock:
                pixels = networks.sampler.at(latents)
            write_images(path, pixels, latents=latents)
            return path.read_bytes(), TYPES[kind]

    def score(self, networks, query, body):
        """What D and the classifier say of a drawing; with `near`, the training images like it."""
        pixels = _drawing(networks, body)
        data, _ = self._known(networks, PATIENCE if query.get("near") else 0)
        with self._lock:
            answer = self._told_of(networks, pixels)
        if query.get("near") and data is not None:
            images = data.images[: POOL_MOST // pixels.size]
            images, distances = nearest_images(images, pixels[0], NEAREST)
            answer |= {"nearest": _png(images), "distances": _plain(distances)}
        return answer

    def project(self, networks, query, body):
        """The way to G's nearest image: a line of JSON each few steps, while it is found."""
        target = _drawing(networks, body)
        _, classifier = self._known(networks)

        def lines():
            features = classifier and classifier.features
            steps = Inversion(networks.generator, features).run(target, steps=PROJECTION_STEPS)
            for step in range(PROJECTION_STEPS + 1):
                with self._lock:
                    latents, images, distances = next(steps)
                    if step % SHOWN_EVERY:
                        continue
                    told = self._told_of(networks, images)
                shown = {"step": step, "of": PROJECTION_STEPS, "distance": float(distances[0])}
                line = {**shown, "latent": _plain(latents[0]), "png": _png(images), **told}
                yield json.dumps(line) + "\n"

        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return wrappers.Response(lines(), mimetype="application/x-ndjson", headers=headers)

    def _drawn(self, networks, latents):
        with self._lock:
            pixels = networks.sampler.at(latents)
            return {"png": _png(pixels), **self._told_of(networks, pixels)}

    def _told_of(self, networks, pixels):
        """D's probability that each image is real, and its class where a classifier knows."""
        told = {"scores": _plain(1 / (1 + np.exp(-networks.sampler.scores(pixels))))}
        data, classifier = self._known(networks)
        if classifier is not None:
            told["classes"] = classifier(pixels)[1].argmax(1).tolist()
            told["names"] = list(data.class_names)
        return told


EXPLORER = Explorer()


def _read(source):
    """(data set, classifier, when to look again); None what is not at hand: nothing is fetched."""
    name, size, mode, labels, column = source
    try:
        if name != "fashion_mnist" or has_fashion_mnist():
            data = load_data(name, size, mode, labels=labels, label_column=column)
            if not hasattr(data.images, "filename") and data.images.nbytes > DATA_MOST:
                return None, None, math.inf
            return data, find_classifier(data) if data.has_classes else None, math.inf
    except Exception:  # whatever is wrong with them: there are no classes then, and no neighbours
        pass
    return None, None, time.monotonic() + RETRIED


def _whole(text, most):
    """The whole number from 0 that a client sent."""
    if not re.fullmatch("[0-9]{1,10}", text or "") or int(text) > most:
        raise UsageError(f"{(text or '')[:20]!r} is no whole number from 0 to {most}")
    return int(text)


def _drawing(networks, body):
    """The bytes of one image of the networks' shape: uint8 `[1, H, W, C]`."""
    height, width, channels = networks.shape
    if len(body) != height * width * channels:
        raise UsageError(f"a drawing has {height * width * channels} bytes, not {len(body)}")
    return np.frombuffer(body, np.uint8).reshape(1, height, width, channels)


def _latents(body):
    """Latents `[N, 100]`, N up to 64, from a JSON list of lists; all numbers in [-1, 1]."""
    try:
        latents = np.array(json.loads(body))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UsageError("latents are a JSON list of lists of numbers") from error
    right = latents.ndim == 2 and latents.shape[1] == LATENT_SIZE and 1 <= len(latents) <= SAMPLES
    if not right or latents.dtype.kind not in "fi" or not (np.abs(latents) <= 1).all():  # NaN too
        raise UsageError(f"latents are 1 to {SAMPLES} lists of {LATENT_SIZE} numbers from -1 to 1")
    return latents.astype(np.float32)


def _png(pixels):
    """A grid of images, eight in a row, as a data URL."""
    png = png_bytes(tile_grid(pixels, min(8, len(pixels))))
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _plain(array):
    return np.round(np.asarray(array, np.float64), 5).tolist()
