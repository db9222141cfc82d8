# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Joints: their targets, what is not known of them, and how they snap to heatmap peaks."""

import math

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.geometry import Grid
from mcn_ros.network.features import single
from mcn_ros.structures import Poses
from mcn_ros.tasks.heatmap import draw_heatmap, UNKNOWN
from mcn_ros.tasks.pose import PoseTask

TASK = PoseTask()
GRID = Grid(20, 20, 4)  # 80 x 80 input pixels
LEAST = -12.0


def poses(boxes, keypoints=None, crowd=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.full((len(boxes), 17, 2), np.nan, np.float32)
    for (person, joint), place in (keypoints or {}).items():
        points[person, joint] = place
    return Poses(boxes, np.ones(len(boxes), np.float32), points,
                 (~np.isnan(points[..., 0])).astype(np.float32),
                 None if crowd is None else np.array(crowd))


def targets_of(annotation):
    return {name: value[None] for name, value in TASK.encode(annotation, GRID).items()}


def heatmap_of(targets, name='joint_heatmap'):
    return draw_heatmap(stack([targets]), name, (20, 20))[0]


def empty_outputs(batch=1):
    channels = {'heatmap': 1, 'size': 2, 'offset': 2, 'displacement': 34, 'joint_heatmap': 17,
                'joint_offset': 2}
    outputs = {name: torch.zeros(batch, count, 20, 20) for name, count in channels.items()}
    outputs['heatmap'] += LEAST
    outputs['joint_heatmap'] += LEAST
    return outputs


def add_person(outputs, cell=(10, 10), size=(10.0, 12.0), displacement=(2.25, -1.5), score=3.0):
    """Put a person on the maps; joint 0 is regressed at cell + displacement, all in cells."""
    x, y = cell
    outputs['heatmap'][0, 0, y, x] = score
    outputs['size'][0, :, y, x] = torch.tensor(size)
    outputs['offset'][0, :, y, x] = 0.5
    outputs['displacement'][0, :2, y, x] = torch.tensor(displacement)


def add_candidate(outputs, x, y, probability=0.8, joint=0):
    """Put a joint candidate at a point in cells."""
    row, column = int(y), int(x)
    outputs['joint_heatmap'][0, joint, row, column] = math.log(probability / (1 - probability))
    outputs['joint_offset'][0, :, row, column] = torch.tensor([x % 1, y % 1])


def joint(outputs, person=0):
    """Return place (in cells) and score of joint 0."""
    found = TASK.decode(outputs)
    return (found.keypoints[0, person, 0] / 4).tolist(), found.keypoint_scores[0, person, 0].item()


# The person's box is (5.5, 4.5, 15.5, 16.5) in cells, its joint 0 is regressed at (12.25, 8.5),
# and a joint moves by at most 0.3 * 12 = 3.6 cells.
REGRESSED = [12.25, 8.5]


def test_a_near_candidate_is_taken_with_its_score():
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, 13.25, 9.75)
    place, score = joint(outputs)
    assert place == pytest.approx([13.25, 9.75]) and score == pytest.approx(0.8)


@pytest.mark.parametrize('candidate, taken', [
    ((15.25, 8.5), True), ((15.75, 8.5), False),  # the right side of the box is at 15.5
    ((12.25, 5.25), True), ((12.25, 4.25), False),  # its top at 4.5, without any margin
    ((9.0, 8.5), True), ((8.25, 8.5), False),  # 3.25 and 4 cells away
    ((12.25, 12.0), True), ((12.25, 12.25), False)])  # 3.5 and 3.75 cells away
def test_a_candidate_must_be_in_the_box_and_near(candidate, taken):
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, *candidate)
    place, score = joint(outputs)
    assert place == pytest.approx(list(candidate) if taken else REGRESSED)
    assert (score > 0.5) == taken


@pytest.mark.parametrize('probability, taken', [(0.11, True), (0.09, False)])
def test_a_candidate_must_be_likely(probability, taken):
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, 13.25, 8.75, probability)
    assert joint(outputs)[0] == pytest.approx([13.25, 8.75] if taken else REGRESSED)


def test_the_nearest_candidate_wins_not_the_likeliest():
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, 14.25, 8.5, 0.99)
    add_candidate(outputs, 11.25, 8.5, 0.3)
    place, score = joint(outputs)
    assert place == pytest.approx([11.25, 8.5]) and score == pytest.approx(0.3)


def test_an_unlikely_candidate_does_not_hide_a_likely_one():
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, 14.25, 8.5, 0.5)
    add_candidate(outputs, 11.25, 8.5, 0.05)
    assert joint(outputs)[0] == pytest.approx([14.25, 8.5])


def test_the_nearest_candidate_outside_of_the_box_keeps_the_regression():
    # As the reference has it: the nearest is chosen first, then it is accepted or not.
    outputs = empty_outputs()
    add_person(outputs, displacement=(5.25, -1.5))  # regressed at (15.25, 8.5)
    add_candidate(outputs, 15.75, 8.5)
    add_candidate(outputs, 13.25, 8.5)
    assert joint(outputs)[0] == pytest.approx([15.25, 8.5])


def test_several_people_may_take_the_same_candidate():
    outputs = empty_outputs()
    add_person(outputs, (8, 10), displacement=(1.0, 0.0), score=4.0)
    add_person(outputs, (12, 10), displacement=(-1.0, 0.0))
    add_candidate(outputs, 10.25, 10.5)
    assert joint(outputs, 0)[0] == joint(outputs, 1)[0] == pytest.approx([10.25, 10.5])


def test_a_candidate_of_another_joint_is_not_taken():
    outputs = empty_outputs()
    add_person(outputs)
    add_candidate(outputs, 13.25, 8.5, joint=1)
    assert joint(outputs)[0] == pytest.approx(REGRESSED)


def test_a_joint_that_stays_is_scored_where_it_is():
    outputs = empty_outputs()
    add_person(outputs, displacement=(2.25, -7.5))  # (12.25, 2.5) is outside of the box
    add_candidate(outputs, 12.75, 2.75, 0.6)
    place, score = joint(outputs)
    assert place == pytest.approx([12.25, 2.5]) and score == pytest.approx(0.6)
    add_person(outputs, displacement=(2.25, -70.0))  # outside of the grid
    assert joint(outputs) == (pytest.approx([12.25, -60.0]), 0)


def test_perfect_maps_by_hand():
    outputs = empty_outputs()
    add_person(outputs)
    places = np.random.default_rng(0).uniform([6, 5], [15, 16], (17, 2))
    outputs['displacement'][0, :, 10, 10] = torch.from_numpy(places - 10).flatten()
    found = TASK.decode(outputs)
    assert found.boxes.shape == (1, 100, 4) and found.keypoints.shape == (1, 100, 17, 2)
    np.testing.assert_allclose(found.boxes[0, 0], [22, 18, 62, 66], atol=1e-4)
    np.testing.assert_allclose(found.keypoints[0, 0], 4 * places, atol=1e-4)
    assert found.scores[0, 0].item() == pytest.approx(1 / (1 + math.exp(-3)))
    assert (found.scores[0, 1:] < 1e-4).all() and (found.keypoint_scores[0, 0] < 1e-4).all()


def test_targets_of_one_person():
    targets = TASK.encode(poses([[22, 18, 62, 66]], {(0, 3): (50, 35), (0, 5): (30.5, 60)}), GRID)
    assert targets['cells'][0, 0] == 10 * 20 + 10  # the centre is (42, 42), (10.5, 10.5) in cells
    assert targets['joint_valid'].nonzero().tolist() == [[0, 3], [0, 5]]
    assert targets['joint_cells'][0, 3] == 8 * 20 + 12
    assert targets['joint_offset'][0, 3].tolist() == [0.5, 0.75]
    assert targets['displacement'][0, 3].tolist() == [2, -1.75]  # from the centre
    assert (heatmap_of(targets) == 1).nonzero().tolist() == [[3, 8, 12], [5, 15, 7]]
    assert not heatmap_of(targets)[0].any()  # a joint that is not labelled is nowhere


def test_a_joint_outside_of_the_input_is_no_target():
    targets = TASK.encode(poses([[22, 18, 62, 90]], {
        (0, 0): (80, 40), (0, 1): (40, -0.1), (0, 2): (79.9, 79.9), (0, 3): (0, 0)}), GRID)
    assert targets['joint_valid'][0].nonzero().flatten().tolist() == [2, 3]
    assert not heatmap_of(targets)[:2].any()


def test_a_joint_with_a_score_of_zero_is_not_labelled():
    annotation = poses([[22, 18, 62, 66]], {(0, 3): (50, 35), (0, 5): (30.5, 60)})
    annotation.keypoint_scores[0, 3] = 0
    targets = TASK.encode(annotation, GRID)
    assert targets['joint_valid'].nonzero().tolist() == [[0, 5]]
    assert not heatmap_of(targets)[3].any()


def gradient_of(annotation, name):
    torch.manual_seed(0)
    outputs = {key: torch.randn_like(value).requires_grad_()
               for key, value in empty_outputs().items()}
    losses = TASK.loss(outputs, targets_of(annotation))
    return torch.autograd.grad(sum(losses.values()), outputs[name])[0][0]


def test_people_without_labelled_joints_teach_no_joints():
    annotation = poses([[8, 8, 40, 40], [52, 52, 72, 76]], {(1, 0): (60, 60)})
    joints = gradient_of(annotation, 'joint_heatmap')
    assert not joints[:, 2:10, 2:10].any()
    joints[:, 2:10, 2:10] = 1
    assert joints.all()
    # They are people all the same.
    assert (heatmap_of(TASK.encode(annotation, GRID), 'heatmap') == 1).sum() == 2
    assert gradient_of(annotation, 'heatmap').all()
    moved = gradient_of(annotation, 'displacement').any(dim=0).nonzero().tolist()
    assert moved == [[16, 15]]  # the centre of the other one


def test_a_crowd_teaches_neither_people_nor_joints():
    annotation = poses([[8, 8, 40, 40], [52, 52, 72, 76]], {(0, 0): (20, 20), (1, 0): (60, 60)},
                       crowd=[True, False])
    for name in ('heatmap', 'joint_heatmap'):
        gradient = gradient_of(annotation, name)
        assert not gradient[:, 2:10, 2:10].any() and (gradient == 0).sum() == 64 * len(gradient)
    assert TASK.encode(annotation, GRID)['weights'].sum() == 1


def test_a_joint_in_an_unknown_region_counts():
    annotation = poses([[8, 8, 40, 40], [4, 4, 36, 60]], {(1, 0): (20, 20)})
    heatmap = heatmap_of(TASK.encode(annotation, GRID))[0]
    assert heatmap[5, 5] == 1 and heatmap[2, 9] == UNKNOWN


def test_losses_by_hand():
    targets = targets_of(poses([[22, 18, 62, 66]], {(0, 3): (50, 35), (0, 5): (30.5, 60)}))
    outputs = empty_outputs()
    outputs['displacement'][0, 6:8, 10, 10] = torch.tensor([2.5 + 1, -1.25])  # joint 3
    outputs['displacement'][0, 10:12, 10, 10] = torch.tensor([-2.375, 5.0 - 2])  # joint 5
    outputs['joint_offset'][0, :, 8, 12] = torch.tensor([0.5, 0.75 - 0.25])
    outputs['joint_offset'][0, :, 15, 7] = torch.tensor([0.625, 0.0])
    losses = TASK.loss(outputs, targets)
    assert losses['displacement'].item() == pytest.approx(3 / 4)
    assert losses['joint_offset'].item() == pytest.approx(0.25 / 4)
    assert set(losses) == {'heatmap', 'size', 'offset', 'displacement', 'joint_heatmap',
                           'joint_offset'}


def test_joints_are_learned_in_a_region_around_the_centre():
    task = PoseTask(spread=0.5)
    targets = {name: value[None] for name, value in task.encode(
        poses([[22, 18, 62, 66]], {(0, 3): (50, 35), (0, 5): (30.5, 60)}), GRID).items()}
    outputs = empty_outputs()
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing='ij')
    for joint, x, y in ((3, 12.5, 8.75), (5, 7.625, 15)):
        outputs['displacement'][0, 2 * joint] = x - columns
        outputs['displacement'][0, 2 * joint + 1] = y - rows
    assert task.loss(outputs, targets)['displacement'] < 1e-6
    taught = outputs['displacement'].requires_grad_()
    outputs['displacement'] = taught + 1
    task.loss(outputs, targets)['displacement'].backward()
    cells = taught.grad[0, 6].nonzero()
    assert len(cells) == 25 and ((cells - 10).abs() <= 3).all()
    assert taught.grad.sum().item() == pytest.approx(1)


def test_targets_are_in_the_cells_of_the_stream():
    """At twice the stride they are those of an image of half the size; losses of no others."""
    whole = poses([[8.0, 12.0, 60.0, 72.0]], {(0, 3): (21.0, 33.0)})
    half = poses([[4.0, 6.0, 30.0, 36.0]], {(0, 3): (10.5, 16.5)})
    expected, found = TASK.encode(half, Grid(10, 10, 4)), PoseTask(stride=8).encode(whole, GRID)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)
    assert PoseTask(stride=8).same_maps(TASK) and not PoseTask(stride=8).taught_by(TASK)
    with pytest.raises(ValueError, match="features 'features' of stride 4, not 8"):
        PoseTask(stride=8).build_head(single(4))


def test_unknown_skeleton():
    with pytest.raises(ValueError, match=r"pose.skeleton: unknown 'dog' \(known: coco17\)"):
        PoseTask('dog')


def test_a_believed_joint_is_between_regression_and_peak():
    outputs = empty_outputs()
    add_person(outputs)  # its mean side is 11 cells
    outputs['joint_heatmap'][0, 0, 8:10, 13:15] = 3.0  # around (14, 9)
    found = PoseTask(belief=True).decode(outputs)
    x, y = (found.keypoints[0, 0, 0] / 4).tolist()
    assert REGRESSED[0] < x <= 14.2 and REGRESSED[1] < y <= 9.2
    assert x == pytest.approx(14, abs=0.5) and y == pytest.approx(9, abs=0.3)
    assert found.keypoint_scores[0, 0, 0].item() == pytest.approx(
        torch.sigmoid(torch.tensor(3.0)).item(), abs=0.15)
    # Where the heatmap sees nothing, the joint is where it was regressed, and says so.
    assert (found.keypoints[0, 0, 1] / 4).tolist() == pytest.approx([10, 10], abs=0.01)
    assert found.keypoint_scores[0, 0, 1] < 0.01


def test_what_is_believed_of_the_pose_tells_who_is_likely():
    outputs = empty_outputs()
    add_person(outputs, (5, 10), size=(6.0, 12.0), displacement=(0.25, 0.25), score=3.0)
    add_person(outputs, (15, 10), size=(6.0, 12.0), displacement=(0.25, 0.25), score=2.0)
    outputs['joint_heatmap'][0, :, 10, 15] = 4.0
    centers, believed = (PoseTask(belief=belief).decode(outputs) for belief in (False, True))
    assert centers.boxes[0, 0].tolist() == pytest.approx([10, 18, 34, 66])
    assert believed.boxes[0, 0].tolist() == pytest.approx([50, 18, 74, 66])
    assert (np.diff(believed.scores[0]) <= 0).all()
    assert 0 <= believed.scores.min() and believed.scores.max() <= 1
    # All that belongs to a person moves with it.
    assert (believed.keypoint_scores[0, 0] > 0.5).all()
    assert (believed.keypoint_scores[0, 1, 1:] < 0.01).all()
    assert (believed.keypoints[0, 0, :, 0] > 50).all()


def test_believed_poses_of_a_batch_are_those_of_its_images():
    outputs = empty_outputs(2)
    for values in outputs.values():
        values += torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    task = PoseTask(belief=True, relative=True, max_predictions=7)
    together = task.decode(outputs)
    for row in range(2):
        alone = task.decode({name: values[row:row + 1] for name, values in outputs.items()})
        for name in ('boxes', 'scores', 'keypoints', 'keypoint_scores'):
            torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[row])


def test_no_person_of_a_crowded_image_is_taught_as_background():
    rng = np.random.default_rng(0)
    places = rng.permutation(20 * 20)[:50]
    corners = np.stack([places % 20, places // 20], axis=1) * 4
    boxes = np.hstack([corners, corners + 4])
    targets = TASK.encode(poses(boxes, {(i, 0): corners[i] + 1 for i in range(50)}), GRID)
    assert (heatmap_of(targets, 'heatmap') == 1).sum() == 50
    assert (heatmap_of(targets) == 1).sum(dim=(1, 2)).tolist() == [50] + [0] * 16
    # Boxes and ways to joints are learned of 32, each its own.
    assert targets['weights'].sum() == 32 and targets['joint_valid'][:, 0].sum() == 32
    assert torch.equal(targets['joint_cells'][:, 0], targets['cells'][:, 0])
    assert (targets['displacement'][:, 0] == -0.25).all()
    assert len(set(targets['cells'].flatten().tolist())) == 32
