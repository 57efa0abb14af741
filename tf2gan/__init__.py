"""tf2gan: the classic Keras MNIST GAN, rewritten for TensorFlow 2.

Importing this package is free: TensorFlow is imported by the first call that needs it.
"""

__version__ = "0.1.0"

__all__ = ["TrainConfig", "load_run", "train"]

from tf2gan.config import TrainConfig


def train(config, logdir):
    """Trains a GAN as `config` says and returns the run folder it made inside `logdir`.

    See `tf2gan.training.train`, which this calls.
    """
    from tf2gan.training import train as run_training

    return run_training(config, logdir)


def load_run(path):
    """Returns (generator, discriminator) of a run folder as plain Keras models.

    See `tf2gan.checkpoints.load_run`, which this calls.
    """
    from tf2gan.checkpoints import load_run as load

    return load(path)
