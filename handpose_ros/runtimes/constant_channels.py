"""Takes out of a network what it computes for nothing: channels that are the same number for every image.

Interval arithmetic shows them. A channel whose weighted sum of all that its inputs can be stays below 0 is 0 after its
ReLU6, whatever the image; half of the channels of MediaPipe's last landmark layers are like that. A 1x1 convolution or
a linear layer takes such a number into its bias, and nothing needs to compute it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from handpose_ros.runtimes.tflite import Graph, Tensor

_LARGEST = float(np.finfo(np.float32).max)  # bounds what nothing is known of; 0 times it is 0, unlike 0 times infinity
_ROUNDED_UP = 16  # channels are kept by so many: floats in the widest vector of a CPU


def without_constant_channels(graph: Graph) -> Graph:
    """`graph` with fewer channels inside and the same outputs, up to rounding, for images in 0..1."""
    bounds = channel_bounds(graph)
    for chain in _chains(graph):
        low, high = bounds[chain.value]
        constant = np.flatnonzero(low == high)
        kept = len(low) - len(constant)
        removed = constant[: max(len(constant) - -kept % _ROUNDED_UP, 0)]
        if len(removed):
            graph = _without(graph, chain, removed, low[removed])
    return graph


def channel_bounds(graph: Graph) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each computed tensor the least and the largest that each channel (C,) can be, for images in 0..1."""
    bounds = {index: _alike(graph.tensors[index], 0.0, 1.0) for index in graph.inputs}
    for operator in graph.operators:
        low, high = _bounds(graph, operator, bounds)
        limit = 6.0 if operator.activation == "relu6" else _LARGEST
        floor = 0.0 if operator.activation == "relu6" else -_LARGEST
        bounds[operator.output] = np.clip(low, floor, limit), np.clip(high, floor, limit)
    return bounds


def _bounds(graph, operator, bounds):
    """Those of an operator's output before its activation; as wide as can be if its kind is not known here."""
    sources = [bounds.get(index) for index in operator.inputs]  # None: an array of the file
    if operator.kind == "add" and None not in sources:
        return sources[0][0] + sources[1][0], sources[0][1] + sources[1][1]
    if sources[0] is not None and _weighs(graph, operator):
        return _weighted(graph, operator, *sources[0])
    if sources[0] is not None and (operator.kind in ("maxpool", "resize") or _is_mean_of_pixels(graph, operator)):
        return sources[0]
    return _alike(graph.tensors[operator.output], -_LARGEST, _LARGEST)


def _weighted(graph, operator, low, high):
    """Bounds of weights times what lies between `low` and `high` (C,), with the bias."""
    weight, bias = (graph.tensors[index].data.astype(float) for index in operator.inputs[1:3])
    if operator.kind != "linear" and operator.same and weight.shape[1] > 1:
        low, high = np.minimum(low, 0), np.maximum(high, 0)  # a kernel that hangs over the border sees zeros
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    within = (0, 1, 2) if operator.kind == "depthwise" else tuple(range(1, weight.ndim))
    least = (positive * low + negative * high).sum(axis=within)
    return least + bias, (positive * high + negative * low).sum(axis=within) + bias


def _alike(tensor, low, high):
    channels = tensor.shape[-1]
    return np.full(channels, low), np.full(channels, high)


@dataclass(frozen=True)
class _Chain:
    """A convolution, what changes each of its channels by itself, and what takes weighted sums of them after that."""

    producer: int  # positions in Graph.operators
    between: tuple[int, ...]
    consumers: tuple[int, ...]
    value: int  # index into Graph.tensors: what the consumers take


def _chains(graph: Graph) -> Iterator[_Chain]:
    for producer, operator in enumerate(graph.operators):
        if operator.kind != "conv" or not _weighs(graph, operator):
            continue
        between, value = [], operator.output
        consumers = _consumers(graph, value)
        while len(consumers) == 1 and _is_channelwise(graph, graph.operators[consumers[0]]):
            between.append(consumers[0])
            value = graph.operators[consumers[0]].output
            consumers = _consumers(graph, value)
        if consumers and all(_takes_constants(graph, graph.operators[each], value) for each in consumers):
            yield _Chain(producer, tuple(between), tuple(consumers), value)


def _consumers(graph, value):
    """Positions of the operators that take `value`; none if it is an output of the network too."""
    if value in graph.outputs:
        return []
    return [position for position, operator in enumerate(graph.operators) if value in operator.inputs]


def _is_channelwise(graph, operator):
    return _is_plain_depthwise(graph, operator) or _is_mean_of_pixels(graph, operator)


def _is_plain_depthwise(graph, operator):
    """One kernel for each channel."""
    return operator.kind == "depthwise" and _weighs(graph, operator)


def _weighs(graph, operator):
    """Whether an operator makes weighted sums, with weights and a bias that the file holds."""
    if operator.kind not in ("conv", "depthwise", "linear"):
        return False
    if operator.kind == "depthwise" and _shape(graph, operator, 0)[-1] != _shape(graph, operator, 1)[-1]:
        return False  # several kernels for each channel
    return all(graph.tensors[index].data is not None for index in operator.inputs[1:3])


def _is_mean_of_pixels(graph, operator):
    return operator.kind == "mean" and np.array_equal(graph.tensors[operator.inputs[1]].data, [1, 2])


def _takes_constants(graph, operator, value):
    """Whether `value` is what `operator` weighs, at one pixel only."""
    if operator.inputs[0] != value or operator.kind == "depthwise" or not _weighs(graph, operator):
        return False
    return operator.kind == "linear" or _shape(graph, operator, 1)[1:3] == (1, 1)


def _shape(graph, operator, position):
    return graph.tensors[operator.inputs[position]].shape


def _without(graph: Graph, chain: _Chain, removed: np.ndarray, constants: np.ndarray) -> Graph:
    """`graph` without the channels `removed` of a chain, whose last values are `constants`."""
    tensors, operators = list(graph.tensors), list(graph.operators)

    def narrow(position):
        index = operators[position].output
        *others, channels = tensors[index].shape
        tensors[index] = Tensor((*others, channels - len(removed)), None)

    def put(position, weight, bias):
        """New tensors: others may share the old ones."""
        source, *_ = operators[position].inputs
        operators[position] = replace(operators[position], inputs=(source, len(tensors), len(tensors) + 1))
        tensors.extend(Tensor(array.shape, array) for array in (weight, bias))

    def parameters(position):
        return (tensors[index].data for index in operators[position].inputs[1:3])

    for position in (chain.producer, *chain.between):
        narrow(position)
        if operators[position].kind == "mean":
            continue
        weight, bias = parameters(position)
        axis = 0 if position == chain.producer else -1  # of the output channels
        put(position, np.delete(weight, removed, axis), np.delete(bias, removed))
    for position in chain.consumers:
        weight, bias = parameters(position)
        added = weight[..., removed].reshape(len(bias), -1).astype(float) @ constants
        put(position, np.delete(weight, removed, -1), (bias + added).astype(np.float32))
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators))
