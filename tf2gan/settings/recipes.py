"""How the networks are trained: the original's recipe, and a better one. Standard library only."""

import dataclasses
import textwrap

from tf2gan.settings.fields import check, describe, read, setting, type_of
from tf2gan.utils.errors import UsageError
from tf2gan.utils.messages import nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a recipe; building it checks it and raises `UsageError`.

    The defaults are the original's. A run's `config.json` holds all of them, so one that is added
    here must have a default that changes nothing: it is what older runs are read with.
    """

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
    shift_after: float = setting(
        0.0,
        "before augmentation starts: D learns sooner without, before it could overfit",
        unit="of the run",
        at_least=0,
        at_most=1,
        needs=("shift", "more than 0"),
    )
    shift_from_epoch: int = setting(
        0,
        "before augmentation starts: D overfits only to what it has seen some times; the later of "
        "this and shift_after applies",
        unit="epochs",
        at_least=0,
        at_most=1_000_000,
        needs=("shift", "more than 0"),
    )
    shift_edge: str = setting(
        "wrap",
        "what fills the gap that translation leaves: wrap, what left at the other edge; mirror, "
        "what lies beside it",
        choices=("wrap", "mirror"),
        needs=("shift", "more than 0"),
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
            other, wanted = HYPERPARAMETERS[name].metadata["needs"] or (name, None)
            found = getattr(changed, other)
            if wanted and not (found == wanted or wanted == "more than 0" and found):
                raise UsageError(f"{name} does nothing where {other} is {found}; set {other} too")
        return changed


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


def differences(recipe, values):
    """`NAME=VALUE, …` of what is not the named recipe's own; empty for the recipe itself."""
    own = RECIPES[recipe]
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
