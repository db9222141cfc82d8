# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Labels of pixels in the light of boxes: a class is likely where a detector sees a thing of it.

A detector learns its classes from boxes, of which there are many more than masks; what is within a
box is left to the logits of the pixels.
"""

import math
from typing import Sequence

import torch
from torch import Tensor

from mcn_ros.tasks.centers import in_order
from mcn_ros.tasks.constants import whole_numbers
from mcn_ros.tasks.task import Objects

# The logarithm of a box' score counts so many times what a logit does.
WEIGHT = 0.75
# A class has at least this score everywhere: the detector misses things.
FLOOR = 0.01
# The score of the background, which has no boxes.
BACKGROUND = 0.3
# So many of the surest boxes count.
MOST = 32


def labels_in_boxes(logits: Tensor, objects: Objects, classes: Sequence[str], stride: int,
                    ) -> Tensor:
    """
    Return the most likely label of each cell.

    It is the largest of logit + WEIGHT * log(score), where the score of a class is that of its
    surest box around the middle of the cell.

    :param logits: (B, C + 1, H, W); channel 0 is the background.
    :param objects: boxes in input pixels; those of unknown classes count for nothing.
    :param classes: names of the C classes.
    :param stride: input pixels per cell.
    :return: (B, H, W) int64.
    """
    scores, surest = objects.scores.topk(min(MOST, objects.scores.shape[1]), dim=1)
    boxes = in_order(objects.boxes, surest) / stride
    height, width = logits.shape[2:]
    planes = logits.float().flatten(2)  # (B, C + 1, cells)
    known = [classes.index(name) + 1 if name in classes else 0 for name in objects.names]
    classes_of_boxes = in_order(objects.classes, surest)
    labels = whole_numbers(known, logits)[classes_of_boxes]  # 0 for unknown
    # Whole planes: to pick cell by cell would take many times longer.
    images = torch.arange(planes.shape[0], device=logits.device)[:, None] * planes.shape[1]
    mine = planes.flatten(0, 1).index_select(0, (images + labels).flatten()).view(
        *labels.shape, -1)  # (B, K, cells)
    evidence = WEIGHT * scores.float().clamp(min=FLOOR).log() - 1e9 * (labels == 0)
    inside = _inside(boxes, height, width).flatten(2)
    boxed, box = torch.where(inside, mine + evidence[..., None], -1e9).max(dim=1)
    # Of all planes but one: to leave it out would copy the others.
    no_class = torch.arange(planes.shape[1], device=logits.device) == 0
    unboxed, label = planes.masked_fill(no_class[:, None], -1e9).max(dim=1)
    unboxed = unboxed + WEIGHT * math.log(FLOOR)
    label = torch.where(boxed > unboxed, labels.gather(1, box), label)
    background = planes[:, 0] + WEIGHT * math.log(BACKGROUND)
    is_background = background >= torch.maximum(boxed, unboxed)
    return torch.where(is_background, 0, label).unflatten(1, (height, width))


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return whether the middles of cells are in boxes (B, K, 4) of grid cells: (B, K, H, W)."""
    x0, y0, x1, y1 = boxes[..., None].unbind(dim=2)  # (B, K, 1) each
    columns, rows = (torch.arange(count, device=boxes.device) + 0.5 for count in (width, height))
    across, down = (x0 <= columns) & (columns <= x1), (y0 <= rows) & (rows <= y1)
    return down[..., None] & across[..., None, :]
