"""ResNet-50 without its classifier: images -> a 7 x 7 map of features.

Source: He et al., Deep residual learning for image recognition, 2016, with the stride in the 3 x 3 convolution
(v1.5). Parameters are named as torchvision names them, because checkpoints do.
"""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CHANNELS = 2048
_STAGES = {
    "layer1": (64, 3, 1),
    "layer2": (128, 4, 2),
    "layer3": (256, 6, 2),
    "layer4": (512, 3, 2),
}  # width, n, stride


class ResNet50(nn.Module):
    """(N, 3, 224, 224) normalised RGB -> (N, 2048, 7, 7)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for name, (width, blocks, stride) in _STAGES.items():
            first = Bottleneck(channels, width, stride)
            channels = 4 * width
            self.add_module(name, nn.Sequential(first, *(Bottleneck(channels, width) for _ in range(blocks - 1))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(features))))


class Bottleneck(nn.Module):
    """Three convolutions, 1 x 1 to `width` channels, 3 x 3, 1 x 1 to four times `width`, around a short cut."""

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels != 4 * width:
            convolution = nn.Conv2d(channels, 4 * width, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def fold_normalisation(network: ResNet50):
    """Moves the batch normalisations of a network in eval mode into the convolutions before them: faster."""
    for module in network.modules():
        for suffix in ("1", "2", "3"):
            if isinstance(getattr(module, f"bn{suffix}", None), nn.BatchNorm2d):
                _fold(module, f"conv{suffix}", f"bn{suffix}")
        if isinstance(getattr(module, "downsample", None), nn.Sequential):
            _fold(module.downsample, "0", "1")


def _fold(module, convolution, normalisation):
    folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
    setattr(module, convolution, folded)
    setattr(module, normalisation, nn.Identity())
