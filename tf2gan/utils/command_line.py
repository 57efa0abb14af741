"""What `train.py` and `generate.py` share: flags that answer on one line, errors likewise.

Standard library only: `--help` and a wrong flag answer before TensorFlow is imported.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from tf2gan.utils.errors import Stopped, Tf2ganError, UsageError, brief
from tf2gan.utils.messages import nearest

SELECTIONS = ("plain", "nice", "rejection")  # how generated images are chosen

NO_PATHS = ("label", "label_column", "name")  # flags in which `~` is a letter


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong flag on one line, with the flag that was meant."""

    def __init__(self, **settings):
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(self, args=None, namespace=None):
        escape_what_cannot_be_shown()
        self.add_argument(
            "--debug", action="store_true", help="show a traceback when something is wrong"
        )
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            meant = nearest(unknown[0].split("=")[0], flags)
            self.error(f"there is no flag {unknown[0]!r}{meant}")
        for name, value in vars(parsed).items():  # a shell expands `--out ~/x`, not `--out=~/x`
            if isinstance(value, str) and value.startswith("~") and name not in NO_PATHS:
                setattr(parsed, name, os.path.expanduser(value))
        return parsed

    def error(self, message):
        line = " ".join(message.split())
        self.exit(2, f"error: {line} (all flags: {self.prog} --help)\n")


def escape_what_cannot_be_shown():
    """No letter of a file's name ends a command where a console or a log lacks it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):  # one that somebody put in its place
            stream.reconfigure(errors="backslashreplace")


def typed(script):
    """The words that start `train` or `generate`, in a clone or as they are installed."""
    installed = Path(sys.argv[0]).name.startswith("tf2gan-")
    return [f"tf2gan-{script}"] if installed else ["python", f"{script}.py"]


def run_command(command, flags):
    """Calls `command(flags)`; an error of the user's becomes one line and the exit status.

    2 for what was typed, 1 for what happened on the way; with `--debug`, a traceback instead. 128
    and the signal's number for a run that a signal stopped.
    """
    try:
        command(flags)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.exit_status)
    except Tf2ganError as error:
        if flags.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:  # a disk that is full, a folder that cannot be written
        if flags.debug:
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or brief(error)}{where}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:  # before training began, or while generating
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def check_seed(seed):
    """Raises `UsageError` unless `--seed` is one that samples can be drawn from."""
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed is {seed}; choose 0 to {2**31 - 1}")


def import_tensorflow(find_devices=None):
    """Imports TensorFlow and finds its devices without its start-up notices; warnings come through.

    Returns what `find_devices()` returns; without it the devices are merely found.

    TensorFlow 2.21 writes some of them before it has read TF_CPP_MIN_LOG_LEVEL, from C++: only the
    file descriptor can hold them back.
    """
    # Of a machine that ended, TensorFlow logs pages of errors before ours, which is one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if os.environ.get("TF_CONFIG") else "2")
    sys.stderr.flush()
    try:
        held = tempfile.TemporaryFile("w+", errors="replace")
    except OSError as error:
        needs = f"TensorFlow needs a folder for temporary files ({error.strerror})"
        raise Tf2ganError(f"{needs}; make room, or set TMPDIR") from error
    with held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow as tf

            return (find_devices or tf.config.list_logical_devices)()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            notices = ("I0000", "WARNING: All log messages before", "To enable the following")
            # cuInit fails wherever there is no GPU: no news on a laptop. The next tf2gan has set.
            # Of the others TensorFlow before 2.21 complains everywhere, and nothing comes of it.
            known = ("cuInit", "TF_FORCE_GPU_ALLOW_GROWTH")
            known += ("Unable to register cu", "computation placer already registered")
            for line in held:
                if not line.startswith(notices) and not any(word in line for word in known):
                    sys.stderr.write(line)
