"""What is said in messages: one line, whatever a file is called and a parser stumbled over."""

import contextlib
import contextvars
import difflib
import sys

from tf2gan.utils.errors import DataError, UsageError, brief


@contextlib.contextmanager
def reading(where, how="cannot be read"):
    """Turns whatever a parser stumbles over in its body into a `DataError`, one line."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        raise DataError(f"{where} {how} ({brief(error)})") from error


_heard = contextvars.ContextVar("heard", default=None)


def warn(text, *, lasting=True):
    """One line on stderr; not `lasting` what another try may not find."""
    _tell("stderr", f"warning: {text}")
    if not lasting and (heard := _heard.get()) is not None:
        heard.append(None)


def say(text):
    """One line on stdout."""
    _tell("stdout", text)


@contextlib.contextmanager
def hearing():
    """Yields a list that gets what is said in the body: [the stream's name, the line] each.

    After a line that is not `lasting` comes None.
    """
    token = _heard.set([])
    try:
        yield _heard.get()
    finally:
        _heard.reset(token)


def repeat(said):
    """Says once more what `hearing` heard."""
    for stream, line in said:
        _tell(stream, line)


def _tell(stream, line):
    print(line, file=getattr(sys, stream), flush=True)
    if (heard := _heard.get()) is not None:
        heard.append([stream, line])


def shown(text):
    """A name as a message shows it: on one line, whatever a file is called."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def listed(names, most=4):
    """`a, b, c, …`"""
    names = list(names)
    return ", ".join(map(shown, names[:most])) + (", …" if len(names) > most else "")


def nearest(name, names):
    """`; NAME?` with the one of `names` that was probably meant, or nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; {near[0]}?" if near else ""
