"""The trained networks that come with the package: digits, before anything is trained.

`python -m tf2gan.runs.pretrained RUN` packs a run's networks again, in their place.
"""

import hashlib
import io
import json
from pathlib import Path

import h5py
import keras
import numpy as np

from tf2gan.networks.models import build_discriminator, build_generator
from tf2gan.runs.weights import datasets_of, read_arrays
from tf2gan.settings.config import PRETRAINED, TrainConfig
from tf2gan.utils.command_line import Parser, run_command
from tf2gan.utils.errors import Tf2ganError, UsageError
from tf2gan.utils.files import replacing

FOLDER = Path(__file__).parent
SHA256 = {"mnist": "52b9821bc4cdfce355c8a0bf6949268936a45fbee75087c554d567e3042d870c"}


def file_of(name):
    """Where the networks of a data set lie; `UsageError` where there are none."""
    if name not in PRETRAINED:
        raise UsageError(f"there are no trained networks {name!r}; choose {', '.join(PRETRAINED)}")
    return FOLDER / f"{name}_networks.h5"


def load_pretrained(name: str = "mnist") -> tuple[keras.Sequential, keras.Sequential]:
    """Returns (generator, discriminator) as plain Keras models, trained and ready to draw.

    They are kept in float16 and computed in float32. How they were trained: `read_pretrained`.

    Raises:
      UsageError: there are none of that name.
      Tf2ganError: the file is damaged.
    """
    return read_pretrained(name)[0]


def read_pretrained(name="mnist"):
    """(the networks, how they were trained: a dict of `config`, `step` and what that measured)."""
    networks = build_generator(), build_discriminator()
    with _open(name) as file:
        for network in networks:
            network.set_weights(read_arrays(datasets_of(file[network.name])))
        return networks, json.loads(file.attrs["origin"])


def _open(name):
    """The HDF5 file, checked by SHA-256: a damaged install must not draw in silence."""
    path = file_of(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Tf2ganError(f"{path} cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise Tf2ganError(f"{path} is damaged (its SHA-256 is wrong); install tf2gan again")
    return h5py.File(io.BytesIO(content), "r")


def pack(networks, origin, path):
    """Writes networks in float16, an HDF5 group each in the original's layout.

    Half the bits of a weight cost a thousandth of its value; the bytes of a kind lie together, so
    that they can be packed.
    """
    packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
    with h5py.File(path, "w") as file:
        file.attrs["origin"] = json.dumps(origin)
        for network in networks:
            group = file.create_group(network.name)
            layers = [layer for layer in network.layers if layer.weights]
            group.attrs["layer_names"] = [layer.name for layer in layers]
            for layer in layers:
                weights = group.create_group(layer.name)
                weights.attrs["weight_names"] = [weight.name for weight in layer.weights]
                for weight in layer.weights:
                    array = np.asarray(weight.numpy(), np.float16)
                    weights.create_dataset(weight.name, data=array, **packed)


def pack_run(flags):
    """Packs the networks of a run into the package, in place of those that are there."""
    from tf2gan.runs.checkpoints import best_figures, restore_networks

    config = TrainConfig.read(flags.run)
    path = file_of(config.data)
    if (config.size, config.channels) != ((28, 28), 1):
        raise UsageError(f"{flags.run} is not for images of 28x28, grayscale")
    *networks, step, _ = restore_networks(flags.run, "best")
    figures = {"config": json.loads(config.to_json()), **best_figures(flags.run), "step": step}
    with replacing(path) as partial:
        pack(networks, figures, partial)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def main(args=None):
    prog = "python -m tf2gan.runs.pretrained"
    parser = Parser(prog=prog, description="Pack a run's networks into the package.")
    parser.add_argument("run", metavar="RUN", help="a run's path")
    run_command(pack_run, parser.parse_args(args))


if __name__ == "__main__":
    main()
