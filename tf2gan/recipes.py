"""How the two networks are trained: the original's recipe, and a better one. Standard library only."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything of a training recipe that `train.py` has no flag for.

    Attributes:
      batch: real images in one step, unless `--batch` says otherwise.
      adam: Adam (beta_1 0.5, as in Radford et al. 2015) in place of the original's SGD with momentum.
      d_learning_rate, g_learning_rate: per network (two rates: Heusel et al. 2017).
      cosine: the rates fall to 2 % of themselves over the run, along half a cosine.
      shuffled: every epoch has an order of its own; otherwise images come in file order.
      fakes_in_training_mode: the fakes that D sees use the statistics of their batch, as in G's own
        update; the original's came from `g.predict`.
      gradient_penalty: weight of the squared slope of D's logits at real images, which keeps D from
        growing too sharp (R1: Mescheder et al. 2018); 0 for none.
      penalty_every: it is added in one of so many steps, as many times as large: a double backward
        pass is dear (Karras et al. 2020).
      shift: each image that D sees, real or generated, is moved by at most so many pixels each way: D
        learns the training images by heart less (Zhao et al. 2020); 0 for not at all.
      shift_after: the share of the run before that begins: at first D knows none by heart, and learns
        sooner without.
      averaging: decay a step of the running average of G's weights and statistics that samples are
        drawn from (Karras et al. 2017); 0 for none.
    """

    batch: int
    adam: bool
    d_learning_rate: float
    g_learning_rate: float
    cosine: bool
    shuffled: bool
    fakes_in_training_mode: bool
    gradient_penalty: float
    penalty_every: int
    shift: int
    shift_after: float
    averaging: float


RECIPES = {
    # The original's, to the letter; tests/golden holds it to twelve recorded iterations.
    "classic": Recipe(
        batch=128,
        adam=False,
        d_learning_rate=0.001,
        g_learning_rate=0.001,
        cosine=False,
        shuffled=False,
        fakes_in_training_mode=False,
        gradient_penalty=0,
        penalty_every=1,
        shift=0,
        shift_after=0,
        averaging=0,
    ),
    # What was tried, and what it gave: docs/quality.md.
    "modern": Recipe(
        batch=32,
        adam=True,
        d_learning_rate=0.0006,
        g_learning_rate=0.001,
        cosine=True,
        shuffled=True,
        fakes_in_training_mode=True,
        gradient_penalty=0.5,
        penalty_every=8,
        shift=2,
        shift_after=0.5,
        averaging=0.999,
    ),
}
