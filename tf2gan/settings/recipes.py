"""How the networks are trained: the original's recipe, and a better one. Standard library only."""

import dataclasses
import math
import textwrap

from tf2gan.settings.fields import check, describe, read, setting, type_of
from tf2gan.settings.sizes import doublings, size_text
from tf2gan.utils.errors import UsageError
from tf2gan.utils.messages import nearest

AUGMENTATION = ("shift", "mirror", "zoom", "rotation", "color", "cutout")  # its kinds
WITH_EDGES = ("shift", "zoom", "rotation")  # of these, those that leave gaps


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a recipe; building it checks it and raises `UsageError`.

    The defaults are the original's. A run's `config.json` holds all of them, so one that is added
    here must have a default that changes nothing: it is what older runs are read with.

    Attributes:
      given: the names of those that were set by hand, where the others may still be chosen for the
        images; None where nothing is to be chosen.
      chosen: the names of those that were chosen for the images.
    """

    given = None
    chosen = ()
    optimizer: str = setting(
        "sgd",
        "stochastic gradient descent with momentum, the original's, or Adam (Kingma & Ba 2015)",
        choices=("sgd", "adam"),
    )
    d_learning_rate: float = setting(
        0.001,
        "the discriminator's learning rate (two rates: Heusel et al. 2017)",
        unit="a step",
        at_least=1e-8,
        at_most=10,
    )
    g_learning_rate: float = setting(
        0.001, "the generator's learning rate", unit="a step", at_least=1e-8, at_most=10
    )
    final_learning_rate: float = setting(
        1.0,
        "cosine decay: what is left of both learning rates at the end of the run; 1: constant",
        unit="of the rates",
        at_least=0.0001,
        at_most=1,
    )
    momentum: float = setting(
        0.9, "sgd's", unit="a step", at_least=0, at_most=0.9999, needs=("optimizer", "sgd")
    )
    nesterov: bool = setting(True, "sgd's momentum is Nesterov's", needs=("optimizer", "sgd"))
    beta_1: float = setting(
        0.5,
        "decay of Adam's mean of gradients (0.5: Radford et al. 2015)",
        unit="a step",
        at_least=0,
        at_most=0.9999,
        needs=("optimizer", "adam"),
    )
    beta_2: float = setting(
        0.999,
        "decay of Adam's mean of squared gradients",
        unit="a step",
        at_least=0,
        at_most=0.999999,
        needs=("optimizer", "adam"),
    )
    epsilon: float = setting(
        1e-7,
        "what Adam adds to the root of that mean",
        at_least=1e-12,
        at_most=1,
        needs=("optimizer", "adam"),
    )
    shuffle: bool = setting(False, "every epoch has an order of its own; otherwise file order")
    fakes_in_training_mode: bool = setting(
        False,
        "the fakes that D sees are made with the statistics of their batch, as in G's own update; "
        "the original's came from g.predict",
    )
    gradient_penalty: float = setting(
        0.0,
        "weight of R1 regularization, the squared gradient of D's logits at real images (Mescheder "
        "et al. 2018); 0: none",
        at_least=0,
        at_most=1000,
    )
    penalty_every: int = setting(
        1,
        "lazy regularization: R1 is added in one of so many steps, as many times as large, since a "
        "double backward pass is expensive (Karras et al. 2020)",
        unit="steps",
        at_least=1,
        at_most=1000,
        needs=("gradient_penalty", "more than 0"),
    )
    shift: int = setting(
        0,
        "augmentation by random translation: each image that D sees, real or generated, is moved "
        "by at most so many each way, against overfitting (Zhao et al. 2020); less than half the "
        "image; 0: none",
        unit="pixels",
        at_least=0,
        at_most=63,
    )
    shift_edge: str = setting(
        "wrap",
        "what fills the gaps that translation, zoom and rotation leave: wrap, what lies at the "
        "other edge; mirror, what lies beside it",
        choices=("wrap", "mirror"),
        needs=WITH_EDGES,
    )
    mirror: bool = setting(
        False, "augmentation: half of the images are flipped left to right; not for letters"
    )
    zoom: float = setting(
        0.0,
        "augmentation: images are larger or smaller by up to so much; 0: none",
        unit="of their size",
        at_least=0,
        at_most=1,
    )
    rotation: float = setting(
        0.0,
        "augmentation: images are rotated by up to so much either way; 0: none",
        unit="degrees",
        at_least=0,
        at_most=180,
    )
    color: float = setting(
        0.0,
        "augmentation: brightness, saturation and contrast change by up to so much; 1 is as in "
        "Zhao et al. (2020); 0: none",
        at_least=0,
        at_most=1,
    )
    cutout: float = setting(
        0.0,
        "augmentation: a rectangle of so much of the height and width is grey (DeVries & Taylor "
        "2017); 0: none",
        unit="of the image",
        at_least=0,
        at_most=0.9,
    )
    augment_probability: float = setting(
        1.0,
        "of each kind of augmentation, for each image by itself",
        at_least=0,
        at_most=1,
        needs=AUGMENTATION,
    )
    augment_target: float = setting(
        0.0,
        "adaptive augmentation (Karras et al. 2020): the probability, 0 at first, rises while D is "
        "right about real images more often than this, and falls otherwise (its right ones less "
        "its wrong ones, as a share); 0: fixed",
        at_least=0,
        at_most=0.99,
        needs=AUGMENTATION,
    )
    shift_after: float = setting(
        0.0,
        "before augmentation starts: D learns sooner without, before it could overfit",
        unit="of the run",
        at_least=0,
        at_most=1,
        needs=AUGMENTATION,
    )
    shift_from_epoch: int = setting(
        0,
        "before augmentation starts: D overfits only to what it has seen some times; the later of "
        "this and shift_after applies",
        unit="epochs",
        at_least=0,
        at_most=1_000_000,
        needs=AUGMENTATION,
    )
    averaging: float = setting(
        0.0,
        "decay of the exponential moving average (EMA) of G's weights and statistics, from which "
        "samples are drawn (Karras et al. 2017); 0: none",
        unit="a step",
        at_least=0,
        at_most=0.999999,
    )
    averaging_every: int = setting(
        8,
        "between two updates of the EMA, each a pass over all of G's weights",
        unit="steps",
        at_least=1,
        at_most=1000,
        needs=("averaging", "more than 0"),
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            check(field, value)
            if type_of(field) is float:
                vars(self)[field.name] = float(value)  # 1 and 1.0 are one recipe

    def with_changes(self, changes):
        """The recipe with some hyperparameters changed; refuses wrong names, what does nothing."""
        for name in changes:
            _check_name(name)
        changed = dataclasses.replace(self, **changes)
        for name in changes:
            changed._check_needs(name)
        vars(changed)["given"] = frozenset(changes)
        return changed

    def _check_needs(self, name):
        """Refuses a hyperparameter that does nothing beside the others."""
        needs = HYPERPARAMETERS[name].metadata["needs"]
        if name == "augment_probability" and self.augment_target:
            raise UsageError(f"{name} does nothing where augment_target is {self.augment_target}")
        if needs in (AUGMENTATION, WITH_EDGES):
            if not any(getattr(self, kind) for kind in needs):
                kinds = f"{', '.join(needs[:-1])} or {needs[-1]}"
                raise UsageError(f"{name} does nothing without {kinds}; set one of them too")
        elif needs:
            other, wanted = needs
            found = getattr(self, other)
            if not (found == wanted or wanted == "more than 0" and found):
                raise UsageError(f"{name} does nothing where {other} is {found}; set {other} too")

    @property
    def augments(self):
        """Whether there is augmentation of any kind."""
        return any(getattr(self, kind) for kind in AUGMENTATION)


HYPERPARAMETERS = {field.name: field for field in dataclasses.fields(Recipe)}

RECIPES = {
    # The original's, to the letter; tests/golden holds it to twelve recorded iterations.
    "classic": Recipe(),
    # What was tried, and what it gave: docs/experiments.md.
    "modern": Recipe(
        optimizer="adam",
        d_learning_rate=0.0006,
        g_learning_rate=0.001,
        final_learning_rate=0.02,
        shuffle=True,
        fakes_in_training_mode=True,
        gradient_penalty=0.5,
        penalty_every=8,
        shift=2,
        shift_from_epoch=5,
        averaging=0.999,
    ),
}
SAID = {  # of each, as a run starts
    "classic": "the original's; --recipe modern makes better images, and sooner",
    "modern": "for better images, and sooner; --recipe classic is the original's",
}
# Runs of version 0.1 name their recipe only: this is what it meant.
RECIPES_OF_0_1 = {
    "classic": RECIPES["classic"],
    "modern": dataclasses.replace(RECIPES["modern"], shift_from_epoch=0, shift_after=0.5),
}
BATCHES = {"classic": 128, "modern": 32}  # unless --batch says otherwise
EPOCHS = {"classic": 30, "modern": 10}  # unless --epochs or --steps says otherwise
LEAST_STEPS = {"classic": 0, "modern": 10_000}  # then; small sets are passed over more often


FEW = 20_000  # images; of fewer, each is seen 16 times or more in `modern`'s default length
WEAK = {
    "zoom": 0.1,
    "rotation": 10.0,
}  # neither flips nor recolours: digits and letters have a side
VERY_FEW = 1_000  # images; of fewer, the networks may learn copies of them


def chosen_for(recipe, size, channels, count):
    """What `modern` chooses for images: {hyperparameter: (value, why)}.

    At 28x28 grey, and with many images, nothing: its own values were found there.

    Args:
      recipe: its name; `classic` chooses nothing.
      size: (height, width) in pixels.
      channels: 1 or 3.
      count: of training images; None where it is not known yet.
    """
    chosen = {}
    if recipe != "modern":
        return chosen
    numbers = size[0] * size[1] * channels
    if numbers != 28 * 28:
        # In proportion D learns too slowly: docs/experiments.md.
        weight = float(f"{RECIPES['modern'].gradient_penalty * math.sqrt(numbers / 784):.2g}")
        chosen["gradient_penalty"] = weight, f"{numbers} values an image"
    if doublings(size) > 2:
        why = f"{size_text(size)} (at higher rates the deeper networks saturate)"
        chosen["d_learning_rate"] = 0.0001, why
        chosen["g_learning_rate"] = 0.0004, why
    if count is not None and count < FEW:
        why = f"{count} images (the discriminator would overfit)"
        values = {"shift": max(2, min(size) // 8), "shift_edge": "mirror", **WEAK}
        for name, value in {**values, "augment_target": 0.6, "shift_from_epoch": 0}.items():
            chosen[name] = value, why
    return chosen


def settle(recipe, values, size, channels, count=None):
    """A recipe's values with what it chooses for the images, but for what was set by hand.

    Args:
      recipe: its name.
      values: a `Recipe`.
      size, channels, count: as in `chosen_for`; with a count all is settled for good.
    """
    if values.given is None:
        return values
    given = values.given
    if "augment_probability" in given:
        given |= {"augment_target"}
    if "shift" in given:  # who sets it, to 0 for one, has thought of augmentation
        given |= {*WEAK, "shift_edge", "augment_target", "shift_from_epoch"}
    chosen = chosen_for(recipe, size, channels, count)
    chosen = {name: value for name, (value, _) in chosen.items() if name not in given}
    by_hand = {name: getattr(values, name) for name in values.given}
    settled = dataclasses.replace(RECIPES[recipe], **by_hand, **chosen)
    vars(settled)["given"] = values.given if count is None else None
    vars(settled)["chosen"] = tuple(chosen)
    return settled


def why_chosen(config, count):
    """Lines that say what the recipe of a `TrainConfig` chose for its images, and why."""
    reasons = {}
    for name, (value, why) in chosen_for(
        config.recipe, config.size, config.channels, count
    ).items():
        if name in config.recipe_values.chosen:
            reasons.setdefault(why, []).append(f"{name}={value}")
    lines = [f"chosen for {why}: {', '.join(values)}" for why, values in reasons.items()]
    if count < VERY_FEW:
        lines.append(
            f"{count} images may be memorised: compare samples/nearest in TensorBoard, each sample "
            "beside its nearest training image"
        )
    return lines


def read_changes(words):
    """The dict that `NAME=VALUE` words stand for, each checked by itself."""
    changes = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--set takes NAME=VALUE, and {word!r} has no =")
        _check_name(name)
        changes[name] = read(HYPERPARAMETERS[name], text)
    return changes


def _check_name(name):
    """Raises `UsageError`, with what was probably meant, unless `name` is a hyperparameter."""
    if name not in HYPERPARAMETERS:
        own = name in ("batch", "epochs", "steps")
        flag = f"; --{name} is a flag of its own" if own else ""
        hint = flag or nearest(name, HYPERPARAMETERS) or "; --help lists them"
        raise UsageError(f"a recipe has no hyperparameter {name!r}{hint}")


def differences(recipe, values, size, channels, count=None):
    """`NAME=VALUE, …` of what is not the recipe's own choice for images; empty where all is.

    The arguments are those of `settle`.
    """
    own = settle(recipe, RECIPES[recipe].with_changes({}), size, channels, count)
    changed = {name: getattr(values, name) for name in HYPERPARAMETERS}
    return ", ".join(f"{n}={v}" for n, v in changed.items() if v != getattr(own, n))


def help_text():
    """Every hyperparameter with its unit, range and what each recipe has, for `--help`."""
    lines = []
    for name, field in HYPERPARAMETERS.items():
        own = ", ".join(f"{getattr(recipe, name)} in {title}" for title, recipe in RECIPES.items())
        indent = {"width": 96, "initial_indent": "      ", "subsequent_indent": "      "}
        lines += [f"  {name} ({own})", *textwrap.wrap(describe(field), **indent)]
    return "\n".join(lines)
