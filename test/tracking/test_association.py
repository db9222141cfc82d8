# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How alike boxes and joints are, and which go together."""

from hypothesis import given, strategies
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from mcn_ros.tracking.association import assign, joint_similarity, others, overlaps
from mcn_ros.vocabulary import COCO_SKELETON

seeds = strategies.integers(0, 2 ** 32 - 1)
counts = strategies.integers(0, 5)
SIGMAS = COCO_SKELETON.sigmas


@given(seeds, counts, counts)
def test_overlaps_are_those_of_torchvision(seed, count, more):
    rng = np.random.default_rng(seed)
    boxes, other = (np.sort(rng.uniform(0, 9, (n, 2, 2)), axis=1).reshape(n, 4)
                    for n in (count, more))
    expected = box_iou(torch.from_numpy(boxes), torch.from_numpy(other)).numpy()
    np.testing.assert_allclose(overlaps(boxes, other), expected, atol=1e-12)


def test_boxes_without_an_area_overlap_nothing():
    flat = np.array([[3.0, 3, 3, 3]])
    assert overlaps(flat, flat) == 0


def test_joints_that_both_show_count():
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 100, (2, 17, 2))
    boxes = np.array([[0.0, 0, 100, 100]] * 2)
    np.testing.assert_allclose(joint_similarity(joints, joints, boxes, SIGMAS), 1)
    assert (joint_similarity(joints, joints[::-1], boxes, SIGMAS) < 0.5).all()
    hidden = joints.copy()
    hidden[0, 3:] = np.nan  # what is not seen says nothing
    assert joint_similarity(hidden, joints, boxes, SIGMAS)[0] == pytest.approx(1)
    hidden[0] = np.nan
    assert joint_similarity(hidden, joints, boxes, SIGMAS)[0] == 0


def test_the_similarity_is_that_of_coco():
    """A joint off by sqrt(2 area) times twice its sigma counts exp(-1)."""
    joints = np.zeros((1, 17, 2))
    moved = joints.copy()
    moved[0, :, 0] = np.sqrt(2 * 5000) * 2 * np.array(SIGMAS)
    found = joint_similarity(joints, moved, np.array([[0.0, 0, 50, 100]]), SIGMAS)
    assert found[0] == pytest.approx(np.exp(-1))


def test_without_joints_nothing_is_similar():
    none = np.zeros((2, 0, 2))
    assert (joint_similarity(none, none, np.zeros((2, 4)), ()) == 0).all()


def test_as_many_as_can_be_at_the_least_cost():
    cost = np.array([[0.1, 0.2], [0.2, 0.9]])
    everything = np.ones((2, 2), bool)
    assert [pair.tolist() for pair in assign(cost, everything)] == [[0, 1], [1, 0]]
    assert [pair.tolist() for pair in assign(cost, np.eye(2, dtype=bool))] == [[0, 1], [0, 1]]
    assert [pair.tolist() for pair in assign(cost, ~everything)] == [[], []]
    assert [pair.tolist() for pair in assign(cost[:0], everything[:0])] == [[], []]


def test_others_are_the_rest():
    assert others(5, np.array([3, 0])).tolist() == [1, 2, 4]
    assert others(2, np.zeros(0, int)).tolist() == [0, 1]
