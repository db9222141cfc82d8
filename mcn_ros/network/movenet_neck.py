# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The neck of MoveNet MultiPose: a feature pyramid that is narrower the finer it is."""

from typing import ClassVar, Mapping, Sequence

from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.blocks import Comparable, relative_error
from mcn_ros.network.features import (
    FEATURES, MapShape, PYRAMID, pyramid, pyramid_levels, single)
from mcn_ros.network.ghost_pan import GhostPan, WIDTH

# Channels of the coarser levels.
WIDTHS = {'p3': 24, 'p4': 32, 'p5': 64}


class MoveNetNeck(Comparable):
    """
    A pyramid (Lin et al., CVPR 2017) whose levels are all features.

    Each level is what comes from the coarser one, enlarged, plus a 1x1 convolution of the stage of
    its stride, fused by a depth-wise separable convolution that also makes it narrower.
    """

    NAME: ClassVar[str] = 'movenet'

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__()
        if deformable:
            raise ValueError(f'the {self.NAME} neck has no deformable convolutions')
        self.levels = pyramid_levels(strides, exactly=(4, 8, 16, 32))
        self.shapes = {**single(out_channels), **{
            name: MapShape(width, PYRAMID[name]) for name, width in WIDTHS.items()}}
        # From coarse to fine: a level is fused at the width of the coarser one.
        before = list(reversed(WIDTHS.values()))
        after = [*before[1:], out_channels]
        stages = [channels[level] for level in reversed(self.levels)]
        self.lateral = nn.ModuleList(
            _projection(stage, width) for stage, width in zip(stages, [before[0], *before]))
        self.fusion = nn.ModuleList(map(_fusion, before, after))

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to the features and p3, p4, p5, of strides 4, 8, 16, 32."""
        maps = [lateral(stages[level])
                for level, lateral in zip(reversed(self.levels), self.lateral)]
        levels = maps[:1]
        for finer, fusion in zip(maps[1:], self.fusion):
            coarser = functional.interpolate(levels[-1], scale_factor=2.0, mode='bilinear',
                                             align_corners=False)
            levels.append(fusion(coarser + finer))
        return dict(zip((FEATURES, *WIDTHS), reversed(levels)))

    def distance(self, output: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
        """Return the difference of all levels, see :func:`relative_error`."""
        return relative_error(output.values(), other.values())


class MoveNetPanNeck(MoveNetNeck):
    """
    The features of MoveNet's neck, and beside them the pyramid of NanoDet-Plus.

    Boxes of people who are small or cut off need more than what joints are read from.
    """

    NAME: ClassVar[str] = 'movenet_pan'

    def __init__(self, channels: Sequence[int], strides: Sequence[int], out_channels: int,
                 deformable: bool) -> None:
        super().__init__(channels, strides, out_channels, deformable)
        self.shapes = {**single(out_channels), **pyramid(WIDTH)}
        self.pyramid = GhostPan([channels[level] for level in self.levels[1:]], WIDTH)

    def forward(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map stage outputs to the features of stride 4 and the levels of the pyramid."""
        levels = self.pyramid([stages[level] for level in self.levels[1:]])
        return {FEATURES: super().forward(stages)[FEATURES], **dict(zip(PYRAMID, levels))}


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                         nn.BatchNorm2d(out_channels))


def _fusion(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        *_projection(in_channels, out_channels), nn.ReLU(inplace=True))
