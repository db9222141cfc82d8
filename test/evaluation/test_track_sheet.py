# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The picture of what a tracker does."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import objects
from mcn_ros.evaluation.track_sheet import COUNT, TrackSheet
from mcn_ros.tasks import build_tasks
from mcn_ros.tracking import Tracker

TASKS = build_tasks({'detection': {'classes': ['person']}})


def follow(sheet, total, box=(10, 10, 40, 50)):
    tracker = sheet.drawn(Tracker)(TASKS)
    for number in range(total):
        sheet.see(SimpleNamespace(image=np.full((60, 80, 3), number, np.uint8)))
        found = tracker.update(10 ** 9 + number * 10 ** 8, {'detection': objects(box)})
    return found


def test_frames_are_spread_over_the_bag_and_who_has_an_id_is_drawn(tmp_path):
    sheet = TrackSheet(TASKS, 30)
    assert follow(sheet, 30)['detection'].ids.tolist() == ['t1']
    shades = [picture[-1, -1, 0] for picture in sheet.pictures]
    assert len(shades) == COUNT and shades[0] == 0 and shades[-1] == 29
    assert all((picture != picture[-1, -1]).any() for picture in sheet.pictures)
    sheet.write(tmp_path / 'sheet.jpg')
    assert cv2.imread(str(tmp_path / 'sheet.jpg')).shape[1] == 1600


def test_who_is_not_certain_enough_is_not_drawn():
    sheet = TrackSheet(TASKS, 1)
    sheet.see(SimpleNamespace(image=np.zeros((60, 80, 3), np.uint8)))
    tracker = sheet.drawn(Tracker)(TASKS)
    unsure = objects((10, 10, 40, 50))
    unsure.scores[:] = 0.25
    tracker.update(10 ** 9, {'detection': unsure})
    assert not sheet.pictures[0].any()


def test_without_frames_there_is_no_picture(tmp_path):
    with pytest.raises(ValueError, match='sheet.png: no frame'):
        TrackSheet(TASKS, 0).write(tmp_path / 'sheet.png')
