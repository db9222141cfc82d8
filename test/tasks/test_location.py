# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The belief over places of a joint: against loops in plain Python, decisions and the loss."""

import math

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.geometry import Grid
from mcn_ros.network.features import single
from mcn_ros.structures import Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.tasks.location import (
    believe, COVERED, decide, location_loss, PLACES, REACH, sample, SPREAD)
from mcn_ros.vocabulary import COCO_SKELETON

GRID = Grid(24, 32, 4)
SIGMAS = COCO_SKELETON.sigmas
TASK = build_tasks({'pose': {'belief': True}})['pose']
NOSE, ANKLE = 0, 15
STEPS = np.linspace(-REACH, REACH, PLACES)


def people(*boxes, joints):
    """Return people with boxes in grid cells; joints are (person, joint) -> (x, y) in cells."""
    keypoints = np.full((len(boxes), 17, 2), np.nan, np.float32)
    for (person, joint), place in joints.items():
        keypoints[person, joint] = place
    keypoints *= GRID.stride
    corners = GRID.stride * np.array(boxes, np.float32).reshape(-1, 4)
    return Poses(corners, np.ones(len(boxes), np.float32), keypoints,
                 np.isfinite(keypoints[..., 0]).astype(np.float32))


def targets_of(*annotations):
    return stack([TASK.encode(annotation, GRID) for annotation in annotations])


def points_of(targets):
    """Return where the joints are, (B, K, J, 2) in cells."""
    cells = targets['joint_cells']
    return torch.stack([cells % GRID.width, cells // GRID.width], 3) + targets['joint_offset']


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


ONE = people((4, 2, 12, 20), joints={(0, NOSE): (8.3, 4.9), (0, ANKLE): (6.5, 18.1)})
SIDE = 12.0  # the mean side of its box of 8 x 18, in cells


def interpolated(logits, x, y):
    """Return the value of a (H, W) map at a point in cells, whose centres are at halves."""
    height, width = logits.shape
    x, y = (min(max(value - 0.5, 0), side - 1) for value, side in ((x, width), (y, height)))
    column, row = int(x), int(y)
    right, below = min(column + 1, width - 1), min(row + 1, height - 1)
    return sum(logits[r, c] * wx * wy
               for c, wx in ((column, 1 - x % 1), (right, x % 1))
               for r, wy in ((row, 1 - y % 1), (below, y % 1)))


def belief_by_hand(logits, point, side):
    """Return {(row, column): probability}; logits (H, W), point in cells."""
    values = {(i, j): math.exp(interpolated(logits, point[0] + side * x, point[1] + side * y)
                               - (x * x + y * y) / (2 * SPREAD ** 2))
              for i, y in enumerate(STEPS) for j, x in enumerate(STEPS)}
    total = sum(values.values())
    return {place: value / total for place, value in values.items()}


def test_a_map_is_read_between_its_cells_and_continued_outside():
    heatmap = noise(2, 3, 6, 8)
    points = torch.tensor([[0.5, 0.5], [3.2, 4.75], [7.9, 5.9], [-3.0, 2.5], [9.0, 99.0]])
    found = sample(heatmap, points.expand(2, 3, 5, 2))
    for image, joint in ((0, 0), (1, 2)):
        expected = [interpolated(heatmap[image, joint].numpy(), *point.tolist())
                    for point in points]
        assert found[image, joint].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_belief_is_the_product_of_regression_and_heatmap():
    heatmap, points = noise(2, 17, 24, 32), 4 + 16 * torch.rand(2, 3, 17, 2)
    sides = torch.tensor([[5.0, 12.0, 30.0], [8.0, 3.0, 1.0]])
    found = believe(heatmap, points, sides).exp()
    assert found.shape == (2, 17, 3, PLACES, PLACES)
    torch.testing.assert_close(found.sum(dim=(3, 4)), torch.ones(2, 17, 3))
    for image, person, joint in ((0, 2, 5), (1, 0, 16)):
        expected = belief_by_hand(heatmap[image, joint].numpy(),
                                  points[image, person, joint].tolist(),
                                  sides[image, person].item())
        for place, probability in expected.items():
            assert found[image, joint, person][place].item() == pytest.approx(
                probability, rel=1e-3, abs=1e-6)


def test_an_empty_heatmap_leaves_the_regression():
    points = torch.full((1, 2, 17, 2), 10.0)
    belief = believe(torch.full((1, 17, 24, 32), -5.0), points, torch.tensor([[6.0, 12.0]]))
    way, _ = decide(belief, SIGMAS)
    torch.testing.assert_close(way, torch.zeros_like(way), atol=1e-5, rtol=0)


@pytest.mark.parametrize('place', [(10.0, 10.0), (11.3, 9.2), (8.6, 12.4)])
def test_a_clear_peak_is_found_between_the_cells(place):
    y, x = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(32) + 0.5, indexing='ij')
    heatmap = 8 * torch.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 4)
    belief = believe(heatmap.expand(1, 17, 24, 32), torch.full((1, 1, 17, 2), 10.0),
                     torch.tensor([[SIDE]]))
    way, similarity = decide(belief, SIGMAS)
    # The prior draws it a little back, by a twentieth of the way here.
    errors = 10 + SIDE * way[0, :, 0] - torch.tensor(place)
    assert errors.abs().max() < SIDE * (STEPS[1] - STEPS[0])
    hip, eye = similarity[0, 11, 0], similarity[0, 1, 0]
    assert hip > eye  # that of a hip forgives more


def test_the_answer_is_where_similarity_is_expected_not_where_a_single_peak_is():
    middle, left, right = PLACES // 2, PLACES // 2 + 6, PLACES // 2 + 7
    belief = torch.full((1, 17, 1, PLACES, PLACES), 1e-6)
    belief[..., middle, left - 14] = 0.4  # alone
    belief[..., middle, left] = belief[..., middle, right] = 0.3  # together
    way, similarity = decide(belief.log(), SIGMAS)
    for joint in (NOSE, 11):
        x, y = way[0, joint, 0].tolist()
        assert STEPS[left] < x < STEPS[right] and y == pytest.approx(0, abs=1e-3)
        tolerance = 2 * SIGMAS[joint] * math.sqrt(COVERED)
        step = STEPS[1] - STEPS[0]
        expected = 0.3 + 0.3 * math.exp(-(step / tolerance) ** 2 / 2) + 0.4 * math.exp(
            -(14 * step / tolerance) ** 2 / 2)
        assert similarity[0, joint, 0].item() == pytest.approx(expected, abs=0.01)


def test_the_loss_is_the_mean_divergence_over_the_joints():
    logits, targets = noise(1, 17, 24, 32), targets_of(ONE)
    expected = points_of(targets) + 0.7
    total = 0
    for joint in (NOSE, ANKLE):
        true = points_of(targets)[0, 0, joint].tolist()
        place = expected[0, 0, joint].tolist()
        belief = belief_by_hand(logits[0, joint].numpy(), place, SIDE)
        tolerance = SIGMAS[joint] * math.sqrt(COVERED) * SIDE
        truth = {(i, j): math.exp(-((place[0] + SIDE * x - true[0]) ** 2
                                    + (place[1] + SIDE * y - true[1]) ** 2) / 2 / tolerance ** 2)
                 for i, y in enumerate(STEPS) for j, x in enumerate(STEPS)}
        whole = sum(truth.values())
        total += sum(t / whole * math.log(t / whole / belief[at])
                     for at, t in truth.items() if t / whole > 1e-30)
    found = location_loss(logits, expected, targets, SIGMAS)
    assert found.item() == pytest.approx(total / 2, rel=1e-3)


def test_descent_moves_the_belief_to_the_joint():
    targets = targets_of(ONE)
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    location_loss(logits, points_of(targets) + 1.5, targets, SIGMAS).backward()
    touched = logits.grad[0].abs().amax(dim=(1, 2)) > 0
    assert touched.nonzero().flatten().tolist() == [NOSE, ANKLE]
    row, column = divmod(logits.grad[0, NOSE].argmin().item(), 32)
    assert abs(column + 0.5 - 8.3) <= 1 and abs(row + 0.5 - 4.9) <= 1
    # Beyond the reach of the belief nothing is learned.
    rows, columns = logits.grad[0, NOSE].nonzero(as_tuple=True)
    assert (columns + 0.5 - 9.8).abs().max() <= REACH * SIDE + 1
    assert (rows + 0.5 - 6.4).abs().max() <= REACH * SIDE + 1


def test_training_reaches_the_joint():
    targets = targets_of(ONE)
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    expected = points_of(targets) + torch.tensor([2.0, -1.5])
    optimiser = torch.optim.Adam([logits], 0.3)
    for _ in range(60):
        optimiser.zero_grad()
        location_loss(logits, expected, targets, SIGMAS).backward()
        optimiser.step()
    way, _ = decide(believe(logits, expected, torch.full((1, 32), SIDE)), SIGMAS)
    found = expected[0, 0] + SIDE * way[0, :, 0]
    for joint in (NOSE, ANKLE):
        assert found[joint].tolist() == pytest.approx(points_of(targets)[0, 0, joint].tolist(),
                                                      abs=0.35)


def test_a_regression_far_off_does_not_keep_the_heatmap_from_learning():
    targets = targets_of(ONE)
    losses = []
    for error in (1000.0, 0.8 * REACH * SIDE):
        logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
        loss = location_loss(logits, points_of(targets) + error, targets, SIGMAS)
        loss.backward()
        assert logits.grad[0, ANKLE].argmin().item() // 32 in (17, 18, 19)
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_regression_is_not_taught_by_it():
    targets = targets_of(ONE)
    expected = points_of(targets).requires_grad_()
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    location_loss(logits, expected, targets, SIGMAS).backward()
    assert expected.grad is None and logits.grad.any()


def test_images_of_a_batch_weigh_by_their_joints():
    empty = people(joints={})
    second = people((14, 2, 30, 20), joints={(0, ANKLE): (20, 15)})
    logits = noise(3, 17, 24, 32)

    def loss(rows, *annotations):
        targets = targets_of(*annotations)
        return location_loss(logits[rows], points_of(targets), targets, SIGMAS).item()

    together = loss([0, 1, 2], ONE, empty, second)
    assert together == pytest.approx((2 * loss([0], ONE) + loss([2], second)) / 3, rel=1e-5)
    assert TASK.counts(targets_of(ONE, empty, second))['joint_location'] == 3


def test_without_joints_there_is_nothing_to_learn():
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    targets = targets_of(people((4, 2, 12, 22), joints={}))
    loss = location_loss(logits, points_of(targets), targets, SIGMAS)
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_the_loss_is_one_of_the_task_only_if_asked_for():
    plain = build_tasks({'pose': {}})['pose']
    targets = targets_of(ONE)
    outputs = TASK.build_head(single(4))({'features': torch.zeros(1, 4, 24, 32)})
    assert 'joint_location' in TASK.loss(outputs, targets)
    assert 'joint_location' not in plain.loss(outputs, targets)
    assert 'joint_location' not in plain.counts(targets)
