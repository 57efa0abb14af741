"""A run's checkpoints: saving, restoring, the best, what is damaged."""

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.runs.folders import CHECKPOINT, check_plain, checkpoint_steps, names_in
from tf2gan.runs.weights import NETWORKS
from tf2gan.settings.config import TrainConfig
from tf2gan.utils.errors import Tf2ganError, UsageError, brief
from tf2gan.utils.files import replacing

DISTANCES = ("frechet", "kid")  # each the lower the better
# What reading a damaged checkpoint raises: every tensor and every index block has a checksum.
DAMAGED = (tf.errors.OpError, AssertionError, ValueError, LookupError, DecodeError)


class Checkpoints:
    """The checkpoints of one run: all that its next step depends on; and the best networks.

    Args:
      gan: a `tf2gan.gan.GAN`.
      run: the run folder.
      keep: how many of the newest checkpoints stay on disk.
    """

    def __init__(self, gan, run, *, keep):
        check_plain(run)
        self._gan = gan
        self._run = Path(run)
        own = {"averaged_generator": gan.ema_generator} if gan.recipe.averaging else {}
        if gan.recipe.augment_target:
            own["augment_probability"] = gan.augment_probability
        self._checkpoint = tf.train.Checkpoint(
            generator=gan.generator,
            discriminator=gan.discriminator,
            d_optimizer=gan.d_optimizer,
            g_optimizer=gan.g_optimizer,
            step=gan.step,
            **own,
        )
        self._folder = self._run / "checkpoints"
        self._manager = _manager(self._checkpoint, self._folder, keep)
        self._figures = {name: tf.Variable(np.inf, dtype=tf.float64) for name in DISTANCES}
        self._ruler = tf.Variable("", dtype=tf.string)
        self._best = self._manager_of_best()

    def _manager_of_best(self):
        networks = tf.train.Checkpoint(
            generator=self._gan.ema_generator,
            discriminator=self._gan.discriminator,
            step=self._gan.step,
            ruler=self._ruler,
            **self._figures,
        )
        return _manager(networks, self._folder / "best", 1)

    def save(self):
        """Saves `generator.keras` and `discriminator.keras`, then a checkpoint of the present step.

        The checkpoint comes last: once it is there, everything of its step is.
        """
        for name, network in zip(
            NETWORKS, (self._gan.ema_generator, self._gan.discriminator), strict=True
        ):
            with replacing(self._run / f"{name}.keras") as partial:
                network.save(partial)
        self._manager.save(checkpoint_number=self._gan.step.numpy())

    def keep_best(self, quality):
        """Saves the present networks as `checkpoints/best` if their distance is the lowest.

        It is the Frechet distance, or KID where `quality`, a `tf2gan.quality.ruler.Quality`,
        believes that. What another ruler found best counts for nothing. A run that was killed may
        find there what it is yet to reach: the same step comes out the same.
        """
        best = _figures_of(best_checkpoint(self._run))
        if best.get("ruler") not in (None, quality.ruler):
            best = {}
        if getattr(quality, quality.believed) < best.get(quality.believed, np.inf):
            for name, variable in self._figures.items():
                variable.assign(getattr(quality, name))
            self._ruler.assign(quality.ruler)
            self._best.save(checkpoint_number=self._gan.step.numpy())

    def forget_best_after(self, step):
        """Removes a best checkpoint of a later step: what is done again comes out otherwise."""
        best = best_figures(self._run)
        if best and best["step"] > step:
            shutil.rmtree(self._folder / "best")
            self._best = self._manager_of_best()

    def restore(self):
        """Restores the newest checkpoint that is whole; returns the step it was saved at, or None.

        A damaged one is passed over with a line on stderr. A save that was killed on its way left
        files that the manager's list does not name: they are removed.

        Raises:
          Tf2ganError: there are checkpoints, and all are damaged; nothing is deleted.
        """
        listed = {Path(path).name for path in self._manager.checkpoints}
        steps = sorted(
            {int(match[1]) for match in map(CHECKPOINT.match, names_in(self._folder)) if match}
        )
        for step in reversed(steps):
            path = self._folder / f"ckpt-{step}"
            try:
                self._restore(path)
            except DAMAGED as error:
                if listed and path.name not in listed:
                    for file in self._folder.glob(f"{path.name}.*"):
                        file.unlink()
                else:
                    warn_damaged(path, error)
            else:
                return int(self._gan.step.numpy())
        if listed or len(steps) > 1:
            raise Tf2ganError(
                f"every checkpoint in {self._folder} is damaged; nothing was deleted: "
                "put back a copy, or start a new run"
            )
        return None

    def _restore(self, path):
        names = [name for name, _ in tf.train.list_variables(str(path))]
        scaled = any("inner_optimizer" in name for name in names)
        if scaled != hasattr(self._gan.d_optimizer, "inner_optimizer"):
            raise Tf2ganError(
                f"{path} was saved {'in' if scaled else 'without'} float16, whose loss scales "
                "are part of the training; resume with the --mixed-precision it was trained with"
            )
        self._checkpoint.restore(str(path)).assert_existing_objects_matched()


def _manager(checkpoint, folder, keep):
    """TensorFlow's manager of a folder; a list of it that a power cut left empty is made anew."""
    try:
        tf.train.get_checkpoint_state(str(folder))
    except ValueError:
        (folder / "checkpoint").unlink()
    return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=keep)


def warn_damaged(path, error):
    print(
        f"warning: checkpoint {path} is damaged ({brief(error)}); trying the one before",
        file=sys.stderr,
    )


def best_checkpoint(run):
    """Returns the path of the checkpoint with the run's lowest Frechet distance, or None."""
    folder = Path(run) / "checkpoints" / "best"
    try:
        if newest := tf.train.latest_checkpoint(str(folder)):
            return newest
    except ValueError:  # the list is damaged; the files tell as well
        pass
    steps = checkpoint_steps(run, "checkpoints/best")
    return str(folder / f"ckpt-{steps[-1]}") if steps else None


def best_figures(run):
    """The step of the best checkpoint, its distances and their ruler as a dict, or None."""
    path = best_checkpoint(run)
    return path and {"step": int(path.rpartition("-")[2]), **_figures_of(path)}


def _figures_of(path):
    """What a best checkpoint says of its quality: nothing where there is none, or a damaged one.

    Those of version 0.1 have the Frechet distance alone.
    """
    figures = {}
    if path:
        try:
            reader = tf.train.load_checkpoint(path)
            for name in (*DISTANCES, "ruler"):
                if reader.has_tensor(key := f"{name}/.ATTRIBUTES/VARIABLE_VALUE"):
                    value = reader.get_tensor(key)
                    figures[name] = value.decode() if name == "ruler" else float(value)
        except DAMAGED as error:
            warn_damaged(path, error)
    return figures


def restore_networks(run, which=None, *, discriminator=True):
    """Builds the networks and restores them from a checkpoint of a run; no optimizer is read.

    Args:
      run: the run folder.
      which: `best`, `latest` or a step; None for the best where there is one, otherwise the latest.
      discriminator: whether the discriminator is wanted too.

    Returns:
      (generator, discriminator or None, step, whether it is the best).
    """
    check_plain(run)
    config = TrainConfig.read(run)
    shape = (config.size, config.channels)
    # Before the checkpoints are listed: a run that is resumed removes old ones.
    networks = [build_generator(*shape), build_discriminator(*shape) if discriminator else None]
    steps, best = checkpoint_steps(run), best_checkpoint(run)
    if not steps and not best:
        raise UsageError(f"{run} has no checkpoint yet")
    if which == "best" and not best:
        raise UsageError(
            f"{run} has no best checkpoint: its quality was not measured; choose latest"
        )
    if which not in (None, "best", *(["latest", *map(str, steps)] if steps else [])):
        newest = f", latest or {', '.join(map(str, steps))}" if steps else ""
        raise UsageError(f"{run} has no checkpoint {which!r}; choose best{newest}")
    paths = [
        str(Path(run) / "checkpoints" / f"ckpt-{step}")
        for step in reversed(steps)
        if which in (None, "latest", str(step))
    ]
    if which == "best" or which is None and best:
        paths = [best] + ([] if which else paths)
    for path in paths:
        try:
            _restore_networks(path, *networks)
        except DAMAGED as error:
            if not Path(f"{path}.index").exists():  # removed meanwhile: there is a newer one
                return restore_networks(run, which, discriminator=discriminator)
            if which not in (None, "latest"):
                raise Tf2ganError(
                    f"checkpoint {path} is damaged ({brief(error)}); "
                    "choose another with --checkpoint"
                ) from error
            warn_damaged(path, error)
        else:
            return *networks, int(path.rpartition("-")[2]), path == best
    raise Tf2ganError(f"every checkpoint of {run} is damaged; put back a copy, or train a new run")


def _restore_networks(path, generator, discriminator):
    names = [name for name, _ in tf.train.list_variables(path)]
    averaged = any(name.startswith("averaged_generator/") for name in names)
    networks = {"averaged_generator" if averaged else "generator": generator}
    if discriminator is not None:
        networks["discriminator"] = discriminator
    tf.train.Checkpoint(**networks).restore(path).assert_existing_objects_matched().expect_partial()
