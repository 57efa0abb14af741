"""The small classifier whose features measure quality: bundled for MNIST, else trained once.

`python -m tf2gan.quality.classifier` trains the bundled one again.
"""

import hashlib
import math
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tf2gan.data import cache
from tf2gan.data.images import to_unit
from tf2gan.data.load import load_data
from tf2gan.data.mapped import before_reading, blocks
from tf2gan.devices.precision import choose_dtype
from tf2gan.networks.polyphase import forward
from tf2gan.quality.clusters import KINDS, cluster
from tf2gan.utils.command_line import Parser, run_command
from tf2gan.utils.errors import Tf2ganError
from tf2gan.utils.files import replacing
from tf2gan.utils.progress_bar import ProgressBar

MNIST_WEIGHTS = Path(__file__).parent / "mnist_classifier.keras"
MNIST_KEY = "d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c"  # of MNIST's `Data`
FEATURES = 64
STEPS = 2_000  # of training on classes, whatever the size of the data set
BATCH = 128
BLOCK = 500  # images evaluated at once
SIDE = 32  # pixels that larger images are brought near, before anything is computed of them
CLUSTERS = 50  # of each kind, that are told apart where there are no classes
CLUSTER_STEPS = 600  # of training on clusters of images of SIDE x SIDE, so that it ends in time


class Classifier:
    """Features and class probabilities of images.

    Args:
      model: what `build_classifier` returns, with its weights.
    """

    def __init__(self, model):
        inner, (images,) = model.get_layer("features").output, model.inputs
        # Keras before 3.10 warns where a model of a list of one is called without a list.
        self._features = keras.Model(images, inner)
        both = keras.Model(images, [inner, model.outputs[0]])
        self._evaluate = tf.function(
            lambda pixels: both(to_unit(tf.cast(pixels, tf.float32)), training=False),
            input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
            autograph=False,
        )

    def __call__(self, pixels, rows=None):
        """Maps uint8 `[N, H, W, C]` to float32 features `[N, 64]`, probabilities `[N, classes]`.

        With `rows` only those images, in their order.
        """
        rows, found = np.arange(len(pixels)) if rows is None else rows, []
        for block in blocks(rows, BLOCK, "looking at images"):
            before_reading(pixels)
            found.append(self._evaluate(pixels[block]))
        features, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return features, tf.nn.softmax(logits).numpy()

    def features(self, images):
        """The features `[N, 64]` of images `[N, H, W, C]` in [-1, 1], to be differentiated."""
        return self._features(images, training=False)

    def probability(self, label):
        """A function from uint8 `[N, H, W, C]` to the probability `[N]` of one class."""
        return lambda pixels: self(pixels)[1][:, label]

    def accuracy(self, images, labels):
        """The share of images that get their label."""
        return float(np.mean(self(images)[1].argmax(1) == labels))


def build_classifier(classes, image_size=(28, 28), channels=1):
    """Builds the network: images `[B, H, W, C]` in [-1, 1] -> logits `[B, classes]`."""
    convolutions = []
    if (side := _pooled(image_size)) > 1:
        convolutions.append(layers.AveragePooling2D(side, padding="same", name="smaller"))
    for filters in (32, 64, 64):
        convolutions += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
        ]
    return keras.Sequential(
        [
            keras.Input((*image_size, channels)),
            *convolutions,
            layers.Flatten(),
            layers.Dense(FEATURES, activation="relu", name="features"),
            layers.Dropout(0.3),
            layers.Dense(classes),
        ],
        name="classifier",
    )


def _pooled(image_size):
    """The side of the squares of pixels whose means the network sees, 1 for small images."""
    return max(1, round(math.sqrt(math.prod(image_size)) / SIDE))


def train_classifier(images, labels, classes, steps, *, weights=(1.0,), seed=0):
    """Trains a classifier from nothing on images that are rotated, translated and scaled a little.

    Args:
      images: uint8 `[N, H, W, C]`.
      labels: integers `[N]` from 0, or `[N, K]`: what K classifiers in one are to tell apart, which
        share all layers but the last.
      classes: how many there are, of each of the K.
      steps: of training, of `BATCH` images each.
      weights: of each of the K in the loss, or one for all.
      seed: fixes initial weights, order and distortions.

    Returns:
      The Keras model; its logits are `[B, K * classes]`.
    """
    keras.utils.set_random_seed(seed)
    labels = np.asarray(labels, np.int32).reshape(len(images), -1)
    heads = labels.shape[1]
    model = build_classifier(heads * classes, images.shape[1:3], images.shape[3])
    variables = model.trainable_variables
    side, network = _pooled(images.shape[1:3]), model
    if side > 1:  # rotations of large images would take longer than the network
        network = keras.Sequential(model.layers[1:])
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.002, steps))
    optimizer.build(variables)
    dtype, _ = choose_dtype("auto")
    dtype = tf.float32 if dtype == tf.float16 else dtype  # which would want its losses scaled

    @tf.function(autograph=False)
    def step(pixels, labels, transforms):
        batch = to_unit(tf.cast(pixels, tf.float32))
        batch = model.layers[0](batch) if side > 1 else batch
        batch = distorted(batch, transforms)
        with tf.GradientTape() as tape:
            logits = forward(network, batch, training=True, dtype=dtype)
            logits = tf.reshape(logits, (-1, heads, classes))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses * weights)
        optimizer.apply(tape.gradient(loss, variables), variables)

    random = np.random.Generator(np.random.Philox(seed))
    size, seen = min(BATCH, len(images)), [-(-pixels // side) for pixels in images.shape[1:3]]
    with ProgressBar("training the classifier", steps) as bar:
        for number in range(steps):
            place = number % (len(images) // size) * size
            if place == 0:
                order = random.permutation(len(images))
            rows = np.sort(order[place : place + size])  # of a mapped file, as they lie there
            before_reading(images)
            step(images[rows], labels[rows], random_transforms(random, size, seen))
            bar.advance()
    return model


def random_transforms(random, count, image_size):
    """Affine maps, float32 `[count, 8]`: turns of 11 degrees, moves of 8 %, scales of 10 %."""
    height, width = image_size
    angle, scale = random.uniform(-0.19, 0.19, count), random.uniform(0.9, 1.1, count)
    down, right = random.uniform(-0.08, 0.08, (2, count)) * [[height], [width]]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    y, x, zero = (height - 1) / 2, (width - 1) / 2, np.zeros(count)
    rows = [cos, -sin, x - cos * x + sin * y + right, sin, cos, y - sin * x - cos * y + down]
    return np.stack([*rows, zero, zero], 1).astype(np.float32)


def distorted(images, transforms):
    """Images `[B, H, W, C]`, each under its affine map; edges are repeated outwards."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def load_classifier(data):
    """Returns (the `Classifier` of a data set, its name): bundled, cached, or trained now.

    Where there are no classes it tells clusters of similar images apart, `CLUSTERS` of each kind:
    by their gradients and by their colours (`tf2gan.quality.clusters`). The cache is
    `$XDG_CACHE_HOME/tf2gan` (`~/.cache/tf2gan`); where it cannot be written, the classifier is
    trained anew each time.
    """
    model, path, found = _find(data)
    if not found:
        if path == MNIST_WEIGHTS:
            raise Tf2ganError(f"{path} cannot be read; install tf2gan again")
        model = _train_and_keep(data, path)
    return Classifier(model), name_of(model)


def find_classifier(data):
    """The `Classifier` of a data set if it is there; None where it would have to be trained."""
    model, _, found = _find(data)
    return Classifier(model) if found else None


def _find(data):
    """(the model for a data set, where its weights are kept, whether they were there and whole)."""
    key = data.key
    path = MNIST_WEIGHTS
    if key != MNIST_KEY:
        path = cache.folder() / f"classifier-{key[:32]}.keras"
    classes = len(data.class_names) if data.has_classes else len(KINDS) * CLUSTERS
    model = build_classifier(classes, data.image_size, data.channels)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # not there yet, or damaged
        return model, path, False
    return model, path, True


def name_of(model):
    """Eight digits that tell a model's weights from any others."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()[:8]


def _train_and_keep(data, path):
    print(f"training the classifier that measures quality, once for {data.name}", flush=True)
    if data.has_classes:
        model = train_classifier(data.images, data.labels, len(data.class_names), STEPS)
    else:
        labels = cluster(data.images, CLUSTERS)
        weights = tuple(KINDS.values())
        side = _pooled(data.image_size)
        larger = math.prod(data.image_size) / (side * SIDE) ** 2  # than SIDE x SIDE
        steps = round(CLUSTER_STEPS / max(1, larger))
        model = train_classifier(data.images, labels, CLUSTERS, steps, weights=weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            model.save(partial)
    except OSError as error:
        print(
            f"{path} cannot be written ({error.strerror}); the classifier is not kept", flush=True
        )
    return model


def train_again(flags):
    """Trains the classifier of the package again, in its place."""
    data = load_data("mnist")
    model = train_classifier(data.images, data.labels, len(data.class_names), STEPS)
    with replacing(MNIST_WEIGHTS) as partial:
        model.save(partial)
    accuracy = Classifier(model).accuracy(data.test_images, data.test_labels)
    print(f"{MNIST_WEIGHTS}: {accuracy:.2%} of the test images right; key {data.key}")


def main(args=None):
    prog = "python -m tf2gan.quality.classifier"
    parser = Parser(prog=prog, description="Train the bundled classifier again, in its place.")
    run_command(train_again, parser.parse_args(args))


if __name__ == "__main__":
    main()
