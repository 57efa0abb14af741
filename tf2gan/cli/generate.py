"""The command line of `generate.py`: flags to images in a file."""

import json
from pathlib import Path

from tf2gan.cli.generate_flags import check_flags, parse_flags
from tf2gan.runs.folders import find_run
from tf2gan.settings.config import TrainConfig
from tf2gan.settings.sizes import read_size
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


def load_networks(flags, run, image_size):
    """Returns (generator, discriminator or None) that the flags name; says which they are."""
    from tf2gan.networks import models
    from tf2gan.runs import checkpoints, pretrained, weights

    if flags.pretrained:
        networks, of = pretrained.read_pretrained(flags.pretrained)
        config = TrainConfig.from_json(json.dumps(of["config"]))
        print(f"{flags.pretrained}, trained: {config.title}, seed {config.seed}, step {of['step']}")
        return networks
    if run:
        *networks, step, best = checkpoints.restore_networks(
            run, flags.checkpoint, discriminator=flags.select != "plain"
        )
        print(f"{run}, step {step}" + (", its best" if best else ""))
        return networks
    shape = weights.shape_of(flags.weights, image_size)
    generator, discriminator = models.build_generator(*shape), None
    weights.load_weights(generator, flags.weights)
    if flags.discriminator_weights:
        discriminator = models.build_discriminator(*shape)
        weights.load_weights(discriminator, flags.discriminator_weights)
    return generator, discriminator


def draw(flags, generator, discriminator, data, label):
    """Returns the images that the flags ask for, uint8 `[N, H, W, C]`, and how to lay them out."""
    from tf2gan.sampling import sampler as sampling
    from tf2gan.sampling import selection

    sampler = sampling.Sampler(generator, discriminator, progress=True)
    if flags.interpolate:
        latents = sampling.interpolation(flags.batch, seed=flags.seed)
        layout = {"columns": sampling.INTERPOLATION_STEPS, "seconds_per_frame": 0.08}
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


def main(args=None):
    flags = parse_flags(args)

    def command():
        check_flags(flags)
        image_size = read_size(flags.image_size) if flags.image_size else None
        of_a_run = not (flags.weights or flags.pretrained)
        run = find_run(flags.logdir, flags.run) if of_a_run else None

        config = TrainConfig(data=flags.pretrained) if flags.pretrained else None
        config = TrainConfig.read(run) if run else config

        from tf2gan.cli import inversion as project
        from tf2gan.data import images

        out = Path(flags.out) if flags.out else (run or Path()) / "generated_image.png"
        images.check_out(out)
        data, label, target = None, None, None
        if flags.project is not None and config:
            target = project.read_target(flags.project, (*config.size, config.channels))
        if flags.select == "rejection" or flags.label is not None:
            from tf2gan.data.load import load_data

            config = config or TrainConfig()  # strangers' weights are the original's: digits
            data = load_data(config.data, config.image_size, config.color_mode)
        if flags.label is not None:
            label = find_label(data, flags.label)
        import_tensorflow()

        generator, discriminator = load_networks(flags, run, image_size)
        if data and generator.output_shape[1:] != data.images.shape[1:]:
            made, known = list(generator.output_shape[1:]), list(data.images.shape[1:])
            what = "--label" if flags.label is not None else "--select rejection"
            raise UsageError(
                f"{what} needs the generator's data; it makes {made}, and {data.name}'s are {known}"
            )
        if flags.project is not None:
            if target is None:
                target = project.read_target(flags.project, generator.output_shape[1:])
            pixels, latents = project.project(
                target,
                generator,
                project.data_of(config or TrainConfig(), generator.output_shape[1:]),
                seed=flags.seed,
                moving=out.suffix == ".gif",
            )
            layout = {"columns": len(pixels), "seconds_per_frame": 0.05, "latents": latents}
        else:
            pixels, layout = draw(flags, generator, discriminator, data, label)
        images.write_images(out, pixels, **layout)
        print(out)

    run_command(command, debug=flags.debug)
