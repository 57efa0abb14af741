"""Times one training iteration of this code against its peers: python benchmarks/speed.py

`--sizes` times batch sizes and generation, `--whole` a real run of `train.py` against its bare
steps. Every contestant is a process of its own that waits for its turn; turns alternate, medians
are printed. Run it on an idle machine. PyTorch takes part where it is installed
(pip install -e ".[bench]").
"""

import argparse
import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NOISE = 4096  # images, where they are not MNIST's
GFLOP_AT_128 = 72.5  # of one iteration in polyphase form, at batch 128


def ours(precision, batch, steps, recipe="classic", jit_compile="auto", **shape):
    """Windows of steps, as `train.py` runs them; `shape` as `TrainConfig` takes it."""
    from tf2gan.gan import GAN
    from tf2gan.settings.config import TrainConfig
    from tf2gan.training.runner import Runner

    how = {"recipe": recipe, "jit_compile": jit_compile, "mixed_precision": precision}
    config = TrainConfig(batch=batch, **how, **shape)
    runner = Runner(GAN(config))
    images, rows = images_of(config), window(batch, steps)
    return lambda: runner.run(images, rows)


def naive(batch, steps):
    """The plain step: `tf.function` over the Keras models as they are, and Keras' own SGD."""
    import keras

    from tf2gan import gan
    from tf2gan.networks import optimizers

    def forward(model, inputs, *, training, dtype, logits=False, pool_dtype=None):
        for layer in model.layers[:-1] if logits else model.layers:
            inputs = (
                layer(inputs, training=training)
                if layer.name.startswith("batch")
                else layer(inputs)
            )
        return inputs

    gan.forward, optimizers.FusedSGD = forward, keras.optimizers.SGD
    return ours(None, batch, steps)


def original_networks(batch):
    """The original's loop, line by line in Keras 3: `predict`, two `train_on_batch`, the toggle.

    Returns (one iteration, a function of a batch of real images; the generator).
    """
    import keras
    import numpy as np

    from tf2gan.networks.models import build_discriminator, build_generator

    d, g = build_discriminator(), build_generator()
    d.trainable = False
    d_on_g = keras.Sequential([g, d])
    optimizers = [keras.optimizers.SGD(0.001, momentum=0.9, nesterov=True) for _ in range(2)]
    d_on_g.compile(loss="binary_crossentropy", optimizer=optimizers[0])
    d.trainable = True
    d.compile(loss="binary_crossentropy", optimizer=optimizers[1])

    def iterate(image_batch):
        noise = np.random.uniform(-1, 1, (batch, 100)).astype(np.float32)
        generated = g.predict(noise, verbose=0)
        x = np.concatenate((image_batch, generated))
        d.train_on_batch(x, np.array([[1]] * batch + [[0]] * batch))
        noise = np.random.uniform(-1, 1, (batch, 100)).astype(np.float32)
        d.trainable = False
        d_on_g.train_on_batch(noise, np.array([[1]] * batch))
        d.trainable = True

    return iterate, g


def original(batch, steps):
    """The original's loop over the first batches."""
    images, (iterate, _) = mnist_array(), original_networks(batch)

    def run():
        for index in range(steps):
            iterate(images[index * batch : (index + 1) * batch])

    return run


def pytorch(autocast, batch, steps, *, compiled=False):
    """The same graphs and step in PyTorch, channels last; eager, or by `torch.compile`."""
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    g = nn.Sequential(
        nn.Linear(100, 1024),
        nn.Tanh(),
        nn.Linear(1024, 128 * 7 * 7),
        nn.BatchNorm1d(128 * 7 * 7),
        nn.Tanh(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 5, padding=2),
        nn.Tanh(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 1, 5, padding=2),
        nn.Tanh(),
    )
    d = nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3200, 1024),
        nn.Tanh(),
        nn.Linear(1024, 1),
    )
    g, d = (net.to(device, memory_format=torch.channels_last) for net in (g, d))
    if compiled:
        g, d = torch.compile(g), torch.compile(d)
    d_optimizer, g_optimizer = (
        torch.optim.SGD(net.parameters(), 0.001, momentum=0.9, nesterov=True) for net in (d, g)
    )
    loss = nn.BCEWithLogitsLoss()
    images = torch.from_numpy(mnist_array()[..., 0][:, None]).to(
        device, memory_format=torch.channels_last
    )
    labels = torch.cat([torch.ones(batch, 1), torch.zeros(batch, 1)]).to(device)
    cast = lambda: torch.autocast(device, torch.bfloat16, enabled=autocast)  # noqa: E731
    noise = lambda: torch.rand(batch, 100, device=device) * 2 - 1  # noqa: E731

    def run():
        for index in range(steps):
            with torch.no_grad(), cast():
                fakes = g.eval()(noise())
            x = torch.cat([images[index * batch : (index + 1) * batch], fakes.float()])
            with cast():
                logits = d(x)
            d_optimizer.zero_grad()
            loss(logits.float(), labels).backward()
            d_optimizer.step()
            with cast():
                logits = d(g.train()(noise()))
            g_optimizer.zero_grad()
            parameters = list(g.parameters())
            gradients = torch.autograd.grad(loss(logits.float(), labels[:batch]), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            g_optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def matrix_product(dtype, size=4096):
    """One large matrix product: what the machine reaches at most."""
    import tensorflow as tf

    a, b = (tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2))
    multiply = tf.function(lambda: tf.reduce_max(tf.matmul(a, b)))
    return lambda: float(multiply())


def generation(batch, **shape):
    """`plain` images, as `generate.py` draws them."""
    from tf2gan.networks.models import build_generator
    from tf2gan.sampling.sampler import Sampler, plain
    from tf2gan.settings.config import TrainConfig

    config = TrainConfig(**shape)
    sampler = Sampler(build_generator(config.size, config.channels))
    return lambda: plain(sampler, batch, seed=0)


def mnist_array():
    import numpy as np

    from tf2gan.data.images import to_unit
    from tf2gan.data.load import load_data

    return to_unit(load_data("mnist").images.astype(np.float32))


def images_of(config):
    """MNIST's images; noise where a configuration has another size or colour."""
    import numpy as np
    import tensorflow as tf

    from tf2gan.data.load import load_data

    shape = (*config.size, config.channels)
    if shape == (28, 28, 1):
        return tf.constant(load_data("mnist").images)
    return tf.constant(np.random.default_rng(0).integers(0, 256, (NOISE, *shape), np.uint8))


def window(batch, steps):
    from tf2gan.data.dataset import batch_rows

    return batch_rows(0, steps, count=NOISE, batch=batch)


def contestants(batch, steps):
    """Name -> (expression that makes the work, iterations in one turn)."""
    table = {
        "this code, float32": f"ours(None, {batch}, {steps})",
        "this code, bfloat16": f"ours('bfloat16', {batch}, {steps})",
        "plain tf.function step": f"naive({batch}, {steps})",
        "the original's loop, Keras 3": f"original({batch}, {steps})",
    }
    if importlib.util.find_spec("torch"):
        table["PyTorch eager, float32"] = f"pytorch(False, {batch}, {steps})"
        table["PyTorch eager, bfloat16 autocast"] = f"pytorch(True, {batch}, {steps})"
    return table


class Worker:
    """A process that prepares one contestant and runs it a turn at a time."""

    def __init__(self, expression, **environment):
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", expression],
            text=True,
            env={**os.environ, **quiet, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.expression = expression

    def warm_up(self):
        """Waits until the work is prepared, and runs it twice; exits where it cannot."""
        self._ask("warm up")

    def turn(self):
        """Runs one turn and returns its seconds."""
        return float(self._ask("go"))

    def peak(self):
        """The most memory that the work has taken on a GPU, in MB; 0 without one."""
        return int(self._ask("peak"))

    def _ask(self, what):
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{what}\n")
            self.process.stdin.flush()
        if answer := self.process.stdout.readline():
            return answer
        again = f"python {__file__} --worker {self.expression!r}"
        sys.exit(f"{self.expression} failed; {again} says why")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def work(expression):
    run = eval(expression)
    for line in sys.stdin:
        if line == "warm up\n":
            run()
            run()
            print("ready", flush=True)
            continue
        if line == "peak\n":
            print(peak_memory() // 2**20, flush=True)
            continue
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


def peak_memory():
    """Bytes of GPU memory that this process has taken at most."""
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return 0
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def turns(workers, rounds):
    """Median seconds of a turn of each worker, their turns alternating; by the workers' names."""
    with ThreadPoolExecutor() as pool:  # imports and compilers side by side
        list(pool.map(Worker.warm_up, workers.values()))
    seconds = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.turn())
    return {name: statistics.median(found) for name, found in seconds.items()}


def measure(table, rounds):
    """`turns` of contestants, name -> expression, that are started for it and ended again."""
    workers = {name: Worker(expression) for name, expression in table.items()}
    seconds = turns(workers, rounds)
    for worker in workers.values():
        worker.close()
    return seconds


def with_and_without_onednn(batch, steps, rounds):
    """Prints milliseconds an iteration with oneDNN's kernels and with TensorFlow's own."""
    table = {
        "this code, classic": f"ours(None, {batch}, {steps})",
        "this code, modern": f"ours(None, {batch}, {steps}, 'modern')",
        "the original's loop, Keras 3": f"original({batch}, {steps})",
        "4096 x 4096 matrix product": "matrix_product('float32')",
    }
    if importlib.util.find_spec("torch"):
        table["PyTorch eager, which has oneDNN of its own"] = f"pytorch(False, {batch}, {steps})"
    workers = {
        (name, switch): Worker(expression, TF_ENABLE_ONEDNN_OPTS=switch)
        for name, expression in table.items()
        for switch in "10"
    }
    seconds = turns(workers, rounds)
    for worker in workers.values():
        worker.close()
    print(f"float32, batch {batch}, ms an iteration, medians of {rounds} turns of {steps}\n")
    print("| | with oneDNN | without | ratio |\n| --- | --- | --- | --- |")
    for name in table:
        count = 1 if "product" in name else steps
        on, off = (1000 * seconds[name, switch] / count for switch in "10")
        print(f"| {name} | {on:.0f} | {off:.0f} | {off / on:.2f} |")


def whole(precision, batch, steps):
    """A real run at the default cadences: its steps beside bare ones, and what is around them."""
    bare = Worker(f"ours({precision!r}, {batch}, 10)")
    bare.warm_up()
    turns = [bare.turn() for _ in range(5)]
    with tempfile.TemporaryDirectory() as logdir:
        flags = [f"--logdir={logdir}", f"--steps={steps}", f"--batch={batch}"]
        flags += [f"--mixed-precision={precision}"] if precision else []
        start = time.perf_counter()
        output = subprocess.run(
            [sys.executable, "train.py", *flags],
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        seconds = time.perf_counter() - start
    turns += [bare.turn() for _ in range(5)]
    bare.close()
    start_up, stepping, around = map(
        float,
        re.search(r"start-up ([\d.]+) s.*steps ([\d.]+) s.*them ([\d.]+) s", output, re.S).groups(),
    )
    expected = statistics.median(turns) * steps / 10
    print(
        f"train.py, {steps} steps of {batch}, {precision or 'float32'}: {seconds:.1f} s, "
        f"of which start-up {start_up:.1f} s,"
    )
    print(
        f"steps {stepping:.1f} s (bare {expected:.1f} s: {stepping / expected - 1:+.1%}), "
        f"around them {around:.1f} s;"
    )
    print(
        f"all but start-up takes {(seconds - start_up) / expected - 1:.1%} "
        "longer than the bare steps"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128, help="images of a step (default: 128)")
    parser.add_argument("--steps", type=int, default=5, help="iterations in a turn (default: 5)")
    parser.add_argument(
        "--rounds", type=int, default=7, help="turns of each contestant (default: 7)"
    )
    parser.add_argument("--sizes", action="store_true", help="batch sizes and generation instead")
    parser.add_argument("--image-size", default="28", help="of --sizes, N or HxW (default: 28)")
    parser.add_argument(
        "--color-mode", default="grayscale", help="of --sizes, or rgb (default: grayscale)"
    )
    parser.add_argument(
        "--whole",
        type=int,
        metavar="STEPS",
        help="a whole run of so many steps against bare steps instead",
    )
    parser.add_argument(
        "--mixed-precision",
        metavar="bfloat16",
        help="what --whole computes in, as of train.py (default: float32)",
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument(
        "--onednn", action="store_true", help="with oneDNN's kernels and without, instead"
    )
    flags = parser.parse_args()
    if flags.worker:
        work(flags.worker)
    elif flags.onednn:
        with_and_without_onednn(flags.batch, flags.steps, flags.rounds)
    elif flags.whole:
        whole(flags.mixed_precision, flags.batch, flags.whole)
    elif flags.sizes:
        print("| batch | training, images/s | generation, images/s |\n| --- | --- | --- |")
        shape = f"image_size={flags.image_size!r}, color_mode={flags.color_mode!r}"
        for batch in (16, 32, 64, 128, 256, 512, 1024):
            steps = max(1, 512 // batch)
            timed = {
                "train": f"ours(None, {batch}, {steps}, {shape})",
                "generate": f"generation({batch}, {shape})",
            }
            seconds = measure(timed, flags.rounds)
            print(
                f"| {batch} | {batch * steps / seconds['train']:.0f} "
                f"| {batch / seconds['generate']:.0f} |",
                flush=True,
            )
    else:
        products = {
            "float32": "matrix_product('float32')",
            "bfloat16": "matrix_product('bfloat16')",
        }
        table = contestants(flags.batch, flags.steps)
        seconds = measure({**table, **products}, flags.rounds)
        reference = seconds["the original's loop, Keras 3"]
        print(f"batch {flags.batch}, medians of {flags.rounds} turns of {flags.steps} iterations\n")
        print(
            "| | ms an iteration | the original's time / its "
            "| share of the matrix product's rate |\n"
            "| --- | --- | --- | --- |"
        )
        for name in table:
            gflop = GFLOP_AT_128 * flags.batch / 128
            product = seconds["bfloat16" if "bfloat16" in name else "float32"]
            share = (
                f"{gflop * flags.steps / seconds[name] / (2 * 4.096**3 / product):.0%}"
                if "this" in name
                else ""
            )
            print(
                f"| {name} | {1000 * seconds[name] / flags.steps:.0f} "
                f"| {reference / seconds[name]:.2f} | {share} |"
            )
        rates = ", ".join(f"{name} {2 * 4.096**3 / seconds[name]:.0f} GFLOP/s" for name in products)
        print(f"\n4096 x 4096 matrix product: {rates}")


if __name__ == "__main__":
    main()
