"""SOURCE: where trained networks come from, in the same words for every command.

A run, the trained networks of the package, or a file of weights. Without TensorFlow until networks
are opened, so that mistakes answer fast.
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tf2gan.runs.folders import find_run
from tf2gan.settings.config import PRETRAINED, TrainConfig
from tf2gan.settings.sizes import MODE_OF, size_text
from tf2gan.utils.errors import UsageError

if TYPE_CHECKING:
    import keras

HELP = (
    "a run (its path, or its name or number in --logdir), mnist (the trained networks of the "
    "package), or a file of a generator's weights"
)


class Networks(NamedTuple):
    """Trained networks, and which they are on one line."""

    generator: "keras.Sequential"
    discriminator: "keras.Sequential | None"
    title: str


@dataclasses.dataclass(frozen=True)
class Source:
    """Where trained networks come from: one of the first three is given.

    Attributes:
      run: a run folder.
      pretrained: one of `PRETRAINED`.
      weights: a file of a generator's weights.
      discriminator_weights: the discriminator's, beside `weights`; without it there is none.
      image_size: (H, W) of the images of `weights`, where the file does not tell.
    """

    run: Path | None = None
    pretrained: str | None = None
    weights: str | None = None
    discriminator_weights: str | None = None
    image_size: tuple[int, int] | None = None

    def __str__(self):
        return str(self.run or self.pretrained or self.weights)

    @property
    def config(self):
        """A `TrainConfig` with the data that the networks are for; of a stranger's file None."""
        if self.run:
            return TrainConfig.read(self.run)
        return TrainConfig(data=self.pretrained) if self.pretrained else None

    def from_any_folder(self):
        """The settings of a run that starts from it, with paths that are found from any folder."""
        paths = (self.run or self.weights, self.discriminator_weights)
        start, discriminator = (path and os.path.abspath(path) for path in paths)
        return {"start_from": start or self.pretrained, "start_from_discriminator": discriminator}

    def open(self, checkpoint=None, *, discriminator=True):
        """Builds the networks and reads their weights; returns `Networks`.

        Args:
          checkpoint: of a run: `best`, `latest` or a step; by default the best where there is one.
          discriminator: whether it is wanted too, if there is one.

        Raises:
          UsageError: there is no such checkpoint, or the file holds no such weights.
          Tf2ganError: what is there is damaged.
        """
        if self.pretrained:
            from tf2gan.runs.pretrained import read_pretrained

            networks, trained = read_pretrained(self.pretrained)
            config = TrainConfig.from_dict(trained["config"])
            title = f"{self}, step {trained['step']} of {config.title}, seed {config.seed}"
            return Networks(*networks, title)
        if self.run:
            from tf2gan.runs.checkpoints import restore_networks

            *networks, step, best = restore_networks(
                self.run, checkpoint, discriminator=discriminator
            )
            return Networks(*networks, f"{self}, step {step}" + (", its best" if best else ""))
        return Networks(*self._read_weights(), str(self))

    def _read_weights(self):
        from tf2gan.networks.models import build_discriminator, build_generator
        from tf2gan.runs.weights import load_weights, shape_of

        shape = shape_of(self.weights, self.image_size)
        generator, discriminator = build_generator(*shape), None
        load_weights(generator, self.weights)
        if self.discriminator_weights:
            discriminator = build_discriminator(*shape)
            load_weights(discriminator, self.discriminator_weights)
        return generator, discriminator


def find_source(name, logdir="runs/", flag="SOURCE", *, checkpoint=None):
    """The `Source` that a word names; `UsageError`, which names the flag, where there is none.

    `checkpoint` is one that is asked for: only runs have them.
    """
    is_file = os.path.isfile(name)  # unlike Path.is_file, False for any string
    if checkpoint and (name in PRETRAINED or is_file):
        raise UsageError(f"--checkpoint is for a run; {name} is none")
    if name in PRETRAINED:
        return Source(pretrained=name)
    if is_file:
        return Source(weights=name)
    try:
        return Source(run=find_run(logdir, name))
    except UsageError:
        raise UsageError(
            f"{flag} {name}: there is no such file, and no run of that name in {logdir} that has a "
            f"checkpoint; give {', '.join(PRETRAINED)}, a run, or a file of weights"
        ) from None


def find_start(config, logdir):
    """The `Source` that a run starts from, or None.

    Raises:
      UsageError: there is no such thing, or what goes with it is missing.
    """
    start, discriminator = config.start_from, config.start_from_discriminator
    if start is None:
        return None
    source = find_source(start, logdir, "--start-from")
    if discriminator is not None and not source.weights:
        raise UsageError(
            f"--start-from {start} brings a discriminator; leave out --start-from-discriminator"
        )
    if discriminator is not None and not os.path.isfile(discriminator):
        raise UsageError(f"--start-from-discriminator {discriminator}: there is no such file")
    return dataclasses.replace(source, discriminator_weights=discriminator)


def load_start(config, source):
    """The weights that a run starts from: (generator's, discriminator's or None), lists of arrays.

    The discriminator of a generator's file starts from random weights, unless it has a file too.

    Raises:
      UsageError: they are for images of another size or colour than the configuration's.
    """
    if source.weights:
        source = dataclasses.replace(source, image_size=config.size)
    generator, discriminator, _ = source.open()
    *size, channels = generator.output_shape[1:]
    if (tuple(size), channels) != (config.size, config.channels):
        raise UsageError(
            f"--start-from {source} is for images of {size_text(size)}, {MODE_OF[channels]}, and "
            f"these are {size_text(config.size)}x{config.channels}; give --image-size "
            f"{size_text(size)} --color-mode {MODE_OF[channels]}"
        )
    return generator.get_weights(), discriminator and discriminator.get_weights()
