# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of numbers with two decimals, beside those of the same numbers in full."""

import numpy as np
import pytest

from mcn_ros.centernet.scorers import FILE_SCORERS, FileInstancesScorer, FilePosesScorer
from mcn_ros.evaluation.scorers import InstancesScorer, PosesScorer, SCORERS
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import DetectionTask, PoseTask

TASK = DetectionTask(classes=('person', 'car'))
ONE = pytest.approx(1, abs=1e-9)  # COCOeval adds an epsilon to its denominators
HALF = pytest.approx(0.5, abs=0.01)
A, B, FAR = (10, 10, 60, 110), (200, 50, 300, 250), (400, 300, 440, 340)


def cars(*objects):
    """Return cars of (xyxy, score)."""
    boxes, scores = zip(*objects)
    return Instances(np.array(boxes, np.float32), np.ones(len(boxes), np.int64),
                     np.array(scores, np.float32))


def people(*objects):
    """Return people of (xyxy, corners of where their joints are, score)."""
    boxes, extents, scores = map(np.float32, zip(*objects))
    share = np.random.default_rng(0).random((17, 2))
    joints = extents[:, None, :2] + share * (extents[:, None, 2:] - extents[:, None, :2])
    return Poses(boxes, scores, joints.astype(np.float32), np.ones((len(boxes), 17), np.float32),
                 areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / 2)


def scored(scorer, *pairs):
    for annotation, prediction in pairs:
        scorer.add(annotation, prediction)
    return scorer


@pytest.mark.parametrize('kind, score', [(InstancesScorer, HALF), (FileInstancesScorer, ONE)])
def test_scores_have_two_decimals(kind, score):
    # The false one of two cars is better by less than a hundredth: then their order decides.
    found = cars((A, 0.5012), (B, 0.5049))
    assert scored(kind(TASK), (cars((A, 1)), found)).result()['AP'] == score


@pytest.mark.parametrize('kind', [InstancesScorer, FileInstancesScorer])
def test_boxes_have_two_decimals(kind):
    box = np.float32([10.004, 9.996, 60.001, 110.0])
    scorer = scored(kind(TASK), (cars((A, 1)), cars((box, 0.5))))
    found = scorer._precision.evaluation.ious[1, 2].item()
    assert found == pytest.approx(1, abs=1e-3) and (found == 1) == (kind is FileInstancesScorer)


@pytest.mark.parametrize('kind, medium', [(PosesScorer, ONE), (FilePosesScorer, HALF)])
def test_the_size_of_a_person_is_that_of_the_box(kind, medium):
    found = people((A, A, .4), (FAR, (0, 0, 600, 400), .6))
    scores = scored(kind(PoseTask()), (people((A, A, 1)), found),
                    (people((B, B, 1)), people((FAR, FAR, .1)))).result()
    assert scores['APm'] == medium and scores['AP'] < 0.6


def test_other_types_are_scored_as_ever():
    changed = {key for key in SCORERS if FILE_SCORERS[key] is not SCORERS[key]}
    assert changed == {Instances, Poses} and FILE_SCORERS.keys() == SCORERS.keys()
