"""The small classifier whose features measure quality: bundled for MNIST, else trained once.

`python -m tf2gan.quality.classifier` trains the bundled one again.
"""

import hashlib
import os
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tf2gan.commands import Parser, run_command
from tf2gan.data.images import to_unit
from tf2gan.data.load import load_data
from tf2gan.progress_bar import ProgressBar
from tf2gan.runs.files import replacing

MNIST_WEIGHTS = Path(__file__).parent / "mnist_classifier.keras"
MNIST_KEY = (
    "d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c"  # `data_key` of MNIST
)
FEATURES = 64
EPOCHS = 10
BATCH = 128
BLOCK = 1000  # images evaluated at once


class Classifier:
    """Features and class probabilities of images.

    Args:
      model: what `build_classifier` returns, with its weights.
    """

    def __init__(self, model):
        self.classes = model.output_shape[-1]
        both = keras.Model(model.inputs, [model.get_layer("features").output, model.outputs[0]])
        self._evaluate = tf.function(
            lambda pixels: both(
                to_unit(tf.cast(pixels, tf.float32))[..., tf.newaxis], training=False
            ),
            input_signature=[tf.TensorSpec((None, 28, 28), tf.uint8)],
            autograph=False,
        )

    def __call__(self, pixels):
        """Maps uint8 `[N, 28, 28]` to float32 features `[N, 64]`, probabilities `[N, classes]`."""
        blocks = []
        with ProgressBar("looking at images", len(pixels)) as bar:
            for i in range(0, len(pixels), BLOCK):
                blocks.append(self._evaluate(pixels[i : i + BLOCK]))
                bar.advance(BLOCK)
        features, logits = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return features, tf.nn.softmax(logits).numpy()

    def accuracy(self, images, labels):
        """The share of images that get their label."""
        return float(np.mean(self(images)[1].argmax(1) == labels))


def build_classifier(classes):
    """Builds the network: images `[B, 28, 28, 1]` in [-1, 1] -> logits `[B, classes]`."""
    blocks = []
    for filters in (32, 64, 64):
        blocks += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
        ]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *blocks,
            layers.Flatten(),
            layers.Dense(FEATURES, activation="relu", name="features"),
            layers.Dropout(0.3),
            layers.Dense(classes),
        ],
        name="classifier",
    )


def train_classifier(images, labels, *, seed=0):
    """Trains a classifier from nothing on images that are turned, moved and scaled a little.

    Args:
      images: uint8 `[N, 28, 28]`.
      labels: integers `[N]` from 0.
      seed: fixes initial weights, order and distortions.

    Returns:
      The Keras model.
    """
    keras.utils.set_random_seed(seed)
    model = build_classifier(int(labels.max()) + 1)
    distort = keras.Sequential(
        [
            layers.RandomRotation(0.03, fill_mode="constant", fill_value=-1.0),
            layers.RandomTranslation(0.08, 0.08, fill_mode="constant", fill_value=-1.0),
            layers.RandomZoom(0.1, fill_mode="constant", fill_value=-1.0),
        ]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=seed)
        .batch(min(BATCH, len(images)), drop_remainder=True)
        .map(
            lambda x, y: (
                distort(to_unit(tf.cast(x, tf.float32))[..., tf.newaxis], training=True),
                y,
            )
        )
        .prefetch(2)
    )
    steps = EPOCHS * (len(images) // min(BATCH, len(images)))
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.002, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    with ProgressBar("training the classifier", steps) as bar:
        count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.advance())
        model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[count])
    trained = build_classifier(model.output_shape[-1])
    trained.set_weights(model.get_weights())  # without the optimizer, which would be saved too
    return trained


def data_key(data):
    """A hash of what a data set's classifier is trained on: its training images and labels."""
    digest = hashlib.sha256(np.ascontiguousarray(data.images))
    digest.update(np.ascontiguousarray(data.labels, dtype="<i8"))
    return digest.hexdigest()


def load_classifier(data):
    """Returns the `Classifier` of a data set with labels: bundled, cached, or trained now.

    The cache is `$XDG_CACHE_HOME/tf2gan` (`~/.cache/tf2gan`); where it cannot be written, the
    classifier is trained anew each time. Labels may be any integers.
    """
    _, labels = np.unique(data.labels, return_inverse=True)
    key = data_key(data)
    path = MNIST_WEIGHTS
    if key != MNIST_KEY:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        path = cache / "tf2gan" / f"classifier-{key[:32]}.keras"
    model = build_classifier(int(labels.max()) + 1)
    try:
        model.load_weights(path)
        return Classifier(model)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # not there yet, or damaged
        if key == MNIST_KEY:
            raise
    print(f"training the classifier that measures quality, once for {data.name}", flush=True)
    model = train_classifier(data.images, labels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            model.save(partial)
    except OSError as error:
        print(
            f"{path} cannot be written ({error.strerror}); the classifier is not kept", flush=True
        )
    return Classifier(model)


def main(args=None):
    prog = "python -m tf2gan.quality.classifier"
    parser = Parser(prog=prog, description="Train the bundled classifier again, in its place.")
    parser.parse_args(args)

    def command():
        data = load_data("mnist")
        model = train_classifier(data.images, data.labels)
        with replacing(MNIST_WEIGHTS) as partial:
            model.save(partial)
        accuracy = Classifier(model).accuracy(data.test_images, data.test_labels)
        print(f"{MNIST_WEIGHTS}: {accuracy:.2%} of the test images right; key {data_key(data)}")

    run_command(command, debug=False)


if __name__ == "__main__":
    main()
