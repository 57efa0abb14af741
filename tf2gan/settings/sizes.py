"""The sizes and colours that images can have. Standard library only."""

import re

from tf2gan.utils.errors import UsageError

LEAST, MOST, MULTIPLE = 12, 128, 4  # pixels a side; D's two poolings and valid convolution need 12
COLOR_MODES = {"grayscale": 1, "rgb": 3}  # Keras' words: channels
MODE_OF = {channels: mode for mode, channels in COLOR_MODES.items()}


def read_size(value):
    """(height, width) of `N`, `"N"`, `"HxW"` or a pair, checked; `UsageError`, one line."""
    text = "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text)
    if not match or isinstance(value, bool):
        raise UsageError(f"image_size is {text[:100]!r}; give a number of pixels, or HxW")
    size = int(match[1]), int(match[2] or match[1])
    check_size(size, "image_size")
    return size


def check_size(size, what):
    """Raises `UsageError`, with the nearest sizes that fit, unless the networks take `size`."""
    if not all(LEAST <= side <= MOST and side % MULTIPLE == 0 for side in size):
        lower, upper = (tuple(_fitting(side, up) for side in size) for up in (False, True))
        nearest = " or ".join(dict.fromkeys(map(size_text, (lower, upper))))
        raise UsageError(
            f"{what} is {size_text(size)}; height and width must be multiples of {MULTIPLE} "
            f"from {LEAST} to {MOST}: the nearest is {nearest}"
        )


def size_text(size):
    """`28x28`: the height, then the width."""
    return f"{size[0]}x{size[1]}"


def _fitting(side, up):
    return min(max((side + (MULTIPLE - 1) * up) // MULTIPLE * MULTIPLE, LEAST), MOST)
