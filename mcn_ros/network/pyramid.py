# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A feature pyramid with towers that can start from the weights of a trained detector."""

from typing import Mapping, Sequence

from torch import nn, Tensor
from torch.nn import functional

LEVELS = 3
CONVS = 2  # per tower
SLOPE = 0.1


class PathAggregation(nn.Module):
    """
    Path aggregation (S. Liu et al., CVPR 2018) without convolutions, and a tower on each level.

    The form is that of NanoDet-m (RangiLyu/nanodet), whose detector on COCO fits it: 1x1
    convolutions bring three stages to one width, sums go from coarse to fine and back, and two
    depth-wise separable convolutions on each level make of them what 80 classes and their boxes
    were read from.

    :param channels: of the three stages, fine to coarse, each of half the resolution.
    :param width: channels of all that comes out; NanoDet-m has 96.
    """

    imagenet = None

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        assert len(channels) == LEVELS
        self.width = width
        self.lateral = nn.ModuleList(nn.Conv2d(channel, width, 1) for channel in channels)
        self.towers = nn.ModuleList(
            nn.Sequential(*(_tower_conv(width) for _ in range(CONVS))) for _ in range(LEVELS))

    @property
    def public_names(self) -> Mapping[str, str | None]:
        """Return names in a NanoDet-m checkpoint -> names here; None for what is not needed."""
        names: dict[str, str | None] = {
            'backbone': None, 'head.gfl_cls': None, 'head.gfl_reg': None,
            'head.distribution_project': None}
        parts = {'depthwise': '0', 'dwnorm': '1', 'pointwise': '3', 'pwnorm': '4'}
        for level in range(LEVELS):
            names[f'fpn.lateral_convs.{level}.conv'] = f'lateral.{level}'
            names |= {f'head.cls_convs.{level}.{conv}.{public}': f'towers.{level}.{conv}.{own}'
                      for conv in range(CONVS) for public, own in parts.items()}
        return names

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Map three stage outputs to as many (B, width, H, W) of the same sizes."""
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages)]
        for level in reversed(range(1, LEVELS)):
            maps[level - 1] = maps[level - 1] + _resize(maps[level], 2.0)
        for level in range(1, LEVELS):
            maps[level] = maps[level] + _resize(maps[level - 1], 0.5)
        return [tower(values) for tower, values in zip(self.towers, maps)]


def _tower_conv(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width),
        nn.LeakyReLU(SLOPE, inplace=True))


def _resize(values: Tensor, factor: float) -> Tensor:
    return functional.interpolate(values, scale_factor=factor, mode='bilinear',
                                  align_corners=False)
