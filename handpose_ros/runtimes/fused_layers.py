"""A hand network whose convolutions are GPU kernels that do all that follows them too: see `triton_convolutions`."""

import operator
from collections import defaultdict

import torch
from torch import fx, nn
from torch.nn import functional

from handpose_ros.runtimes import triton_convolutions, triton_layers


def fused(module: fx.GraphModule) -> fx.GraphModule:
    """What `tflite_torch.to_torch` made, changed to take (N, 3, H, W) bytes, channels last, and to compute in float16.

    Sums are float32, and so are the mean and the linear layers. What no kernel is made for stays a layer of torch.
    """
    for node in list(module.graph.nodes):
        layer = module.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(layer, nn.Conv2d) and FusedConvolution.fits(layer):
            _fuse_convolution(module, node, layer)
        elif isinstance(layer, nn.MaxPool2d) and layer.kernel_size == layer.stride == 2:
            _fuse_pool(module, node)
        elif node.target is torch.mean:
            node.target, node.args = _mean, node.args[:1]
    _fuse_linear(module)
    module.delete_all_unused_submodules()
    for layer in module.children():
        if not isinstance(layer, FusedConvolution | FusedLinear):
            layer.half()
    module.graph.lint()
    module.recompile()
    return module


class FusedConvolution(nn.Module):
    """A convolution, what is added to its result, and the activation. It takes images, channels last."""

    def __init__(self, layer: nn.Conv2d, activation: nn.PReLU | str):
        """activation: a PReLU, "relu6" or "none"."""
        super().__init__()
        weight, self._before = layer.weight, layer.padding[0]
        if weight.shape[2] > 1 and not (weight[:, :, 0].any() or weight[:, :, :, 0].any()):
            weight, self._before = weight[:, :, 1:, 1:], self._before - 1  # zeros that made the padding even
        weight = weight.permute(2, 3, 1, 0)  # rows, columns, channels taken and given
        self._kind = _kind(layer)
        if self._kind == "pointwise":
            weight = weight[0, 0]
        elif self._kind == "depthwise":
            weight = weight[:, :, 0]
        self._stride = layer.stride[0]
        prelu = isinstance(activation, nn.PReLU)
        kinds = {"none": triton_convolutions.NO_ACTIVATION, "relu6": triton_convolutions.RELU6}
        self._activation = triton_convolutions.PRELU if prelu else kinds[activation]
        self.register_buffer("_weight", weight.half().contiguous())
        self.register_buffer("_bias", layer.bias.float())
        self.register_buffer("_slope", activation.weight.float() if prelu else layer.bias.float())

    @staticmethod
    def fits(layer: nn.Conv2d) -> bool:
        """Whether there is a kernel for such a layer."""
        return _kind(layer) is not None

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """(N, C, H, W) float16, of the first layer uint8 -> (N, D, H / stride, W / stride) float16."""
        x, residual = _rows_first(x), None if residual is None else _rows_first(residual)
        weights, shape = (self._weight, self._bias, self._slope), (self._activation, self._stride, self._before)
        if self._kind == "of_bytes":
            y = triton_convolutions.of_bytes(x, *weights, *shape)
        elif self._kind == "pointwise":
            y = triton_convolutions.pointwise(x, *weights, residual, self._activation)
        else:
            y = triton_convolutions.depthwise(x, *weights, residual, *shape)
        return y.permute(0, 3, 1, 2)


class FusedLinear(nn.Module):
    """Linear layers that take the same, side by side."""

    def __init__(self, layers: list[nn.Linear]):
        super().__init__()
        self.register_buffer("_weight", torch.cat([layer.weight for layer in layers]).float())
        self.register_buffer("_bias", torch.cat([layer.bias for layer in layers]).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C) -> (N, D of all layers), float32."""
        return triton_layers.linear(x, self._weight, self._bias)


def _kind(layer):
    """Which function of `triton_convolutions` is for it; None if none is."""
    if layer.groups == 1 and layer.in_channels == 3:
        return "of_bytes"
    if layer.groups == 1 and layer.kernel_size == layer.stride == (1, 1):
        return "pointwise"
    return "depthwise" if layer.groups == layer.in_channels == layer.out_channels else None


def _fuse_convolution(module, node, layer):
    """Puts one layer in the place of a convolution and of what follows it and nothing else takes."""
    chain, inputs, activation = [node], node.args, "none"
    if _kind(layer) != "of_bytes" and (adding := _only_user(node, torch.add)):
        chain.append(adding)
        inputs = (*inputs, *(each for each in adding.args if each is not node))
    if clamping := _only_user(chain[-1], functional.relu6):
        chain.append(clamping)
        activation = "relu6"
    elif (user := _only_user(chain[-1])) and user.op == "call_module":
        if isinstance(prelu := module.get_submodule(user.target), nn.PReLU):
            chain.append(user)
            activation = prelu
    name = f"fused_{node.target}"
    module.add_submodule(name, FusedConvolution(layer, activation))
    with module.graph.inserting_after(chain[-1]):
        chain[-1].replace_all_uses_with(module.graph.call_module(name, inputs))
    for each in reversed(chain):
        module.graph.erase_node(each)


def _fuse_pool(module, node):
    """Puts one function in the place of a pool and of the channels of zeros that follow it."""
    padding = _only_user(node, functional.pad)
    if padding is not None and any(padding.args[1][:-1]):
        padding = None  # not of channels behind
    last, more = (padding, padding.args[1][-1]) if padding is not None else (node, 0)
    with module.graph.inserting_after(last):
        last.replace_all_uses_with(module.graph.call_function(_largest, (*node.args, more)))
    for each in (padding, node):
        if each is not None:
            module.graph.erase_node(each)


def _fuse_linear(module):
    """Puts one layer in the place of linear layers that take the same."""
    taking = defaultdict(list)
    for node in module.graph.nodes:
        if node.op == "call_module" and isinstance(module.get_submodule(node.target), nn.Linear):
            taking[node.args].append(node)
    for inputs, nodes in taking.items():
        layers = [module.get_submodule(node.target) for node in nodes]
        name, start = f"fused_{nodes[0].target}", 0
        module.add_submodule(name, FusedLinear(layers))
        with module.graph.inserting_before(nodes[0]):
            together = module.graph.call_module(name, inputs)
        for node, layer in zip(nodes, layers, strict=True):
            part = (slice(None), slice(start, start := start + layer.out_features))
            node.op, node.target, node.args = "call_function", operator.getitem, (together, part)


def _only_user(node, function=None):
    """What takes the result of `node`, if it is one node, and a call of `function` if one is given."""
    user = next(iter(node.users)) if len(node.users) == 1 else None
    return user if user is not None and function in (None, user.target) else None


def _largest(x, more):
    x = _rows_first(x)
    return triton_layers.largest(x, x.shape[-1] + more).permute(0, 3, 1, 2)


def _mean(x):
    return triton_layers.mean(_rows_first(x))


def _rows_first(x):
    """(N, C, H, W) -> (N, H, W, C), the same memory where it lies like that."""
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
