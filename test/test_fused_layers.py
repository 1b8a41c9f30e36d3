"""The GPU's kernels compute what the layers do that they stand for; without a GPU, interpreted on the CPU."""

import os

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import fx, nn
from torch.nn import functional

from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import aim
from handpose_ros.crops.cropping import Region, node_pixels
from handpose_ros.runtimes import torch_sampling

ON_GPU = torch.cuda.is_available()
if not ON_GPU:
    os.environ["TRITON_INTERPRET"] = "1"  # before the first import of triton, which asks for it then
pytest.importorskip("triton", reason="triton is not installed")
from handpose_ros.runtimes import triton_layers, triton_sampling  # noqa: E402
from handpose_ros.runtimes.fused_layers import FusedConvolution, fused  # noqa: E402

DEVICE = torch.device("cuda" if ON_GPU else "cpu")
RANDOM = np.random.default_rng(11)


def numbers(*shape: int) -> torch.Tensor:
    """Float16 numbers, as float32."""
    return torch.from_numpy(RANDOM.normal(0, 1, shape).astype(np.float16).astype(np.float32))


def convolution(taken: int, given: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(taken, given, kernel, stride, kernel // 2, groups=groups)
    layer.weight.data, layer.bias.data = numbers(*layer.weight.shape), numbers(given)
    return layer


def uneven(layer: nn.Conv2d) -> nn.Conv2d:
    """With a first row and column of zeros: more padding at the right and bottom, as TensorFlow's SAME has it."""
    wider = nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size[0] + 1, 2, layer.padding, groups=layer.groups
    )
    wider.weight.data, wider.bias.data = functional.pad(layer.weight.data, (1, 0, 1, 0)), layer.bias.data
    return wider


def prelu(channels: int) -> nn.PReLU:
    layer = nn.PReLU(channels)
    layer.weight.data = numbers(channels)
    return layer


def last(image: torch.Tensor) -> torch.Tensor:
    """On the device, channels last."""
    return image.to(DEVICE, memory_format=torch.channels_last)


KINDS = {
    "pointwise": lambda: convolution(24, 40),
    "pointwise, many channels": lambda: convolution(144, 16),
    "depthwise": lambda: convolution(20, 20, 3, groups=20),
    "depthwise, uneven": lambda: uneven(convolution(20, 20, 5, 2, groups=20)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("activation", "adds"), [("none", True), ("relu6", False), ("prelu", True)])
@torch.inference_mode()
def test_a_convolution_adds_and_activates_as_the_layers_of_torch_do(kind, activation, adds):
    layer = KINDS[kind]()
    image = numbers(3, layer.in_channels, 6, 6)
    truth = layer(image)
    residual = numbers(*truth.shape) if adds else None
    truth = truth + residual if adds else truth
    own = prelu(layer.out_channels) if activation == "prelu" else activation
    apply = {"none": lambda x: x, "relu6": functional.relu6, "prelu": own}[activation]
    one = FusedConvolution(layer, own).to(DEVICE)
    result = one(last(image.half()), last(residual.half()) if adds else None)
    assert result.dtype == torch.half and result.shape == truth.shape
    assert_allclose(result.float().cpu(), apply(truth), rtol=1e-3, atol=4e-3)


@pytest.mark.parametrize("kernel", [3, 5])
@torch.inference_mode()
def test_the_first_convolution_takes_bytes(kernel):
    layer = uneven(convolution(3, 24, kernel, 2))
    image = torch.from_numpy(RANDOM.integers(0, 256, (2, 3, 10, 10), np.uint8))
    result = FusedConvolution(layer, "relu6").to(DEVICE)(last(image))
    assert_allclose(result.float().cpu(), functional.relu6(layer(image / 255)), rtol=1e-3, atol=4e-3)


@torch.inference_mode()
def test_pools_means_and_linear_layers_are_those_of_torch():
    image, matrix, bias = numbers(2, 20, 6, 6), numbers(5, 20), numbers(5)
    rows_first = last(image.half()).permute(0, 2, 3, 1)
    pooled = triton_layers.largest(rows_first, 32).permute(0, 3, 1, 2).float().cpu()
    assert_allclose(pooled[:, :20], functional.max_pool2d(image, 2))
    assert (pooled[:, 20:] == 0).all()
    average = triton_layers.mean(rows_first)
    assert_allclose(average.cpu(), image.mean(dim=(2, 3)), rtol=0, atol=1e-6)
    result = triton_layers.linear(average, matrix.to(DEVICE), bias.to(DEVICE))
    assert_allclose(result.cpu(), functional.linear(image.mean(dim=(2, 3)), matrix, bias), rtol=0, atol=1e-5)


class Network(nn.Module):
    """A little of each of the hand networks; what is called twice is used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.act = uneven(convolution(3, 8, 3, 2)), prelu(8)
        self.expand, self.deep, self.project = convolution(8, 24), convolution(24, 24, 3, groups=24), convolution(24, 8)
        self.wider, self.after, self.cross = convolution(8, 16), prelu(16), convolution(16, 16, 3)
        self.left, self.right = nn.Linear(16, 3), nn.Linear(16, 2)

    def forward(self, image):
        x = self.act(self.first(image))
        y = functional.relu6(self.deep(functional.relu6(self.expand(x))))
        x = torch.add(self.project(y), x)
        z = functional.pad(functional.max_pool2d(x, 2), (0, 0, 0, 0, 0, 8))
        z = self.after(torch.add(self.wider(functional.max_pool2d(x, 2)), z))
        z = torch.add(self.cross(z), z)  # no kernel is made for it
        mean = torch.mean(z, (2, 3))
        return self.left(mean), torch.sigmoid(self.right(mean)), x


@torch.inference_mode()
def test_a_network_with_fewer_layers_gives_the_same_outputs():
    module = fx.symbolic_trace(Network().eval())
    image = torch.from_numpy(RANDOM.integers(0, 256, (2, 3, 16, 16), np.uint8))
    for parameter in module.parameters():
        parameter.data = parameter.data.half().float()
    truth = module(image / 255)
    result = fused(module).to(DEVICE)(last(image))
    assert [name for name, layer in module.named_children() if not name.startswith("fused")] == ["cross"]
    assert [node.target for node in module.graph.nodes].count(torch.add) == 1
    for output, expected in zip(result, truth, strict=True):
        assert_allclose(output.float().cpu(), expected, rtol=4e-3, atol=2e-2)


@pytest.mark.parametrize("border", ["replicate", "black"])
@pytest.mark.parametrize("camera", [None, Camera.from_fov((80, 60), np.deg2rad(70))])
def test_crops_are_sampled_as_torch_does(camera, border):
    image = RANDOM.integers(0, 256, (60, 80, 3), np.uint8)
    squares = Region(np.array([40.1, 30.2]), 41.3, 0.4), Region(np.array([10.0, 50.0]), 59.1, -1.2)
    far = Region(np.array([-900.0, 30.2]), 41.3)
    nodes = node_pixels([aim(square, camera) for square in (*squares, far)], 64)
    extent = torch.tensor([80, 60, border == "replicate"])
    inputs = [each.to(DEVICE) for each in (torch.from_numpy(image.reshape(-1, 3)), extent, torch.from_numpy(nodes))]
    shown, truth = triton_sampling.sample(*inputs, 64), torch_sampling.sample(*inputs, 64)
    assert_allclose(shown.float().cpu(), truth.cpu(), rtol=0, atol=1)  # what is halfway between two may be either
    assert (shown == truth).float().mean() > 0.999 and truth[:2].float().std() > 20
