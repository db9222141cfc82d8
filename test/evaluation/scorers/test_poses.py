# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision of poses."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.poses import PosesScorer
from mcn_ros.structures import Poses, select
from mcn_ros.tasks import PoseTask

TASK = PoseTask()
NUM_JOINTS = TASK.joints.num_keypoints
ONE = pytest.approx(1, abs=1e-9)  # COCOeval adds an epsilon to its denominators
A, B, C = (10, 10, 60, 110), (200, 50, 300, 250), (400, 300, 430, 330)
ABSENT = np.full((NUM_JOINTS, 2), np.nan)


def joints_of(box):
    """Return joints spread over a box, (17, 2)."""
    rng = np.random.default_rng(0)
    low, high = np.array(box[:2]), np.array(box[2:])
    return (low + rng.random((NUM_JOINTS, 2)) * (high - low)).astype(np.float32)


def poses(*people):
    """Return people of (xyxy, joints) or (xyxy, joints, score), which cover half of their box."""
    boxes = np.array([box for box, *_ in people], np.float32).reshape(-1, 4)
    joints = np.array([joints for _, joints, *_ in people], np.float32).reshape(-1, NUM_JOINTS, 2)
    scores = np.array([score[0] if score else 1 for _, _, *score in people], np.float32)
    return Poses(boxes, scores, joints, (~np.isnan(joints[..., 0])).astype(np.float32),
                 areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / 2)


PEOPLE = poses((A, joints_of(A))), poses((B, joints_of(B)))
NOTHING = poses()


def score(truth, *predictions):
    scorer = PosesScorer(TASK)
    for annotation, predicted in zip(truth, predictions):
        scorer.add(annotation, predicted)
    return scorer


def result(truth, *predictions):
    return score(truth, *predictions).result()


def test_true_poses_score_one_and_none_score_zero():
    assert result(PEOPLE, *PEOPLE)['AP'] == ONE
    assert result(PEOPLE, NOTHING, NOTHING)['AP'] == 0
    assert result([])['AP'] is None
    assert [*result(PEOPLE, *PEOPLE)] == [*PosesScorer.MEANINGS]


def test_a_shifted_pose_scores_less():
    ap = [result(PEOPLE, poses((A, joints_of(A) + shift)))['AP'] for shift in (0, 3, 100)]
    assert ap[0] == ONE and 0 < ap[1] < 1 and ap[2] == 0


def test_the_tolerance_is_that_of_the_area():
    shifted, truth = poses((A, joints_of(A) + 3)), poses((A, joints_of(A)))
    aps = [result([replace(truth, areas=areas)], shifted)['AP']
           for areas in (truth.areas / 4, truth.areas, None)]
    assert aps == sorted(set(aps)) and len(aps) == 3


def test_the_size_of_a_person_is_that_of_the_joints():
    found = poses((A, joints_of(A), .4), ((400, 300, 440, 340), joints_of((0, 0, 600, 400)), .6))
    scores = result(PEOPLE, found)
    assert scores['APm'] == ONE and scores['AP'] == pytest.approx(0.5, abs=0.01)


def test_pose_scores_only_rank():
    found = poses((A, joints_of(A), .4), (B, joints_of(B), .6), (C, joints_of(C), .5))
    scores = result(PEOPLE, found)
    assert 0 < scores['AP'] < 1
    assert result(PEOPLE, select(found, [2, 0, 1])) == scores


def test_an_absent_joint_earns_nothing_and_costs_no_more():
    partly = joints_of(A)
    partly[:8] = np.nan
    scores = result(PEOPLE, poses((A, partly)))
    assert scores['AP50'] == ONE and scores['AP75'] == 0  # 9 of 17 joints are right
    # Where the missing joints are not labelled either, nothing is lost.
    assert result([poses((A, partly))], poses((A, partly)))['AP'] == ONE


def test_people_without_joints_are_neither_missed_nor_false():
    truth = poses((A, joints_of(A)), (B, ABSENT), (C, ABSENT))
    found = poses((A, joints_of(A), .5), (B, ABSENT, .9), (C, ABSENT, .9), (B, joints_of(B), .9))
    assert result([truth], found)['AP'] == ONE


def test_a_person_in_a_crowd_is_not_false():
    truth = replace(poses((A, joints_of(A)), (B, joints_of(B))), crowd=np.array([False, True]))
    assert result([truth], poses((A, joints_of(A), .5), (B, joints_of(B), .9)))['AP'] == ONE


def test_the_histogram_counts_every_person_once():
    exact, wrong = (A, joints_of(A), .3), (A, joints_of(A) + 500, .9)
    details = score(PEOPLE, poses(exact, wrong), NOTHING).details()
    assert details | {'precision': 0} == {
        'precision': 0, 'objects': {'person': 2}, 'oks': [1, *[0] * 18, 1]}
    near = score(PEOPLE, poses((A, joints_of(A) + 3))).details()['oks']
    assert sum(near) == 1 and sum(near[1:-1]) == 1


def test_one_prediction_is_similar_to_one_person_only():
    truth = [poses((A, joints_of(A)), (A, joints_of(A) + 1))]
    one = score(truth, poses((A, joints_of(A), .9))).details()
    assert one['oks'] == [1, *[0] * 18, 1]
    assert score(truth, *truth).details()['oks'] == [*[0] * 19, 2]


def test_people_without_joints_are_not_in_the_histogram():
    truth = [poses((B, ABSENT), (A, joints_of(A)))]
    details = score(truth, poses((A, joints_of(A), .9), (B, joints_of(B), .8))).details()
    assert details['oks'] == [*[0] * 19, 1] and details['objects'] == {'person': 1}
    assert np.mean(details['precision']['person']['mean']) == pytest.approx(1, abs=1e-3)
    empty = score([NOTHING, NOTHING], NOTHING, poses((A, joints_of(A)))).details()
    assert empty == {'precision': {}, 'oks': [0] * 20, 'objects': {'person': 0}}
    assert score([]).details() == empty


def test_an_image_alone_is_judged_by_who_is_found():
    figure = PosesScorer(TASK).figure(PEOPLE[0], PEOPLE[0])
    assert (figure.value, figure.right, figure.wrong) == (1, 1, 0)
