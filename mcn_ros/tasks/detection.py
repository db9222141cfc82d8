# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Object detection: every object is the peak of a heatmap, with a size and an offset.

Source: "Objects as Points", section 3; MCN (Heuer et al.), section 3.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Mapping

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.network import nanodet
from mcn_ros.network.features import FEATURES, READINGS, Shapes
from mcn_ros.network.heads import Head, HeadConfig
from mcn_ros.structures import crowd_rows, Instances
from mcn_ros.tasks.centers import (
    BOX_MAPS, center_counts, center_losses, center_weights, check_limits, check_spread,
    decode_centers, encode_centers, in_order, locate, LOG_SIZE_BIAS, mirror_boxes,
    to_input_pixels)
from mcn_ros.tasks.heatmap import PRIOR_BIAS
from mcn_ros.tasks.merge import MergesPeople
from mcn_ros.tasks.overlap import check_overlap, duplicates
from mcn_ros.tasks.task import Task
from mcn_ros.vocabulary import check_classes, COCO_CLASSES, PERSON

# Features that it can read: those of the neck, and what a detector in it says.
STRIDES = {FEATURES: STRIDE, READINGS: nanodet.STRIDES[0]}


@dataclass(frozen=True)
class DetectionTask(MergesPeople, Task):
    """
    Boxes of objects of one or more classes.

    :param classes: class names; their order is the order of the heatmap channels.
    :param head: width and layout of the head.
    :param max_objects: most objects per training image whose boxes are learned; where there are
        more, these are taken evenly from among them, and the heatmap has them all. CenterNet has
        128.
    :param max_predictions: objects per image that decoding returns; CenterNet has 100.
    :param max_overlap: of two boxes of a class that overlap by more than this (intersection over
        union), the less certain one gets the score 0; 1, none does, is CenterNet, whose peaks
        are sharp enough.
    :param spread: share of a box in which its cells learn it, see
        :func:`mcn_ros.tasks.centers.region`; 0 is CenterNet, 0.54 the Training-Time-Friendly one.
    :param iou_loss: learn the overlap of boxes too, see
        :func:`mcn_ros.tasks.centers.center_losses`.
    :param relative: the maps hold logarithms of sizes and lengths in units of the object, see
        :func:`mcn_ros.tasks.centers.read_boxes`; False, grid cells, is CenterNet.
    :param reads: what it reads: 'features', or 'readings', what a detector in the trunk says.
    :param merge_with: name of a task whose people are merged with those found here, see
        :func:`mcn_ros.tasks.merge.merge_people`; '' for none.
    """

    annotation: ClassVar[type] = Instances
    figure: ClassVar[str] = 'AP'
    topics: ClassVar[Mapping[str, tuple[str, str]]] = {
        'detection': ('detections', 'detection/label_info')}
    class_map: ClassVar[tuple[str, int] | None] = 'heatmap', 0
    teachable: ClassVar[bool] = True

    classes: tuple[str, ...] = COCO_CLASSES
    head: HeadConfig = field(default_factory=HeadConfig)
    max_objects: int = 128
    max_predictions: int = 100
    max_overlap: float = 1.0
    spread: float = 0.0
    iou_loss: bool = False
    relative: bool = False
    reads: Literal['features', 'readings'] = FEATURES
    merge_with: str = ''

    def __post_init__(self):
        check_classes(self.classes, 'detection.classes')
        check_limits(self, 'detection', ('max_objects', 'max_predictions'))
        check_spread(self.spread, 'detection.spread')
        check_overlap(self.max_overlap, 'detection.max_overlap')
        if self.reads not in STRIDES:
            raise ValueError(f'detection.reads: {self.reads!r} is not one of {", ".join(STRIDES)}')
        self.check_people('detection')

    @property
    def losses(self) -> dict[str, float]:
        """Return the losses with their weights in MCN."""
        return center_weights(self.iou_loss)

    @property
    def stride(self) -> int:
        """Return the input pixels per cell of the maps."""
        return STRIDES[self.reads]

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> heatmap (C channels), size (2), offset (2)."""
        maps = {'heatmap': len(self.classes), **BOX_MAPS}
        biases = {'heatmap': PRIOR_BIAS, 'size': LOG_SIZE_BIAS if self.relative else 0.0}
        return Head(shapes, maps, self.head, biases, self.reads, self.stride)

    def start_from_detector(self, head: nn.Module, shapes: Shapes) -> None:
        """
        Let a head answer what the detector says.

        Left as it is: a head that has no direct way to what the detector says, or speaks in cells
        rather than relative to the object.
        """
        apart = READINGS in shapes and self.reads != READINGS
        if apart or not (self.head.width == 0 or self.head.direct) or not self.relative:
            return
        first = head.maps['heatmap'][0].in_channels - nanodet.CHANNELS
        known = [(row, first + COCO_CLASSES.index(name)) for row, name in enumerate(self.classes)
                 if name in COCO_CLASSES]
        _pass_through(head.maps['heatmap'][0], known)
        for number, name in enumerate(BOX_MAPS):
            channel = first + nanodet.CLASSES + 2 * number
            _pass_through(head.maps[name][0], [(0, channel), (1, channel + 1)])

    def encode(self, annotation: Instances, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image.

        Crowd boxes are regions where the class is unknown, and so is the whole map of a class that
        the annotation does not label.

        :param annotation: objects in input pixels.
        :return: see :func:`mcn_ros.tasks.centers.encode_centers`.
        """
        grid = Grid.of_input((grid.height * grid.stride, grid.width * grid.stride), self.stride)
        crowd = crowd_rows(annotation)
        centers = locate(annotation.boxes, ~crowd, grid, self.max_objects)
        labelled = annotation.labelled_classes
        if labelled is None:
            labelled = np.ones(len(self.classes), bool)
        return encode_centers(
            centers, annotation.classes[centers.rows], labelled, annotation.boxes[crowd],
            annotation.classes[crowd], grid, self.max_objects, self.spread)

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return L_center, L_size and L_off of MCN as heatmap, size and offset."""
        return center_losses(outputs, targets, self.iou_loss, self.relative)

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many things each loss is the mean of."""
        return center_counts(targets, self.iou_loss)

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """
        Return how far the objects are from those that another network sees.

        That is the divergence of the heatmaps (Kullback-Leibler, of each cell and class by
        itself), and the distance of the boxes (smooth L1), both per object: cells count by how
        likely a centre is there for that network.

        :param theirs: maps of the other network, of the same shapes.
        """
        likely, mine = theirs['heatmap'].float(), outputs['heatmap'].float()
        weights = likely.sigmoid()
        divergence = (weights * (functional.logsigmoid(likely) - functional.logsigmoid(mine))
                      + (1 - weights) * (functional.logsigmoid(-likely)
                                         - functional.logsigmoid(-mine)))
        weights = weights.amax(dim=1, keepdim=True)
        distance = divergence.sum()
        for name in BOX_MAPS:
            factor = 1.0 if self.relative else self.losses[name]
            distance = distance + factor * (weights * functional.smooth_l1_loss(
                outputs[name].float(), theirs[name].float(), reduction='none')).sum()
        return distance / weights.sum().clamp(min=1)

    def decode(self, outputs: dict[str, Tensor]) -> Instances:
        """Return (B, K) objects, best first: boxes in input pixels, not clipped."""
        boxes, scores, classes, _ = self._find_boxes(outputs)
        if self.max_overlap < 1:
            scores = scores * ~duplicates(boxes, classes, self.max_overlap)
            scores, order = scores.sort(dim=1, descending=True, stable=True)
            boxes, classes = in_order(boxes, order), in_order(classes, order)
        return Instances(to_input_pixels(boxes, self.stride), classes, scores)

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image."""
        return mirror_boxes(outputs, self.relative)

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same, but perhaps for its classes."""
        return isinstance(other, DetectionTask) and (
            (self.stride, self.relative) == (other.stride, other.relative))

    def part_of(self, other: Task) -> bool:
        """Return whether another task finds people as it does, and more of them than boxes."""
        return self.classes == (PERSON,) and self.reads == FEATURES and (
            other.joints is not None and self.relative == getattr(other, 'relative', None))

    def _find_boxes(self, outputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return decode_centers(outputs, self.max_predictions, self.relative)


@torch.no_grad()
def _pass_through(layer: nn.Conv2d, pairs: list[tuple[int, int]]) -> None:
    """Let outputs equal inputs, for (output, input) pairs of channels; other outputs stay."""
    for row, column in pairs:
        layer.weight[row] = 0
        layer.weight[row, column] = 1
        layer.bias[row] = 0
