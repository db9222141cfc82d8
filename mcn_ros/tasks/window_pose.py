# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Human poses whose joints are read off their heatmaps within a window as large as the person.

It is the pose task but for how joints are found, and is what MoveNet MultiPose's maps are for.
"""

from dataclasses import dataclass
from typing import Callable, ClassVar

import torch
from torch import Tensor

from mcn_ros.structures import Poses
from mcn_ros.tasks.centers import cell_points, in_order, to_input_pixels
from mcn_ros.tasks.constants import permute_channels
from mcn_ros.tasks.heatmap import gather_cells
from mcn_ros.tasks.merge import merge_people, People, people_among
from mcn_ros.tasks.pose import PoseTask
from mcn_ros.tasks.task import Objects
from mcn_ros.tasks.window import likeliest_cells

# What is less likely than that is no joint that is seen.
SEEN = 0.127

# The mean score of the joints of people who are seen well.
WELL_SEEN = 0.6

# The centre of a person is within this share of the shorter side from the middle of the box.
CENTRAL = 0.15

# Square grid cells: in the windows of people who are smaller, cells would be too far apart.
MIN_AREA = 16.0


@dataclass(frozen=True)
class WindowPoseTask(PoseTask):
    """
    People with their joints.

    A joint is in the cell where its heatmap, times a Gaussian window around the place that the
    person's centre points to, is largest; the map of offsets of this joint says where in there.
    A person is as likely as the centre, times the mean of what joints there are.

    :param window: the window is exp(-d^2 / (window w h)), for a box of w by h cells.
    :param boxes_from: name of a task that finds people, too: joints are read on boxes of both, see
        :func:`mcn_ros.tasks.merge.merge_people`. '' for none; without that task, the boxes are
        those found here.
    """

    belief: ClassVar[bool] = False
    own_offsets: ClassVar[bool] = True

    max_predictions: int = 30
    window: float = 0.04
    boxes_from: str = ''

    def __post_init__(self):
        super().__post_init__()
        if self.window <= 0:
            raise ValueError(f'pose.window: {self.window} is not positive')

    def decode(self, outputs: dict[str, Tensor]) -> Poses:
        """Return (B, K) people, best first, as the pose task does."""
        boxes, scores, _, cells = self._find_boxes(outputs)
        return self._read_poses(outputs, boxes, scores, cells)

    def refine(self, prediction: Poses, outputs: dict[str, Tensor],
               objects: Callable[[str], Objects | None]) -> Poses:
        """Read the joints again, on boxes that are those of another task, too."""
        others = people_among(objects(self.boxes_from))
        if others is None:
            return prediction
        # Here people are as likely as their centres: of their joints there is more to be known.
        boxes, scores, *_ = self._find_boxes(outputs)
        merged = merge_people(others, People(to_input_pixels(boxes, self.stride), scores))
        count = min(self.max_predictions, merged.scores.shape[1])
        scores, best = merged.scores.topk(count, dim=1)
        boxes = in_order(merged.boxes, best) / self.stride
        return self._read_poses(outputs, boxes, scores, _central_cells(outputs, boxes))

    def objects(self, prediction: Poses) -> Objects:
        """Return the people; one who is seen well is as likely as the centre, or the box."""
        people = super().objects(prediction)
        return people._replace(scores=(people.scores / WELL_SEEN).clamp(max=1))

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image, in which left joints are right ones."""
        maps = super().mirror(outputs)
        offsets = permute_channels(maps['joint_offset'].unflatten(1, (-1, 2)), self.joints.flip)
        return {**maps, 'joint_offset': offsets.flatten(1, 2)}

    def _joint_offsets(self, outputs: dict[str, Tensor], cells: Tensor) -> Tensor:
        # Of all joints at the cells of each, where a compiler then need not compute it elsewhere.
        offsets = gather_cells(outputs['joint_offset'], cells.flatten(1))  # (B, K J, 2 J)
        offsets = offsets.view(*cells.shape, -1, 2)  # (B, K, J, J, 2)
        own = torch.eye(offsets.shape[2], device=offsets.device)[..., None]
        return (offsets * own).sum(dim=3)

    def _read_poses(self, outputs: dict[str, Tensor], boxes: Tensor, scores: Tensor,
                    cells: Tensor) -> Poses:
        """
        Read the joints of people.

        :param boxes: (B, K, 4) xyxy in grid cells.
        :param scores: (B, K) of the boxes.
        :param cells: (B, K) flat cells that know the ways to the joints.
        """
        heatmap = outputs['joint_heatmap']
        width = heatmap.shape[3]
        expected = self._displacements(outputs, cells) + cell_points(cells, width)[:, :, None]
        areas = (boxes[..., 2:] - boxes[..., :2]).prod(dim=2).clamp(min=MIN_AREA)
        joint_cells, logits = likeliest_cells(heatmap, expected, self.window * areas, 0 * areas)
        joints = cell_points(joint_cells, width) + self._joint_offsets(outputs, joint_cells)
        joint_scores = logits.sigmoid()
        seen = joint_scores > SEEN
        mean = (joint_scores * seen).sum(dim=2) / seen.sum(dim=2).clamp(min=1)
        scores, order = (scores * mean).sort(dim=1, descending=True, stable=True)
        return Poses(in_order(to_input_pixels(boxes, self.stride), order), scores,
                     in_order(to_input_pixels(joints, self.stride), order),
                     in_order(joint_scores, order), skeleton=self.joints)


def _central_cells(outputs: dict[str, Tensor], boxes: Tensor) -> Tensor:
    """Return the cells (B, K) around the middles of boxes that most likely are centres."""
    sides = boxes[..., 2:] - boxes[..., :2]
    # The cell of the middle itself is within sqrt(1 / 2).
    near = (CENTRAL * sides.amin(dim=2)).square().clamp(min=0.5)
    middles = (boxes[..., :2] + boxes[..., 2:])[:, :, None] / 2
    cells, _ = likeliest_cells(outputs['heatmap'], middles, torch.full_like(near, 1e-3), near)
    return cells.squeeze(2)
