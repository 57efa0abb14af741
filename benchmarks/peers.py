"""What people would run instead, for as many minutes: python benchmarks/peers.py

The original's loop, TensorFlow's DCGAN tutorial, and both recipes of this code, each alone on the
machine, by the same ruler: 10,000 images against MNIST's test images. What differs beside the
training is said in docs/experiments.md.

With --data they are those that take images of any size and colour: this code, a DCGAN with adaptive
augmentation, and PyTorch's DCGAN example.

A minute is as many steps as fit into one by the pace that is measured first, for all contestants,
on an idle machine; it stands in the file of `--pace`. The training itself can then share the
machine with other work, and its figures are those of an idle one.
"""

import argparse
import json
import math
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
from tf2gan.networks import augmentation
from tf2gan.networks.latents import philox_key
from tf2gan.quality.ruler import Ruler
from tf2gan.sampling.sampler import BLOCK, Sampler, plain
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import Recipe
from tf2gan.settings.sizes import COLOR_MODES, read_size, size_text
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


def adaptive(data):
    """Keras' data-efficient GAN: a DCGAN of constant width with adaptive augmentation.

    By its description: 64 numbers from N(0, 1), width 128, depth 4 at 64x64, batches of 128, Adam
    2e-4, an EMA of 0.99; flips, translation by an eighth, rotation by 45 degrees, zoom by a quarter
    of D's images, with a probability that goes up where D is right about more than 85 % of real
    images. The augmentation is this code's.
    """
    batch, width, noise_size = 128, 128, 64
    depth = round(math.log2(min(data.image_size) / 4))
    height, breadth = (side // 2**depth for side in data.image_size)
    convolution = {"strides": 2, "padding": "same", "use_bias": False}
    stack = [
        keras.Input((noise_size,)),
        layers.Dense(height * breadth * width, use_bias=False),
        layers.BatchNormalization(scale=False),
        layers.ReLU(),
        layers.Reshape((height, breadth, width)),
    ]
    for _ in range(depth - 1):
        stack += [layers.Conv2DTranspose(width, 4, **convolution)]
        stack += [layers.BatchNormalization(scale=False), layers.ReLU()]
    last = {**convolution, "use_bias": True, "activation": "tanh"}
    g = keras.Sequential([*stack, layers.Conv2DTranspose(data.channels, 4, **last)])
    ema = keras.models.clone_model(g)
    ema.set_weights(g.get_weights())
    stack = [keras.Input((*data.image_size, data.channels))]
    for _ in range(depth):
        stack += [layers.Conv2D(width, 4, **convolution)]
        stack += [layers.BatchNormalization(scale=False), layers.LeakyReLU(negative_slope=0.2)]
    d = keras.Sequential([*stack, layers.Flatten(), layers.Dropout(0.4), layers.Dense(1)])
    reach = min(data.image_size) // 8
    changes = Recipe(shift=reach, shift_edge="mirror", mirror=True, rotation=45, zoom=0.25)
    probability = tf.Variable(0.0)
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def augmented(images, step):
        keys = philox_key(0, step), philox_key(1, step)
        numbers = augmentation.draw(*keys, count=batch, recipe=changes, probability=probability)
        return augmentation.augment(images, numbers, changes)

    @tf.function
    def train_step(pixels, step):
        real = augmented(to_unit(tf.cast(pixels, tf.float32)), 2 * step)
        with tf.GradientTape(persistent=True) as tape:
            fake = g(tf.random.normal((batch, noise_size)), training=True)
            of_real = d(real, training=True)
            of_fake = d(augmented(fake, 2 * step + 1), training=True)
            g_loss = entropy(tf.ones_like(of_fake), of_fake)
            d_loss = entropy(tf.ones_like(of_real), of_real)
            d_loss += entropy(tf.zeros_like(of_fake), of_fake)
        for network, loss, optimizer in zip((g, d), (g_loss, d_loss), optimizers, strict=True):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        accuracy = tf.reduce_mean(tf.cast(of_real > 0, tf.float32))
        probability.assign(tf.clip_by_value(probability + (accuracy - 0.85) / 1000, 0.0, 1.0))
        for average, variable in zip(ema.weights, g.weights, strict=True):
            average.assign(0.99 * average + 0.01 * variable)

    def train(step):
        for row in batch_rows(step, CHUNK, count=len(data.images), batch=batch, seed=0):
            train_step(data.images[row], tf.constant(step, tf.int64))
            step += 1
        return step

    draw = lambda count: tf.random.normal((count, noise_size))  # noqa: E731
    return train, lambda count: sampled(ema, draw, count), batch


def pytorch(data):
    """PyTorch's DCGAN example, by its description: batches of 64, Adam 2e-4, weights N(0, 0.02)."""
    import torch
    from torch import nn

    batch, noise_size, width = 64, 100, 64
    depth = round(math.log2(min(data.image_size) / 4))
    small = [side // 2**depth for side in data.image_size]
    torch.manual_seed(0)
    wide = [width * 2**place for place in range(depth)]  # 64, 128, 256, 512 at 64x64
    stack, channels = [nn.ConvTranspose2d(noise_size, wide[-1], small, bias=False)], wide[-1]
    for after in reversed(wide[:-1]):
        stack += [nn.BatchNorm2d(channels), nn.ReLU(True)]
        stack += [nn.ConvTranspose2d(channels, after, 4, 2, 1, bias=False)]
        channels = after
    stack += [nn.BatchNorm2d(channels), nn.ReLU(True)]
    stack += [nn.ConvTranspose2d(channels, data.channels, 4, 2, 1, bias=False), nn.Tanh()]
    g = nn.Sequential(*stack)
    stack, channels = [], data.channels
    for place, after in enumerate(wide):
        stack += [nn.Conv2d(channels, after, 4, 2, 1, bias=False)]
        stack += [nn.BatchNorm2d(after)] if place else []
        stack += [nn.LeakyReLU(0.2, True)]
        channels = after
    d = nn.Sequential(*stack, nn.Conv2d(channels, 1, small, bias=False), nn.Flatten(0))
    for module in (*g.modules(), *d.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    g_optimizer, d_optimizer = (
        torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999)) for network in (g, d)
    )
    entropy = nn.BCEWithLogitsLoss()
    draw = lambda count: torch.randn(count, noise_size, 1, 1)  # noqa: E731

    def train(step):
        for row in batch_rows(step, CHUNK, count=len(data.images), batch=batch, seed=0):
            pixels = np.ascontiguousarray(data.images[row].transpose(0, 3, 1, 2))
            real, fake = torch.from_numpy(pixels).float() / 127.5 - 1, g(draw(batch))
            d_optimizer.zero_grad()
            for images, label in ((real, 1.0), (fake.detach(), 0.0)):
                entropy(d(images), torch.full((batch,), label)).backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            entropy(d(fake), torch.ones(batch)).backward()
            g_optimizer.step()
        return step + CHUNK

    def sample(count):
        g.eval()
        with torch.no_grad():
            blocks = [g(draw(BLOCK)).numpy() for _ in range(-(-count // BLOCK))]
        g.train()
        return to_pixels(np.concatenate(blocks)[:count].transpose(0, 2, 3, 1))

    return train, sample, batch


def recipe(name, data, steps=None):
    """This code, as `train.py --recipe NAME --mixed-precision` trains, with --steps if given."""
    config = TrainConfig(recipe=name, mixed_precision="auto", steps=steps).of(data)
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


RECIPES = ("classic", "modern")
OF_MNIST = {"original": original, "tutorial": tutorial}
OF_ANY_DATA = {"adaptive": adaptive, "pytorch": pytorch}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join([*OF_MNIST, *RECIPES])}; "
        f"with --data of {', '.join([*OF_ANY_DATA, *RECIPES])}",
    )
    parser.add_argument("--data", default="mnist", help="as of train.py (default: mnist)")
    parser.add_argument("--image-size", type=read_size, help="as of train.py")
    parser.add_argument("--color-mode", choices=list(COLOR_MODES), help="as of train.py")
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
    data = load_data(flags.data, flags.image_size, flags.color_mode)
    peers = [*(OF_MNIST if flags.data == "mnist" else OF_ANY_DATA), *RECIPES]
    pace = json.loads(flags.pace.read_text()) if flags.pace and flags.pace.exists() else {}
    if unknown := set(flags.names) - set(peers):
        parser.error(f"{min(unknown)} does not train on {flags.data}; choose {', '.join(peers)}")
    if flags.data != "mnist" and any(side not in (16, 32, 64, 128) for side in data.image_size):
        parser.error(f"{size_text(data.image_size)}: the peers' sides are 16, 32, 64 or 128")
    # A pace is of one size: names alone stand for MNIST's.
    key = {name: name if flags.data == "mnist" else f"{name} {data.line()}" for name in peers}
    for name in flags.names or peers:
        if key[name] not in pace:
            pace[key[name]] = seconds_a_step(name, data)
    if flags.pace:
        flags.pace.write_text(json.dumps(pace) + "\n")
    ruler = Ruler(data)
    print("| | minutes | epochs | Frechet distance | KID | precision | recall | top class |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in flags.names or peers:
        # MNIST's recipes are as long as by default; of any data, as the time that they have.
        steps = None if flags.data == "mnist" else round(60 * max(flags.minutes) / pace[key[name]])
        train, sample, batch = start(name, data, steps)
        step = 0
        for minutes in flags.minutes:
            last, before = round(60 * minutes / pace[key[name]]), -1
            while step < last and before != step:  # a recipe of a length of its own ends there
                before, step = step, train(step)
            quality = ruler.measure(sample(ruler.count))
            epochs = step / batches_per_epoch(len(data.images), batch)
            spent = step * pace[key[name]] / 60
            top = "" if quality.histogram is None else f"{quality.histogram.max():.1%}"
            print(
                f"| {name} | {spent:.1f} | {epochs:.1f} | {quality.frechet:.1f} "
                f"| {quality.kid:.3g} | {quality.precision:.3f} | {quality.recall:.3f} | {top} |",
                flush=True,
            )
            if before == step:
                break
        if flags.pictures:
            flags.pictures.mkdir(parents=True, exist_ok=True)
            write_png(flags.pictures / f"{name}.png", tile_grid(sample(64)))


def start(name, data, steps=None):
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return recipe(name, data, steps) if name in RECIPES else (OF_MNIST | OF_ANY_DATA)[name](data)


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
