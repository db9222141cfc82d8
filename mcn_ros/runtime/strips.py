# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Blocks that are computed strip by strip, so that what they hold in between stays in the cache.

An inverted residual makes many channels of few, and few of these again. On large maps the many are
tens of megabytes, which a CPU then writes to its main memory and reads from there, twice. A few
rows of the image at a time give the same numbers, and all of that stays near.

Source: J. Lin et al., "MCUNetV2: Memory-Efficient Patch-based Inference for Tiny Deep Learning",
NeurIPS 2021, where it is to save memory; here every block is cut by itself, so that little is
computed twice: a row above and one below of what is in between.
"""

from typing import Iterator, NamedTuple, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional
from torchvision.models.mobilenetv2 import InvertedResidual

# Bytes of float32 of a strip: several times what one core has near it, a part of what all share.
LARGEST = 5_000_000


class Step(NamedTuple):
    """
    A convolution with what follows it.

    :param padding: left, right, above and below of it.
    :param after: normalisation and activation.
    """

    conv: nn.Conv2d
    padding: Sequence[int]
    after: list[nn.Module]

    def needs(self, start: int, end: int) -> tuple[int, int]:
        """Return which rows of its input give some rows of its output, from which to which."""
        first = start * self.conv.stride[0] - self.padding[2]
        return first, (end - 1) * self.conv.stride[0] - self.padding[2] + self.conv.kernel_size[0]

    def run(self, x: Tensor, above: int, below: int) -> Tensor:
        """Return what it gives, with so many empty rows above and below of what it sees."""
        conv, (left, right, *_) = self.conv, self.padding
        if left or right or above or below:
            x = functional.pad(x, (left, right, above, below))
        x = functional.conv2d(x, conv.weight, conv.bias, conv.stride, groups=conv.groups)
        for layer in self.after:
            x = layer(x)
        return x


class Strips(nn.Module):
    """
    Layers that give what they gave, a strip of rows at a time where they would need much memory.

    :param layers: an inverted residual, or one without a shortcut and the layer before it.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self._shortcut = layers[-1].use_res_connect
        self._steps = list(_steps(self.layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, channels, H / stride, W / stride)."""
        height, width = map(int, x.shape[2:])
        heights, largest = [height], 0
        for conv, *_ in self._steps:
            heights.append(heights[-1] // conv.stride[0])
            width //= conv.stride[1]
            largest = max(largest, 4 * conv.out_channels * heights[-1] * width)
        count = min(heights[-1], -(-largest // LARGEST))
        if count == 1:
            return self.layers(x)
        borders = [index * heights[-1] // count for index in range(count + 1)]
        y = torch.cat([self._strip(x, heights, start, end)
                       for start, end in zip(borders, borders[1:])], dim=2)
        return x + y if self._shortcut else y

    def _strip(self, x: Tensor, heights: Sequence[int], start: int, end: int) -> Tensor:
        """Return some rows of what the layers give, but for the shortcut."""
        empty = []
        for step, height in zip(reversed(self._steps), heights[-2::-1]):
            first, last = step.needs(start, end)
            # Only beyond the image is it empty; between two strips, there are rows of the other.
            empty.append((max(-first, 0), max(last - height, 0)))
            start, end = max(first, 0), min(last, height)
        x = x[:, :, start:end]
        for step, rows in zip(self._steps, reversed(empty)):
            x = step.run(x, *rows)
        return x


def _steps(layers: nn.Module) -> Iterator[Step]:
    """Take layers apart that run one after the other."""
    padding, step = None, None
    for layer in layers.modules():
        if isinstance(layer, nn.ZeroPad2d):
            padding = layer.padding
        elif isinstance(layer, nn.Conv2d):
            if step:
                yield step
            down, across = layer.padding
            step, padding = Step(layer, padding or (across, across, down, down), []), None
        elif not list(layer.children()):
            step.after.append(layer)
    yield step


def compute_in_strips(network: nn.Module) -> None:
    """Replace all inverted residuals of a network; what it gives stays the same."""
    for parent in list(network.modules()):
        before = None
        for name, child in list(parent.named_children()):
            if isinstance(child, InvertedResidual):
                # What does not expand gets its channels from the layer before, as the first does.
                if before and len(child.conv) == 3:
                    setattr(parent, name, Strips(getattr(parent, before), child))
                    setattr(parent, before, nn.Identity())
                else:
                    setattr(parent, name, Strips(child))
            before = name
