# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects of a frame, whichever heads have found them: what several heads see is one."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.structures import select
from mcn_ros.tracking.association import assign, others, overlaps

LINK = 0.5  # overlap from which on the objects of two heads are one


@dataclass(frozen=True)
class Objects:
    """
    Objects of a frame, whichever heads have found them.

    :param boxes: (N, 4) float64 xyxy.
    :param labels: (N,) int64, which objects can be the same.
    :param scores: (N,) float64.
    :param joints: (N, J, 2) float64; NaN where none is seen.
    :param places: (N, 2) float64 metres on the ground; NaN where that is not known.
    :param rows: (N, H) int64, rows in the predictions of the heads; -1 where a head has none.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('boxes', 'labels', 'scores', 'joints', 'places', 'rows')

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    joints: np.ndarray
    places: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def join(self, other: 'Objects') -> 'Objects':
        """Return the objects of both."""
        return Objects(*(np.concatenate([getattr(self, name), getattr(other, name)])
                         for name in self.ROWS))

    def ordered(self) -> 'Objects':
        """Return them in an order that is theirs, see :func:`own_order`."""
        return select(self, own_order(self.boxes, self.labels, self.scores))


def own_order(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rows of objects in an order that is theirs, not that of a head: surest first."""
    return np.lexsort([*boxes.T, labels, -scores])


def link(objects: Objects, more: Objects, column: int) -> Objects:
    """
    Return the objects of some heads and of one more; the boxes of the former count.

    :param column: of the rows of that head.
    """
    overlap = overlaps(objects.boxes, more.boxes)
    same = objects.labels[:, None] == more.labels
    ours, theirs = assign(-overlap, same & (overlap >= LINK))
    rows, scores = objects.rows.copy(), objects.scores.copy()
    rows[ours, column] = more.rows[theirs, column]
    scores[ours] = np.maximum(scores[ours], more.scores[theirs])
    joints, places = (_complete(getattr(objects, name), getattr(more, name), ours, theirs)
                      for name in ('joints', 'places'))
    linked = replace(objects, rows=rows, scores=scores, joints=joints, places=places)
    rest = others(len(more), theirs)
    return linked.join(select(more, rest)) if len(rest) else linked


def _complete(values: np.ndarray, others: np.ndarray, ours: np.ndarray,
              theirs: np.ndarray) -> np.ndarray:
    """Return values, with those of others where they are NaN; of the pairs of rows."""
    values = values.copy()
    values[ours] = np.where(np.isnan(values[ours]), others[theirs], values[ours])
    return values
