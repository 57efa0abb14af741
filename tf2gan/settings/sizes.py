"""The sizes and colours that images can have. Standard library only."""

import re

from tf2gan.utils.errors import UsageError

LEAST, MOST = 12, 128  # pixels a side; D's poolings and valid convolution need 12
DEEPER = (48 * 48, 96 * 96)  # pixels; from each on, the networks have one more doubling and pooling
SIZES = "multiples of 4 from 12 to 128, of 8 from 48x48 pixels on, of 16 from 96x96"
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


def doublings(size):
    """How often the generator doubles its base, and the discriminator pools, for (H, W).

    Twice in the original, whose base is a quarter of the image. Larger images have more, so that
    the base stays at about 6 to 12 pixels: the Dense layer at it holds most of the weights.
    """
    return 2 + sum(size[0] * size[1] >= pixels for pixels in DEEPER)


def check_size(size, what):
    """Raises `UsageError`, with the nearest sizes that fit, unless the networks take `size`."""
    if not _fits(size):
        nearest = (_fitting(size, up) for up in (False, True))
        nearest = " or ".join(dict.fromkeys(map(size_text, nearest)))
        raise UsageError(
            f"{what} is {size_text(size)}; height and width must be {SIZES}: "
            f"the nearest is {nearest}"
        )


def size_text(size):
    """`28x28`: the height, then the width."""
    return f"{size[0]}x{size[1]}"


def _fits(size):
    multiple = 2 ** doublings(size)
    return all(LEAST <= side <= MOST and side % multiple == 0 for side in size)


def _fitting(size, up):
    """The largest size that fits and is no larger, or the smallest that is no smaller."""
    for multiple in (4, 8, 16):
        rounded = ((side + (multiple - 1) * up) // multiple * multiple for side in size)
        found = tuple(min(max(side, -(-LEAST // multiple) * multiple), MOST) for side in rounded)
        if _fits(found):
            break
    return found
