# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parts of people: what differs from other maps of classes."""

import numpy as np

from mcn_ros.geometry import Grid
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks import build_tasks, describe_tasks
from mcn_ros.tasks.parts import PartsTask

GRID = Grid(1, 2, 4)


def test_an_image_without_parts_teaches_nothing():
    task, labels = PartsTask(), np.zeros((4, 8), np.uint8)
    assert (task.encode(ClassMap(labels), GRID)['labels'] == IGNORE).all()
    labels[:, :4] = IGNORE
    assert (task.encode(ClassMap(labels), GRID)['labels'] == IGNORE).all()
    labels[:, 4:] = 2
    assert task.encode(ClassMap(labels), GRID)['labels'].tolist() == [[IGNORE, 2]]
    labels[:, :4] = 0
    assert task.encode(ClassMap(labels), GRID)['labels'].tolist() == [[0, 2]]


def test_parts_are_six_and_their_weight_is_small():
    task = PartsTask()
    assert len(task.classes) == 6 and task.losses == {'cross_entropy': 2.0}
    tasks = build_tasks({'parts': {}, 'segmentation': {}})
    assert list(tasks) == ['segmentation', 'parts'] and tasks['parts'] == task
    assert {name: one['kind'] for name, one in describe_tasks(tasks).items()} == {
        'segmentation': 'segmentation', 'parts': 'parts'}
