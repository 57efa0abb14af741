"""What a configuration trains on: the data that it names, or arrays that were given to it."""

import dataclasses

from tf2gan.data.arrays import fingerprint, from_arrays
from tf2gan.data.load import ARRAYS, load_data
from tf2gan.utils.errors import DataError, UsageError


def load_training_data(config, data=None):
    """Returns (the configuration with the size and colour of its data, the data).

    Args:
      config: a `TrainConfig`.
      data: a `tf2gan.data.dataset.Data`, if it is loaded already; otherwise `config.data` is.

    Raises:
      DataError: the data cannot be used, or do not fill one batch.
    """
    if data is None:
        data = load_data(config.data, config.image_size, config.color_mode)
    if len(data.images) < config.batch:
        raise DataError(
            f"{config.data} has {len(data.images)} images, less than one batch of {config.batch}; "
            f"give a --batch of at most {len(data.images)}"
        )
    return config.of(data), data


def name_arrays(config, images, labels, test_images, test_labels):
    """Returns (the configuration that names given arrays by their hash, their `Data`)."""
    wanted = {"image_size": config.image_size, "color_mode": config.color_mode}
    data = from_arrays(images, labels, test_images, test_labels, name="arrays", **wanted)
    return dataclasses.replace(config, data=ARRAYS + fingerprint(data)), data


def check_same_data(run, config, given):
    """Raises `UsageError` unless the configuration `given` names the data of the run's."""
    if config.data != given.data:
        raise UsageError(f"{run} was trained on {config.data}; the arrays given are {given.data}")
