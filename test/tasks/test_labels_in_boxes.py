# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch

from mcn_ros.structures import ClassMap
from mcn_ros.tasks import Objects
from mcn_ros.tasks.labels_in_boxes import BACKGROUND, FLOOR, labels_in_boxes, WEIGHT
from mcn_ros.tasks.segmentation import SegmentationTask

CLASSES = ('cat', 'dog', 'cup')
NAMES = ('dog', 'tree', 'cat')  # of the boxes: in another order, one is no class of the pixels
SIZE = 6, 8
STRIDE = 4


def _objects(boxes, scores, classes):
    return Objects(torch.tensor([boxes]).reshape(1, -1, 4), torch.tensor([scores]),
                   torch.tensor([classes], dtype=torch.int64), NAMES)


def _random(images=2, count=9):
    random = np.random.default_rng(3)
    corners = random.uniform(-4, 34, (2, images, count, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(axis=0), corners.max(axis=0)], axis=2)
    scores = random.uniform(0, 1, (images, count)).astype(np.float32)
    scores[:, -2:] = 0
    objects = Objects(torch.from_numpy(boxes), torch.from_numpy(scores),
                      torch.from_numpy(random.integers(0, len(NAMES), (images, count))), NAMES)
    logits = random.normal(size=(images, len(CLASSES) + 1, *SIZE)).astype(np.float32) * 3
    return torch.from_numpy(logits), objects


def _by_the_rule(logits, objects):
    """Return the labels of one image, cell by cell, as the docstring says it."""
    labels = np.zeros(SIZE, int)
    for row, column in np.ndindex(*SIZE):
        x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        scores = dict.fromkeys(CLASSES, FLOOR)
        for (x0, y0, x1, y1), score, index in zip(*(np.asarray(each) for each in objects[:3])):
            if x0 <= x <= x1 and y0 <= y <= y1 and NAMES[index] in scores:
                scores[NAMES[index]] = max(scores[NAMES[index]], score)
        values = logits[:, row, column] + WEIGHT * np.log([BACKGROUND, *scores.values()])
        labels[row, column] = values.argmax()
    return labels


def test_labels_follow_the_rule():
    logits, objects = _random()
    labels = labels_in_boxes(logits, objects, CLASSES, STRIDE).numpy()
    assert len(np.unique(labels)) == len(CLASSES) + 1
    for image in range(2):
        expected = _by_the_rule(logits[image].numpy(), [each[image] for each in objects[:3]])
        np.testing.assert_array_equal(labels[image], expected)


def test_a_sure_box_decides_between_classes_that_the_pixels_cannot_tell_apart():
    logits = torch.zeros(1, 4, *SIZE)
    logits[:, 1:3] = 2  # a cat or a dog everywhere
    labels = labels_in_boxes(logits, _objects([[0., 0, 16, 24]], [0.9], [0]), CLASSES, STRIDE)
    assert (labels[0, :, :4] == 2).all()
    assert (labels[0, :, 4:] == 0).all()  # where no detector sees anything


def test_pixels_without_the_other_task_decide_alone():
    task = SegmentationTask(CLASSES, boxes_from='detection')
    logits, objects = _random()
    alone = task.decode({'logits': logits})
    assert task.refine(alone, {'logits': logits}, lambda name: None) is alone
    refined = task.refine(alone, {'logits': logits}, {'detection': objects}.get)
    assert isinstance(refined, ClassMap) and refined.labels.dtype == torch.uint8
    assert (refined.labels != alone.labels).any()


@pytest.mark.parametrize('full', [False, True])
def test_boxes_are_in_input_pixels_at_any_resolution(full):
    task = SegmentationTask(CLASSES, boxes_from='detection', full_resolution=full)
    logits = torch.zeros(1, 4, 24 // task.stride, 32 // task.stride)
    logits[:, 1] = 2
    objects = _objects([[0., 0, 16, 24]], [0.9], [2])
    labels = task.refine(task.decode({'logits': logits}), {'logits': logits},
                         lambda name: objects).labels
    assert (labels[..., :16 // task.stride] == 1).all()
    assert (labels[..., 16 // task.stride:] == 0).all()
