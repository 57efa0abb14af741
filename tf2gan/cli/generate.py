"""The command line of `generate.py`: flags to images in a file."""

import os
from pathlib import Path

from tf2gan.commands import SELECTIONS, Parser, check_seed, import_tensorflow, run_command, typed
from tf2gan.config import TrainConfig
from tf2gan.errors import UsageError
from tf2gan.runs.folders import find_run
from tf2gan.sizes import read_size

BATCH_MAXIMUM = 10_000


def parse_flags(args=None):
    parser = Parser(
        prog=" ".join(typed("generate")), description="Generate images with a trained generator."
    )
    parser.add_argument("--logdir", default="runs/", help="folder of all runs (default: runs/)")
    parser.add_argument(
        "--run", help="a run's path, or its name or number in --logdir; otherwise the newest"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|latest|STEP",
        help="best: of the lowest Frechet distance, or KID where images are few; latest; or a step "
        "(default: best where there is one)",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="the generator's weights instead of a run's: "
        ".keras, .weights.h5, or the original's HDF5 file",
    )
    parser.add_argument(
        "--discriminator-weights",
        metavar="FILE",
        help="the discriminator's, which --nice and rejection need beside --weights",
    )
    parser.add_argument(
        "--image-size",
        metavar="N|HxW",
        help="of the images of --weights, where they are not square",
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
        "rejection: a candidate is kept with a chance that follows the calibrated discriminator",
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
        help="walk in a closed loop of --batch images, 8 from one latent to the next: "
        "a row each in a .png, smooth in a .gif",
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
        "the run's folder",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback when something is wrong"
    )
    return parser.parse_args(args)


def find_label(data, name):
    """The index of the class `name` of a data set; `UsageError` where it has none of that name."""
    if not data.has_classes:
        raise UsageError(f"--label {name}: {data.name} has no classes to choose from")
    if name not in data.class_names:
        known = ", ".join(data.class_names[:20]) + (", …" if len(data.class_names) > 20 else "")
        raise UsageError(f"--label is {name!r}; the classes of {data.name} are {known}")
    return data.class_names.index(name)


def of_class(sampler, data, label):
    """The sampler of one class alone, told by the classifier of the data."""
    from tf2gan.quality.classifier import load_classifier
    from tf2gan.selection import OfClass

    classifier, _ = load_classifier(data)
    return OfClass(sampler, classifier.probability(label), f"of class {data.class_names[label]}")


def main(args=None):
    flags = parse_flags(args)

    def command():
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
        if flags.weights and (flags.run or flags.checkpoint):
            raise UsageError(
                "--run and --checkpoint choose a run's weights; leave them out beside --weights"
            )
        if flags.image_size and not flags.weights:
            raise UsageError("--image-size goes with --weights; a run knows its own")
        image_size = read_size(flags.image_size) if flags.image_size else None
        if flags.discriminator_weights and not flags.weights:
            raise UsageError("--discriminator-weights goes with --weights, the generator's")
        if flags.weights:
            if flags.select != "plain" and not flags.discriminator_weights:
                raise UsageError(
                    f"--select {flags.select} with --weights needs --discriminator-weights too"
                )
            for path in filter(None, (flags.weights, flags.discriminator_weights)):
                if not os.path.isfile(path):  # unlike Path.is_file, False for any string
                    raise UsageError(f"{path} is no file; give a file of weights")
            run, out = None, Path("generated_image.png")
        else:
            run = find_run(flags.logdir, flags.run)
            out = run / "generated_image.png"
        out = Path(flags.out) if flags.out else out

        from tf2gan.data import images

        images.check_out(out)
        data = None
        if flags.select == "rejection" or flags.label is not None:
            from tf2gan.data.load import load_data

            config = TrainConfig.read(run) if run else TrainConfig()
            data = load_data(config.data, config.image_size, config.color_mode)
        if flags.label is not None:
            label = find_label(data, flags.label)
        import_tensorflow()

        from tf2gan import sampling, selection
        from tf2gan.networks import models
        from tf2gan.runs import checkpoints, weights

        if run:
            generator, discriminator, step, best = checkpoints.restore_networks(
                run, flags.checkpoint, discriminator=flags.select != "plain"
            )
            print(f"{run}, step {step}" + (", its best" if best else ""))
        else:
            shape = weights.shape_of(flags.weights, image_size)
            generator, discriminator = models.build_generator(*shape), None
            weights.load_weights(generator, flags.weights)
            if flags.discriminator_weights:
                discriminator = models.build_discriminator(*shape)
                weights.load_weights(discriminator, flags.discriminator_weights)
        if data and generator.output_shape[1:] != data.images.shape[1:]:
            made, known = list(generator.output_shape[1:]), list(data.images.shape[1:])
            what = "--label" if flags.label is not None else "--select rejection"
            raise UsageError(
                f"{what} needs the generator's data; it makes {made}, and {data.name}'s are {known}"
            )
        sampler = sampling.Sampler(generator, discriminator, progress=True)
        layout = {}
        if flags.interpolate:
            pixels = sampler.at(sampling.interpolation(flags.batch, seed=flags.seed))
            layout = {"columns": sampling.INTERPOLATION_STEPS, "seconds_per_frame": 0.08}
        else:
            if flags.label is not None:
                sampler = of_class(sampler, data, label)
            held_out = data.test_images if data else None
            pixels, rate = selection.select(
                flags.select, sampler, flags.batch, seed=flags.seed, held_out=held_out
            )
            if flags.label is not None:
                share = sampler.found / sampler.drawn
                print(f"{share:.1%} of {sampler.drawn} candidates are of class {flags.label}")
            if rate is not None:
                print(f"{rate:.1%} of the candidates accepted")
        images.write_images(out, pixels, **layout)
        print(out)

    run_command(command, debug=flags.debug)
