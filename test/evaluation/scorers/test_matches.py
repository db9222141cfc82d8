# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is right, missed and false in one image."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.matches import (
    match_boxes, match_poses, Matches, SCORE_THRESHOLD)
from mcn_ros.evaluation.scorers.poses import PosesScorer
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import PoseTask
from mcn_ros.vocabulary import COCO_SKELETON

A, B, FAR = (10, 10, 60, 110), (200, 50, 300, 250), (400, 300, 430, 330)
NUM_JOINTS = COCO_SKELETON.num_keypoints


def objects(*entries, crowd=None, labelled=None):
    """Return Instances of (class, xyxy, score)."""
    classes, boxes, scores = zip(*entries) if entries else ((), (), ())
    return Instances(np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64),
                     np.array(scores, np.float32), crowd and np.array(crowd), labelled)


def people(*entries, crowd=None):
    """Return Poses of (xyxy, shift of the joints or None for no joints, score)."""
    boxes = np.array([box for box, _, _ in entries], np.float32).reshape(-1, 4)
    share = np.random.default_rng(0).random((NUM_JOINTS, 2))
    joints = boxes[:, None, :2] + share * (boxes[:, None, 2:] - boxes[:, None, :2])
    shifts = np.array([np.nan if shift is None else shift for _, shift, _ in entries])
    joints = joints + shifts.reshape(-1, 1, 1)
    return Poses(boxes, np.array([score for *_, score in entries], np.float32),
                 joints.astype(np.float32), (~np.isnan(joints[..., 0])).astype(np.float32),
                 crowd and np.array(crowd))


def test_objects_are_found_missed_and_false():
    truth = objects((0, A, 1), (1, B, 1))
    assert match_boxes(objects((0, A, .9), (1, FAR, .8)), truth) == Matches(1, 1, 1)
    assert match_boxes(objects((1, A, .9), (1, B, .8)), truth) == Matches(1, 1, 1)
    assert match_boxes(objects(), truth) == Matches(0, 2, 0)
    assert match_boxes(objects((0, A, .9)), objects()) == Matches(0, 0, 1)
    assert match_boxes(objects(), objects()) == Matches(0, 0, 0)


def test_an_object_is_found_once_by_the_surest():
    truth = objects((0, A, 1))
    close = (12, 12, 60, 110)
    assert match_boxes(objects((0, A, .5), (0, close, .9)), truth) == Matches(1, 0, 1)


def test_crowds_and_unlabelled_classes_do_not_count():
    inside = (210, 60, 240, 120)
    truth = objects((0, A, 1), (0, B, 1), crowd=[False, True])
    found = objects((0, A, .9), (0, inside, .8), (0, inside, .7))
    assert match_boxes(found, truth) == Matches(1, 0, 0)
    truth = objects((0, A, 1), labelled=np.array([True, False]))
    assert match_boxes(objects((0, A, .9), (1, FAR, .8)), truth) == Matches(1, 0, 0)


def test_a_pose_is_found_where_its_joints_are():
    truth = people((A, 0, 1), (B, 0, 1))
    assert match_poses(people((B, 0, .9), (A, 1, .8)), truth) == Matches(2, 0, 0)
    assert match_poses(people((A, 80, .9)), truth) == Matches(0, 2, 1)
    assert match_poses(people(), truth) == Matches(0, 2, 0)
    assert match_poses(people((A, 0, .9)), people()) == Matches(0, 0, 1)


def test_people_without_joints_are_neither_missed_nor_false():
    truth = people((A, 0, 1), (B, None, 1))
    assert match_poses(people((A, 0, .9), (B, 3, .8)), truth) == Matches(1, 0, 0)
    assert match_poses(people(), truth) == Matches(0, 1, 0)


@pytest.mark.parametrize('shift', [0.5, 2, 4, 8, 12, 20])
@pytest.mark.parametrize('areas', [None, np.array([6000], np.float32)])
def test_poses_are_compared_as_coco_does(shift, areas):
    truth, found = replace(people((B, 0, 1)), areas=areas), people((B, shift, .9))
    scorer = PosesScorer(PoseTask())
    scorer.add(truth, found)
    assert match_poses(found, truth).found == round(scorer.result()['AP50'])


def test_what_is_uncertain_does_not_count():
    sure, unsure = ((A, 0, SCORE_THRESHOLD), (B, 0, SCORE_THRESHOLD - 0.01))
    assert match_poses(people(sure, unsure), people((A, 0, 1), (B, 0, 1))) == Matches(1, 1, 0)
    assert match_boxes(objects((0, A, .3), (0, B, .29)), objects((0, A, 1))) == Matches(1, 0, 0)


def test_f1_is_between_precision_and_recall():
    assert Matches(2, 0, 0).f1 == 1 and Matches(0, 3, 1).f1 == 0 and Matches(0, 0, 0).f1 is None
    precision, recall = 2 / 3, 2 / 6
    assert Matches(2, 4, 1).f1 == pytest.approx(2 * precision * recall / (precision + recall))
