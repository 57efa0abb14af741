"""A generator for elsewhere: python -m tf2gan.export SOURCE --to FOLDER|FILE

A SavedModel for TensorFlow Serving, ONNX, or LiteRT, written by Keras' own `model.export`.
"""

import contextlib
import importlib.util
import io
import os
import shutil
import warnings
from pathlib import Path

from tf2gan.runs.sources import HELP, find_source
from tf2gan.utils.command_line import Parser, import_tensorflow, run_command
from tf2gan.utils.errors import Tf2ganError, UsageError, brief
from tf2gan.utils.files import PARTIAL, check_can_be_made

FORMATS = {".onnx": "onnx", ".tflite": "litert"}  # by the suffix of --to; other names are folders
OTHERS = (".h5", ".keras", ".pb", ".pt", ".pth", ".zip", ".json", ".lite")  # but these mean a file
NEEDS = {"onnx": "tf2onnx"}  # what a format is written with, beside TensorFlow
OUTPUTS = ("uint8", "float32")


def parse_flags(args=None):
    parser = Parser(
        prog="python -m tf2gan.export", description="Write a generator for another program."
    )
    parser.add_argument("source", metavar="SOURCE", help=HELP)
    parser.add_argument("--logdir", default="runs/", help="folder of all runs (default: runs/)")
    parser.add_argument(
        "--to",
        required=True,
        metavar="PATH",
        help="a folder (a SavedModel, as TensorFlow Serving takes it), a .onnx or a .tflite file",
    )
    parser.add_argument(
        "--output",
        choices=OUTPUTS,
        default="uint8",
        help="the images: uint8 (default), 0 to 255, or float32, -1 to 1",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|latest|STEP",
        help="of a run (default: best where there is one)",
    )
    return parser.parse_args(args)


def check_to(path):
    """The format that a path asks for; `UsageError` where it cannot be written."""
    if path.suffix in OTHERS:
        raise UsageError(f"--to is {path}; it must be a folder, or end in .onnx or .tflite")
    try:
        if path.exists():
            raise UsageError(f"--to {path} is there already; choose another, or remove it")
        check_can_be_made(path, "--to")
    except OSError as error:
        raise UsageError(f"--to {path}: {error.strerror}") from error
    kind = FORMATS.get(path.suffix, "tf_saved_model")
    if kind in NEEDS and importlib.util.find_spec(NEEDS[kind]) is None:
        raise UsageError(f'{path.suffix} needs {NEEDS[kind]}: pip install "tf2gan[export]"')
    return kind


def for_export(generator, output):
    """The generator as a model that says what goes in and comes out.

    Args:
      generator: latents `[B, 100]` in U(-1, 1) -> images `[B, H, W, C]` in [-1, 1].
      output: `uint8`, whose images are 0 to 255 as those of `generate.py`, or `float32`.

    Returns:
      A Keras model of the input `latents`, float32, and the output `images`.
    """
    import keras

    latents = images = keras.Input(generator.input_shape[1:], name="latents")
    for layer in generator.layers:
        if isinstance(layer, keras.layers.UpSampling2D):  # its own graph forgets the size: LiteRT
            size = [2 * side for side in images.shape[1:3]]  # then has no kernel for what follows
            images = keras.ops.image.resize(images, size, interpolation="nearest")
        else:
            images = layer(images)
    if output == "uint8":
        images = keras.ops.cast(keras.ops.round((images + 1) * 127.5), "uint8")
    model = keras.Model(latents, {"images": images})
    model(keras.ops.zeros((1, *generator.input_shape[1:])))  # Keras exports what was called
    return model


def export(generator, path, *, output="uint8"):
    """Writes a generator to `path`, whole or not at all; the suffix says in which format.

    Raises:
      UsageError: the format is not known, its library is missing, or the path is taken.
    """
    path = Path(path)
    kind = check_to(path)
    import tensorflow as tf

    partial = path.with_name(f"{PARTIAL}{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Keras before 3.9 prints the partial file's name, whatever `verbose` is.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", FutureWarning)  # of the converters, about their past
            for_export(generator, output).export(str(partial), format=kind, verbose=False)
        partial.rename(path)
    except (OSError, tf.errors.OpError) as error:
        raise Tf2ganError(f"{path} cannot be written ({brief(error)})") from error
    except (ImportError, ValueError) as error:  # a Keras without that format, a broken library
        raise Tf2ganError(f"{path} cannot be made by this Keras ({brief(error)})") from error
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def write(flags):
    """Exports the generator that the flags name."""
    source = find_source(flags.source, flags.logdir, checkpoint=flags.checkpoint)
    check_to(Path(flags.to))
    import_tensorflow()
    generator = source.open(flags.checkpoint, discriminator=False).generator
    export(generator, flags.to, output=flags.output)
    shape = ", ".join(map(str, generator.output_shape[1:]))
    made = {"uint8": "0 to 255", "float32": "-1 to 1"}[flags.output]
    print(
        f"{flags.to}: latents, float32 [N, 100] in [-1, 1] -> "
        f"images, {flags.output} [N, {shape}], {made}"
    )


def main(args=None):
    run_command(write, parse_flags(args))


if __name__ == "__main__":
    main()
