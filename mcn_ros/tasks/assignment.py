# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which places learn which object: dynamic soft label assignment.

Source: NanoDet-Plus (RangiLyu/nanodet, Apache-2.0), which has it from Z. Ge et al., "OTA", CVPR
2021, and from YOLOX. An object is learned where the network answers it best already, at as many
places as answer it well. Unlike there, only places inside of an object can learn it.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mcn_ros.tasks.centers import in_order
from mcn_ros.tasks.overlap import shared_areas

MOST = 13  # places of an object
OVERLAP_FACTOR = 3.0  # of the cost of a bad box beside that of a bad score
TINY = 1e-7


class Assignment(NamedTuple):
    """
    What N places of B images are to learn.

    :param owner: (B, N) int64 index of an object, of no meaning elsewhere.
    :param positive: (B, N) bool, whether a place learns an object.
    :param overlap: (B, N) intersection over union of its box and the object's; 0 elsewhere.
    :param candidates: (B, M, G) int64 places of each object among which are all that learn it:
        of a shape that the host knows, so that a device need not be waited for.
    :param learned: (B, M, G) bool, which of these learn it.
    """

    owner: Tensor
    positive: Tensor
    overlap: Tensor
    candidates: Tensor
    learned: Tensor


@torch.no_grad()
def assign(logits: Tensor, boxes: Tensor, points: Tensor, objects: Tensor, classes: Tensor,
           exists: Tensor) -> Assignment:
    """
    Assign objects to places.

    :param logits: (B, N, C) what each place answers; of classes that count.
    :param boxes: (B, N, 4) xyxy that each place answers.
    :param points: (N, 2) where they are.
    :param objects: (B, G, 4) xyxy, with at least one row.
    :param classes: (B, G) int64.
    :param exists: (B, G) bool; False for rows that only fill up.
    """
    points = points[:, None]
    inside = (points > objects[:, None, :, :2]) & (points < objects[:, None, :, 2:])
    inside = inside.all(dim=3) & exists[:, None]  # (B, N, G)
    shared, union = shared_areas(boxes, objects)
    overlap = (shared / union.clamp(min=TINY)).clamp(0, 1) * inside
    cost = _score_cost(logits, classes, overlap) - OVERLAP_FACTOR * (overlap + TINY).log()
    cost = cost.masked_fill(~inside, torch.inf)

    most = min(MOST, len(points))
    wanted = overlap.topk(most, dim=1).values.sum(dim=1).int().clamp(min=1)  # (B, G)
    best = cost.topk(most, dim=1, largest=False).indices  # (B, M, G)
    chosen = torch.arange(most, device=cost.device)[:, None] < wanted[:, None]
    cost = torch.full_like(cost, torch.inf).scatter(
        1, best, cost.gather(1, best).masked_fill(~chosen, torch.inf))
    # A place that several objects want learns the one that it answers best.
    least, owner = cost.min(dim=2)
    positive = least.isfinite()
    overlap = overlap.gather(2, owner[..., None])[..., 0] * positive
    own = in_order(owner, best.flatten(1)).view_as(best) == torch.arange(
        best.shape[2], device=best.device)
    learned = own & in_order(positive, best.flatten(1)).view_as(best)
    return Assignment(owner, positive, overlap, best, learned)


def _score_cost(logits: Tensor, classes: Tensor, overlap: Tensor) -> Tensor:
    """Return (B, N, G): the quality focal loss if a place had to answer the overlap."""
    silence = functional.softplus(logits) * torch.sigmoid(logits) ** 2
    own = classes[:, None].expand_as(overlap)
    mine = logits.gather(2, own)
    answer = quality_focal(mine, overlap)
    return answer + silence.sum(dim=2, keepdim=True) - silence.gather(2, own)


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """
    Return the quality focal loss of each logit (X. Li et al., "Generalized Focal Loss", beta 2).

    :param logits: any shape, float32.
    :param quality: the same shape, 0..1: what the score is to be.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, quality, reduction='none')
    return entropy * (torch.sigmoid(logits) - quality) ** 2
