# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Detection and pose exactly as CenterNet's code has them.

That is where the code does something else than its paper says, or than is best; all else is that
of the ordinary tasks.

Source: X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", 2019, and xingyizhou/CenterNet.
"""

from dataclasses import dataclass, replace
import math
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.network.features import FEATURES
from mcn_ros.structures import clip_boxes, Instances, Poses, select
from mcn_ros.tasks.centers import cell_points, read_boxes
from mcn_ros.tasks.constants import permute_channels
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.heatmap import find_peaks
from mcn_ros.tasks.pose import PoseTask

A = TypeVar('A', Instances, Poses)

# Where the focal loss cuts off what is certain: the logits of the probabilities 1e-4, 1 - 1e-4.
MAX_LOGIT = math.log((1 - 1e-4) / 1e-4)

# Is added to the number of numbers that a loss is the mean of, so that it can be divided by none.
EPSILON = 1e-4

HEATMAPS = {'heatmap', 'joint_heatmap'}


class _Rules:
    """What CenterNet's code has of its own in both tasks; goes before the ordinary task."""

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses: beyond what is certain, those of heatmaps no longer grow."""
        losses = super().loss({name: values.float().clamp(-MAX_LOGIT, MAX_LOGIT)
                               if name in HEATMAPS else values
                               for name, values in outputs.items()}, targets)
        counts = self.counts(targets)
        return {name: loss if name in HEATMAPS else loss * counts[name] / (counts[name] + EPSILON)
                for name, loss in losses.items()}

    def mean(self, outputs: dict[str, Tensor], others: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return mean maps: of peaks, logits of mean probabilities; offsets are the first's."""
        means = super().mean(outputs, others)
        for name in means.keys() & HEATMAPS:
            maps = outputs[name].float(), others[name].float()
            # The odds of the mean; from both sides, so that none is rounded to certainty.
            yes, no = (sum(torch.sigmoid(sign * values) for values in maps) for sign in (1, -1))
            means[name] = yes.log() - no.log()
        return means | {name: outputs[name] for name in means.keys() & {'offset', 'joint_offset'}}

    def _find_boxes(self, outputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Leave boxes of a negative size as they are, inside out."""
        scores, classes, cells = find_peaks(outputs['heatmap'], self.max_predictions)
        size, offset = read_boxes(outputs, cells)
        centers = cell_points(cells, outputs['heatmap'].shape[3]) + offset
        return torch.cat([centers - size / 2, centers + size / 2], dim=2), scores, classes, cells


@dataclass(frozen=True)
class CenterNetDetectionTask(_Rules, DetectionTask):
    """Boxes of objects; it has no more fields than CenterNet has options."""

    # What was a field of the ordinary task is none of this one.
    max_overlap: ClassVar[float] = 1.0
    spread: ClassVar[float] = 0.0
    iou_loss: ClassVar[bool] = False
    relative: ClassVar[bool] = False
    reads: ClassVar[str] = FEATURES
    merge_with: ClassVar[str] = ''

    def encode(self, annotation: Instances, grid: Grid) -> dict[str, Tensor]:
        """Build the targets of one image."""
        return super().encode(_objects(annotation, self.max_objects, grid), grid)


@dataclass(frozen=True)
class CenterNetPoseTask(_Rules, PoseTask):
    """People with their joints; it has no more fields than CenterNet has options."""

    spread: ClassVar[float] = 0.0
    iou_loss: ClassVar[bool] = False
    relative: ClassVar[bool] = False
    belief: ClassVar[bool] = False
    stride: ClassVar[int] = STRIDE

    def encode(self, annotation: Poses, grid: Grid) -> dict[str, Tensor]:
        """Build the targets: people without joints are centres alone, and have none."""
        people = _objects(annotation, self.max_people, grid)
        targets = super().encode(people, grid)
        targets['joint_heatmap_unknown'] = targets['joint_heatmap_unknown'][:0]
        jointless = ~(people.keypoint_scores > 0).any(axis=1)
        targets['weights'][np.flatnonzero(jointless)] = 0
        return targets

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take the corner of a cell for that of the mirror image: joints are off by a cell."""
        ways = outputs['displacement'].flip(3).unflatten(1, (-1, 2))
        ways = permute_channels(ways, self.joints.flip)
        x, y = ways.unbind(dim=2)
        return {**super().mirror(outputs),
                'displacement': torch.stack([-x, y], dim=2).flatten(1, 2)}


def _objects(annotation: A, limit: int, grid: Grid) -> A:
    """
    Return the objects that CenterNet's code takes for objects.

    It cuts boxes at the corners of the last cells, looks at no more than the first ``limit``,
    whether they reach into the grid or not, and knows no crowds.
    """
    ends = (grid.height - 1) * grid.stride, (grid.width - 1) * grid.stride
    boxes = clip_boxes(annotation.boxes, ends)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    seen[limit:] = False
    return select(replace(annotation, boxes=boxes, crowd=None), seen)
