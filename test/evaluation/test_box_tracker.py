# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The tracker without depth: places are told in vain."""

import numpy as np

from mcn_ros.benchmark.depth_scene import objects
from mcn_ros.evaluation.box_tracker import BoxTracker
from mcn_ros.tasks import build_tasks
from mcn_ros.tracking import Tracker

TASKS = build_tasks({'detection': {'classes': ['person']}})


def test_places_are_left_alone():
    found = {}
    for kind in (Tracker, BoxTracker):
        tracker = kind(TASKS)
        found[kind] = [tracker.update(time, {'detection': objects((0, 0, 20, 50))}, places={
            'detection': np.array([[place, 0.0]])})['detection'].ids[0]
            for time, place in ((10 ** 9, 1), (2 * 10 ** 9, 9))]
    assert found == {Tracker: ['t1', ''], BoxTracker: ['t1', 't1']}
