"""Every knob of a training run, with its unit, checked when built. Standard library only."""

import dataclasses
import json
import re
from pathlib import Path

from tf2gan.errors import Tf2ganError, UsageError
from tf2gan.recipes import RECIPES

PRECISIONS = ("auto", "bfloat16", "float16", "float32")
RESUMABLE = ("epochs", "steps", "mixed_precision")  # what may change when a run goes on
NAME_PATTERN = re.compile(r"\w[\w.-]{0,79}")


def _knob(default, help, *, at_least=None, at_most=None, choices=None):
    return dataclasses.field(
        default=default,
        metadata={"help": help, "at_least": at_least, "at_most": at_most, "choices": choices},
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What one training run does; building it checks it and raises `UsageError`.

    Each field is also a flag of `train.py`, and its help text is the documentation.
    """

    data: str = _knob(
        "mnist",
        "mnist (ships with the package), fashion_mnist (downloaded by Keras), or a path: "
        "an .npz in Keras' layout, an .npy of images, a folder of IDX files, a folder of pictures",
    )
    name: str | None = _knob(
        None, "name of the run folder after its number; without it, the data and the recipe"
    )
    recipe: str = _knob(
        "classic",
        "how the two networks are trained: the original's way, or a better one",
        choices=tuple(RECIPES),
    )
    epochs: int = _knob(30, "passes over the data", at_least=1, at_most=1_000_000)
    steps: int | None = _knob(
        None, "training steps in all, instead of --epochs", at_least=1, at_most=1_000_000_000
    )
    batch: int | None = _knob(
        None,
        "real images in one step (default: "
        + ", ".join(f"{r.batch} for {name}" for name, r in RECIPES.items())
        + ")",
        at_least=1,
        at_most=65_536,
    )
    seed: int = _knob(
        0, "everything random follows from it and the step", at_least=0, at_most=2**31 - 1
    )
    mixed_precision: str | None = _knob(
        None,
        "compute in a smaller type, weights in float32: auto chooses the fast one for the device; "
        "without the flag, float32 throughout",
        choices=PRECISIONS,
    )
    log_every: int = _knob(
        10, "steps between two points of a curve, at most", at_least=1, at_most=10_000
    )
    image_every: int = _knob(100, "steps between two grids of samples", at_least=1)
    checkpoint_every: int = _knob(500, "steps between two checkpoints", at_least=1)
    evaluate_every: int | None = _knob(
        None,
        "steps between two measurements of quality, 0 for none; without it, each epoch",
        at_least=0,
    )
    keep: int = _knob(3, "newest checkpoints kept on disk", at_least=1, at_most=1_000)

    def __post_init__(self):
        if self.batch is None and self.recipe in RECIPES:
            object.__setattr__(self, "batch", RECIPES[self.recipe].batch)
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        if not self.data or "\0" in self.data:
            raise UsageError(f"data is {self.data!r}; give mnist, fashion_mnist or a path")
        if self.name is not None and not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                f"name is {self.name[:100]!r}; use 1 to 80 letters, digits, '_', '-' or '.', "
                "the first of them a letter, a digit or '_'"
            )

    def to_json(self):
        """Returns the configuration as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """Builds the configuration that `to_json` wrote; `UsageError` when it is not one."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UsageError(f"it is no JSON ({error})") from error
        if not isinstance(values, dict):
            raise UsageError("it holds no JSON object")
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise UsageError(
                f"it has a setting {unknown[0]!r} that this tf2gan does not know; "
                "it may come from a newer version"
            )
        return cls(**values)

    @classmethod
    def read(cls, run):
        """Reads `config.json` of a run folder; `Tf2ganError` when it is damaged or a newer version's."""
        path = Path(run) / "config.json"
        try:
            return cls.from_json(path.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise Tf2ganError(f"{path} cannot be read ({error})") from error
        except UsageError as error:
            raise Tf2ganError(f"{path} is not a configuration of this tf2gan: {error}") from error

    def going_on(self, **changes):
        """Returns the configuration with which a run goes on; refuses by name what would contradict it."""
        for name, value in changes.items():
            if name not in RESUMABLE and value != getattr(self, name):
                raise UsageError(
                    f"{flag(name)} {value} contradicts the run, which has {getattr(self, name)}; "
                    f"only {', '.join(map(flag, RESUMABLE))} can change"
                )
        if "epochs" in changes:
            changes.setdefault("steps", None)  # a run that was given in steps goes on in epochs
        return dataclasses.replace(self, **changes)


def flag(name):
    """The flag of `train.py` that sets the field `name`."""
    return "--" + name.replace("_", "-")


def _check(field, value):
    """Raises `UsageError` unless `value` has the type and the range that `field` declares."""
    types = {"str": str, "int": int}
    kind, _, optional = str(getattr(field.type, "__name__", field.type)).partition(" | ")
    limits = field.metadata
    if value is None and optional:
        return
    if not isinstance(value, types[kind]) or isinstance(value, bool):
        raise UsageError(f"{field.name} is {value!r}; it must be of type {kind}")
    if limits["choices"] and value not in limits["choices"]:
        raise UsageError(f"{field.name} is {value!r}; choose {' or '.join(limits['choices'])}")
    if limits["at_least"] is not None and value < limits["at_least"]:
        raise UsageError(f"{field.name} is {value}; the least is {limits['at_least']}")
    if limits["at_most"] is not None and value > limits["at_most"]:
        raise UsageError(f"{field.name} is {value}; the most is {limits['at_most']}")
