"""The errors that a user can cause. Standard library only."""


class Tf2ganError(Exception):
    """Something went wrong on the way; the message is one line that names the way out."""

    exit_status = 1


class UsageError(Tf2ganError):
    """What the user typed or passed cannot be done."""

    exit_status = 2


class DataError(UsageError):
    """The data set named by the user cannot be used."""


class Stopped(Tf2ganError):
    """A signal stopped the run; `exit_status` is 128 and the signal's number."""

    def __init__(self, message, signal_number):
        super().__init__(message)
        self.exit_status = 128 + signal_number


def brief(error):
    """An exception of a library on one line, its type first, at most 200 characters.

    Of an error in a TensorFlow graph, the line that says what is wrong: it stands after the stack.
    """
    text = str(error)
    if text.startswith("Graph execution error"):
        text = text.split("[[{{node")[0].strip().rpartition("\n")[2]
    return " ".join(f"{type(error).__name__}: {text}".split())[:200]
