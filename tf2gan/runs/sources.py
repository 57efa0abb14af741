"""Where a run begins: from trained weights, if it is told so."""

import os

from tf2gan.runs.folders import find_run
from tf2gan.settings.sizes import size_text
from tf2gan.utils.command_line import PRETRAINED
from tf2gan.utils.errors import UsageError


def find_start(config, logdir):
    """The path that `config.start_from` names, or one of `PRETRAINED`; None where it names nothing.

    Raises:
      UsageError: there is no such thing, or what goes with it is missing.
    """
    start, discriminator = config.start_from, config.start_from_discriminator
    if start is None:
        return None
    is_file = start not in PRETRAINED and os.path.isfile(start)
    if discriminator is not None and not is_file:
        raise UsageError(
            f"--start-from {start} brings a discriminator; leave out --start-from-discriminator"
        )
    if discriminator is not None and not os.path.isfile(discriminator):
        raise UsageError(f"--start-from-discriminator {discriminator}: there is no such file")
    if is_file or start in PRETRAINED:
        return start
    try:
        return str(find_run(logdir, start))
    except UsageError:
        raise UsageError(
            f"--start-from {start}: there is no such file, and no run of that name in {logdir} "
            "that has a checkpoint; give mnist, a run, or a file of weights"
        ) from None


def load_start(config, start):
    """The weights that `find_start` found: (generator's, discriminator's or None), lists of arrays.

    The discriminator of a generator's file begins from nothing, unless it has a file of its own.

    Raises:
      UsageError: they are for images of another size or colour than the configuration's.
    """
    from tf2gan.networks.models import build_discriminator, build_generator
    from tf2gan.runs.checkpoints import restore_networks
    from tf2gan.runs.pretrained import load_pretrained
    from tf2gan.runs.weights import load_weights, shape_of

    shape, discriminator = (config.size, config.channels), None
    if start in PRETRAINED:
        generator, discriminator = load_pretrained(start)
    elif os.path.isfile(start):
        generator = build_generator(*shape)
        try:
            load_weights(generator, start)
        except UsageError:
            _check_shape(start, shape_of(start, config.size), shape)
            raise
        if config.start_from_discriminator is not None:
            discriminator = build_discriminator(*shape)
            load_weights(discriminator, config.start_from_discriminator)
    else:
        generator, discriminator, *_ = restore_networks(start)
    *size, channels = generator.output_shape[1:]
    _check_shape(start, (tuple(size), channels), shape)
    return generator.get_weights(), discriminator and discriminator.get_weights()


def _check_shape(start, made, wanted):
    if made != wanted:
        (size, channels), (_, wanted_channels) = made, wanted
        mode = "grayscale" if channels == 1 else "rgb"
        raise UsageError(
            f"--start-from {start} is for images of {size_text(size)}, {mode}, and these are "
            f"{size_text(wanted[0])}x{wanted_channels}; give --image-size {size_text(size)} "
            f"--color-mode {mode}"
        )
