"""Fills the table of a GPU: python benchmarks/gpu.py

Images a second of training over batch sizes, for both recipes, every precision, with XLA and
without; of PyTorch on the same graphs, eager and by `torch.compile`, where it is installed; of
generation; the peak memory; the share of the card's own matrix product. Every contestant
is a process of its own that waits for its turn; turns alternate, medians are printed.
"""

import argparse
import importlib.util

from speed import GFLOP_AT_128, Worker, turns

from tf2gan.devices.kernels import set_defaults

PRODUCT = 8192  # a side of the matrices
PRECISIONS = {"float32": "None", "bfloat16": "'bfloat16'", "float16": "'float16'"}


def contestants(batch, steps):
    """Name -> expression of `speed.py` that makes the work of one turn."""
    table = {}
    for recipe in ("classic", "modern"):
        for name, precision in PRECISIONS.items():
            for title, jit in (("", "off"), (", XLA", "on")):
                work = f"ours({precision}, {batch}, {steps}, {recipe!r}, {jit!r})"
                table[f"{recipe}, {name}{title}"] = work
    if importlib.util.find_spec("torch"):
        for name, autocast in (("float32", False), ("bfloat16 autocast", True)):
            for title, compiled in (("eager", False), ("torch.compile", True)):
                work = f"pytorch({autocast}, {batch}, {steps}, compiled={compiled})"
                table[f"classic, PyTorch {title}, {name}"] = work
    return table


def measure(table, rounds):
    """Median seconds of a turn and the peak of GPU memory, in MB, of each contestant."""
    workers = {name: Worker(expression) for name, expression in table.items()}
    seconds = turns(workers, rounds)
    peaks = {name: worker.peak() for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    return seconds, peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [32, 64, 128, 256, 512, 1024, 2048, 4096]
    parser.add_argument("--batch", type=int, nargs="+", default=sizes, help="(default: 32 to 4096)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--images", type=int, default=16_384, help="in a turn (default: 16384)")
    flags = parser.parse_args()
    set_defaults()  # for those who do not import tf2gan: several processes share the card
    products = {
        name: f"matrix_product({name!r}, {PRODUCT})" for name in ("float32", "bfloat16", "float16")
    }
    rates, _ = measure(products, flags.rounds)
    rates = {name: 2 * (PRODUCT / 1000) ** 3 / seconds for name, seconds in rates.items()}
    shown = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    print(f"{PRODUCT} x {PRODUCT} matrix product, GFLOP/s: {shown}")
    print("\n| | batch | images/s | share of the matrix product | peak memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    for batch in flags.batch:
        steps = max(1, flags.images // batch)
        seconds, peaks = measure(contestants(batch, steps), flags.rounds)
        for name, turn in seconds.items():
            share = ""
            if "modern" not in name:  # whose penalty is more work than is counted
                rate = rates[next(precision for precision in rates if precision in name)]
                share = f"{GFLOP_AT_128 / 128 * batch * steps / turn / rate:.0%}"
            row = (name, batch, f"{batch * steps / turn:.0f}", share, peaks[name])
            print("|", " | ".join(map(str, row)), "|", flush=True)
    drawn, _ = measure({"generation": f"generation({flags.images})"}, flags.rounds)
    print(f"\ngeneration: {flags.images / drawn['generation']:.0f} images/s")


if __name__ == "__main__":
    main()
