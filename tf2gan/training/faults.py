"""What ends a run, told on one line: what is kept, and the command that resumes it."""

import contextlib
import math
import signal
import types

import tensorflow as tf

from tf2gan.devices.strategy import why
from tf2gan.runs.folders import checkpoint_steps, resume_command
from tf2gan.utils.errors import Stopped, Tf2ganError, brief


@contextlib.contextmanager
def errors_on_one_line(run, strategy):
    """Turns whatever ends its body into a `Tf2ganError` of one line.

    Yields an object whose `session`, a `tf2gan.training.loop.Session`, is set when training begins.

    | what ended it | what is done |
    | --- | --- |
    | a signal, in a window that failed | nothing: the newest checkpoint is named |
    | an error between two windows, all weights finite | what was trained is saved |
    | a disk that refuses to write | nothing: the checkpoints are as they were |
    | an error in a window | nothing: the networks are those of no whole step |
    """
    context = types.SimpleNamespace(session=None)
    try:
        yield context
    except Tf2ganError:
        raise
    except KeyboardInterrupt:  # later a signal is only noted
        raise Stopped(
            f"stopped before training began; resume with: {resume_command(run)}", signal.SIGINT
        ) from None
    except Exception as error:
        raise _error_of(error, run, strategy, context.session) from error


def _error_of(error, run, strategy, session):
    reason, command, newest = why(error, strategy), resume_command(run), _newest_checkpoint(run)
    of_tensorflow = isinstance(error, tf.errors.OpError)
    if session and session.stop.received and of_tensorflow and not session.runner.whole:
        # Ctrl-C reaches every process of a terminal, so XLA's compiler as well.
        return Stopped(
            f"stopped inside a window ({brief(error)}); {newest}; resume with: {command}",
            session.stop.received,
        )
    # A disk that refuses to write leaves the checkpoints as they were.
    if session and session.runner.whole and not isinstance(error, OSError):
        if not session.gan.non_finite_variable():
            try:
                session.save()
            except (OSError, tf.errors.OpError) as refused:  # TensorFlow has a full disk of its own
                return _error_of(refused, run, strategy, None)
            steps = int(session.gan.step.numpy())
            return _error_after(run, reason, f"what was trained is saved, {steps} steps", command)
    if of_tensorflow or isinstance(error, OSError):
        return Tf2ganError(
            f"{run} stopped ({reason}); its checkpoints are as they were, {newest}: "
            f"when that is put right, resume with {command}"
        )
    return _error_after(run, reason, newest, command)


def _error_after(run, reason, kept, command):
    return Tf2ganError(
        f"{run} stopped ({reason}); {kept}; resume with {command} (--debug shows where it stopped)"
    )


def stopped(run, step, total, received):
    """What ends a run that saved and stops: a signal here, or on another machine (None)."""
    return Stopped(
        f"stopped and saved at step {step} of {total}; resume with: {resume_command(run)}",
        received or signal.SIGTERM,
    )


def check_finite(run, window, metrics, gan=None):
    """Raises `Tf2ganError` where a loss, or with `gan` any of its variables, is not finite.

    `window` is the steps that were trained last, in words.
    """
    losses = {tag: metrics[tag] for tag in ("loss/d", "loss/g")}
    bad = [f"{tag} is {loss}" for tag, loss in losses.items() if not math.isfinite(loss)]
    if gan is not None and (variable := gan.non_finite_variable()):
        bad.append(f"{variable} is not finite")
    if bad:
        raise Tf2ganError(
            f"{bad[0]} after {window} of {run}, which stops here; {_newest_checkpoint(run)}. "
            "The same settings would lead there again: start a new run with lower learning rates "
            "(--set), or another --seed, --batch or --mixed-precision"
        )


def _newest_checkpoint(run):
    steps = checkpoint_steps(run)
    return (
        f"the newest checkpoint is of step {steps[-1]}" if steps else "no checkpoint was saved yet"
    )
