# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Heads that read the levels of a pyramid.

The towers are those of NanoDet-Plus (RangiLyu/nanodet).
"""

from typing import Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.blocks import leaky_separable_conv
from mcn_ros.network.features import Features, pick, PYRAMID, Shapes
from mcn_ros.network.heads import Head, HeadConfig

CONVS, KERNEL = 2, 5  # of a tower


class PyramidHead(nn.Module):
    """
    Logits of a task from each level: a tower of separable convolutions, and a 1x1 per map.

    :param shapes: of the features.
    :param maps: map name -> number of channels, the same on all levels.
    :param width: channels of the towers; NanoDet-Plus has 96.
    :param biases: map name -> initial bias, for maps where it is not 0.
    :raises ValueError: for features without a level.
    """

    def __init__(self, shapes: Shapes, maps: Mapping[str, int], width: int,
                 biases: Mapping[str, float] = {}) -> None:
        super().__init__()
        self.towers = nn.ModuleDict({
            level: _tower(pick(shapes, level, stride).channels, width)
            for level, stride in PYRAMID.items()})
        self.maps = nn.ModuleDict({
            map_of(name, level): nn.Conv2d(width, channels, 1)
            for level in PYRAMID for name, channels in maps.items()})
        self.names = tuple(maps)
        for name in self.names:
            for level in PYRAMID:
                nn.init.constant_(self.maps[map_of(name, level)].bias, biases.get(name, 0.0))

    def forward(self, features: Features) -> dict[str, Tensor]:
        """
        Compute all maps.

        :param features: of the shapes that it was built for.
        :return: name of a map on a level -> (B, channels, H / stride, W / stride) logits.
        """
        outputs = {}
        for level, tower in self.towers.items():
            seen = tower(features[level])
            outputs |= {map_of(name, level): self.maps[map_of(name, level)](seen)
                        for name in self.names}
        return outputs


class MergedPyramidHead(nn.Module):
    """
    Logits of stride 4: the largest of all levels, and what the finest features add to them.

    The latter begins with nothing: levels may come from a trained detector.

    :param shapes: of the features, a pyramid and a map of stride 4.
    :param maps: map name -> number of channels.
    :param width: channels of the towers.
    :raises ValueError: for features without one of these.
    """

    def __init__(self, shapes: Shapes, maps: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.levels = PyramidHead(shapes, maps, width)
        self.finest = Head(shapes, maps, HeadConfig(width=0))
        for values in self.finest.parameters():
            nn.init.zeros_(values)

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Return {map name: (B, C, H / 4, W / 4)}."""
        outputs = self.levels(features)
        return {name: finest + _enlarge(_merge(levels_of(outputs, name)), finest)
                for name, finest in self.finest(features).items()}


def map_of(name: str, level: str) -> str:
    """Return the name of a map on a level."""
    return f'{name}_{level}'


def levels_of(outputs: Mapping[str, Tensor], name: str) -> list[Tensor]:
    """Return a map on all levels, fine to coarse."""
    return [outputs[map_of(name, level)] for level in PYRAMID]


def _tower(in_channels: int, width: int) -> nn.Sequential:
    widths = [in_channels] + [width] * CONVS
    return nn.Sequential(*(leaky_separable_conv(before, after, KERNEL)
                           for before, after in zip(widths, widths[1:])))


def _merge(maps: Sequence[Tensor]) -> Tensor:
    """Return the largest values of all levels on the finest."""
    merged = maps[-1]
    for finer in reversed(maps[:-1]):
        merged = torch.maximum(finer, _enlarge(merged, finer))
    return merged


def _enlarge(values: Tensor, finer: Tensor) -> Tensor:
    """Return a map of twice the resolution, without the half cell that may be too many."""
    values = functional.interpolate(values, scale_factor=2.0, mode='bilinear',
                                    align_corners=False)
    return values[..., :finer.shape[2], :finer.shape[3]]
