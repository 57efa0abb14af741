"""The same functions as the Keras models, evaluated with fewer operations.

Two rewrites keep the layer graph, the variables and the function, and change the order of
evaluation only:

- *Polyphase (the noble identity).* A nearest 2x up-sampling followed by a 'same' convolution reads
  every input pixel several times with the same value. Each of the four output phases is a smaller
  convolution of the small image, its kernel made of sums of the large kernel's taps: 9 taps in
  place of 25 for a 5x5 kernel.
- *Pool first.* A monotonic activation commutes with max-pooling: it runs on a quarter of the
  elements, and the result is the same to the last bit. So does a bias, but nothing is gained by it
  (1 % of an iteration either way): convolution and bias are one kernel.

The Keras model stays the one truth for weights, `summary()`, saving and loading.
"""

import collections

import keras
import numpy as np
import tensorflow as tf
from keras import layers

# Increasing functions of one number: they commute with taking a maximum.
MONOTONIC = tuple(map(keras.activations.get, ("linear", "relu", "sigmoid", "softplus", "tanh")))
# Layers whose `call` takes any float dtype.
WITHOUT_WEIGHTS = (
    layers.Activation,
    layers.Flatten,
    layers.MaxPooling2D,
    layers.Reshape,
    layers.UpSampling2D,
)


def forward(model, inputs, *, training, dtype=tf.float32, logits=False, pool_dtype=None):
    """Evaluates a Sequential model: equal to `model(inputs, training=training)` up to rounding.

    Args:
      model: a `keras.Sequential`; layers that no rewrite knows are evaluated as they are.
      inputs: a float32 batch.
      training: whether BatchNormalization uses, and updates, the statistics of the batch.
      dtype: what convolutions and matrix products compute in. The last layer with weights,
        BatchNormalization and the variables stay float32.
      logits: stop before the last activation. The loss needs this: log(sigmoid(x)) has no gradient
        once the sigmoid has rounded to 0 or 1.
      pool_dtype: what a max-pooling after an activation computes in, `dtype` by default; outputs
        and gradients are the same to the last bit in a wider one, if no windows overlap.

    Returns:
      The outputs, float32.
    """
    queue = collections.deque(model.layers)
    if logits:
        queue.pop()
    last = [layer for layer in queue if layer.weights][-1:]
    outputs = inputs
    while queue:
        layer, following = queue.popleft(), queue[0] if queue else None
        if _doubles(layer) and _is_same_convolution(following):
            convolution = queue.popleft()
            compute = tf.float32 if convolution in last else dtype
            outputs = _upsampled_convolution(convolution, tf.cast(outputs, compute))
        elif _is_convolution(layer) or type(layer) is layers.Dense:
            outputs = tf.cast(outputs, tf.float32 if layer in last else dtype)
            outputs = _linear(layer, outputs)
        elif _is_monotonic(layer) and type(following) is layers.MaxPooling2D:
            pooled = queue.popleft().call(tf.cast(outputs, pool_dtype or outputs.dtype))
            outputs = layer.activation(tf.cast(pooled, outputs.dtype))
        elif type(layer) in WITHOUT_WEIGHTS:
            outputs = layer.call(outputs)  # layer(outputs) would cast to float32
        else:
            outputs = layer(tf.cast(outputs, tf.float32), training=training)
    return tf.cast(outputs, tf.float32)


def _linear(layer, inputs):
    """A Dense or Conv2D layer in the dtype of `inputs`."""
    kernel = tf.cast(layer.kernel, inputs.dtype)
    if type(layer) is layers.Dense:
        outputs = tf.matmul(inputs, kernel)
    else:
        outputs = tf.nn.conv2d(inputs, kernel, layer.strides, layer.padding.upper())
    return _bias_and_activation(layer, outputs)


def _upsampled_convolution(layer, inputs):
    """The 'same' convolution of the inputs doubled by nearest neighbours, as a polyphase one."""
    size = layer.kernel_size[0]
    phases = tf.einsum("apu,bqv,uvio->pqiabo", _phase_taps(size), _phase_taps(size), layer.kernel)
    small, channels, filters = phases.shape[0], layer.kernel.shape[2], layer.filters
    kernel = tf.reshape(phases, (small, small, channels, 4 * filters))
    outputs = tf.nn.conv2d(inputs, tf.cast(kernel, inputs.dtype), 1, "SAME")
    return _bias_and_activation(layer, tf.nn.depth_to_space(outputs, 2))


def _bias_and_activation(layer, outputs):
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, tf.cast(layer.bias, outputs.dtype))
    return layer.activation(outputs)


def _phase_taps(size):
    """Which taps of a kernel of odd `size` fall on which input pixel: 0 or 1 `[phase, pixel, tap]`.

    Tap u of phase a reads up-sampled pixel 2i + a + u - size // 2, which is input pixel
    i + floor((a + u - size // 2) / 2).
    """
    half = size // 2
    reach = -(-half // 2)  # pixels to either side that the taps reach
    taps = np.zeros((2, 2 * reach + 1, size), np.float32)
    for phase in range(2):
        for tap in range(size):
            taps[phase, (phase + tap - half) // 2 + reach, tap] = 1
    return taps


def _doubles(layer):
    return (
        type(layer) is layers.UpSampling2D
        and tuple(layer.size) == (2, 2)
        and layer.interpolation == "nearest"
    )


def _is_convolution(layer):
    """Whether `layer` is a Conv2D that is nothing but a convolution of images in Keras' layout."""
    return (
        type(layer) is layers.Conv2D
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.groups == 1
    )


def _is_same_convolution(layer):
    """Whether `layer` keeps the size of its images and has a centre: a square, odd kernel."""
    if not _is_convolution(layer) or layer.padding != "same" or tuple(layer.strides) != (1, 1):
        return False
    height, width = layer.kernel_size
    return height == width and height % 2 == 1


def _is_monotonic(layer):
    return type(layer) is layers.Activation and layer.activation in MONOTONIC
