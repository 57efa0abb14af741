"""What is said in messages: one line, whatever a file is called and a parser stumbled over."""

import contextlib
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


def warn(text):
    """One line on stderr."""
    print(f"warning: {text}", file=sys.stderr)


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
