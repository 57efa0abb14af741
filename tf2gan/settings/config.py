"""Every setting of a training run, checked when built. Standard library only."""

import dataclasses
import json
import math
import os
import re
from pathlib import Path

from tf2gan.settings.fields import check, setting
from tf2gan.settings.recipes import (
    BATCHES,
    EPOCHS,
    HYPERPARAMETERS,
    LEAST_STEPS,
    RECIPES,
    RECIPES_OF_0_1,
    Recipe,
    differences,
    settle,
)
from tf2gan.settings.sizes import COLOR_MODES, MODE_OF, SIZES, read_size, size_text
from tf2gan.utils.errors import Tf2ganError, UsageError

PRETRAINED = ("mnist",)  # the data whose trained networks come with the package
PRECISIONS = ("auto", "bfloat16", "float16", "float32")
RESUMABLE = ("epochs", "steps", "mixed_precision", "jit_compile")  # may change on --resume
PLACES = ("data", "labels", "label_column")  # may too: their content is compared
NAME_PATTERN = re.compile(r"\w[\w.-]{0,79}")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What one training run does; building it checks it and raises `UsageError`.

    Each field is also a flag of `train.py`, and its help text is the documentation. The flag of
    `recipe_values` is `--set`: a `Recipe`, or a dict of what differs from the one that `recipe`
    names.
    """

    data: str = setting(
        "mnist",
        "mnist (ships with the package), fashion_mnist (downloaded by Keras), or a path: pictures, "
        "arrays, tables or IDX files, in a folder, an archive or a file of their own "
        "(docs/data.md)",
    )
    labels: str | None = setting(
        None,
        "a file with the labels of pictures, on disk or in the data: a table in text, JSON or JSON "
        "Lines",
    )
    label_column: str | None = setting(
        None,
        "its column of labels, by name or number; without --labels, the level of folders that "
        "names the classes",
    )
    image_size: str | int | tuple[int, int] | None = setting(
        None,
        f"N or HxW pixels that images are brought to: {SIZES} "
        "(default: 28 for pictures; arrays keep their own)",
    )
    color_mode: str | None = setting(
        None,
        "what images are brought to (default: grayscale for pictures; arrays keep their own)",
        choices=tuple(COLOR_MODES),
    )
    name: str | None = setting(
        None, "name of the run folder after its number; without it, the data and the recipe"
    )
    recipe: str = setting(
        "classic",
        "how the two networks are trained: the original's way, or a better one",
        choices=tuple(RECIPES),
    )
    recipe_values: Recipe | dict | None = None
    epochs: int | None = setting(
        None,
        "passes over the data (default: 30 for classic; 10 for modern, or more where they are less "
        f"than {LEAST_STEPS['modern']} steps)",
        at_least=1,
        at_most=1_000_000,
    )
    steps: int | None = setting(
        None, "training steps in all, instead of --epochs", at_least=1, at_most=1_000_000_000
    )
    batch: int | None = setting(
        None,
        "real images in one step (default: "
        + ", ".join(f"{batch} for {name}" for name, batch in BATCHES.items())
        + ")",
        at_least=1,
        at_most=65_536,
    )
    seed: int = setting(
        0, "everything random follows from it and the step", at_least=0, at_most=2**31 - 1
    )
    start_from: str | None = setting(
        None,
        "fine-tune: start from trained networks, the optimizers and the step at zero; SOURCE is "
        "a run, mnist (the package's own), or a file of a generator's weights",
    )
    start_from_discriminator: str | None = setting(
        None, "the discriminator's weights, where --start-from is a file of a generator's"
    )
    mixed_precision: str | None = setting(
        None,
        "compute in a smaller type, weights in float32: auto chooses the fast one for the device; "
        "without the flag, float32 throughout",
        choices=PRECISIONS,
    )
    jit_compile: str = setting(
        "auto",
        "compile the step with XLA: auto is on for one GPU, off elsewhere",
        choices=("auto", "on", "off"),
    )
    log_every: int = setting(
        10, "steps between two points of a curve, at most", at_least=1, at_most=10_000
    )
    image_every: int = setting(100, "steps between two grids of samples", at_least=1)
    checkpoint_every: int = setting(500, "steps between two checkpoints", at_least=1)
    evaluate_every: int | None = setting(
        None,
        "steps between two measurements of quality, 0 for none; without it, each epoch",
        at_least=0,
    )
    keep: int = setting(3, "newest checkpoints kept on disk", at_least=1, at_most=1_000)
    data_fingerprint: dict | None = None  # of the data's content; a run writes it down

    def __post_init__(self):
        derived = vars(self)  # what follows from other settings; the instance is frozen for others
        if self.recipe in RECIPES:
            if self.epochs is None and not LEAST_STEPS[self.recipe]:
                derived["epochs"] = EPOCHS[self.recipe]
            if self.batch is None:
                derived["batch"] = BATCHES[self.recipe]
            if not isinstance(self.recipe_values, Recipe):
                derived["recipe_values"] = RECIPES[self.recipe].with_changes(
                    self.recipe_values or {}
                )
        for name in ("start_from", "start_from_discriminator"):
            if isinstance(getattr(self, name), os.PathLike):
                derived[name] = os.fspath(getattr(self, name))
        if self.image_size is not None:
            derived["image_size"] = read_size(self.image_size)
        for field in flags_of(self):
            if field.name != "image_size":
                check(field, getattr(self, field.name))
        derived["recipe_values"] = settle(self.recipe, self.recipe_values, self.size, self.channels)
        if self.image_size and self.recipe_values.shift >= min(self.image_size) / 2:
            raise UsageError(
                f"shift is {self.recipe_values.shift}; the most is "
                f"{(min(self.image_size) - 1) // 2} for images of {size_text(self.image_size)}"
            )
        known = self.data_fingerprint
        if known is not None and not (isinstance(known, dict) and "sha256" in known):
            raise UsageError(f"data_fingerprint is {str(known)[:100]}; expected one with a sha256")
        if not self.data or "\0" in self.data:
            raise UsageError(f"data is {self.data!r}; give mnist, fashion_mnist or a path")
        if self.start_from_discriminator is not None and not self.start_from:
            raise UsageError(
                "--start-from-discriminator goes with --start-from, a file of a generator's weights"
            )
        if self.name is not None and not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                f"name is {self.name[:100]!r}; use 1 to 80 letters, digits, '_', '-' or '.', "
                "the first of them a letter, a digit or '_'"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images in pixels."""
        return self.image_size or (28, 28)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones."""
        return COLOR_MODES[self.color_mode or "grayscale"]

    def of(self, data):
        """This configuration with what follows from a `tf2gan.data.dataset.Data`.

        The size and colour of its images, its fingerprint, and the recipe's length where none is
        given.
        """
        batches = max(1, len(data.images) // self.batch)
        default = max(EPOCHS[self.recipe], math.ceil(LEAST_STEPS[self.recipe] / batches))
        size, channels = data.image_size, data.channels
        values = settle(self.recipe, self.recipe_values, size, channels, len(data.images))
        return dataclasses.replace(
            self,
            recipe_values=values,
            image_size=size,
            color_mode=MODE_OF[channels],
            data_fingerprint=data.fingerprint,
            epochs=self.epochs or default,
        )

    @property
    def title(self) -> str:
        """The recipe, and what was set otherwise."""
        count = (self.data_fingerprint or {}).get("images")
        changed = differences(self.recipe, self.recipe_values, self.size, self.channels, count)
        return self.recipe + (f" with {changed}" if changed else "")

    def changed(self) -> dict:
        """The settings that are not the recipe's own defaults, by name."""
        default = TrainConfig(recipe=self.recipe)
        values = {f.name: getattr(self, f.name) for f in flags_of(self) if f.name != "recipe"}
        changed = {n: value for n, value in values.items() if value != getattr(default, n)}
        return {n: size_text(v) if n == "image_size" else v for n, v in changed.items()}

    def to_json(self) -> str:
        """Returns the configuration as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        """Builds the configuration that `to_json` wrote; `UsageError` when it is not one."""
        try:
            return cls.from_dict(json.loads(text))
        except ValueError as error:
            raise UsageError(f"it is no JSON ({error})") from error

    @classmethod
    def from_dict(cls, values: dict) -> "TrainConfig":
        """Builds the configuration of such JSON, parsed."""
        if not isinstance(values, dict):
            raise UsageError("it holds no JSON object")
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise UsageError(
                f"it has a setting {unknown[0]!r} that this tf2gan does not know; "
                "it may come from a newer version"
            )
        if "recipe_values" in values:
            recipe = _recipe(values["recipe_values"])
        else:
            recipe = RECIPES_OF_0_1.get(values.get("recipe", "classic"))
        return cls(**{**values, "recipe_values": recipe})

    @classmethod
    def read(cls, run: str | os.PathLike) -> "TrainConfig":
        """Reads a run's `config.json`; `Tf2ganError` when it is damaged or a newer version's."""
        path = Path(run) / "config.json"
        try:
            return cls.from_json(path.read_text())
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise Tf2ganError(f"{path} cannot be read ({error})") from error
        except UsageError as error:
            raise Tf2ganError(f"{path} is not a configuration of this tf2gan: {error}") from error

    def resumed(self, **changes) -> "TrainConfig":
        """Returns the configuration a run resumes with; refuses by name what contradicts it."""
        own = dataclasses.asdict(self.recipe_values)
        for name, value in changes.pop("recipe_values", {}).items():
            if value != own[name]:
                raise UsageError(f"--set {name}={value} contradicts the run, which has {own[name]}")
        if "image_size" in changes:
            changes["image_size"] = size_text(read_size(changes["image_size"]))
        own = {
            **{field.name: getattr(self, field.name) for field in flags_of(self)},
            "image_size": size_text(self.size),
            "color_mode": self.color_mode or "grayscale",
        }
        for name, value in changes.items():
            if name not in (*RESUMABLE, *PLACES) and value != own[name]:
                raise UsageError(
                    f"{flag(name)} {value} contradicts the run, which has {own[name]}; "
                    f"only {', '.join(map(flag, RESUMABLE))} can change, and the place of its data "
                    "and labels"
                )
        if "epochs" in changes:
            changes.setdefault("steps", None)  # a run that was given in steps resumes in epochs
        return dataclasses.replace(self, **changes)


def flag(name):
    """The flag of `train.py` that sets the field `name`."""
    return "--" + name.replace("_", "-")


def flags_of(config):
    """The fields of a `TrainConfig`, or of the class, that are flags of their own."""
    return [field for field in dataclasses.fields(config) if "help" in field.metadata]


def _recipe(values):
    if not isinstance(values, dict):
        raise UsageError("its recipe_values are no JSON object")
    if unknown := sorted(set(values) - set(HYPERPARAMETERS)):
        raise UsageError(
            f"its recipe has a hyperparameter {unknown[0]!r} that this tf2gan does not know; "
            "it may come from a newer version"
        )
    return Recipe(**values)
