"""What one, two or more replicas cost on this machine: python benchmarks/scaling.py

The same steps of `--recipe` on one device and on logical CPUs, or on GPUs, each in a process of its
own, in turn, with medians; and the bytes that a step sends round. On the cores of one processor two
replicas share what one has: the figure is the price of splitting, not a gain.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def measure(devices, recipe, precision, steps):
    """Prints seconds a step, its batch and the bytes of its gradients as JSON."""
    from tf2gan.utils.command_line import import_tensorflow

    def find_devices():
        from tf2gan.devices.strategy import choose

        return choose(devices)

    strategy = import_tensorflow(find_devices)
    import numpy as np
    import tensorflow as tf

    from tf2gan.data.dataset import batch_rows
    from tf2gan.data.load import load_data
    from tf2gan.gan import GAN
    from tf2gan.settings.config import TrainConfig
    from tf2gan.training.runner import Runner

    config = TrainConfig(recipe=recipe, mixed_precision=precision)
    with strategy.scope():
        gan = GAN(config)
    runner = Runner(gan, strategy)
    images = tf.constant(load_data("mnist").images)
    seconds = []
    for window in range(4):  # the first warms up
        rows = batch_rows(window * steps, steps, count=len(images), batch=config.batch)
        started = time.perf_counter()
        runner.run(images, rows)
        seconds.append((time.perf_counter() - started) / steps)
    sent = (
        sum(
            int(np.prod(v.shape))
            for n in (gan.generator, gan.discriminator)
            for v in n.trainable_variables
        )
        * 4
    )
    print(
        json.dumps(
            {"seconds": statistics.median(seconds[1:]), "batch": config.batch, "bytes": sent}
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--devices",
        nargs="+",
        default=["CPU:0", "CPU:0,CPU:1"],
        help="one set of devices a process (default: CPU:0 CPU:0,CPU:1)",
    )
    parser.add_argument("--recipe", default="classic", choices=("classic", "modern"))
    parser.add_argument("--mixed-precision", choices=("auto", "bfloat16", "float16"))
    parser.add_argument(
        "--steps",
        type=int,
        default=10,
        help="in a window; the median of three counts (default: 10)",
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.measure:
        return measure(flags.measure, flags.recipe, flags.mixed_precision, flags.steps)
    for devices in flags.devices:
        settings = ["--recipe", flags.recipe, "--steps", str(flags.steps), "--measure", devices]
        settings += ["--mixed-precision", flags.mixed_precision] if flags.mixed_precision else []
        output = subprocess.run(
            [sys.executable, __file__, *settings], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        found = json.loads(output.splitlines()[-1])
        replicas = devices.count(",") + 1
        print(
            f"{devices}: {replicas} replicas, {1000 * found['seconds']:.0f} ms a step, "
            f"{found['batch'] / found['seconds']:.0f} images/s, "
            f"{found['bytes'] / 1e6 if replicas > 1 else 0:.1f} MB of gradients reduced a step",
            flush=True,
        )


if __name__ == "__main__":
    main()
