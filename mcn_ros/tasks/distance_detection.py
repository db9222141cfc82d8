# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Object detection on a pyramid: every place answers scores and the distances to four sides.

Source: X. Li et al., "Generalized Focal Loss", NeurIPS 2020, and NanoDet-Plus (RangiLyu/nanodet).
"""

from dataclasses import dataclass
from typing import ClassVar, Mapping

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import Grid
from mcn_ros.network.features import Shapes
from mcn_ros.network.pyramid_head import levels_of, PyramidHead
from mcn_ros.structures import clip_boxes, crowd_rows, Instances
from mcn_ros.tasks.assignment import assign, Assignment, quality_focal
from mcn_ros.tasks.centers import check_limits, evenly, in_order, pad
from mcn_ros.tasks.distances import (
    BINS, distribution_focal, divergence, flatten, mirror_bins, places, read_distances, SIDES,
    to_boxes, to_distances)
from mcn_ros.tasks.heatmap import NO_PEAK
from mcn_ros.tasks.merge import MergesPeople
from mcn_ros.tasks.overlap import check_overlap, duplicates, generalized_iou_loss
from mcn_ros.tasks.task import Task
from mcn_ros.vocabulary import check_classes, COCO_CLASSES

# Boxes that may suppress each other, the best so many. As those of which the others are duplicates
# are among them, 100 are too few: on COCO, AP .358 with 100, .366 with 200, .367 with 300 and 500.
CANDIDATES = 300

# A new head answers 0.01 everywhere (focal loss, Lin et al. 2017, section 4.1).
PRIOR_BIAS = -4.595

# Places that learn an object, as measured on COCO at 288x288: the quality focal loss is a mean
# over so many. NanoDet-Plus counts them in each batch; here what a loss is the mean of is known
# before.
USUAL_PLACES = 4

ROWS = 'boxes', 'classes', 'exists'  # targets: of each object that is learned

LEAST_WEIGHT = 1e-3  # of a place that answers nothing yet, beside the surest one's 1


@dataclass(frozen=True)
class DistanceDetectionTask(MergesPeople, Task):
    """
    Boxes of objects of one or more classes, from the levels of a pyramid.

    :param classes: class names; their order is the order of the channels of scores.
    :param width: channels of the towers of the head.
    :param max_objects: most objects per training image that are learned; where there are more,
        these are taken evenly from among them, and the others are regions of which nothing is
        known.
    :param max_predictions: objects per image that decoding returns.
    :param max_overlap: of two boxes of a class that overlap by more than this (intersection over
        union), the less certain one gets the score 0.
    :param merge_with: name of a task whose people are merged with those found here, see
        :func:`mcn_ros.tasks.merge.merge_people`; '' for none.
    """

    annotation: ClassVar[type] = Instances
    figure: ClassVar[str] = 'AP'
    topics: ClassVar[Mapping[str, tuple[str, str]]] = {
        'detection': ('detections', 'detection/label_info')}
    class_map: ClassVar[tuple[str, int] | None] = 'scores', 0
    teachable: ClassVar[bool] = True

    classes: tuple[str, ...] = COCO_CLASSES
    width: int = 96
    max_objects: int = 128
    max_predictions: int = 100
    max_overlap: float = 0.6
    merge_with: str = ''

    def __post_init__(self):
        check_classes(self.classes, 'distance_detection.classes')
        check_limits(self, 'distance_detection', ('width', 'max_objects', 'max_predictions'))
        check_overlap(self.max_overlap, 'distance_detection.max_overlap')
        self.check_people('distance_detection')

    @property
    def losses(self) -> dict[str, float]:
        """Return the losses with their weights in NanoDet-Plus."""
        return {'quality_focal': 1.0, 'distribution_focal': 0.25, 'iou': 2.0}

    def build_head(self, shapes: Shapes) -> nn.Module:
        """Return a module: features -> scores (C channels) and distances of each level."""
        maps = {'scores': len(self.classes), 'distances': SIDES * BINS}
        return PyramidHead(shapes, maps, self.width, {'scores': PRIOR_BIAS})

    def encode(self, annotation: Instances, grid: Grid) -> dict[str, Tensor]:
        """
        Build the targets of one image.

        :param annotation: objects in input pixels.
        :return: boxes (K, 4) float32 in input pixels, clipped, their classes (K,) and whether
            they exist (K,), True but for a row that is there where there is no object; the same
            of regions where a class is unknown, as ``unknown_*``; labelled (C,) bool.
        """
        boxes = clip_boxes(annotation.boxes, (grid.height * grid.stride, grid.width * grid.stride))
        seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        crowd = crowd_rows(annotation)
        objects = np.flatnonzero(seen & ~crowd)
        learned = objects[evenly(len(objects), self.max_objects)]
        unknown = np.concatenate([np.flatnonzero(seen & crowd), np.setdiff1d(objects, learned)])
        unknown = unknown[evenly(len(unknown), self.max_objects)]
        labelled = annotation.labelled_classes
        if labelled is None:
            labelled = np.ones(len(self.classes), bool)
        targets = {'labelled': torch.from_numpy(np.asarray(labelled, bool))}
        for prefix, rows in (('', learned), ('unknown_', unknown)):
            # In a batch these are as long as the longest: how long, a device is not asked for.
            limit = max(1, len(rows))
            columns = (boxes[rows].astype(np.float32), annotation.classes[rows].astype(np.int64),
                       np.ones(len(rows), bool))
            targets |= {f'{prefix}{name}': pad(column, limit)
                        for name, column in zip(ROWS, columns)}
        return targets

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """
        Return the quality focal, the distribution focal and the (generalised) IoU loss.

        Each object counts the same, whatever the number of its places; these count by how sure
        they are.
        """
        logits, bins, where = self._read(outputs)
        boxes = to_boxes(read_distances(bins), where)
        objects, classes, exists = (targets[name] for name in ROWS)
        assigned = assign(logits.masked_fill(~targets['labelled'][:, None], NO_PEAK), boxes,
                          where[:, :2], objects, classes, exists)
        count = exists.sum().clamp(min=1)
        weight = _weights(logits, assigned)  # (B, M, G)
        cells = assigned.candidates.flatten(1)
        truth = objects[:, None].expand(-1, weight.shape[1], -1, -1)
        distances = to_distances(truth, where[assigned.candidates])
        distribution = distribution_focal(in_order(bins, cells).view(*weight.shape, -1), distances)
        overlap = generalized_iou_loss(in_order(boxes, cells).view_as(truth), truth)
        return {'quality_focal': _quality_loss(logits, targets, where, assigned,
                                               classes) / (count * USUAL_PLACES),
                'distribution_focal': (weight * distribution).sum() / count,
                'iou': (weight * overlap).sum() / count}

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how many objects each loss is the mean over."""
        return dict.fromkeys(self.losses, targets['exists'].sum().float())

    def decode(self, outputs: dict[str, Tensor]) -> Instances:
        """Return (B, K) objects, best first: boxes in input pixels, not clipped."""
        logits, bins, where = self._read(outputs)
        classes = logits.shape[2]
        # The strongest of all are in the cells whose own strongest are: far fewer to sort.
        cells = logits.amax(dim=2).topk(min(CANDIDATES, len(where))).indices
        values = in_order(logits, cells).flatten(1)
        values, indices = values.topk(min(CANDIDATES, values.shape[1]))
        scores, cells = torch.sigmoid(values), cells.gather(1, indices // classes)
        classes = indices % classes
        boxes = to_boxes(read_distances(in_order(bins, cells)), where[cells])
        boxes = torch.cat([boxes[..., :2], torch.maximum(boxes[..., :2], boxes[..., 2:])], dim=2)
        scores = scores * ~duplicates(boxes, classes, self.max_overlap)
        scores, order = scores.topk(min(self.max_predictions, scores.shape[1]))
        return Instances(in_order(boxes, order), in_order(classes, order), scores)

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image; exact for widths that the strides divide."""
        return {name: mirror_bins(values) if name.startswith('distances') else values.flip(3)
                for name, values in outputs.items()}

    def same_maps(self, other: Task) -> bool:
        """Return whether another task's maps mean the same, but perhaps for its classes."""
        return isinstance(other, DistanceDetectionTask)

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """
        Return how far scores and distributions are from another network's.

        :param theirs: maps of the other network, of the same shapes.
        :return: scalar: the quality focal loss with its scores for labels, and the divergence
            from its distributions weighted by how sure it is, both for each object that it sees.
        """
        (logits, bins, _), (their_logits, their_bins, _) = map(self._read, (outputs, theirs))
        scores = torch.sigmoid(their_logits)
        # Squared, as most of all places are a little sure of something.
        sure = scores.amax(dim=2) ** 2
        apart = quality_focal(logits, scores).sum() + (sure * divergence(bins, their_bins)).sum()
        return apart / sure.sum().clamp(min=1)

    def _read(self, outputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, N, C) and bins (B, N, 4 * BINS), float32, and where places are."""
        maps = levels_of(outputs, 'scores')
        return (flatten(maps).float(), flatten(levels_of(outputs, 'distances')).float(),
                places(maps))


def _weights(logits: Tensor, assigned: Assignment) -> Tensor:
    """Return (B, M, G) weights of candidates: 1 in total for each object that has a place."""
    sure = torch.sigmoid(logits.detach()).amax(dim=2) + LEAST_WEIGHT
    weight = in_order(sure, assigned.candidates.flatten(1)).view_as(assigned.candidates)
    weight = weight * assigned.learned
    return weight / weight.sum(dim=1, keepdim=True).clamp(min=LEAST_WEIGHT)


def _quality_loss(logits: Tensor, targets: dict[str, Tensor], where: Tensor,
                  assigned: Assignment, classes: Tensor) -> Tensor:
    """Return the sum of the quality focal losses of all that is known."""
    own = functional.one_hot(classes.gather(1, assigned.owner), logits.shape[2])
    own = own.bool() & assigned.positive[..., None]
    loss = quality_focal(logits, assigned.overlap[..., None] * own)
    return torch.where(_known(targets, where, logits.shape[2]) | own, loss, 0).sum()


def _known(targets: dict[str, Tensor], where: Tensor, classes: int) -> Tensor:
    """Return (B, N, C) bool: of which classes it is known at which places."""
    boxes, kinds, exists = (targets[f'unknown_{name}'] for name in ROWS)
    points = where[:, None, :2]
    inside = ((points >= boxes[:, None, :, :2]) & (points <= boxes[:, None, :, 2:])).all(dim=3)
    inside = (inside & exists[:, None]).float()
    unknown = inside @ functional.one_hot(kinds, classes).float()
    return targets['labelled'][:, None] & (unknown == 0)
