# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The layers of NanoDet-m above its backbone (RangiLyu/nanodet, Apache-2.0), to start from.

A detector that was trained on all of COCO knows more than a few thousand images can teach. Its
layers have the form that its public checkpoint needs; what it reads from an image is given in
the terms of this package, for heads to begin with.
"""

import math
from typing import Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.network.blocks import Comparable, leaky_separable_conv

STRIDES = (8, 16, 32)
CONVS = 2  # per tower
KERNEL = 3
CLASSES = 80
BINS = 8  # of the distribution of each distance, in strides

# What is read, in cells of the map that it is on: logits of the COCO classes, logarithms of width
# and height, offset x, y of the centre from the corner of a cell in units of the mean side.
CHANNELS = CLASSES + 4

MAX_BIN = 40.0  # logits of bins beyond are cut off: their exponentials must not overflow

MIN_SIZE = 0.05  # in the same cells, of stride 8


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
            nn.Sequential(*(leaky_separable_conv(width, width, KERNEL) for _ in range(CONVS)))
            for _ in STRIDES)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Map three stage outputs to as many (B, width, H, W) of the same sizes."""
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages)]
        for level in reversed(range(1, len(maps))):
            maps[level - 1] = maps[level - 1] + _resize(maps[level], 2.0)
        for level in range(1, len(maps)):
            maps[level] = maps[level] + _resize(maps[level - 1], 0.5)
        return [tower(values) for tower, values in zip(self.towers, maps)]


class Detector(Comparable):
    """
    NanoDet-m: features of three levels, and what they say, brought to the finest of them.

    :param channels: of the backbone's stages of stride 8, 16 and 32.
    :param width: channels of the features; NanoDet-m has 96.
    """

    imagenet = None

    def __init__(self, channels: Sequence[int], width: int = 96) -> None:
        super().__init__()
        self.pyramid = PathAggregation(channels, width)
        self.read = nn.ModuleList(Reader(width, CLASSES + 4 * BINS, 1) for _ in STRIDES)

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

        :return: (B, width, H / stride, W / stride) of the three levels, and (B, CHANNELS, H / 8,
            W / 8), see :data:`CHANNELS`.
        """
        features = self.pyramid(stages)
        levels = [_at_finest(*read(values), stride // STRIDES[0])
                  for read, values, stride in zip(self.read, features, STRIDES)]
        # The level that is surest of an object says how large it is.
        best = torch.cat([logits.amax(dim=1, keepdim=True) for logits, _ in levels], dim=1)
        sure = torch.softmax(2 * best, dim=1)
        logits, boxes = levels[0][0], sure[:, :1] * levels[0][1]
        for level, (others, more) in enumerate(levels[1:], 1):
            logits = torch.maximum(logits, others)
            boxes = boxes + sure[:, level:level + 1] * more
        size, way = boxes[:, :2], boxes[:, 2:]
        return features, torch.cat([logits, size, way / _unit(size)], dim=1)

    def distance(self, output: tuple[list[Tensor], Tensor],
                 other: tuple[list[Tensor], Tensor]) -> Tensor:
        """
        Return the distance of two outputs.

        :param output: what :meth:`forward` returns.
        :param other: the same with other weights; its magnitude is the unit.
        :return: scalar: the mean squared difference of features, of all levels, and the squared
            one of scores, both relative to the other's; and the difference of the four numbers of
            boxes, in the mean over places weighted by how sure the other is of an object there.
        """
        features = torch.stack([
            functional.mse_loss(mine.float(), its.float()) / its.float().var()
            for mine, its in zip(output[0], other[0])]).mean()
        (mine, my_boxes), (its, its_boxes) = (
            (torch.sigmoid(readings[:, :CLASSES].float()), readings[:, CLASSES:].float())
            for _, readings in (output, other))
        sure = its.amax(dim=1, keepdim=True)
        boxes = ((my_boxes - its_boxes).abs() * sure).sum() / sure.sum()
        return features + ((mine - its) ** 2).sum() / (its ** 2).sum() + boxes


class Reader(nn.Conv2d):
    """The last layer of a level: two convolutions whose weights are stored as one."""

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, CLASSES, H, W), and logits of bins (B, 4 BINS, H, W), float32."""
        # Compilers would first compute both, then copy them apart.
        return tuple(functional.conv2d(values, self.weight[rows], self.bias[rows]).float()
                     for rows in (slice(CLASSES), slice(CLASSES, None)))


def enlarge(readings: Tensor) -> Tensor:
    """Bring readings to a map of twice the resolution."""
    logits, size, offset = readings.split([CLASSES, 2, 2], dim=1)
    # From the middle of a cell, in the new cells.
    way = 2 * _resize(offset * _unit(size) - 0.5, 2) + _middles(offset, 2)
    size = _resize(size, 2) + math.log(2)
    return torch.cat([_resize(logits, 2), size, way / _unit(size)], dim=1)


def _at_finest(logits: Tensor, bins: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """
    Bring what a level says to the finest one.

    A distance from a place to a side of a box is the mean of a distribution over bins (X. Li et
    al., "Generalized Focal Loss", NeurIPS 2020, equation 4).

    :param logits: (B, CLASSES, h, w).
    :param bins: (B, 4 BINS, h, w) logits of the distances to left, top, right and bottom.
    :param scale: cells of the finest level across a cell of this one.
    :return: logits (B, CLASSES, scale h, scale w), and (B, 4, scale h, scale w): logarithms of
        width and height, way x, y from the corner of a cell to the centre, in the finest cells.
    """
    # With channels innermost, which is how convolutions like to leave them; and as compilers are
    # slow at a softmax over so few numbers, in its parts.
    steps = torch.arange(BINS, dtype=bins.dtype, device=bins.device)
    parts = bins.clamp(-MAX_BIN, MAX_BIN).exp().permute(0, 2, 3, 1).unflatten(3, (4, BINS))
    distances = scale * ((parts * steps).sum(dim=4) / parts.sum(dim=4)).permute(0, 3, 1, 2)
    near, far = distances[:, :2], distances[:, 2:]
    size = (near + far).clamp(min=MIN_SIZE).log()
    # Ways rather than places, which are large numbers: little of them is left in 16 bits.
    way = _resize((far - near) / 2, scale) + _middles(logits, scale)
    return _resize(logits, scale), torch.cat([_resize(size, scale), way], dim=1)


def _middles(values: Tensor, scale: int) -> Tensor:
    """
    Return where the middles of cells come to lie when a map is interpolated.

    :param values: (B, C, h, w).
    :return: (2, scale h, scale w) x, y from the corner of each cell of the finer map, in its
        cells: 0.5, but at the border, where there is nothing to interpolate with.
    """
    rows, columns = (
        scale * (((cells + 0.5) / scale).clamp(0.5, len(cells) / scale - 0.5)) - cells
        for cells in (torch.arange(scale * count, dtype=values.dtype, device=values.device)
                      for count in values.shape[2:]))
    return torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))])


def _unit(size: Tensor) -> Tensor:
    """Return the mean side (B, 1, H, W) of logarithms of width and height (B, 2, H, W)."""
    return (size[:, :1] / 2 + size[:, 1:] / 2).exp()


def _resize(values: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return values
    return functional.interpolate(values, scale_factor=float(scale), mode='bilinear',
                                  align_corners=False)
