# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What boxes share: duplicates of each other, and losses of the intersection over union (IoU).

Those losses are torchvision's to the bit. But there, boxes that share nothing are left out by a
mask, whose number of boxes a GPU has to be waited for.
"""

import torch
from torch import Tensor

TINY = 1e-7


def check_overlap(overlap: float, name: str) -> None:
    """Refuse an overlap above which no box, or every box, would be a duplicate."""
    if not 0 < overlap <= 1:
        raise ValueError(f'{name}: {overlap} is not in 0..1, above 0')


def duplicates(boxes: Tensor, classes: Tensor, max_overlap: float) -> Tensor:
    """
    Find boxes that overlap a more certain one of their class; static shapes.

    Unlike greedy suppression, one that is a duplicate itself still counts (D. Bolya et al.,
    "YOLACT", ICCV 2019, section 5.2).

    :param boxes: (B, K, 4) xyxy, most certain first.
    :param classes: (B, K).
    :param max_overlap: intersection over union.
    :return: (B, K) bool.
    """
    same = classes[:, :, None] == classes[:, None]
    shared, union = shared_areas(boxes, boxes)
    # A quotient would be NaN for boxes without an area, which compilers compare as they like.
    return ((shared > max_overlap * union) & same).triu(1).any(dim=1)


def shared_areas(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the areas (B, N, M) of intersection and union of boxes (B, N, 4), (B, M, 4)."""
    corners = (torch.maximum(boxes[:, :, None, :2], others[:, None, :, :2]),
               torch.minimum(boxes[:, :, None, 2:], others[:, None, :, 2:]))
    shared = (corners[1] - corners[0]).clamp(min=0).prod(dim=3)
    mine, theirs = ((each[..., 2:] - each[..., :2]).prod(dim=2) for each in (boxes, others))
    return shared, mine[:, :, None] + theirs[:, None] - shared


def generalized_iou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """
    Return 1 - IoU, plus the part of the box around both that is in neither.

    Source: H. Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.

    :param boxes: (..., 4) xyxy, float32.
    :param others: the same shape.
    :return: (...), 0..2.
    """
    shared, union = _paired_areas(boxes, others)
    width, height = _around(boxes, others)
    area = width * height
    return 1 - (shared / (union + TINY) - (area - union) / (area + TINY))


def distance_iou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """
    Return 1 - IoU, plus the squared distance of centres relative to the diagonal around both.

    Source: Z. Zheng et al., "Distance-IoU Loss", AAAI 2020.

    :param boxes: (..., 4) xyxy, float32.
    :param others: the same shape.
    :return: (...), 0..2.
    """
    shared, union = _paired_areas(boxes, others)
    width, height = _around(boxes, others)
    x, y = ((boxes[..., 2:] + boxes[..., :2]) / 2 - (others[..., :2] + others[..., 2:]) / 2
            ).unbind(dim=-1)
    return 1 - shared / (union + TINY) + (x ** 2 + y ** 2) / (width ** 2 + height ** 2 + TINY)


def _paired_areas(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the areas (...) of intersection and union of each box with its other."""
    sides = (torch.minimum(boxes[..., 2:], others[..., 2:])
             - torch.maximum(boxes[..., :2], others[..., :2]))
    shared = torch.where((sides > 0).all(dim=-1), sides[..., 0] * sides[..., 1], 0)
    mine, theirs = (size[..., 0] * size[..., 1]
                    for size in (each[..., 2:] - each[..., :2] for each in (boxes, others)))
    return shared, mine + theirs - shared


def _around(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return width and height (...) of the box around each and its other."""
    return (torch.maximum(boxes[..., 2:], others[..., 2:])
            - torch.minimum(boxes[..., :2], others[..., :2])).unbind(dim=-1)
