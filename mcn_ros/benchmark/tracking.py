# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How long the tracker takes for a frame of people who walk, seen by two heads."""

from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.benchmark.stopwatch import interleave, show, spread
from mcn_ros.structures import Instances, Poses
from mcn_ros.tables import markdown
from mcn_ros.tasks import build_tasks
from mcn_ros.tracking import Tracker
from mcn_ros.vocabulary import COCO_SKELETON

COUNTS = (1, 5, 20, 100)  # people
STEP_NS = 33_000_000
PLACES = 100  # that are drawn of each walk


class Walk:
    """
    People who walk to the right and back, without an end, and a tracker that follows them.

    :param count: number of people; boxes move by a few pixels a frame, and none is missed.
    """

    def __init__(self, count: int):
        rng = np.random.default_rng(0)
        tasks = build_tasks({'detection': {'classes': ['person']}, 'pose': {}})
        self._tracker, self._frame = Tracker(tasks), 0
        low = rng.uniform(0, 1000, (count, 2))
        size = rng.uniform(40, 120, (count, 1)) * (0.4, 1)
        spots = rng.random((count, COCO_SKELETON.num_keypoints, 2))
        scores = np.linspace(0.9, 0.6, count, dtype=np.float32)
        self._frames = []
        for place in range(PLACES):
            start = low + (abs(place - PLACES / 2), 0) + rng.normal(0, 1, low.shape)
            boxes = np.hstack([start, start + size]).astype(np.float32)
            joints = (start[:, None] + spots * size[:, None]).astype(np.float32)
            self._frames.append({
                'detection': Instances(boxes, np.zeros(count, np.int64), scores),
                'pose': Poses(boxes, scores, joints, np.ones(joints.shape[:2], np.float32))})

    def step(self) -> Mapping[str, Any]:
        """Track the next frame."""
        self._frame += 1
        return self._tracker.update(self._frame * STEP_NS, self._frames[self._frame % PLACES])


def measure(seconds: float, counts: Sequence[int] = COUNTS) -> list[dict[str, Any]]:
    """
    Measure the tracker.

    :param seconds: about what that may take.
    :param counts: of people.
    :return: for each count 'people' and 'ms', a spread.
    """
    times = interleave({count: Walk(count).step for count in counts}, seconds)
    return [{'people': count, 'ms': spread(values)} for count, values in times.items()]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the times as a table: medians and quartiles, in milliseconds."""
    return markdown(['people', 'a frame'],
                    [[str(row['people']), show(row['ms'], 2)] for row in rows])
