"""Builds an OpenVINO model from a TensorFlow Lite graph."""

import numpy as np
import openvino
from openvino import opset13 as nodes

from handpose_ros.runtimes.tflite import Graph, Operator


def to_openvino(graph: Graph) -> openvino.Model:
    """The network as a model: (1, H, W, 3) float32 in 0..1 -> the file's outputs. `reshape` makes it take N images.

    Raises: ValueError naming what the graph contains and this builder does not know.
    """
    return _Builder(graph).build()


class _Builder:
    """Walks the operators once; `self.nodes` holds what has been computed so far, channels before rows."""

    def __init__(self, graph: Graph):
        self.graph = graph
        (image,) = graph.inputs
        self.image = nodes.parameter(graph.tensors[image].shape, np.float32)
        self.nodes = {image: nodes.transpose(self.image, [0, 3, 1, 2])}

    def build(self) -> openvino.Model:
        for operator in self.graph.operators:
            node = getattr(self, f"_{operator.kind}")(operator)
            self.nodes[operator.output] = node if operator.activation == "none" else nodes.clamp(node, 0, 6)
        return openvino.Model([self.nodes[index] for index in self.graph.outputs], [self.image])

    def _conv(self, operator: Operator) -> openvino.Node:
        weight = self._constant(operator, 1).transpose(0, 3, 1, 2)  # from out, height, width, in
        return self._convolution(operator, nodes.convolution, weight)

    def _depthwise(self, operator: Operator) -> openvino.Node:
        weight = self._constant(operator, 1).transpose(3, 0, 1, 2)[:, :, None]  # from 1, height, width, channels
        return self._convolution(operator, nodes.group_convolution, weight)

    def _convolution(self, operator, kind, weight):
        node = kind(self._input(operator), np.ascontiguousarray(weight), **_window(operator))
        return nodes.add(node, self._constant(operator, 2).reshape(1, -1, 1, 1))

    def _maxpool(self, operator: Operator) -> openvino.Output:
        size = [operator.kernel] * 2
        return nodes.max_pool(self._input(operator), kernel_shape=size, **_window(operator)).output(0)

    def _prelu(self, operator: Operator) -> openvino.Node:
        return nodes.prelu(self._input(operator), self._constant(operator, 1).reshape(-1))

    def _linear(self, operator: Operator) -> openvino.Node:
        product = nodes.matmul(self._input(operator), self._constant(operator, 1), False, True)
        return nodes.add(product, self._constant(operator, 2)[None])

    def _add(self, operator: Operator) -> openvino.Node:
        return nodes.add(*(self.nodes[index] for index in operator.inputs))

    def _sigmoid(self, operator: Operator) -> openvino.Node:
        return nodes.sigmoid(self._input(operator))

    def _mean(self, operator: Operator) -> openvino.Node:
        if self._constant(operator, 1).tolist() != [1, 2]:
            raise ValueError("a mean over other axes than rows and columns is not known")
        return nodes.reduce_mean(self._input(operator), [2, 3])

    def _pad(self, operator: Operator) -> openvino.Node:
        before, after = self._constant(operator, 1)[[0, 3, 1, 2]].T
        return nodes.pad(self._input(operator), before, after, "constant")

    def _resize(self, operator: Operator) -> openvino.Node:
        size, axes = self._constant(operator, 1), np.array([2, 3])
        return nodes.interpolate(self._input(operator), size, "linear_onnx", "sizes", axes=axes)

    def _reshape(self, operator: Operator) -> openvino.Node:
        _, *shape = self.graph.tensors[operator.output].shape
        rows_first = nodes.transpose(self._input(operator), [0, 2, 3, 1])
        return nodes.reshape(rows_first, [-1, *shape], special_zero=False)

    def _concat(self, operator: Operator) -> openvino.Node:
        if len(self.graph.tensors[operator.output].shape) == 4:
            raise ValueError("a concatenation of images is not known")
        return nodes.concat([self.nodes[index] for index in operator.inputs], operator.axis)

    def _dequantize(self, operator: Operator) -> openvino.Node:
        raise ValueError("values that are quantized while the network runs are not known")

    def _input(self, operator: Operator) -> openvino.Node:
        return self.nodes[operator.inputs[0]]

    def _constant(self, operator: Operator, position: int) -> np.ndarray:
        data = self.graph.tensors[operator.inputs[position]].data
        if data is None:
            raise ValueError(f"a {operator.kind} whose input {position} is computed is not known")
        return data


def _window(operator):
    """How a kernel walks over its image. Like TensorFlow's SAME, `same_upper` pads more at the bottom and right."""
    padding = "same_upper" if operator.same else "valid"
    strides = [operator.stride] * 2
    return {"strides": strides, "auto_pad": padding, "pads_begin": [0, 0], "pads_end": [0, 0], "dilations": [1, 1]}
