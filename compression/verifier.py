"""The residual network that decides whether a similarity map shows its keyword (second paper, section 2.1).

He et al., "Deep Residual Learning for Image Recognition" (2015), with the stride in a bottleneck's 3x3 convolution
and with the parameter names that torchvision uses, so that its weights fit wherever the shapes do.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from harken.spotter_settings import VerifierSettings


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input is added."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to (batch, width, rows / stride, columns / stride)."""
        hidden = F.relu(self.bn1(self.conv1(maps)))
        added: Tensor = F.relu(self.bn2(self.conv2(hidden)) + self.downsample(maps))
        return added


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around which the input is added; four times as many channels come out."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, width, 1, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, width * self.expansion, 1, 1)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = _shortcut(channels, width * self.expansion, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to (batch, 4 width, rows / stride, columns / stride)."""
        hidden = F.relu(self.bn1(self.conv1(maps)))
        hidden = F.relu(self.bn2(self.conv2(hidden)))
        added: Tensor = F.relu(self.bn3(self.conv3(hidden)) + self.downsample(maps))
        return added


class ResNet(nn.Module):
    """A residual network over maps of one fixed size; `layer1`, `layer2`, ... are its stages, `fc` its outputs.

    Its batch statistics include a map's zero padding. As every map has the same size whatever it is batched with,
    that is a property of the map and not of the batch.
    """

    def __init__(self, settings: VerifierSettings, channels: int, outputs: int = 1) -> None:
        super().__init__()
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock if settings.block == "basic" else Bottleneck
        first = settings.widths[0]
        imagenet = settings.stem == "imagenet"
        self.conv1 = _convolution(channels, first, 7 if imagenet else 3, 2 if imagenet else 1)
        self.bn1 = nn.BatchNorm2d(first)
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1) if imagenet else nn.Identity()
        self.stages = len(settings.blocks)
        channels = first
        for number, (blocks, width) in enumerate(zip(settings.blocks, settings.widths, strict=True), start=1):
            stage: list[nn.Module] = []
            for index in range(blocks):
                stage.append(block(channels, width, stride=2 if number > 1 and index == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.fc = nn.Linear(channels, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to (batch, outputs)."""
        hidden = self.maxpool(F.relu(self.bn1(self.conv1(maps))))
        for number in range(1, self.stages + 1):
            hidden = self.get_submodule(f"layer{number}")(hidden)
        outputs: Tensor = self.fc(hidden.mean(dim=(2, 3)))
        return outputs


def _convolution(channels: int, width: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(channels: int, width: int, stride: int) -> nn.Module:
    if stride == 1 and channels == width:
        return nn.Identity()
    return nn.Sequential(_convolution(channels, width, 1, stride), nn.BatchNorm2d(width))
