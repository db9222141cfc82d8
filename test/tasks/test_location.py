# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The choice of a joint's place: against a loop in plain Python, and what it does not look at."""

import math

import numpy as np
import pytest
import torch

from mcn_ros.geometry import Grid
from mcn_ros.structures import Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.tasks.location import location_loss
from mcn_ros.vocabulary import COCO_SKELETON

GRID = Grid(24, 32, 4)
SIGMAS = torch.tensor(COCO_SKELETON.sigmas)
TASK = build_tasks({'pose': {'location_loss': True}})['pose']
NOSE, ANKLE = 0, 15


def people(*boxes, joints):
    """Return people with boxes in grid cells; joints are (person, joint) -> (column, row)."""
    keypoints = np.full((len(boxes), 17, 2), np.nan, np.float32)
    for (person, joint), cell in joints.items():
        keypoints[person, joint] = np.array(cell) + 0.5
    keypoints *= GRID.stride
    corners = GRID.stride * np.array(boxes, np.float32).reshape(-1, 4)
    return Poses(corners, np.ones(len(boxes), np.float32), keypoints,
                 np.isfinite(keypoints[..., 0]).astype(np.float32))


def targets_of(*annotations):
    encoded = [TASK.encode(annotation, GRID) for annotation in annotations]
    return {name: torch.stack([targets[name] for targets in encoded]) for name in encoded[0]}


ONE = people((4, 2, 12, 22), joints={(0, NOSE): (8, 4), (0, ANKLE): (6, 20)})


def by_hand(logits, cell, box, sigma, hidden=()):
    """Return the divergence of one joint; logits (H, W)."""
    left, top, right, bottom = box
    column, row = int((left + right) / 2), int((top + bottom) / 2)
    scale = max(0.6, sigma * math.sqrt(0.53 * (right - left) * (bottom - top)))
    terms = []
    for y in range(GRID.height):
        for x in range(GRID.width):
            square = (x - cell[0]) ** 2 + (y - cell[1]) ** 2
            near = square <= 9 * scale ** 2
            inside = (abs(x - column) <= 0.6 * (right - left) + 1
                      and abs(y - row) <= 0.6 * (bottom - top) + 1)
            if near or inside and (x, y) not in hidden:
                terms.append((math.exp(-square / 2 / scale ** 2), logits[y, x].item()))
    total = math.log(sum(math.exp(logit) for _, logit in terms))
    whole = sum(t for t, _ in terms)
    return sum(t / whole * (math.log(t / whole) - logit + total) for t, logit in terms if t)


def test_it_is_the_mean_divergence_over_the_joints():
    logits = torch.randn(1, 17, 24, 32, generator=torch.Generator().manual_seed(0))
    box = (4, 2, 12, 22)
    expected = (by_hand(logits[0, NOSE], (8, 4), box, .026)
                + by_hand(logits[0, ANKLE], (6, 20), box, .089)) / 2
    assert location_loss(logits, targets_of(ONE), SIGMAS).item() == pytest.approx(expected, 1e-5)


def test_only_cells_of_the_person_matter():
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    location_loss(logits, targets_of(ONE), SIGMAS).backward()
    touched = logits.grad[0].abs().amax(dim=0) > 0
    rows, columns = torch.nonzero(touched, as_tuple=True)
    assert (columns.min(), columns.max()) == (3, 13)  # the centre's column 8, and 0.6 * 8 + 1
    assert (rows.min(), rows.max()) == (0, 23)
    assert (logits.grad[0].abs().amax(dim=(1, 2)) > 0).nonzero().flatten().tolist() == [
        NOSE, ANKLE]
    # Descent raises the place of the joint, above all.
    assert logits.grad[0, NOSE].argmin().item() == 4 * 32 + 8


def test_a_constant_on_all_cells_changes_nothing():
    logits = torch.randn(1, 17, 24, 32, generator=torch.Generator().manual_seed(0))
    targets = targets_of(ONE)
    torch.testing.assert_close(location_loss(logits, targets, SIGMAS),
                               location_loss(logits + 3, targets, SIGMAS))


def test_the_same_joint_of_a_neighbour_is_neither_right_nor_wrong():
    both = people((4, 2, 12, 22), (9, 2, 17, 22), joints={(0, NOSE): (8, 4), (1, NOSE): (12, 4)})
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    targets = targets_of(both)
    targets['joint_valid'][0, 1] = False  # what the first person alone says
    location_loss(logits, targets, SIGMAS).backward()
    assert logits.grad[0, NOSE, 4, 12] == 0 and logits.grad[0, NOSE, 4, 10] > 0


def test_images_of_a_batch_weigh_by_their_joints():
    empty = people(joints={})
    second = people((14, 2, 30, 20), joints={(0, ANKLE): (20, 15)})
    logits = torch.randn(3, 17, 24, 32, generator=torch.Generator().manual_seed(0))
    single = [location_loss(logits[i:i + 1], targets_of(annotation), SIGMAS).item()
              for i, annotation in ((0, ONE), (2, second))]
    together = location_loss(logits, targets_of(ONE, empty, second), SIGMAS).item()
    assert together == pytest.approx((2 * single[0] + single[1]) / 3, rel=1e-5)
    assert TASK.counts(targets_of(ONE, empty, second))['joint_location'] == 3


def test_without_joints_there_is_nothing_to_learn():
    logits = torch.zeros(1, 17, 24, 32, requires_grad=True)
    loss = location_loss(logits, targets_of(people((4, 2, 12, 22), joints={})), SIGMAS)
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_the_loss_is_one_of_the_task_only_if_asked_for():
    plain = build_tasks({'pose': {}})['pose']
    targets = targets_of(ONE)
    outputs = TASK.build_head(4)(torch.zeros(1, 4, 24, 32))
    assert 'joint_location' in TASK.loss(outputs, targets)
    assert 'joint_location' not in plain.loss(outputs, targets)
    assert 'joint_location' not in plain.counts(targets)
