# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What several detectors say of an image, put together."""

from typing import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou

from mcn_ros.structures import Instances

# IoU above which boxes of two detectors are of one object.
SAME = 0.6


def merge(found: Sequence[Instances]) -> Instances:
    """
    Return the objects that detectors have found, each of which has no duplicates.

    Boxes of one class that overlap become their mean weighted by the scores. The score is the
    mean of those of all detectors, 0 of one that is silent.

    :param found: the objects of each detector, in camera pixels.
    :return: the objects, best first.
    """
    if len(found) == 1:
        return found[0]
    classes = np.unique(np.concatenate([objects.classes for objects in found]))
    boxes, names, scores = [np.zeros((0, 4))], [np.zeros(0, np.int64)], [np.zeros(0)]
    for index in classes:
        own = [(objects.boxes[rows], objects.scores[rows]) for objects in found
               for rows in [objects.classes == index]]
        places, weights = _merge_class(own)
        boxes.append(places)
        scores.append(weights / len(found))
        names.append(np.full(len(places), index))
    order = np.argsort(-np.concatenate(scores), kind='stable')
    return Instances(np.concatenate(boxes)[order].astype(np.float32),
                     np.concatenate(names)[order],
                     np.concatenate(scores)[order].astype(np.float32))


def _merge_class(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the merged boxes (N, 4) of one class, and the sums of their scores (N,)."""
    boxes, sums = np.zeros((0, 4)), np.zeros(0)
    for places, scores in found:
        partners = _partners(places, scores, boxes)
        paired = partners >= 0
        rows, weights = partners[paired], scores[paired].astype(np.float64)
        total = sums[rows] + weights
        boxes[rows] = (boxes[rows] * sums[rows, None] + places[paired] * weights[:, None]
                       ) / np.maximum(total, 1e-12)[:, None]
        sums[rows] = total
        boxes = np.concatenate([boxes, places[~paired]])
        sums = np.concatenate([sums, scores[~paired]])
    return boxes, sums


def _partners(places: np.ndarray, scores: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return for each place (N,) the box that it is the same as, -1 for none; best first."""
    partners = np.full(len(places), -1)
    if not len(places) or not len(boxes):
        return partners
    shared = box_iou(torch.from_numpy(places.astype(np.float64)), torch.from_numpy(boxes)).numpy()
    for row in np.argsort(-scores, kind='stable'):
        best = shared[row].argmax()
        if shared[row, best] > SAME:
            partners[row] = best
            shared[:, best] = 0
    return partners
