# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
DLA-34 (Yu et al., "Deep Layer Aggregation", CVPR 2018), as CenterNet uses it.

A stage is a tree: residual blocks are the leaves, and 1x1 convolutions join what several of them
say (hierarchical deep aggregation, figure 3 of the paper). DLA-34 has trees of depth one and two.
"""

from typing import Sequence

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.blocks import conv_norm_act, ResidualBlock

_NAMES = {
    'base_layer': 'stages.0.0',
    'level0': 'stages.0.1',
    'level1': 'stages.1',
    'level2': 'stages.2',
    'level3': 'stages.3',
    'level4': 'stages.4',
    'level5': 'stages.5',
    # Trees of depth two: the first inner tree has a shortcut of its own, this one is idle.
    'level3.project': None,
    'level4.project': None,
    'fc': None,
}


class Tree(nn.Module):
    """
    Two residual blocks, joined with each other and with maps from elsewhere.

    :param in_channels: of the input.
    :param out_channels: of the output and of both blocks.
    :param stride: of the first block, 1 or 2.
    :param other_channels: of all maps from elsewhere together.
    :param joins_input: whether the input, at the resolution of the output, is joined too.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int,
                 other_channels: int = 0, joins_input: bool = False) -> None:
        super().__init__()
        self.joins_input = joins_input
        if joins_input:
            other_channels += in_channels
        self.tree1 = ResidualBlock(in_channels, out_channels, stride)
        self.tree2 = ResidualBlock(out_channels, out_channels)
        self.root = _Root(2 * out_channels + other_channels, out_channels)
        self.shrink = nn.MaxPool2d(stride) if stride > 1 else nn.Identity()
        self.project = nn.Identity()
        if in_channels != out_channels:
            self.project = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                                         nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor, others: Sequence[Tensor] = ()) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        shrunk = self.shrink(x)
        first = self.tree1(x, self.project(shrunk))
        others = [shrunk, *others] if self.joins_input else others
        return self.root([self.tree2(first), first, *others])


class DeepTree(nn.Module):
    """Two trees in a row, of which the second joins the input and the result of the first."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.tree1 = Tree(in_channels, out_channels, 2)
        self.tree2 = Tree(out_channels, out_channels, 1, in_channels + out_channels)
        self.shrink = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / 2, W / 2)."""
        first = self.tree1(x)
        return self.tree2(first, [self.shrink(x), first])


class _Root(nn.Module):
    """The node of a tree: what comes together is mixed by a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return self.relu(self.bn(self.conv(torch.cat(maps, dim=1))))


def dla34() -> Backbone:
    """Return DLA-34; 15.2 M parameters."""
    stages = [
        nn.Sequential(conv_norm_act(3, 16, kernel=7), conv_norm_act(16, 16)),
        conv_norm_act(16, 32, stride=2),
        Tree(32, 64, stride=2),
        DeepTree(64, 128),
        DeepTree(128, 256),
        Tree(256, 512, stride=2, joins_input=True),
    ]
    return Backbone(stages, (16, 32, 64, 128, 256, 512), (1, 2, 4, 8, 16, 32), _NAMES)
