"""The flags of `generate.py`, and which of them go together."""

import os

from tf2gan.runs.folders import find_run
from tf2gan.runs.sources import HELP, Source, find_source
from tf2gan.settings.config import PRETRAINED
from tf2gan.settings.sizes import read_size
from tf2gan.utils.command_line import SELECTIONS, Parser, check_seed, typed
from tf2gan.utils.errors import UsageError

BATCH_MAXIMUM = 10_000


def parse_flags(args=None):
    parser = Parser(
        prog=" ".join(typed("generate")), description="Generate images with a trained generator."
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help=f"the trained networks: {HELP}; without it, the newest run",
    )
    parser.add_argument("--logdir", default="runs/", help="folder of all runs (default: runs/)")
    parser.add_argument("--run", help="the same as SOURCE, for a run alone")
    parser.add_argument(
        "--pretrained",
        nargs="?",
        const="mnist",
        choices=PRETRAINED,
        help="the same as SOURCE mnist: the trained networks of the package",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="the same as SOURCE, for a file of a generator's weights: "
        ".keras, .weights.h5, or the original's HDF5 file",
    )
    parser.add_argument(
        "--discriminator-weights",
        metavar="FILE",
        help="the discriminator's, which --nice and rejection need beside a file of weights",
    )
    parser.add_argument(
        "--image-size",
        metavar="N|HxW",
        help="of the images of a file of weights, where they are not square",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|latest|STEP",
        help="of a run; best: of the lowest Frechet distance, or KID where images are few; latest; "
        "or a step (default: best where there is one)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=32,
        metavar="N",
        help="images to generate, 1 to 10000 (default: 32)",
    )
    parser.add_argument(
        "--select",
        choices=SELECTIONS,
        default="plain",
        help="plain (default): as they come; "
        "nice: the discriminator's best of 20 candidates an image, best first; "
        "rejection: rejection sampling by the calibrated discriminator",
    )
    parser.add_argument(
        "--nice",
        dest="select",
        action="store_const",
        const="nice",
        help="the same as --select nice",
    )
    parser.add_argument(
        "--label",
        metavar="NAME",
        help="images of one class alone, such as 7: candidates that the data's classifier takes "
        "for it with a probability of 90%% or more",
    )
    parser.add_argument(
        "--interpolate",
        action="store_true",
        help="interpolate between latents in a closed loop of --batch images, 8 from one to the "
        "next: a row each in a .png, smooth in a .gif",
    )
    parser.add_argument(
        "--project",
        metavar="PICTURE",
        help="GAN inversion: find the latent whose image is nearest to a picture; writes the "
        "picture, the way from a first guess and what came nearest; an .npz holds the latents too",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the same seed gives the same images (default: 0)",
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        help=".png (one grid), .gif (one image a frame), .npz or .npy (a uint8 array [N, H, W], in "
        "colour [N, H, W, 3]), or a folder (one PNG an image); without it, generated_image.png in "
        "the run's folder, or in the present one where there is no run",
    )
    return parser.parse_args(args)


def check_flags(flags):
    """Raises `UsageError` for flags that are out of range or do not go together."""
    if not 1 <= flags.batch <= BATCH_MAXIMUM:
        raise UsageError(f"--batch is {flags.batch}; choose 1 to {BATCH_MAXIMUM}")
    check_seed(flags.seed)
    if flags.interpolate and flags.select != "plain":
        raise UsageError(
            f"--interpolate shows every image on its way; leave out --select {flags.select}"
        )
    if flags.interpolate and flags.label is not None:
        raise UsageError("--interpolate shows every image on its way; leave out --label")
    if flags.interpolate and (flags.batch < 16 or flags.batch % 8):
        raise UsageError(
            "--interpolate goes 8 images from one latent to the next; "
            f"--batch {flags.batch} must be 16, 24, 32 or so"
        )
    if flags.project is not None:
        others = {
            "--interpolate": flags.interpolate,
            "--label": flags.label is not None,
            f"--select {flags.select}": flags.select != "plain",
        }
        for other in (name for name, given in others.items() if given):
            raise UsageError(f"--project draws the way to one picture; leave out {other}")
        if not os.path.isfile(flags.project):  # unlike Path.is_file, False for any string
            raise UsageError(f"--project {flags.project}: there is no such picture")


def source_of(flags):
    """The `Source` that the flags name: the newest run where they name none."""
    given = {
        "SOURCE": flags.source,
        "--run": flags.run,
        "--pretrained": flags.pretrained,
        "--weights": flags.weights,
    }
    named = [flag for flag, value in given.items() if value is not None]
    if len(named) > 1:
        raise UsageError(
            f"{named[0]} and {named[1]} both choose the networks; leave one of them out"
        )
    for path in filter(None, (flags.weights, flags.discriminator_weights)):
        if not os.path.isfile(path):
            raise UsageError(f"{path} is no file; give a file of weights")
    name = given[named[0]] if named else None
    known = name in PRETRAINED and flags.weights is None
    is_file = flags.run is None and name is not None and not known and os.path.isfile(name)
    if not is_file:
        for flag in ("image_size", "discriminator_weights"):
            if getattr(flags, flag):
                raise UsageError(f"--{flag.replace('_', '-')} goes with a file of weights")
    elif flags.select != "plain" and not flags.discriminator_weights:
        raise UsageError(
            f"--select {flags.select} with a file of weights needs --discriminator-weights too"
        )
    if name is None or flags.run is not None:
        return Source(run=find_run(flags.logdir, name))
    source = find_source(name, flags.logdir, checkpoint=flags.checkpoint)
    if not is_file:
        return source
    size = read_size(flags.image_size) if flags.image_size else None
    return Source(weights=name, discriminator_weights=flags.discriminator_weights, image_size=size)
