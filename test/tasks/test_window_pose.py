# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Joints that are read in windows: which cell, which offset, which score, on whose boxes."""

from dataclasses import replace

import pytest
import torch

from mcn_ros.network.features import single
from mcn_ros.tasks import build_tasks, Objects
from mcn_ros.tasks.pose import PoseTask
from mcn_ros.tasks.window_pose import WindowPoseTask

TASK = WindowPoseTask()
LEAST = -12.0


def maps():
    """Return maps of 24 x 24 cells on which there is nothing."""
    head = TASK.build_head(single(4))
    found = {name: torch.zeros_like(values.detach())
             for name, values in head({'features': torch.zeros(1, 4, 24, 24)}).items()}
    return found | {name: found[name] + LEAST for name in ('heatmap', 'joint_heatmap')}


def add_person(outputs, cell=(10, 10), size=(10.0, 12.0), displacement=(2.0, -1.0), score=0.0):
    """Put a person on the maps; every joint is expected at cell + displacement, in cells."""
    x, y = cell
    outputs['heatmap'][0, 0, y, x] = score
    outputs['size'][0, :, y, x] = torch.tensor(size)
    outputs['offset'][0, :, y, x] = 0.5
    outputs['displacement'][0, :, y, x] = torch.tensor(displacement * 17)


def add_joint(outputs, joint, cell, score, offset=(0.5, 0.5)):
    x, y = cell
    outputs['joint_heatmap'][0, joint, y, x] = score
    outputs['joint_offset'][0, 2 * joint:2 * joint + 2, y, x] = torch.tensor(offset)


def test_each_joint_has_its_own_map_of_offsets():
    outputs = maps()
    assert outputs['joint_offset'].shape[1] == 34
    add_person(outputs)
    for joint, offset in ((0, (0.25, 0.75)), (5, (-0.5, 1.5))):
        add_joint(outputs, joint, (12, 9), 2.0, offset)
    points = TASK.decode(outputs).keypoints[0, 0] / 4
    torch.testing.assert_close(points[0], torch.tensor([12.25, 9.75]))
    torch.testing.assert_close(points[5], torch.tensor([11.5, 10.5]))


def test_what_is_seen_in_larger_cells_is_where_it_is():
    """Boxes, joints and the boxes of another task are in input pixels for any stride."""
    outputs = maps()
    add_person(outputs)
    add_joint(outputs, 3, (12, 9), 0.0)
    large = replace(TASK, stride=6, boxes_from='detection')
    small = replace(TASK, boxes_from='detection')
    pairs = [large.decode(outputs)], [small.decode(outputs)]
    for task, found, factor in ((large, pairs[0], 1.5), (small, pairs[1], 1.0)):
        box = factor * torch.tensor([[[16.0, 18.0, 64.0, 62.0]]])
        boxes = Objects(box, torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64), ('person',))
        found.append(task.refine(found[0], outputs, lambda name: boxes))
    for mine, theirs in zip(*pairs):
        torch.testing.assert_close(mine.boxes, theirs.boxes * 1.5)
        torch.testing.assert_close(mine.keypoints, theirs.keypoints * 1.5)
        assert torch.equal(mine.scores, theirs.scores)


def test_a_far_joint_must_be_more_likely_than_a_near_one():
    # The window is exp(-d^2 / 4.8): three cells beside the expected place it is 0.15.
    for near, chosen in ((-1.0, 12), (-4.0, 15)):
        outputs = maps()
        add_person(outputs)
        add_joint(outputs, 3, (12, 9), near)
        add_joint(outputs, 3, (15, 9), 0.0)
        assert TASK.decode(outputs).keypoints[0, 0, 3, 0].item() / 4 == chosen + 0.5


def test_the_window_is_as_large_as_the_person():
    for size, chosen in (((6.0, 6.0), 12), ((20.0, 20.0), 15)):
        outputs = maps()
        add_person(outputs, size=size)
        add_joint(outputs, 3, (12, 9), -2.0)
        add_joint(outputs, 3, (15, 9), 1.0)
        assert TASK.decode(outputs).keypoints[0, 0, 3, 0].item() / 4 == chosen + 0.5


def test_a_person_is_as_likely_as_centre_and_joints_that_are_seen():
    outputs = maps()
    add_person(outputs, score=1.0)
    for joint, score in enumerate((2.0, 0.0, -1.95)):  # the last one is 0.125
        add_joint(outputs, joint, (12, 9), score)
    found = TASK.decode(outputs)
    seen = torch.tensor([2.0, 0.0]).sigmoid()
    torch.testing.assert_close(found.scores[0, 0], torch.tensor(1.0).sigmoid() * seen.mean())
    torch.testing.assert_close(found.keypoint_scores[0, 0, :2], seen)
    assert found.keypoint_scores[0, 0, 2] == pytest.approx(0.125, abs=1e-3)
    assert found.scores[0, 1:].max() < 1e-3  # nobody, nothing seen


def test_who_is_seen_well_is_as_likely_for_others_as_the_centre():
    outputs = maps()
    add_person(outputs, score=1.0)
    for joint, score in enumerate((2.0, 0.4055, -0.4055)):  # .881, .6 and .4
        add_joint(outputs, joint, (12, 9), score)
    found = TASK.decode(outputs)
    people = TASK.objects(found)
    mean = torch.tensor([2.0, 0.4055, -0.4055]).sigmoid().mean() / 0.6
    torch.testing.assert_close(people.scores[0, 0], mean * torch.tensor(1.0).sigmoid())
    assert torch.equal(people.boxes, found.boxes) and people.scores.max() <= 1
    add_joint(outputs, 1, (12, 9), 8.0)
    add_joint(outputs, 2, (12, 9), 8.0)
    assert TASK.objects(TASK.decode(outputs)).scores.max() == 1


def test_people_come_in_the_order_of_their_poses():
    outputs = maps()
    add_person(outputs, (5, 10), score=1.0, displacement=(0.0, 0.0))
    add_person(outputs, (18, 10), score=0.0, displacement=(0.0, 0.0))
    add_joint(outputs, 0, (5, 10), -1.0)
    add_joint(outputs, 0, (18, 10), 4.0)
    found = TASK.decode(outputs)
    assert found.boxes[0, 0].tolist() == [4 * 13.5, 4 * 4.5, 4 * 23.5, 4 * 16.5]
    assert found.keypoints[0, 0, 0].tolist() == [4 * 18.5, 4 * 10.5]
    assert found.scores[0, 0] > found.scores[0, 1] > 0


@pytest.fixture
def crowd():
    """Return the maps of a person at (10, 10) whose joint 0 is seen."""
    outputs = maps()
    add_person(outputs, score=1.0)
    add_joint(outputs, 0, (12, 9), 3.0)
    return outputs


def refine(outputs, *found, **fields):
    """Return people whose joints are read on boxes (cells) and scores of another task, too."""
    task = WindowPoseTask(boxes_from='detection', **fields)
    boxes = torch.tensor([[box for box, _ in found]]).float() * 4
    scores = torch.tensor([[score for _, score in found]])
    objects = {'detection': Objects(boxes, scores, torch.zeros_like(scores).long(), ('person',))}
    return task.refine(task.decode(outputs), outputs, objects.get)


def test_joints_are_read_on_merged_boxes(crowd):
    own, score = torch.tensor([5.5, 4.5, 15.5, 16.5]), torch.tensor(1.0).sigmoid()
    found = refine(crowd, ([5.5, 4.5, 15.5, 18.5], 0.4))
    mean = 4 * (own * score + torch.tensor([5.5, 4.5, 15.5, 18.5]) * 0.4) / (score + 0.4)
    torch.testing.assert_close(found.boxes[0, 0], mean)
    torch.testing.assert_close(found.keypoints[0, 0, 0], torch.tensor([4 * 12.5, 4 * 9.5]))
    torch.testing.assert_close(found.scores[0, 0],
                               (score + 0.4) / 2 * torch.tensor(3.0).sigmoid())
    # What one of both sees alone counts half.
    alone = refine(crowd, ([0, 0, 3, 3], 0.9), ([0, 0, 0, 0], 0.0))
    torch.testing.assert_close(alone.boxes[0, 0], 4 * own)
    torch.testing.assert_close(alone.scores[0, 0], score / 2 * torch.tensor(3.0).sigmoid())


@pytest.mark.parametrize('shift, seen', [(0.0, True), (1.4, True), (1.6, False)])
def test_ways_to_joints_are_read_near_the_middle_of_the_box(crowd, shift, seen):
    # The box is 10 cells wide: its middle is (10.5 + shift, 10.5), the centre's cell (10, 10).
    crowd['heatmap'][0, 0, 10, 10] = -3.0  # the detector sees them, the pose hardly does
    crowd['displacement'][:] += 12 * (crowd['displacement'] == 0)  # elsewhere, another way
    found = refine(crowd, ([5.5 + shift, 0.5, 15.5 + shift, 20.5], 0.9))
    row, = (found.boxes[0, :, 1] == 4 * 0.5).nonzero().flatten()
    assert (found.keypoints[0, row, 0].tolist() == [4 * 12.5, 4 * 9.5]) == seen


def test_no_more_people_than_wanted(crowd):
    found = refine(crowd, ([5, 5, 15, 15], 0.9), ([0, 0, 3, 3], 0.5), max_predictions=2)
    assert found.boxes.shape == (1, 2, 4)


def test_without_the_other_task_poses_are_decoded_alone(crowd):
    task = WindowPoseTask(boxes_from='detection')
    alone = task.decode(crowd)
    assert task.refine(alone, crowd, {}.get) is alone


def test_maps_are_no_other_tasks_maps():
    assert not TASK.same_maps(PoseTask()) and not PoseTask().same_maps(TASK)
    assert TASK.taught_by(PoseTask()) and PoseTask().taught_by(TASK)  # by the joint heatmaps
    assert WindowPoseTask(relative=True).same_maps(WindowPoseTask(relative=True, window=0.1))


@pytest.mark.parametrize('fields, words', [
    ({'window': 0.0}, 'window: 0.0 is not positive'), ({'belief': True}, 'belief: unknown key'),
    ({'max_predictions': 0}, 'max_predictions: 0')])
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        build_tasks({'window_pose': fields})
