# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The neck of NanoDet-Plus (RangiLyu/nanodet, Apache-2.0): a pyramid made of ghost modules.

It is a path aggregation (S. Liu et al., CVPR 2018) whose maps are merged by ghost bottlenecks
(K. Han et al., "GhostNet", CVPR 2020): half of the channels are computed from all of the input,
the other half from these by a depth-wise convolution. Activations are leaky.
"""

from typing import Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.blocks import (
    Comparable, leaky_conv, leaky_separable_conv, relative_error)
from mcn_ros.network.features import (
    DENSE, FEATURES, MapShape, PYRAMID, pyramid, pyramid_levels, single)
from mcn_ros.network.top_down import TopDownNeck

KERNEL = 5
WIDTH = 96  # channels of each level


class GhostModule(nn.Module):
    """
    A 1x1 convolution to half of the channels, and a depth-wise one of these to the other half.

    :param leaky: let leaky ReLUs follow.
    """

    def __init__(self, in_channels: int, out_channels: int, leaky: bool) -> None:
        super().__init__()
        half = out_channels // 2
        layers = 3 if leaky else 2  # the last one is the ReLU
        self.primary = leaky_conv(in_channels, half)[:layers]
        self.cheap = leaky_conv(half, half, 3, groups=half)[:layers]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        primary = self.primary(x)
        return torch.cat([primary, self.cheap(primary)], dim=1)


class GhostBottleneck(nn.Module):
    """Two ghost modules around a depth-wise separable shortcut of twice as many channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ghosts = nn.Sequential(GhostModule(2 * width, width, leaky=True),
                                    GhostModule(width, width, leaky=False))
        self.shortcut = nn.Sequential(
            *leaky_conv(2 * width, 2 * width, KERNEL, groups=2 * width)[:2],
            *leaky_conv(2 * width, width)[:2])

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Merge two (B, width, H, W) to one."""
        x = torch.cat([fine, coarse], dim=1)
        return self.ghosts(x) + self.shortcut(x)


class GhostPan(Comparable):
    """
    Three stages to four levels of one width.

    1x1 convolutions bring the stages to that width; each level is merged with the next coarser
    one, then with the next finer one. What is coarser than all stages sees the coarsest of them
    before and after that.

    :param channels: of stages of stride 8, 16 and 32.
    :param width: channels of the levels.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        assert len(channels) == len(PYRAMID) - 1
        self.lateral = nn.ModuleList(leaky_conv(channel, width) for channel in channels)
        self.down = nn.ModuleList(GhostBottleneck(width) for _ in channels[1:])
        self.halvings = nn.ModuleList(_halving(width) for _ in channels[1:])
        self.up = nn.ModuleList(GhostBottleneck(width) for _ in channels[1:])
        self.extra = nn.ModuleList([_halving(width), _halving(width)])

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Map three stage outputs to (B, width, H / stride, W / stride) of ``PYRAMID``."""
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages)]
        coarsest = maps[-1]
        for level, merge in zip(reversed(range(len(maps) - 1)), self.down):
            enlarged = functional.interpolate(maps[level + 1], scale_factor=2.0, mode='bilinear',
                                              align_corners=False)
            maps[level] = merge(enlarged, maps[level])
        for level, (halve, merge) in enumerate(zip(self.halvings, self.up), 1):
            maps[level] = merge(halve(maps[level - 1]), maps[level])
        before, after = self.extra
        return [*maps, before(coarsest) + after(maps[-1])]

    def distance(self, output: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
        """Return the difference of all levels, see :func:`relative_error`."""
        return relative_error(output, other)


class GhostPanNeck(nn.Module):
    """
    The pyramid, and a map of stride 4 for what needs to see finer.

    The latter is made by a :class:`TopDownNeck` of the first stage and of all others beside
    their levels: what a detector does not look at can be seen while it stays as it is. Where
    nobody reads it, it is no part of a compiled network.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool, width: int = WIDTH) -> None:
        super().__init__()
        if deformable:
            raise ValueError('the ghost_pan neck has no deformable convolutions')
        self.levels = pyramid_levels(strides, exactly=(4, 8, 16, 32))
        self.shapes = {**single(out_channels), **pyramid(width)}
        first, *others = (channels[level] for level in self.levels)
        self.pyramid = GhostPan(others, width)
        self.top_down = self._finest([first] + [width + channel for channel in others],
                                     [strides[level] for level in self.levels], out_channels)

    @staticmethod
    def _finest(channels: Sequence[int], strides: Sequence[int], out_channels: int) -> TopDownNeck:
        return TopDownNeck(channels, strides, out_channels, deformable=False, finest=3)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to (B, out_channels, H / 4, W / 4) and the levels by name."""
        first, *others = (stages[level] for level in self.levels)
        levels = self.pyramid(others)
        seen = [first] + [torch.cat(pair, dim=1) for pair in zip(levels, others)]
        return {**self.top_down(seen), **dict(zip(PYRAMID, levels)), **self._others(seen)}

    def _others(self, seen: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return other features, of what the map of stride 4 is made of: none."""
        return {}


class DenseGhostPanNeck(GhostPanNeck):
    """
    The same with another map of stride 4, made in the same way.

    Tasks that come later can learn what it shows them, while all that others read stays as it is.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool, width: int = WIDTH) -> None:
        super().__init__(channels, strides, out_channels, deformable, width)
        first, *others = (channels[level] for level in self.levels)
        self.dense = self._finest([first] + [width + channel for channel in others],
                                  [strides[level] for level in self.levels], out_channels)
        self.shapes = {**self.shapes, DENSE: MapShape(out_channels, self.shapes[FEATURES].stride)}

    def _others(self, seen: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the other map, (B, out_channels, H / 4, W / 4)."""
        return {DENSE: self.dense(seen)[FEATURES]}


def _halving(width: int) -> nn.Sequential:
    return leaky_separable_conv(width, width, KERNEL, stride=2)
