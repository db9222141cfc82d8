# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The plainest of trackers, to compare others with: an id goes on to the box that overlaps."""

from dataclasses import replace
from itertools import count
from typing import Any, Mapping

import numpy as np

from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.structures import Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import assign, overlaps

SAME = 0.2  # overlap from which on a box is that of the frame before


class IouTracker:
    """
    Ids by the overlap of boxes in two frames, for each head by itself.

    :param tasks: task name -> task.
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self._last = {name: None for name, task in tasks.items() if 'ids' in task.prediction.ROWS}
        self._numbers = count(1)

    def update(self, time_ns: int, predictions: Mapping[str, Structure],
               **known: Any) -> dict[str, Structure]:
        """Return the predictions with ids, '' for objects that are not sure enough to be shown."""
        return {name: self._follow(name, value) if name in self._last else value
                for name, value in predictions.items()}

    def _follow(self, name: str, now: Structure) -> Structure:
        ids = np.full(len(now), '', object)
        ids[now.scores >= SCORE_THRESHOLD] = None
        shown = np.flatnonzero(now.scores >= SCORE_THRESHOLD)
        last = self._last[name]
        if last is not None:
            overlap = overlaps(last.boxes, now.boxes)
            may = (overlap >= SAME) & (last.ids != '')[:, None] & (ids != '')
            if 'classes' in now.ROWS:
                may &= last.classes[:, None] == now.classes
            ours, theirs = assign(-overlap, may)
            ids[theirs] = last.ids[ours]
        for row in shown:
            ids[row] = ids[row] or f't{next(self._numbers)}'
        self._last[name] = replace(now, ids=ids.astype(str))
        return self._last[name]
