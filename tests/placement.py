"""Where TensorFlow would run each operation of a traced function beside a GPU, told without one.

The registry of kernels that comes with the package is that of a GPU build. An operation without a
GPU kernel for its types runs on the host; one with such a kernel may still take or give some of its
tensors in the host's memory, as all arithmetic of int32 does.
"""

import functools

import tensorflow as tf
from tensorflow.python.framework import kernels
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

ANYWHERE = {"Placeholder", "NoOp", "_Arg", "_Retval", "ReadVariableOp", "VarHandleOp"}
FORWARDED = {"Identity"}  # pruned, or beside what they forward
CALLS = {
    "PartitionedCall": ["f"],
    "StatefulPartitionedCall": ["f"],
    "While": ["body", "cond"],
    "StatelessWhile": ["body", "cond"],
    "If": ["then_branch", "else_branch"],
    "StatelessIf": ["then_branch", "else_branch"],
}


@functools.cache
def gpu_kernels(name):
    return [k for k in kernels.get_registered_kernels_for_op(name).kernel if k.device_type == "GPU"]


def gpu_kernel(operation):
    """The GPU kernel that takes an operation's types, or None."""
    for kernel in gpu_kernels(operation.type):
        if all(
            operation.get_attr(c.name).as_datatype_enum in c.allowed_values.list.type
            for c in kernel.constraint
            if c.allowed_values.list.type
        ):
            return kernel
    return None


def memories(operation, arguments, kernel):
    """For each tensor of an operation's inputs or outputs: whether it lies in the host's memory."""
    found = []
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = operation.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(operation.get_attr(argument.type_list_attr))
        found += [kernel is None or argument.name in kernel.host_memory_arg] * count
    return found


class Walk:
    """Walks a concrete function and all it calls; `hosted` and `copied` name what was found."""

    def __init__(self, function):
        self.hosted, self.copied, self.seen = set(), set(), set()
        self.library = {f.signature.name: f for f in function.graph.as_graph_def().library.function}
        self.walk(function.graph, [])

    def walk(self, graph, path):
        on_host = {}  # tensor: where it is; arguments are where they are wanted
        folded = set()  # tensors that are known before anything runs
        for operation in graph.get_operations():
            self.seen.add(operation.type)
            if operation.type in CALLS:
                for name in CALLS[operation.type]:
                    inner = function_def_to_graph(self.library[operation.get_attr(name).name])
                    self.walk(inner, [*path, operation.type])
                continue
            outputs = [output.ref() for output in operation.outputs]
            if is_known(operation, folded):
                folded.update(outputs)
                continue
            if operation.type in FORWARDED:
                on_host.update({outputs[0]: on_host.get(operation.inputs[0].ref())})
                continue
            if operation.type in ANYWHERE:
                continue
            pinned = "CPU" in operation.device
            kernel = None if pinned else gpu_kernel(operation)
            if kernel is None and not pinned and outputs:
                types = [output.dtype.name for output in operation.outputs]
                self.hosted.add((*path, f"{operation.type} {types} {operation.name}"))
            definition = operation.op_def
            wanted = memories(operation, definition.input_arg, kernel)
            for tensor, host in zip(operation.inputs, wanted, strict=True):
                found = on_host.get(tensor.ref())
                if found not in (None, host) and tensor.dtype != tf.resource:
                    way = "to the host" if host else "to the device"
                    self.copied.add((*path, f"{tensor.name} {way} for {operation.type}"))
            given = memories(operation, definition.output_arg, kernel)
            on_host.update(zip(outputs, given, strict=True))


def is_known(operation, folded):
    """Whether TensorFlow works out an operation beforehand: of constants and of known shapes."""
    if operation.type in ("Shape", "ShapeN", "Size"):
        return all(tensor.shape.is_fully_defined() for tensor in operation.inputs)
    known = all(tensor.ref() in folded for tensor in operation.inputs)
    return (
        operation.type == "Const"
        or bool(operation.inputs)
        and known
        and not operation.op_def.is_stateful
    )
