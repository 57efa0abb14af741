"""What people would run instead, for as many minutes: python benchmarks/peers.py

The original's loop, TensorFlow's DCGAN tutorial, and both recipes of this code, each alone on the
machine, by the same ruler: 10,000 images against MNIST's test images. What differs beside the
training is said in docs/experiments.md.

A minute is as many steps as fit into one by the pace that is measured first, for all contestants,
on an idle machine; it stands in the file of `--pace`. The training itself can then share the
machine with other work, and its figures are those of an idle one.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tf2gan.utils.command_line import import_tensorflow

import_tensorflow()

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from speed import original_networks

from tf2gan.data.dataset import batch_rows, batches_per_epoch, total_steps
from tf2gan.data.images import tile_grid, to_pixels, to_unit, write_png
from tf2gan.data.load import load_data
from tf2gan.gan import GAN
from tf2gan.quality.ruler import Ruler
from tf2gan.sampling.sampler import BLOCK, Sampler, plain
from tf2gan.settings.config import TrainConfig
from tf2gan.training.runner import Runner

CHUNK = 10  # steps of one call
PACED = 6  # calls that are timed, after one that is not


def original(data):
    """The original's loop: `predict`, two `train_on_batch`, the toggle; batches of 128."""
    images, batch = to_unit(data.images.astype(np.float32)), 128
    iterate, g = original_networks(batch)
    draw = lambda count: np.random.uniform(-1, 1, (count, 100)).astype(np.float32)  # noqa: E731

    def train(step):
        for row in batch_rows(step, CHUNK, count=len(images), batch=batch):
            iterate(images[row])
        return step + CHUNK

    return train, lambda count: sampled(g, draw, count), batch


def tutorial(data):
    """TensorFlow's DCGAN tutorial: its layers, Adam 1e-4, batches of 256 in a random order."""
    batch, convolution = 256, {"padding": "same", "use_bias": False}
    g = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, strides=1, **convolution),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(64, 5, strides=2, **convolution),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(1, 5, strides=2, activation="tanh", **convolution),
        ]
    )
    d = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    g_optimizer, d_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    images = to_unit(data.images.astype(np.float32))

    @tf.function
    def train_step(real):
        noise = tf.random.normal((batch, 100))
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = g(noise, training=True)
            of_real, of_fake = d(real, training=True), d(fake, training=True)
            g_loss = entropy(tf.ones_like(of_fake), of_fake)
            d_loss = entropy(tf.ones_like(of_real), of_real)
            d_loss += entropy(tf.zeros_like(of_fake), of_fake)
        g_variables, d_variables = g.trainable_variables, d.trainable_variables
        g_optimizer.apply(g_tape.gradient(g_loss, g_variables), g_variables)
        d_optimizer.apply(d_tape.gradient(d_loss, d_variables), d_variables)

    def train(step):
        for row in batch_rows(step, CHUNK, count=len(images), batch=batch, seed=0):
            train_step(images[row])
        return step + CHUNK

    draw = lambda count: tf.random.normal((count, 100))  # noqa: E731
    return train, lambda count: sampled(g, draw, count), batch


def recipe(name, data):
    """This code, as `train.py --recipe NAME --mixed-precision` trains."""
    config = TrainConfig(recipe=name, mixed_precision="auto").of(data)
    total, count = total_steps(config, data), len(data.images)
    epoch_steps = batches_per_epoch(count, config.batch)
    gan = GAN(config, total_steps=total, epoch_steps=epoch_steps)
    runner = Runner(gan)
    images = tf.constant(data.images)
    order = config.seed if config.recipe_values.shuffle else None
    sampler = Sampler(gan.ema_generator)

    def train(step):
        steps = min(CHUNK, total - step)
        if steps:
            rows = batch_rows(step, steps, count=count, batch=config.batch, seed=order)
            runner.run(images, rows)
        return step + steps

    return train, lambda count: plain(sampler, count, seed=0), config.batch


def sampled(generator, draw, count):
    blocks = [generator(draw(BLOCK), training=False) for _ in range(-(-count // BLOCK))]
    return to_pixels(np.concatenate(blocks)[:count])


CONTESTANTS = {
    "original": original,
    "tutorial": tutorial,
    "classic": lambda data: recipe("classic", data),
    "modern": lambda data: recipe("modern", data),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=[5, 10, 20, 30], help="(default: 5 10 20 30)"
    )
    parser.add_argument(
        "--pace",
        type=Path,
        metavar="FILE.json",
        help="seconds a step of each: read where it is there, otherwise measured and written",
    )
    parser.add_argument("--pictures", type=Path, help="folder for a grid of each at its end")
    flags = parser.parse_args()
    data = load_data("mnist")
    pace = json.loads(flags.pace.read_text()) if flags.pace and flags.pace.exists() else {}
    for name in flags.names or CONTESTANTS:
        if name not in pace:
            pace[name] = seconds_a_step(name, data)
    if flags.pace:
        flags.pace.write_text(json.dumps(pace) + "\n")
    ruler = Ruler(data)
    print("| | minutes | epochs | Frechet distance | KID | precision | recall | top class |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in flags.names or CONTESTANTS:
        train, sample, batch = start(name, data)
        step = 0
        for minutes in flags.minutes:
            last, before = round(60 * minutes / pace[name]), -1
            while step < last and before != step:  # a recipe of a length of its own ends there
                before, step = step, train(step)
            quality = ruler.measure(sample(ruler.count))
            epochs = step / batches_per_epoch(len(data.images), batch)
            print(
                f"| {name} | {step * pace[name] / 60:.1f} | {epochs:.1f} | {quality.frechet:.1f} "
                f"| {quality.kid:.3g} | {quality.precision:.3f} | {quality.recall:.3f} "
                f"| {quality.histogram.max():.1%} |",
                flush=True,
            )
            if before == step:
                break
        if flags.pictures:
            flags.pictures.mkdir(parents=True, exist_ok=True)
            write_png(flags.pictures / f"{name}.png", tile_grid(sample(64)))


def start(name, data):
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return CONTESTANTS[name](data)


def seconds_a_step(name, data):
    """The median of some calls, on an idle machine."""
    train, _, _ = start(name, data)
    step, times = train(0), []
    for _ in range(PACED):
        started = time.perf_counter()
        step = train(step)
        times.append((time.perf_counter() - started) / CHUNK)
    pace = statistics.median(times)
    print(f"{name}: {1000 * pace:.1f} ms a step", file=sys.stderr)
    return pace


if __name__ == "__main__":
    main()
