"""The command line of `generate.py`: flags to images in a file."""

from pathlib import Path

from tf2gan.cli.generate_flags import check_flags, parse_flags, source_of
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.sizes import read_size, size_text
from tf2gan.utils.command_line import import_tensorflow, run_command
from tf2gan.utils.errors import UsageError


def find_label(data, name):
    """The index of the class `name` of a data set; `UsageError` where it has none of that name."""
    if not data.has_classes:
        raise UsageError(f"--label {name}: {data.name} has no classes to choose from")
    if name not in data.class_names:
        known = ", ".join(data.class_names[:100]) + (", …" if len(data.class_names) > 100 else "")
        raise UsageError(f"--label is {name!r}; the classes of {data.name} are {known}")
    return data.class_names.index(name)


def of_class(sampler, data, label):
    """The sampler of one class alone, told by the classifier of the data."""
    from tf2gan.quality.classifier import load_classifier
    from tf2gan.sampling.selection import OfClass

    classifier, _ = load_classifier(data)
    return OfClass(sampler, classifier.probability(label), f"of class {data.class_names[label]}")


def open_networks(flags, source):
    """The generator and the discriminator, or None, that the flags name; says which they are."""
    networks = source.open(flags.checkpoint, discriminator=flags.select != "plain")
    made = networks.generator.output_shape[1:3]
    if flags.image_size and made != read_size(flags.image_size):
        raise UsageError(f"{source} is for images of {size_text(made)}, not {flags.image_size}")
    if not source.weights:
        print(networks.title)
    return networks.generator, networks.discriminator


def draw(flags, generator, discriminator, data, label):
    """Returns the images that the flags ask for, uint8 `[N, H, W, C]`, and how to lay them out."""
    from tf2gan.sampling import sampler as samplers
    from tf2gan.sampling import selection

    sampler = samplers.Sampler(generator, discriminator, progress=True)
    if flags.interpolate:
        latents = samplers.interpolation(flags.batch, seed=flags.seed)
        layout = {"columns": samplers.INTERPOLATION_STEPS, "seconds_per_frame": 0.08}
        return sampler.at(latents), layout
    if label is not None:
        sampler = of_class(sampler, data, label)
    held_out = data.test_images if data else None
    pixels, rate = selection.select(
        flags.select, sampler, flags.batch, seed=flags.seed, held_out=held_out
    )
    if label is not None:
        share = sampler.found / sampler.drawn
        print(f"{share:.1%} of {sampler.drawn} candidates are of class {flags.label}")
    if rate is not None:
        print(f"{rate:.1%} of the candidates accepted")
    return pixels, {}


def generate(flags):
    """Draws the images that the flags ask for, and writes them."""
    check_flags(flags)
    source = source_of(flags)
    # Strangers' weights are taken for the original's: digits.
    config = source.config or TrainConfig()

    from tf2gan.cli import inversion
    from tf2gan.data import images

    default = (source.run or Path()) / "generated_image.png"
    out = Path(flags.out) if flags.out else default
    images.check_out(out)
    data, label, target = None, None, None
    if flags.project is not None and not source.weights:
        target = inversion.read_target(flags.project, (*config.size, config.channels))
    if flags.select == "rejection" or flags.label is not None:
        from tf2gan.data.load import load_data_of

        data = load_data_of(config)
    if flags.label is not None:
        label = find_label(data, flags.label)
    import_tensorflow()

    generator, discriminator = open_networks(flags, source)
    shape = generator.output_shape[1:]
    if data and shape != data.images.shape[1:]:
        what = "--label" if flags.label is not None else "--select rejection"
        raise UsageError(
            f"{what} needs the generator's data; it makes {list(shape)}, and {data.name}'s are "
            f"{list(data.images.shape[1:])}"
        )
    if flags.project is not None:
        if target is None:
            target = inversion.read_target(flags.project, shape)
        known, moving = inversion.data_of(config, shape), out.suffix == ".gif"
        pixels, latents = inversion.invert(target, generator, known, seed=flags.seed, moving=moving)
        layout = {"columns": len(pixels), "seconds_per_frame": 0.05, "latents": latents}
    else:
        pixels, layout = draw(flags, generator, discriminator, data, label)
    images.write_images(out, pixels, **layout)
    print(out)


def main(args=None):
    run_command(generate, parse_flags(args))
