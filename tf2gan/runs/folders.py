"""Run folders: `LOGDIR/00000-mnist-classic/`.

Standard library only, so that mistakes answer fast.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tf2gan.settings.config import TrainConfig
from tf2gan.utils.command_line import typed
from tf2gan.utils.errors import Tf2ganError, UsageError
from tf2gan.utils.files import PARTIAL, locked
from tf2gan.utils.messages import warn

RUN_NAME = re.compile(r"(\d{5,})-(.+)")
OF_A_RUN = {"samples", "checkpoints", "generator.keras"}  # beside the configuration
FOLDERS_MOST = 2000  # in a folder, that are looked into for runs
CHECKPOINT = re.compile(r"ckpt-(\d+)\.(index|data-.*)")
GRID = re.compile(r"step-(\d{6,})\.png")
PATTERN = re.compile(r"[*?[]" if os.name == "nt" else r"[*?[\\]")  # signs of a pattern


def list_runs(logdir):
    """Returns the run folders of `logdir`, oldest (lowest number) first."""
    try:
        entries = list(Path(logdir).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(
            f"{logdir} cannot be read as a folder of runs ({error.strerror})"
        ) from error
    runs = [entry for entry in entries if RUN_NAME.fullmatch(entry.name) and entry.is_dir()]
    return sorted(runs, key=_number)


def runs_below(folder, *, depth, most):
    """{name: run folder} of the runs in a folder and the folders in it, the last `most` of them.

    A name is the path from the folder, as TensorBoard names runs; `.` for the folder itself.
    """
    folder = Path(folder)
    if is_run(folder) and (RUN_NAME.fullmatch(folder.name) or OF_A_RUN & {*names_in(folder)}):
        return {".": folder}  # a stray config.json makes no run
    found = {}
    try:
        names = sorted(names_in(folder), reverse=True) if depth else []
    except OSError:  # it must not be read
        names = []
    for name in names[:FOLDERS_MOST]:  # a data set in between may have more
        path = folder / name
        if len(found) < most and not name.startswith(".") and os.path.isdir(path):
            inner = runs_below(path, depth=depth - 1, most=most - len(found))
            found |= {f"{name}/{own}".removesuffix("/."): run for own, run in inner.items()}
    return dict(sorted(found.items()))


def create_run(logdir, label, config):
    """Makes the folder of a new run, its number the next free one, with `config` as `config.json`.

    The folder appears under its name when it is complete: one without a configuration could not be
    resumed. The lock gives two runs that start at once two numbers.
    """
    logdir = Path(logdir)
    check_plain(logdir)
    label = re.sub(r"[^\w.-]+", "_", label)[:80]
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        with locked(logdir / ".lock", wait=True):
            runs = list_runs(logdir)
            run = logdir / f"{_number(runs[-1]) + 1 if runs else 0:05d}-{label}"
            partial = logdir / f"{PARTIAL}{os.getpid()}"
            try:
                partial.mkdir(exist_ok=True)
                (partial / "config.json").write_text(config)
                return partial.rename(run)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise Tf2ganError(
            f"no run folder can be made in {logdir} ({error.strerror}); choose another --logdir"
        ) from error


def check_plain(path):
    """Raises `UsageError` for a path that TensorFlow, reading a checkpoint, takes for a pattern.

    It saves under the name itself, then finds nothing there, or what belongs to another run.
    """
    if sign := PATTERN.search(str(path)):
        raise UsageError(
            f"{path} has a {sign[0]!r}, and TensorFlow finds no checkpoint under such a name; "
            "rename that folder, or choose another --logdir"
        )


def find_run(logdir, name=None, *, checkpoint=True):
    """Returns the folder of the run `name`, or of the newest one.

    Args:
      logdir: where the runs are.
      name: a run's path, or its name or number inside `logdir`; None for the newest.
      checkpoint: whether only runs with a checkpoint count.

    Raises:
      UsageError: there is no such run; the message says what to type.
    """
    hint = f"train one first: {quoted(typed('train'))}"
    if checkpoint:
        hint = f"draw from trained networks: {quoted(typed('generate'))} --pretrained; or {hint}"
    if name is not None:
        number = int(name) if re.fullmatch("[0-9]{1,18}", name) else None
        matches = [run for run in list_runs(logdir) if name == run.name or number == _number(run)]
        matches += [Path(name)] if is_run(Path(name)) else []
        if not matches:
            raise UsageError(f"there is no run {name!r}, nor one of that name in {logdir}; {hint}")
        runs = matches[:1]
    else:
        runs = list_runs(logdir)
        if not runs:
            raise UsageError(f"there is no run in {logdir}; {hint} --logdir {logdir}")
    found = [run for run in runs if (has_checkpoint(run) if checkpoint else is_run(run))]
    if not found:
        which = f"run {runs[0]} has no" if name is not None else f"no run in {logdir} has a"
        raise UsageError(f"{which} {'checkpoint yet' if checkpoint else 'config.json'}; {hint}")
    return found[-1]


def find_unfinished(logdir, name=None):
    """The newest run of `logdir` that is not finished, else the newest, or None where is none.

    With `name` only runs that were called that. One whose configuration cannot be read is passed
    over: it could not be resumed, and a job that a cluster starts again would end there each time.
    """
    newest = None
    for run in reversed(list_runs(logdir)):
        if not is_run(run) or name is not None and RUN_NAME.fullmatch(run.name)[2] != name:
            continue
        try:
            config = TrainConfig.read(run)
        except Tf2ganError as error:
            warn(f"{error}; the run is passed over")
            continue
        if not is_finished(run, config):
            return run
        newest = newest or run
    return newest


def is_finished(run, config=None):
    """Whether the run wrote all that it writes, and was not resumed for other steps since.

    `config` is its configuration, if it is read already.
    """
    try:
        asked = length_of(config or TrainConfig.read(run))
        summary = json.loads((Path(run) / "summary.json").read_text())
        as_long = summary.get("length", asked) == asked  # 0.1 wrote none
        return as_long and summary["step"] == max(checkpoint_steps(run), default=0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, Tf2ganError):
        return False


def finished_line(run):
    """What is said of a finished run that is asked for no more steps."""
    step = max(checkpoint_steps(run), default=0)
    more = "more --steps or --epochs extend it"
    return f"{run} is finished: {step} of {step} steps; {more}"


def length_of(config):
    """How long a run of a configuration was asked to be, in steps or else in epochs."""
    return {"steps": config.steps, "epochs": config.epochs}


def resume_command(run):
    """What to type to resume a run."""
    return quoted([*typed("train"), *_which(run, "--resume")])


def generate_command(run, *, nice):
    """What to type to generate images from a run."""
    return quoted([*typed("generate"), *_which(run, "--run"), *(["--nice"] if nice else [])])


def quoted(words):
    """Words as the system's own shell takes them back."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _which(run, flag):
    run = Path(run)
    numbered = RUN_NAME.fullmatch(run.name)  # others are found by their path alone
    return ["--logdir", str(run.parent), flag, run.name] if numbered else [flag, str(run)]


def has_checkpoint(run):
    """Whether a checkpoint was completed in the run folder."""
    folder = Path(run) / "checkpoints"
    return any([*folder.glob("ckpt-*.index"), *folder.glob("best/ckpt-*.index")])


def checkpoint_steps(run, folder="checkpoints"):
    """Returns the steps at which the run has checkpoints in a folder of it, ascending."""
    matches = map(CHECKPOINT.fullmatch, names_in(Path(run) / folder))
    return sorted(int(match[1]) for match in matches if match and match[2] == "index")


def grid_of(run, step):
    """The path of the grid of the run's 64 latents at a step."""
    return Path(run) / "samples" / f"step-{step:06d}.png"


def grid_steps(run):
    """Returns the steps of which the run has such a grid, ascending."""
    matches = map(GRID.fullmatch, names_in(Path(run) / "samples"))
    return sorted(int(match[1]) for match in matches if match)


def names_in(folder):
    """The names in a folder; none where it is not there."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_run(path):
    return os.path.isfile(path / "config.json")  # unlike Path.is_file, False for any string


def _number(run):
    return int(RUN_NAME.fullmatch(run.name)[1])
