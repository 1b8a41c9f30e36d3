"""Builds a torch module of plain layers from a TensorFlow Lite graph."""

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from handpose_ros.runtimes.tflite import Graph, Operator


def to_torch(graph: Graph) -> fx.GraphModule:
    """The network as a module, in evaluation mode: (N, 3, H, W) float32 in 0..1 -> a tuple, the file's outputs.

    Any N works. Outputs keep the file's shapes with N in front, heads flattened in its order (row, column, channel).
    Raises: ValueError naming what the graph contains and this builder does not know.
    """
    return _Builder(graph).build()


class _Builder:
    """Walks the operators once; `self.nodes` holds what has been computed so far."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.layers = nn.Module()
        self.code = fx.Graph()
        self.nodes = {index: self.code.placeholder("image") for index in graph.inputs}

    def build(self) -> fx.GraphModule:
        for operator in self.graph.operators:
            node = getattr(self, f"_{operator.kind}")(operator)
            self.nodes[operator.output] = self._activated(operator, node)
        self.code.output(tuple(self.nodes[index] for index in self.graph.outputs))
        module = fx.GraphModule(self.layers, self.code).eval()
        return module.requires_grad_(False)

    def _conv(self, operator: Operator) -> fx.Node:
        weight = self._constant(operator, 1).transpose(0, 3, 1, 2)  # from out, height, width, in
        return self._convolution(operator, weight, groups=1)

    def _depthwise(self, operator: Operator) -> fx.Node:
        weight = self._constant(operator, 1).transpose(3, 0, 1, 2)  # from 1, height, width, channels
        return self._convolution(operator, weight, groups=len(weight))

    def _convolution(self, operator: Operator, weight: np.ndarray, groups: int) -> fx.Node:
        before, after = self._padding(operator, weight.shape[2])
        if before != after:
            # SAME pads more at the bottom and right when the stride is 2. A kernel with a leading row and column
            # of zeros, padded alike on all sides, is the same sum and needs no padded copy of the image.
            weight = np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0)))
        channels_out, channels_in, kernel, _ = weight.shape
        layer = nn.Conv2d(channels_in * groups, channels_out, kernel, operator.stride, after, groups=groups)
        return self._layer(operator, layer, weight=weight, bias=self._constant(operator, 2))

    def _padding(self, operator: Operator, kernel: int) -> tuple[int, int]:
        """Zeros before and after each row and column."""
        _, height, width, _ = self.graph.tensors[operator.inputs[0]].shape
        if height != width:
            raise ValueError(f"an image of {width} x {height} inside the network: only square ones are known")
        if height % operator.stride:
            raise ValueError(f"stride {operator.stride} on {height} rows: only multiples are known")
        total = max(kernel - operator.stride, 0) if operator.same else 0
        return total // 2, total - total // 2

    def _maxpool(self, operator: Operator) -> fx.Node:
        if any(self._padding(operator, operator.kernel)):
            raise ValueError(f"a padded pool of {operator.kernel} with stride {operator.stride} is not known")
        return self._layer(operator, nn.MaxPool2d(operator.kernel, operator.stride))

    def _prelu(self, operator: Operator) -> fx.Node:
        slope = self._constant(operator, 1).reshape(-1)
        return self._layer(operator, nn.PReLU(len(slope)), weight=slope)

    def _linear(self, operator: Operator) -> fx.Node:
        weight = self._constant(operator, 1)
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        return self._layer(operator, layer, weight=weight, bias=self._constant(operator, 2))

    def _add(self, operator: Operator) -> fx.Node:
        return self.code.call_function(torch.add, tuple(self.nodes[index] for index in operator.inputs))

    def _sigmoid(self, operator: Operator) -> fx.Node:
        return self.code.call_function(torch.sigmoid, (self._input(operator),))

    def _mean(self, operator: Operator) -> fx.Node:
        if self._constant(operator, 1).tolist() != [1, 2]:
            raise ValueError("a mean over other axes than rows and columns is not known")
        return self.code.call_function(torch.mean, (self._input(operator), (2, 3)))

    def _pad(self, operator: Operator) -> fx.Node:
        batch, rows, columns, channels = self._constant(operator, 1).tolist()
        if any(batch):
            raise ValueError("a padded batch is not known")
        return self.code.call_function(functional.pad, (self._input(operator), (*columns, *rows, *channels)))

    def _resize(self, operator: Operator) -> fx.Node:
        size = tuple(self._constant(operator, 1).tolist())
        options = {"size": size, "mode": "bilinear", "align_corners": False}
        return self.code.call_function(functional.interpolate, (self._input(operator),), options)

    def _reshape(self, operator: Operator) -> fx.Node:
        _, *shape = self.graph.tensors[operator.output].shape
        rows_first = self.code.call_method("permute", (self._input(operator), 0, 2, 3, 1))
        return self.code.call_method("reshape", (rows_first, -1, *shape))

    def _concat(self, operator: Operator) -> fx.Node:
        if len(self.graph.tensors[operator.output].shape) == 4:
            raise ValueError("a concatenation of images is not known")
        return self.code.call_function(torch.cat, ([self.nodes[index] for index in operator.inputs], operator.axis))

    def _dequantize(self, operator: Operator) -> fx.Node:
        raise ValueError("values that are quantized while the network runs are not known")

    def _activated(self, operator: Operator, node: fx.Node) -> fx.Node:
        if operator.activation == "none":
            return node
        return self.code.call_function(functional.relu6, (node,), {"inplace": True})

    def _input(self, operator: Operator) -> fx.Node:
        return self.nodes[operator.inputs[0]]

    def _constant(self, operator: Operator, position: int) -> np.ndarray:
        data = self.graph.tensors[operator.inputs[position]].data
        if data is None:
            raise ValueError(f"a {operator.kind} whose input {position} is computed is not known")
        return data

    def _layer(self, operator: Operator, layer: nn.Module, **parameters: np.ndarray) -> fx.Node:
        for name, value in parameters.items():
            getattr(layer, name).data = torch.from_numpy(np.ascontiguousarray(value))
        name = f"{operator.kind}{operator.output}"
        self.layers.add_module(name, layer)
        return self.code.call_module(name, (self._input(operator),))
