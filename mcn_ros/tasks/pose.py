# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Human poses: a person is a centre, joints are regressed from it and snapped to joint heatmaps.

Source: "Objects as Points", section 4.2; MCN (Heuer et al.), section 3.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Mapping

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.network.features import FEATURES, Shapes
from mcn_ros.network.heads import Head, HeadConfig
from mcn_ros.structures import crowd_rows, Poses
from mcn_ros.tasks.centers import (
    BOX_MAPS, cell_points, center_counts, center_losses, center_weights, Centers, check_limits,
    check_spread, decode_centers, encode_centers, in_order, locate, LOG_SIZE_BIAS,
    mirror_boxes, mirror_points, pad, read_boxes, scale_of, to_input_pixels)
from mcn_ros.tasks.constants import permute_channels
from mcn_ros.tasks.heatmap import (
    ALL, count_peaks, draw_heatmap, encode_heatmap, focal_loss, gather_cells, PRIOR_BIAS,
    weighted_l1)
from mcn_ros.tasks.location import believe, decide, location_loss, sample
from mcn_ros.tasks.snap import snap
from mcn_ros.tasks.task import Objects, Task
from mcn_ros.vocabulary import PERSON, Skeleton, SKELETONS

# What a cell without joints counts, where one with a joint counts 1, in learning from a network.
QUIET = 0.02


@dataclass(frozen=True)
class PoseTask(Task):
    """
    People with their joints; finds the people itself, so it works without a detection head.

    :param skeleton: name of the skeleton, a key of SKELETONS.
    :param head: width and layout of the head.
    :param max_people: most people per training image whose boxes and ways to joints are learned;
        where there are more, these are taken evenly from among them, and the heatmaps have them
        all. CenterNet has 32.
    :param max_predictions: people (and peaks per joint) that decoding looks at; CenterNet has 100.
    :param spread: share of a person's box in which cells learn box and joints, see
        :func:`mcn_ros.tasks.centers.region`; 0 is CenterNet.
    :param iou_loss: learn the overlap of boxes too, see
        :func:`mcn_ros.tasks.centers.center_losses`.
    :param relative: the maps hold logarithms of sizes and lengths in units of the person, see
        :func:`mcn_ros.tasks.centers.read_boxes`; False, grid cells, is CenterNet.
    :param belief: decide where joints are by a belief over places, from regression and heatmap,
        and learn that, see :mod:`mcn_ros.tasks.location`; what makes a person likely is then how
        good the pose is believed to be, too. False is CenterNet: joints snap to the nearest peak.
    :param stride: input pixels per grid cell: that of its stream, see
        :class:`mcn_ros.network.trunks.separate.StreamConfig`.
    :cvar own_offsets: whether each joint has a map of offsets of its own.
    """

    annotation: ClassVar[type] = Poses
    figure: ClassVar[str] = 'AP'
    topics: ClassVar[Mapping[str, tuple[str, str]]] = {'pose': ('poses', 'skeleton_info')}
    teachable: ClassVar[bool] = True
    own_offsets: ClassVar[bool] = False

    skeleton: str = 'coco17'
    head: HeadConfig = field(default_factory=HeadConfig)
    max_people: int = 32
    max_predictions: int = 100
    spread: float = 0.0
    iou_loss: bool = False
    relative: bool = False
    belief: bool = False
    stride: int = STRIDE

    def __post_init__(self):
        check_limits(self, 'pose', ('max_people', 'max_predictions', 'stride'))
        check_spread(self.spread, 'pose.spread')
        if self.skeleton not in SKELETONS:
            raise ValueError(
                f'pose.skeleton: unknown {self.skeleton!r} (known: {", ".join(SKELETONS)})')

    @property
    def joints(self) -> Skeleton:
        """Return the skeleton itself."""
        return SKELETONS[self.skeleton]

    @property
    def losses(self) -> dict[str, float]:
        """Return the losses with their weights in MCN; people count as detection's objects do."""
        losses = {**center_weights(self.iou_loss), 'displacement': 1.0, 'joint_heatmap': 1.0,
                  'joint_offset': 1.0}
        return {**losses, 'joint_location': 1.0} if self.belief else losses

    def build_head(self, shapes: Shapes) -> nn.Module:
        """
        Return a module: features -> six maps.

        heatmap (1), size (2) and offset (2) of people; displacement (2 J) of the joints from the
        person's cell as x, y pairs; joint_heatmap (J); joint_offset (2, or 2 J).
        """
        num = self.joints.num_keypoints
        maps = {'heatmap': 1, **BOX_MAPS, 'displacement': 2 * num, 'joint_heatmap': num,
                'joint_offset': 2 * num if self.own_offsets else 2}
        biases = {'heatmap': PRIOR_BIAS, 'joint_heatmap': PRIOR_BIAS,
                  'size': LOG_SIZE_BIAS if self.relative else 0.0}
        return Head(shapes, maps, self.head, biases, FEATURES, self.stride)

    def encode(self, annotation: Poses, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image.

        Where people are a crowd, centres and joints are unknown; where a single person has no
        labelled joint, the joints are unknown: their absence from the labels says nothing.

        :param annotation: people in input pixels.
        :return: the targets of :func:`mcn_ros.tasks.centers.encode_centers` and displacement
            (K, J, 2) from the centre, joint_cells (K, J) int64, joint_offset (K, J, 2),
            joint_valid (K, J) bool; lengths in grid cells; joint_heatmap as
            :func:`mcn_ros.tasks.heatmap.encode_heatmap` describes it.
        """
        grid = Grid.of_input((grid.height * grid.stride, grid.width * grid.stride), self.stride)
        crowd = crowd_rows(annotation)
        people = locate(annotation.boxes, ~crowd, grid, self.max_people)
        none = np.zeros(len(annotation), np.int64)
        targets = encode_centers(people, none[people.rows], np.ones(1, bool),
                                 annotation.boxes[crowd], none[crowd], grid, self.max_people,
                                 self.spread)
        jointless = ~(annotation.keypoint_scores > 0).any(axis=1)
        unknown = annotation.boxes[crowd | jointless] / grid.stride
        keypoints = annotation.keypoints[people.rows] / grid.stride
        labelled = annotation.keypoint_scores[people.rows] > 0
        return {**targets, **self._encode_joints(people, keypoints, labelled, unknown, grid)}

    def _encode_joints(self, people: Centers, keypoints: np.ndarray, labelled: np.ndarray,
                       unknown: np.ndarray, grid: Grid) -> dict[str, Tensor]:
        """Build the joint targets; keypoints (N, J, 2) and unknown boxes (M, 4) in grid cells."""
        inside = (keypoints >= 0) & (keypoints < [grid.width, grid.height])
        valid = labelled & inside.all(axis=2)
        points = np.where(valid[..., None], keypoints, 0)
        cells = points.astype(np.int64)
        owners, joints = np.nonzero(valid)
        peaks = np.column_stack([joints, cells[owners, joints], people.radii[owners]])
        regions = np.column_stack([np.full(len(unknown), ALL), unknown])
        displacement = points - people.points[:, None]
        lists = {'joint_cells': cells[..., 1] * grid.width + cells[..., 0],
                 'joint_offset': (points - cells).astype(np.float32),
                 'displacement': displacement.astype(np.float32), 'joint_valid': valid}
        return {**encode_heatmap('joint_heatmap', peaks, regions,
                                 np.ones(self.joints.num_keypoints, bool),
                                 (grid.height, grid.width)),
                **{name: pad(values[people.learned], self.max_people)
                   for name, values in lists.items()}}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the centre losses, L_keyp (displacement, joint_heatmap) and L_keyp_off."""
        losses = center_losses(outputs, targets, self.iou_loss, self.relative)
        valid = targets['joint_valid'][..., None]  # (B, K, J, 1)
        found = self._displacements(outputs, targets['cells'].flatten(1))
        found = found.unflatten(1, targets['cells'].shape[1:])
        # From each cell (B, K, S, J, 2); the offset leads from there to the centre.
        displacement = targets['displacement'][:, :, None] + targets['offset'][:, :, :, None]
        unit = scale_of(targets['size'], self.relative)[:, :, None, None]
        losses['displacement'] = weighted_l1(
            found / unit, displacement / unit,
            targets['weights'][..., None, None] * valid[:, :, None])
        heatmap = outputs['joint_heatmap']
        losses['joint_heatmap'] = focal_loss(
            heatmap, draw_heatmap(targets, 'joint_heatmap', heatmap.shape[2:]))
        losses['joint_offset'] = weighted_l1(
            self._joint_offsets(outputs, targets['joint_cells']), targets['joint_offset'],
            valid.float())
        if self.belief:
            losses['joint_location'] = self._location_loss(outputs, targets)
        return losses

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many things each loss is the mean of."""
        numbers = 2 * targets['joint_valid'].sum().float()
        counts = {**center_counts(targets, self.iou_loss), 'displacement': numbers,
                  'joint_heatmap': count_peaks(targets, 'joint_heatmap'), 'joint_offset': numbers}
        return {**counts, 'joint_location': numbers / 2} if self.belief else counts

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same, in cells of whatever size."""
        return isinstance(other, PoseTask) and (
            (self.skeleton, self.relative, self.own_offsets)
            == (other.skeleton, other.relative, other.own_offsets))

    def taught_by(self, other: Task) -> bool:
        """Return whether another task sees the same joints, in the same cells."""
        return isinstance(other, PoseTask) and (
            (self.skeleton, self.stride) == (other.skeleton, other.stride))

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """
        Return the distance from where another network sees joints (smooth L1 of the logits).

        Cells count by how likely a joint of any kind is there for that network: most cells have
        none, and how unlikely one is there says nothing.

        :param theirs: maps of the other network, of the same shapes.
        """
        target = theirs['joint_heatmap'].float()
        difference = functional.smooth_l1_loss(
            outputs['joint_heatmap'].float(), target, reduction='none').mean(dim=1)
        weights = target.amax(dim=1).sigmoid() + QUIET
        return (difference * weights).sum() / weights.sum()

    def decode(self, outputs: dict[str, Tensor]) -> Poses:
        """
        Return (B, K) people, best first: boxes and joints in input pixels, not clipped.

        Every joint has a position; its score tells whether it is there.
        """
        boxes, scores, _, cells = self._find_boxes(outputs)
        width = outputs['heatmap'].shape[3]
        regressed = self._displacements(outputs, cells) + cell_points(cells, width)[:, :, None]
        if self.belief:
            boxes, scores, joints, joint_scores = self._believe(outputs, boxes, scores, regressed)
        else:
            joints, joint_scores = snap(outputs, boxes, regressed, self.max_predictions)
        return Poses(to_input_pixels(boxes, self.stride), scores,
                     to_input_pixels(joints, self.stride), joint_scores, skeleton=self.joints)

    def objects(self, prediction: Poses) -> Objects:
        """Return the people, each as likely as the pose is."""
        people = torch.zeros_like(prediction.scores, dtype=torch.int64)
        return Objects(prediction.boxes, prediction.scores, people, (PERSON,))

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image, in which left joints are right ones."""
        maps = {name: values.flip(3) for name, values in outputs.items()}
        swap = self.joints.flip
        ways = permute_channels(maps['displacement'].unflatten(1, (-1, 2)), swap).flatten(1, 2)
        return {**maps, **mirror_boxes(outputs, self.relative),
                'displacement': mirror_points(ways, maps['size'], self.relative),
                'joint_heatmap': permute_channels(maps['joint_heatmap'], swap),
                'joint_offset': mirror_points(maps['joint_offset'], maps['size'])}

    def _find_boxes(self, outputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return decode_centers(outputs, self.max_predictions, self.relative)

    def _joint_offsets(self, outputs: dict[str, Tensor], cells: Tensor) -> Tensor:
        """Read the ways from the corners of flat cells (B, N, J) to the joints there, (..., 2)."""
        return gather_cells(outputs['joint_offset'], cells.flatten(1)).unflatten(
            1, cells.shape[1:])

    def _displacements(self, outputs: dict[str, Tensor], cells: Tensor) -> Tensor:
        """Read the ways from flat cells (B, N) to the joints, (B, N, J, 2) in grid cells."""
        size, _ = read_boxes(outputs, cells, self.relative)
        found = gather_cells(outputs['displacement'], cells).unflatten(2, (-1, 2))
        return found * scale_of(size.detach(), self.relative)[:, :, None]

    def _believe(self, outputs: dict[str, Tensor], boxes: Tensor, scores: Tensor,
                 regressed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """
        Put joints where they are believed to be, and the people of the best poses first.

        The score of a person is the geometric mean of what is known of the person (the score of
        the centre) and of the pose: expected similarity, and whether joints are seen there.
        """
        heatmap = outputs['joint_heatmap']
        sides = scale_of(boxes[..., 2:] - boxes[..., :2], True).squeeze(2)
        ways, similarity = decide(believe(heatmap, regressed, sides), self.joints.sigmas)
        joints = regressed.transpose(1, 2) + ways * sides[:, None, :, None]  # (B, J, K, 2)
        seen = sample(heatmap, joints).sigmoid()
        quality = similarity.mean(dim=1) * seen.mean(dim=1).sqrt()
        scores, order = (scores.sqrt() * quality).sqrt().sort(dim=1, descending=True, stable=True)
        joints, seen = joints.transpose(1, 2), seen.transpose(1, 2)
        return in_order(boxes, order), scores, in_order(joints, order), in_order(seen, order)

    def _location_loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Return the loss of the beliefs around the joints that the central cells point to."""
        cells = targets['cells'][:, :, targets['cells'].shape[2] // 2]
        width = outputs['joint_heatmap'].shape[3]
        expected = cell_points(cells, width)[:, :, None] + self._displacements(outputs, cells)
        return location_loss(outputs['joint_heatmap'], expected, targets, self.joints.sigmas)
