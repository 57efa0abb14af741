"""The command line of `train.py`: flags to a `TrainConfig`, and what is printed around a run."""

import argparse
import time
from pathlib import Path

from tf2gan.data.dataset import total_steps
from tf2gan.data.images import check_out, write_images
from tf2gan.data.load import load_training_data
from tf2gan.runs.folders import (
    check_plain,
    find_run,
    find_unfinished,
    finished_line,
    generate_command,
    is_finished,
    length_of,
)
from tf2gan.runs.sources import find_start, load_start
from tf2gan.settings.config import TrainConfig, flag, flags_of
from tf2gan.settings.fields import type_of
from tf2gan.settings.recipes import help_text, read_changes, why_chosen
from tf2gan.utils.command_line import Parser, import_tensorflow, run_command, typed
from tf2gan.utils.errors import UsageError
from tf2gan.utils.messages import shown

SHOWN = 10  # classes that --dry-run names
PREVIEWED = 64  # images in the grid of --dry-run


def parse_flags(args=None):
    """The flags; `settings` among them is a dict of the fields of `TrainConfig` that were typed."""
    parser = Parser(
        prog=" ".join(typed("train")),
        description="Train the GAN and watch it in TensorBoard.",
        epilog=f"hyperparameters of the recipe, for --set NAME=VALUE:\n{help_text()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--logdir",
        default="runs/",
        help="folder of all runs; each gets its own inside (default: runs/)",
    )
    for field in flags_of(TrainConfig):
        kind = type_of(field)
        default = "" if field.default is None else f" (default: {field.default})"
        metavar = "N|HxW" if field.name == "image_size" else {int: "N", str: "TEXT"}[kind]
        parser.add_argument(
            flag(field.name),
            type=kind,
            default=argparse.SUPPRESS,
            choices=field.metadata["choices"],
            **({"nargs": "?", "const": "auto"} if field.name == "mixed_precision" else {}),
            help=field.metadata["help"] + default,
            metavar=None if field.metadata["choices"] else metavar,
        )
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="override one hyperparameter of the recipe; repeatable (all of them: see below)",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN|auto",
        help="resume a run (a path, a name or a number in --logdir; without RUN, the newest); "
        "auto: the newest unfinished one (with --name, of that name), or start one where there is "
        "none; a finished run is left as it is",
    )
    parser.add_argument(
        "--devices",
        metavar="NAMES",
        help="such as GPU:0,GPU:2 (default: all GPUs of this machine, or its processor; "
        "see docs/scaling.md)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check the settings and the data, print the plan, make no run",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.png",
        help="with --dry-run: a grid of the first images, to look at before training",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="profile one window for TensorBoard's Profile tab "
        '(to see it: pip install -e ".[profile]")',
    )
    flags = parser.parse_args(args)
    names = {field.name for field in flags_of(TrainConfig)}
    flags.settings = {name: value for name, value in vars(flags).items() if name in names}
    return flags


def check_preview(out, dry_run):
    if not dry_run:
        raise UsageError("--out goes with --dry-run; generate.py makes images of a run")
    if Path(out).suffix != ".png":
        raise UsageError(f"--out is {out}; it must end in .png")
    check_out(out)


def train(flags):
    """Starts or resumes the run that the flags name; a dry run only says what it would do."""
    started, settings, run = time.perf_counter(), flags.settings, None
    if flags.set:
        settings["recipe_values"] = read_changes(flags.set)
    if flags.resume == "auto":
        run = find_unfinished(flags.logdir, flags.settings.get("name"))
    elif flags.resume is not None:
        run = find_run(flags.logdir, flags.resume or None, checkpoint=False)
    if run:
        own = TrainConfig.read(run)
        config = own.resumed(**settings)
        as_long = length_of(config) == length_of(own)
        if flags.resume == "auto" and as_long and not flags.dry_run and is_finished(run, own):
            print(finished_line(run))  # its data may be gone
            return
    else:
        check_plain(flags.logdir)
        config = TrainConfig(**settings)
    if flags.out:
        check_preview(flags.out, flags.dry_run)
    start = None if run else find_start(config, flags.logdir)
    given, (config, data) = config, load_training_data(config, resumed=run is not None)
    if flags.dry_run:
        show_plan(flags, given, config, data, start)
        return

    def find_devices():
        from tf2gan.devices.strategy import choose

        return choose(flags.devices)

    strategy = import_tensorflow(find_devices)
    how = {"data": data, "started": started, "profile": flags.profile, "strategy": strategy}
    from tf2gan.training import loop

    if run:
        print(f"resuming {run}", flush=True)
        settings.pop("data", None)  # they are loaded
        run = loop.resume(run, **how, **settings)
    else:
        run = loop.train(config, flags.logdir, **how)
    if run:  # of several machines, the chief's
        nice = config.recipe == "classic"  # modern's plain images are better
        print(f"done: {run}\nnow: {generate_command(run, nice=nice)}")


def show_plan(flags, given, config, data, start):
    """What a dry run prints: what was understood of the data, and which settings are not default.

    And the grid of the first images. `config` is what was `given`, with what follows from the data.
    """
    if start:
        import_tensorflow()
        load_start(config, start)  # says what does not fit
    print(data.line())
    if classes := data.class_counts():
        more = f", and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
        counted = [f"{shown(name)} {count}" for name, count in classes[:SHOWN]]
        print(f"classes: {', '.join(counted)}{more}")
    if changed := given.changed():
        print("settings: " + ", ".join(f"{flag(name)} {value}" for name, value in changed.items()))
    print(f"plan: {total_steps(config, data)} steps, {config.title}")
    for line in why_chosen(config, len(data.images)):
        print(line)
    if flags.out:
        write_images(flags.out, data.images[:PREVIEWED])
        print(flags.out)


def main(args=None):
    run_command(train, parse_flags(args))
