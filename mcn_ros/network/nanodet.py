# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The layers of NanoDet-m above its backbone (RangiLyu/nanodet, Apache-2.0), to start from.

A detector that was trained on all of COCO knows more than a few thousand images can teach. Its
layers have the form that its public checkpoint needs; what it reads from an image is given in
the terms of this package, for heads to begin with.
"""

from typing import Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import STRIDE

STRIDES = (8, 16, 32)
CONVS = 2  # per tower
SLOPE = 0.1
CLASSES = 80
BINS = 8  # of the distribution of each distance, in strides

# What is read: logits of the COCO classes, logarithms of width and height in grid cells, offset
# x, y of the centre from the corner of a cell in units of the mean side.
READINGS = CLASSES + 4


class PathAggregation(nn.Module):
    """
    Path aggregation (S. Liu et al., CVPR 2018) without convolutions, and a tower on each level.

    1x1 convolutions bring three stages to one width, sums go from coarse to fine and back, and
    two depth-wise separable convolutions follow on each level.

    :param channels: of the three stages, fine to coarse, each of half the resolution.
    :param width: channels of all that comes out; NanoDet-m has 96.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        assert len(channels) == len(STRIDES)
        self.lateral = nn.ModuleList(nn.Conv2d(channel, width, 1) for channel in channels)
        self.towers = nn.ModuleList(
            nn.Sequential(*(_tower_conv(width) for _ in range(CONVS))) for _ in STRIDES)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Map three stage outputs to as many (B, width, H, W) of the same sizes."""
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages)]
        for level in reversed(range(1, len(maps))):
            maps[level - 1] = maps[level - 1] + _resize(maps[level], 2.0)
        for level in range(1, len(maps)):
            maps[level] = maps[level] + _resize(maps[level - 1], 0.5)
        return [tower(values) for tower, values in zip(self.towers, maps)]


class Detector(nn.Module):
    """
    NanoDet-m: features of three levels, and what they say, brought to stride 4.

    :param channels: of the backbone's stages of stride 8, 16 and 32.
    :param width: channels of the features; NanoDet-m has 96.
    """

    imagenet = None

    def __init__(self, channels: Sequence[int], width: int = 96) -> None:
        super().__init__()
        self.pyramid = PathAggregation(channels, width)
        self.read = nn.ModuleList(nn.Conv2d(width, CLASSES + 4 * BINS, 1) for _ in STRIDES)

    @property
    def public_names(self) -> Mapping[str, str | None]:
        """Return names in a NanoDet-m checkpoint -> names here; None for what is not needed."""
        names: dict[str, str | None] = {
            'backbone': None, 'head.gfl_reg': None, 'head.distribution_project': None}
        parts = {'depthwise': '0', 'dwnorm': '1', 'pointwise': '3', 'pwnorm': '4'}
        for level in range(len(STRIDES)):
            names[f'fpn.lateral_convs.{level}.conv'] = f'pyramid.lateral.{level}'
            names[f'head.gfl_cls.{level}'] = f'read.{level}'
            names |= {
                f'head.cls_convs.{level}.{conv}.{public}': f'pyramid.towers.{level}.{conv}.{own}'
                for conv in range(CONVS) for public, own in parts.items()}
        return names

    def forward(self, stages: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """
        Look at three stages.

        :return: (B, width, H / stride, W / stride) of the three levels, and (B, READINGS, H / 4,
            W / 4), see :data:`READINGS`.
        """
        features = self.pyramid(stages)
        levels = [_read(read(values).float(), stride)
                  for read, values, stride in zip(self.read, features, STRIDES)]
        finest = levels[0].shape[2:]
        levels = [_to_size(level, finest) for level in levels]
        logits = torch.stack([level[:, :CLASSES] for level in levels])  # (3, B, CLASSES, h, w)
        # The level that is surest of an object says how large it is.
        sure = torch.softmax(2 * logits.amax(dim=2, keepdim=True), dim=0)
        boxes = (sure * torch.stack([level[:, CLASSES:] for level in levels])).sum(dim=0)
        joint = torch.cat([logits.amax(dim=0), boxes], dim=1)
        return features, _relative(_resize(joint, STRIDES[0] / STRIDE))

    @staticmethod
    def distance(answer: tuple[list[Tensor], Tensor], other: tuple[list[Tensor], Tensor],
                 ) -> Tensor:
        """
        Return how far one answer of this module is from another.

        :param answer: what :meth:`forward` returns.
        :param other: the same of another network; the scale of the distance is its.
        :return: scalar: the mean squared difference of features, of all levels, and the squared
            one of scores, both relative to the other's; and the difference of the four numbers of
            boxes, in the mean over places weighted by how sure the other is of an object there.
        """
        features = torch.stack([
            functional.mse_loss(mine.float(), its.float()) / its.float().var()
            for mine, its in zip(answer[0], other[0])]).mean()
        (mine, my_boxes), (its, its_boxes) = (
            (torch.sigmoid(readings[:, :CLASSES].float()), readings[:, CLASSES:].float())
            for _, readings in (answer, other))
        sure = its.amax(dim=1, keepdim=True)
        boxes = ((my_boxes - its_boxes).abs() * sure).sum() / sure.sum()
        return features + ((mine - its) ** 2).sum() / (its ** 2).sum() + boxes


def _read(values: Tensor, stride: int) -> Tensor:
    """
    Return logits, log width, log height, centre x, centre y; lengths in cells of stride 4.

    A distance from a place to a side of a box is the mean of a distribution over bins (X. Li et
    al., "Generalized Focal Loss", NeurIPS 2020, equation 4).
    """
    scale = stride / STRIDE
    bins = torch.arange(BINS, dtype=values.dtype, device=values.device)
    distances = values[:, CLASSES:].unflatten(1, (4, BINS)).softmax(dim=2)
    distances = scale * torch.einsum('bsnhw,n->bshw', distances, bins)  # left, top, right, bottom
    near, far = distances[:, :2], distances[:, 2:]
    size = (near + far).clamp(min=0.1).log()
    center = _places(values, scale) + (far - near) / 2
    return torch.cat([values[:, :CLASSES], size, center], dim=1)


def _relative(values: Tensor) -> Tensor:
    """Turn the centres of what :func:`_read` returns, now of stride 4, into offsets."""
    logits, size, center = values.split([CLASSES, 2, 2], dim=1)
    unit = size.mean(dim=1, keepdim=True).exp()
    corner = _places(values, 1) - 0.5
    return torch.cat([logits, size, (center - corner) / unit], dim=1)


def _places(values: Tensor, scale: float) -> Tensor:
    """Return the middles (2, H, W), x and y, of the cells of a map in cells of stride 4."""
    rows, columns = (scale * (torch.arange(count, dtype=values.dtype, device=values.device) + 0.5)
                     for count in values.shape[2:])
    return torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))])


def _tower_conv(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width),
        nn.LeakyReLU(SLOPE, inplace=True))


def _resize(values: Tensor, factor: float) -> Tensor:
    return functional.interpolate(values, scale_factor=factor, mode='bilinear',
                                  align_corners=False)


def _to_size(values: Tensor, size: Sequence[int]) -> Tensor:
    if values.shape[2:] == size:
        return values
    return functional.interpolate(values, size=size, mode='bilinear', align_corners=False)
