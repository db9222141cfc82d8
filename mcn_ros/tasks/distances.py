# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Boxes as distributions of the distances from a place to the four sides.

Source: X. Li et al., "Generalized Focal Loss", NeurIPS 2020. Distances are in strides of the level
that a place is on, from the middle of its cell to left, top, right and bottom. Each is the mean of
a distribution over bins that are one stride apart, the first of which is half a stride beyond the
middle: NanoDet-Plus measures from the corner of a cell, and in a mirror that is another corner.
"""

from typing import Sequence

import torch
from torch import Tensor

from mcn_ros.network.features import PYRAMID
from mcn_ros.tasks.constants import permute_channels

BINS = 9  # NanoDet-Plus has 8, which end half a stride nearer on either side
FIRST = -0.5  # distance of the first bin
SIDES = 4

Level = tuple[Tensor, Tensor]  # scores (B, C, h, w) and bins (B, SIDES * BINS, h, w), logits


def places(maps: Sequence[Tensor]) -> Tensor:
    """
    Return where the cells of all levels are.

    :param maps: (B, C, h, w) of each level of a pyramid.
    :return: (N, 3) float32: x, y of the middle in input pixels, and stride.
    """
    rows = []
    for values, stride in zip(maps, PYRAMID.values()):
        y, x = ((torch.arange(side, device=values.device, dtype=torch.float32) + 0.5) * stride
                for side in values.shape[2:])
        y, x = torch.broadcast_tensors(y[:, None], x[None])
        rows.append(torch.stack([x, y, torch.full_like(x, stride)], dim=2).flatten(0, 1))
    return torch.cat(rows)


def flatten(maps: Sequence[Tensor]) -> Tensor:
    """Return (B, N, C) of all cells from (B, C, h, w) of each level."""
    return torch.cat([values.permute(0, 2, 3, 1).flatten(1, 2) for values in maps], dim=1)


def read_distances(bins: Tensor) -> Tensor:
    """Return distances (..., 4) in strides, float32, from logits (..., 4 * BINS)."""
    steps = torch.arange(BINS, device=bins.device, dtype=torch.float32) + FIRST
    return (bins.float().unflatten(-1, (SIDES, BINS)).softmax(dim=-1) * steps).sum(dim=-1)


def to_boxes(distances: Tensor, where: Tensor) -> Tensor:
    """
    Return boxes (..., 4) xyxy in input pixels; one whose distances are negative can be empty.

    :param distances: (..., 4) in strides.
    :param where: (..., 3) see :func:`places`.
    """
    points, stride = where[..., :2], where[..., 2:]
    return torch.cat([points - distances[..., :2] * stride, points + distances[..., 2:] * stride],
                     dim=-1)


def to_distances(boxes: Tensor, where: Tensor) -> Tensor:
    """Return the distances that :func:`to_boxes` makes the boxes of."""
    points, stride = where[..., :2], where[..., 2:]
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1) / stride


def mirror_bins(bins: Tensor) -> Tensor:
    """Return (B, 4 * BINS, h, w) of the mirror image, where left is right."""
    sides = bins.flip(3).unflatten(1, (SIDES, BINS))
    return permute_channels(sides, (2, 1, 0, 3)).flatten(1, 2)


def distribution_focal(bins: Tensor, distances: Tensor) -> Tensor:
    """
    Return the distribution focal loss, without the entropy that it cannot go below.

    :param bins: (..., 4 * BINS) logits.
    :param distances: (..., 4) in strides; those that no bin can stand for are cut off.
    :return: (...) mean over the sides.
    """
    position = (distances - FIRST).clamp(0, BINS - 1)
    steps = torch.arange(BINS, device=bins.device)
    target = (1 - (position[..., None] - steps).abs()).clamp(min=0)  # of the two bins around it
    return _divergence(bins, target)


def divergence(bins: Tensor, others: Tensor) -> Tensor:
    """Return the (Kullback-Leibler) divergence from others (..., 4 * BINS), mean over sides."""
    return _divergence(bins, others.unflatten(-1, (SIDES, BINS)).softmax(dim=-1))


def _divergence(bins: Tensor, target: Tensor) -> Tensor:
    likelihood = bins.unflatten(-1, (SIDES, BINS)).log_softmax(dim=-1)
    return (torch.xlogy(target, target) - target * likelihood).sum(dim=-1).mean(dim=-1)
