"""Run folders: `LOGDIR/00000-mnist-classic/`. Standard library only, so that mistakes answer fast."""

import re
from pathlib import Path

from tf2gan.errors import Tf2ganError, UsageError

RUN_NAME = re.compile(r"(\d{5,})-.+")


def list_runs(logdir):
    """Returns the run folders of `logdir`, oldest (lowest number) first."""
    try:
        entries = list(Path(logdir).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{logdir} cannot be read as a folder of runs ({error.strerror})") from error
    runs = [entry for entry in entries if RUN_NAME.fullmatch(entry.name) and entry.is_dir()]
    return sorted(runs, key=_number)


def create_run(logdir, label):
    """Makes the folder of a new run, its number the next free one; never one that exists."""
    logdir = Path(logdir)
    label = re.sub(r"[^\w.-]+", "_", label)[:80]
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        while True:
            runs = list_runs(logdir)
            run = logdir / f"{_number(runs[-1]) + 1 if runs else 0:05d}-{label}"
            try:
                run.mkdir()
                return run
            except FileExistsError:  # another run took the number just now
                continue
    except OSError as error:
        raise Tf2ganError(
            f"no run folder can be made in {logdir} ({error.strerror}); choose another --logdir"
        ) from error


def find_run(logdir, name=None, *, checkpoint=True):
    """Returns the folder of the run `name`, or of the newest one with a checkpoint.

    Args:
      logdir: where the runs are.
      name: a run's path, or its name or number inside `logdir`; None for the newest.
      checkpoint: whether the run must have a checkpoint.

    Raises:
      UsageError: there is no such run; the message says what to type.
    """
    hint = "train one first: python train.py"
    if name is not None:
        matches = [run for run in list_runs(logdir) if name in (run.name, run.name.split("-")[0])]
        matches += [Path(name)] if (Path(name) / "config.json").is_file() else []
        if not matches:
            raise UsageError(f"there is no run {name!r}, nor one of that name in {logdir}; {hint}")
        runs = matches[:1]
    else:
        runs = list_runs(logdir)
        if not runs:
            raise UsageError(f"there is no run in {logdir}; {hint} --logdir {logdir}")
    found = [run for run in runs if not checkpoint or has_checkpoint(run)]
    if not found:
        which = f"run {runs[0]}" if name is not None else f"no run in {logdir}"
        raise UsageError(f"{which} has {'no' if name is not None else 'a'} checkpoint yet; {hint}")
    return found[-1]


def has_checkpoint(run):
    """Whether a checkpoint was completed in the run folder."""
    return any((Path(run) / "checkpoints").glob("*.index"))


def _number(run):
    return int(RUN_NAME.fullmatch(run.name)[1])
