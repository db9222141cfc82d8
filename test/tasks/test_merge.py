# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People whom two tasks find, against the rule written out in plain loops."""

import numpy as np
import pytest
import torch

from mcn_ros.structures import Instances
from mcn_ros.tasks import Objects
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.distance_detection import DistanceDetectionTask
from mcn_ros.tasks.merge import merge_into, merge_people, People, people_among
from mcn_ros.tasks.window_pose import WindowPoseTask

CLASSES = 'dog', 'person'


def people(rng, count):
    corners = rng.uniform(0, 15, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(25, 40, (count, 2))])
    scores = rng.uniform(0.05, 1, count) * (rng.random(count) < 0.8)
    return boxes.astype(np.float32), scores.astype(np.float32)


def tensors(boxes, scores):
    return People(torch.from_numpy(boxes)[None], torch.from_numpy(scores)[None])


def overlap(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def merged(one, other):
    """Return boxes and scores of both lists after merging, each in its place."""
    (boxes, scores), (others, other_scores) = one, other
    likely = np.array([[a * b if overlap(box, there) > 0.6 else 0
                        for there, b in zip(others, other_scores)]
                       for box, a in zip(boxes, scores)])
    new, halves, left = boxes.copy(), scores / 2, other_scores / 2
    for row in range(len(boxes)):
        partner = likely[row].argmax()
        if likely[row, partner] > 0 and likely[:, partner].argmax() == row:
            a, b = scores[row], other_scores[partner]
            new[row] = (a * boxes[row] + b * others[partner]) / (a + b)
            halves[row], left[partner] = (a + b) / 2, 0
    return np.vstack([new, others]), np.hstack([halves, left])


@pytest.mark.parametrize('seed', range(5))
def test_the_rule(seed):
    rng = np.random.default_rng(seed)
    one, other = people(rng, 9), people(rng, 6)
    found = merge_people(tensors(*one), tensors(*other))
    boxes, scores = merged(one, other)
    assert (scores[9:] == 0).sum() > (other[1] == 0).sum()  # some are the same
    np.testing.assert_allclose(found.boxes[0], boxes, rtol=1e-5)
    np.testing.assert_allclose(found.scores[0], scores, rtol=1e-5)


def test_an_image_of_a_batch_is_merged_for_itself():
    rng = np.random.default_rng(0)
    pairs = [(tensors(*people(rng, 4)), tensors(*people(rng, 3))) for _ in range(2)]
    together = merge_people(*(People(*map(torch.cat, zip(*side))) for side in zip(*pairs)))
    for row, pair in enumerate(pairs):
        for found, expected in zip(together, merge_people(*pair)):
            torch.testing.assert_close(found[row], expected[0])


def objects():
    """Return a person, a dog in the same place, and nothing."""
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]]])
    return Instances(boxes, torch.tensor([[1, 0, 1]]), torch.tensor([[0.8, 0.7, 0.0]]))


def seen(names=CLASSES):
    """Return the same as another task sees it."""
    found = objects()
    return Objects(found.boxes, found.scores, found.classes, names)


def test_only_people_are_people():
    found = people_among(seen())
    torch.testing.assert_close(found.scores, torch.tensor([[0.8, 0.0, 0.0]]))
    assert people_among(seen(('dog', 'cat'))) is None


def test_people_are_merged_into_objects():
    others = Objects(torch.tensor([[[0.0, 0, 10, 12], [50, 50, 60, 60]]]),
                     torch.tensor([[0.2, 0.9]]), torch.tensor([[0, 0]]), ('person',))
    found = merge_into(objects(), CLASSES, others)
    torch.testing.assert_close(found.scores, torch.tensor([[0.7, 0.5, 0.45]]))
    assert found.classes.tolist() == [[0, 1, 1]]
    torch.testing.assert_close(found.boxes, torch.tensor(
        [[[0.0, 0, 10, 10], [0, 0, 10, 10.4], [50, 50, 60, 60]]]))


def test_nothing_to_merge_with_changes_nothing():
    given = objects()
    assert merge_into(given, CLASSES, None) is given


@pytest.mark.parametrize('task', [
    DetectionTask(CLASSES, merge_with='pose'), WindowPoseTask(),
    DistanceDetectionTask(CLASSES, merge_with='pose')])
def test_tasks_whose_partner_is_not_there_decode_alone(task):
    asked = []
    given = object()
    assert task.refine(given, {}, asked.append) is given  # which returns None
    assert asked == [getattr(task, 'merge_with', '')]


@pytest.mark.parametrize('name, task', [
    ('detection', DetectionTask), ('distance_detection', DistanceDetectionTask)])
def test_who_merges_has_people(name, task):
    with pytest.raises(ValueError, match=rf'^{name}.merge_with: there is no class person '
                                         r'\(classes: dog, cat\)$'):
        task(('dog', 'cat'), merge_with='pose')
