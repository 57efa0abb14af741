"""What replicas and machines exchange: slices of a batch, means, sums, the state of the chief."""

import functools

import keras
import numpy as np
import tensorflow as tf


def is_chief(strategy):
    """Whether this process writes: the only one, or the first of several machines."""
    return strategy.extended.should_checkpoint


def several_machines(strategy):
    """Whether a `tf.distribute` strategy is one of several machines."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def synchronise_batch_statistics(network, strategy):
    """Makes BatchNormalization take its statistics over the batches of all replicas."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = strategy.num_replicas_in_sync > 1


def on_slices(strategy, update, *batches):
    """Calls `update` on every replica with its slice of the `batches`; returns what one returns.

    Args:
      strategy: a `tf.distribute` strategy.
      update: returns a dict of scalars; the mean over the replicas is taken of each.
      *batches: tensors `[B, ...]`, B a multiple of the replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return update(*batches)

    def on_one():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        metrics = update(
            *(tf.reshape(batch, (replicas, -1, *batch.shape[1:]))[number] for batch in batches)
        )
        means = mean_over_replicas(tf.stack(list(metrics.values())))
        return dict(zip(metrics, tf.unstack(means), strict=True))

    return tf.nest.map_structure(
        lambda value: strategy.experimental_local_results(value)[0], strategy.run(on_one)
    )


def mean_over_replicas(tensors):
    """The mean over all replicas of each tensor, on every replica; as they are if there is one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


@functools.lru_cache(maxsize=1)
def _sum(strategy):
    local = len(strategy.extended.worker_devices)

    def on_one(tensors):
        # Each machine counts once, whatever its number of replicas.
        context = tf.distribute.get_replica_context()
        counts = context.replica_id_in_sync_group % local == 0
        own = [tensor * tf.cast(counts, tensor.dtype) for tensor in tensors]
        return [context.all_reduce(tf.distribute.ReduceOp.SUM, tensor) for tensor in own]

    return tf.function(lambda tensors: strategy.run(on_one, (tensors,)), autograph=False)


def sum_over_machines(strategy, arrays):
    """The sum over all machines of each of a list of arrays, on every machine."""
    if not several_machines(strategy):
        return arrays
    sums = _sum(strategy)([tf.constant(array) for array in arrays])
    return [strategy.experimental_local_results(total)[0].numpy() for total in sums]


def any_machine(strategy, flag):
    """Whether `flag` is true on any machine; all of them must ask."""
    return bool(sum_over_machines(strategy, [np.float32(bool(flag))])[0])


def take_from_chief(variables, strategy):
    """Gives variables the values that they have on the chief; all machines must call it."""
    if several_machines(strategy):
        own = [
            variable.numpy() if is_chief(strategy) else np.zeros_like(variable.numpy())
            for variable in variables
        ]
        for variable, value in zip(variables, sum_over_machines(strategy, own), strict=True):
            variable.assign(value)
