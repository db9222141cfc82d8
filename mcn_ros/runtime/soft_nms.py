# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What was found in several views of an image, put together.

Source: N. Bodla et al., "Soft-NMS - Improving Object Detection With One Line of Code", ICCV 2017,
algorithm 1 with the Gaussian penalty; parameters and order of CenterNet's published code.
"""

from dataclasses import replace
from typing import Mapping, NamedTuple, Sequence

import numpy as np

from mcn_ros.structures import Structure

# Width of the Gaussian by which a box weakens those that overlap it.
SIGMA = 0.5
# A box that was weakened to less than this is dropped.
FLOOR = 0.001


class Order(NamedTuple):
    """
    Boxes in the order in which :func:`soft_nms` leaves them.

    :param boxes: (N,) int64 rows of the boxes.
    :param scores: (N,) float32, weakened.
    :param joints: (N,) int64 rows of the joints; up to ``kept`` those of the boxes.
    :param kept: so many are results. What comes behind is left over: a box that was moved forward
        is still there too, with the joints of the one that was dropped in its place. CenterNet's
        code takes these leftovers for objects.
    """

    boxes: np.ndarray
    scores: np.ndarray
    joints: np.ndarray
    kept: int


def soft_nms(boxes: np.ndarray, scores: np.ndarray, sigma: float = SIGMA, floor: float = FLOOR,
             ) -> Order:
    """
    Weaken boxes that overlap better ones by exp(-IoU^2 / sigma).

    :param boxes: (N, 4) float32 xyxy in camera pixels, both corners taken for pixels of the box.
    :param scores: (N,) float32.
    """
    rows, joints, scores = np.arange(len(boxes)), np.arange(len(boxes)), scores.copy()
    first, end = 0, len(boxes)
    while first < end:
        best = first + scores[first:end].argmax()
        for values in (rows, joints, scores):
            values[[first, best]] = values[[best, first]]
        shared = overlaps(boxes[rows[first]], boxes[rows])
        weakened = scores * np.exp(-shared * shared / sigma)
        dropped = (shared > 0) & (weakened < floor)
        first += 1
        at = first
        if not dropped[first:end].any():
            scores[first:end], at = weakened[first:end], end
        while at < end:
            scores[at] = weakened[at]
            if not dropped[at]:
                at += 1
                continue
            end -= 1  # the last one comes here, and has its turn now
            for values in (rows, scores, weakened, dropped):
                values[at] = values[end]
            joints[[at, end]] = joints[[end, at]]
    return Order(rows, scores, joints, end)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return (N,) float32 intersection over union; whole pixels: sides are one pixel longer."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low + 1, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    return shared / ((box[2:] - box[:2] + 1).prod() + areas - shared)


def merge(views: Sequence[Mapping[str, Structure]], leftovers: bool = False,
          ) -> dict[str, Structure]:
    """
    Put together what was found in several views of one image.

    :param views: for each view, task name -> objects with boxes and scores, in camera pixels.
    :param leftovers: keep them, see :class:`Order`.
    :return: task name -> objects, best first; as many as in one view (and those that are equally
        likely), but all people, as in CenterNet.
    """
    return {name: _merge([view[name] for view in views], leftovers) for name in views[0]}


def _merge(views: Sequence[Structure], leftovers: bool) -> Structure:
    rows = {name: np.concatenate([getattr(one, name) for one in views])
            for name in views[0].ROWS if getattr(views[0], name) is not None}
    classes = rows.get('classes', np.zeros(len(rows['boxes']), np.int64))
    survivors = [np.zeros((0, 3))]
    for group in (np.flatnonzero(classes == index) for index in np.unique(classes)):
        order = soft_nms(rows['boxes'][group], rows['scores'][group])
        end = len(group) if leftovers else order.kept
        survivors.append(np.column_stack([
            group[order.boxes], order.scores, group[order.joints]])[:end])
    boxes, scores, others = np.concatenate(survivors).T
    best = np.argsort(-scores, kind='stable')
    if 'classes' in rows:
        limit = max(map(len, views))
        best = best[scores[best] >= scores[best][:limit].min(initial=1)]
    boxes, others = boxes[best].astype(int), others[best].astype(int)
    return replace(views[0], **{
        **{name: values[others] for name, values in rows.items()},
        'boxes': rows['boxes'][boxes], 'scores': scores[best].astype(np.float32)})
