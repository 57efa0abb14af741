"""How good generated images are, as a table: python -m tf2gan.quality SOURCE|DATA"""

import dataclasses
import os
from pathlib import Path

from tf2gan.data.images import check_out, tile_grid, write_png
from tf2gan.data.load import load_data, load_data_of
from tf2gan.runs.folders import is_run, list_runs
from tf2gan.runs.sources import HELP, find_source
from tf2gan.settings.config import PRETRAINED, TrainConfig
from tf2gan.settings.sizes import COLOR_MODES, MODE_OF, read_size
from tf2gan.utils.command_line import (
    SELECTIONS,
    Parser,
    check_seed,
    import_tensorflow,
    run_command,
)
from tf2gan.utils.errors import UsageError
from tf2gan.utils.messages import shown

ARRAYS = (".npz", ".npy")
WEIGHTS = (".keras", ".h5", "")  # the original's files have no suffix
LEAST_IMAGES = 4  # in a file: precision and recall look at three neighbours of each


def table(columns, class_names):
    """Lines of a table.

    Args:
      columns: a dict of title to `Quality`.
      class_names: of the data's classes; empty where they have none.
    """
    rows = [
        ("images (N)", lambda q: f"{q.count}"),
        ("Frechet distance", lambda q: f"{q.frechet:.2f}"),
        ("KID", lambda q: f"{q.kid:.4g}"),
        ("precision", lambda q: f"{q.precision:.3f}"),
        ("recall", lambda q: f"{q.recall:.3f}"),
    ]
    if class_names:
        rows += [
            ("classifier score", lambda q: f"{q.score:.2f}"),
            ("confidence", lambda q: f"{q.confidence:.3f}"),
            ("class entropy, bits", lambda q: f"{q.class_entropy:.3f}"),
        ]
        rows += [
            (f"class {shown(name)[:13]}", lambda q, i=i: f"{q.histogram[i]:.1%}")
            for i, name in enumerate(class_names)
        ]
    lines = ["".join(f"{title:>20}" for title in ("", *columns))]
    lines += [
        "".join(f"{cell:>20}" for cell in (name, *map(cell_of, columns.values())))
        for name, cell_of in rows
    ]
    return lines


def parse_flags(args=None):
    parser = Parser(
        prog="python -m tf2gan.quality", description="Measure the quality of generated images."
    )
    parser.add_argument(
        "what",
        metavar="SOURCE|DATA",
        help=f"{HELP}; or images: what generate.py --out wrote, or anything that --data takes",
    )
    parser.add_argument("--logdir", default="runs/", help="folder of all runs (default: runs/)")
    parser.add_argument(
        "--data",
        metavar="TEXT",
        help="what to measure against, as train.py's --data (default: the run's; mnist for a file)",
    )
    parser.add_argument(
        "--image-size", metavar="N|HxW", help="what image files are brought to (default: the run's)"
    )
    parser.add_argument(
        "--color-mode", choices=COLOR_MODES, help="what they are brought to (default: the run's)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|latest|STEP",
        help="of a run (default: best where there is one)",
    )
    parser.add_argument(
        "--select",
        choices=SELECTIONS,
        default="plain",
        help="how a run's images are chosen (default: plain)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of a run's images (default: 0)"
    )
    parser.add_argument(
        "--nearest",
        metavar="FILE.png",
        help="also write a grid: images in odd columns, their nearest training images beside them",
    )
    parser.add_argument(
        "--uncovered",
        metavar="FILE.png",
        help="also print each class's recall, and write a grid of 64 real images that lie among no "
        "generated ones",
    )
    return parser.parse_args(args)


def measure_what(flags):
    """Measures what the flags name."""
    check_seed(flags.seed)
    source = source_named(flags.what, flags.logdir, flags.checkpoint)
    if source is None and flags.select != "plain":
        raise UsageError(f"--select is for networks; {flags.what} is a set of images")
    for flag in ("nearest", "uncovered"):
        if grid := getattr(flags, flag):
            if Path(grid).suffix != ".png":
                raise UsageError(f"--{flag} is {grid}; it must end in .png")
            check_out(grid)
    config = source and source.config or TrainConfig()
    size = read_size(flags.image_size) if flags.image_size else config.image_size
    mode, images = flags.color_mode or config.color_mode, None
    if source is None and Path(flags.what).suffix in ARRAYS:  # unlike pictures they have a size
        images = load_data(flags.what, size, mode).images
        if flags.data:
            size, mode = images.shape[1:3], MODE_OF[images.shape[3]]
    if flags.data:
        data = load_data(flags.data, size, mode)
    else:
        data = load_data_of(dataclasses.replace(config, image_size=size, color_mode=mode))
    if source is None and images is None:
        images = load_data(flags.what, data.image_size, MODE_OF[data.channels]).images
    if images is not None and len(images) < LEAST_IMAGES:
        raise UsageError(f"{flags.what} holds {len(images)} images; give at least {LEAST_IMAGES}")
    if images is not None and images.shape[1:] != data.images.shape[1:]:
        raise UsageError(
            f"{flags.what} holds images {list(images.shape[1:])} and {data.name} "
            f"{list(data.images.shape[1:])}; give what they imitate as --data"
        )
    import_tensorflow()
    measure(flags, source, images, data)


def measure(flags, source, images, data):
    """Prints the table of given images, or of a source's where they are None, beside real ones."""
    from tf2gan.quality import ruler as rulers
    from tf2gan.sampling.sampler import Sampler
    from tf2gan.sampling.selection import select

    if reason := rulers.why_not(data):
        raise UsageError(reason)
    if images is None:
        generator, discriminator, title = source.open(flags.checkpoint)
        if generator.output_shape[1:] != data.images.shape[1:]:
            raise UsageError(
                f"{flags.what} makes images {list(generator.output_shape[1:])} and {data.name}'s "
                f"are {list(data.images.shape[1:])}; give what they imitate as --data"
            )
        if flags.select != "plain" and discriminator is None:
            raise UsageError(f"--select {flags.select} needs a discriminator; {source} has none")
    ruler = rulers.Ruler(data)
    if images is None:
        sampler = Sampler(generator, discriminator, progress=True)
        images, rate = select(
            flags.select, sampler, ruler.count, seed=flags.seed, held_out=data.test_images
        )
        accepted = f", {rate:.1%} accepted" if rate else ""
        print(f"{title}, {flags.select}{accepted}")
    print(ruler.describe())
    floor = ruler.floor(min(len(images), ruler.count))  # of as many, so that they compare
    quality = ruler.measure(images)
    columns = {"real, training": floor, "generated": quality}
    print("\n".join(table(columns, ruler.class_names)))
    if quality.believed == "kid":
        few = f"of {len(images)} images, less than {rulers.ENOUGH}"
        print(f"{few}, Frechet distance and recall mean little: believe KID")
    usual, close = ruler.memorising(images)
    closer = "closer to a training image than"
    print(f"{closer} the median test image is: {usual:.1%} (fresh images: 50%)")
    print(f"{closer} 99 of 100 test images are: {close:.1%} (fresh images: 1%)")
    if flags.nearest:
        write_png(Path(flags.nearest), tile_grid(ruler.beside_nearest(images[:64]), 16))
        print(flags.nearest)
    if flags.uncovered:
        missed, recalls = ruler.uncovered(images, 64)
        if recalls:
            each = ", ".join(f"{shown(name)} {recall:.1%}" for name, recall in recalls.items())
            print(f"recall of each class: {each}")
        if len(missed):
            write_png(Path(flags.uncovered), tile_grid(missed))
        print(flags.uncovered if len(missed) else "all real images lie among generated ones")


def source_named(what, logdir, checkpoint):
    """The `Source` that a word names; None where it names data: images are measured as they are."""
    path = Path(what)
    is_weights = os.path.isfile(what) and path.suffix in WEIGHTS and holds_weights(path)
    if what in PRETRAINED or is_weights or is_run(path) or not os.path.exists(what):
        return find_source(what, logdir, checkpoint=checkpoint)
    if checkpoint:
        raise UsageError(f"--checkpoint is for a run; {what} is none")
    if os.path.isdir(what) and (runs := [run for run in list_runs(what) if is_run(run)]):
        raise UsageError(f"{what} is a folder of runs, not of images; give one, such as {runs[-1]}")
    return None


def holds_weights(path):
    """Whether a file holds weights, not images: a `.keras` archive, or HDF5 of groups alone."""
    import h5py

    if path.suffix == ".keras":
        return True
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:  # images lie at the top; weights below the names of layers
        return not any(isinstance(item, h5py.Dataset) for item in file.values())


def main(args=None):
    run_command(measure_what, parse_flags(args))


if __name__ == "__main__":
    main()
