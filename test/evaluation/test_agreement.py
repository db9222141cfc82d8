# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What counts as the same prediction, and what does not."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.data.messages import likeliest_planes
from mcn_ros.data.results import RESULTS, SCORE_THRESHOLD
from mcn_ros.evaluation.agreement import Agreement, PIXEL_TOLERANCE, SCORE_TOLERANCE
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, Poses, ScalarMap, select, VectorMap)

BOXES = np.array([[10, 20, 30, 40], [0, 5, 64, 48], [3, 3, 9, 9]], np.float32)
FOUND = np.array([0.9, 0.5, 0.1], np.float32)
JOINTS = np.full((3, 17, 2), 5, np.float32)
JOINTS[1, 4] = np.nan


@pytest.fixture
def predicted():
    return {'detection': Instances(BOXES, np.array([1, 0, 1]), FOUND),
            'pose': Poses(BOXES, FOUND, JOINTS, np.full((3, 17), 0.5, np.float32)),
            'segmentation': ClassMap(np.eye(8, dtype=np.uint8))}


def changed(predicted, task, **values):
    return {**predicted, task: replace(predicted[task], **values)}


def test_the_same_is_equal(predicted):
    agreement = Agreement()
    for _ in range(2):
        agreement.add(predicted, predicted, threshold=0.0)
    assert agreement.result() == {'frames': 2, 'equal': 2, 'largest_px': 0.0,
                                  'largest_score': 0.0, 'pixels': 1.0, 'unequal': {}}


@pytest.mark.parametrize('task, name, scale', [
    ('detection', 'boxes', PIXEL_TOLERANCE), ('detection', 'scores', SCORE_TOLERANCE),
    ('pose', 'keypoints', PIXEL_TOLERANCE),
    ('pose', 'keypoint_scores', SCORE_TOLERANCE), ('pose', 'boxes', PIXEL_TOLERANCE)])
def test_the_tolerance_is_what_it_says(predicted, task, name, scale):
    for factor, equal in ((0.5, 1), (2, 0)):
        agreement = Agreement()
        other = getattr(predicted[task], name) + np.float32(factor * scale)
        agreement.add(changed(predicted, task, **{name: other}), predicted)
        assert agreement.equal == equal and agreement.unequal == ({} if equal else {task: 1})
        largest = agreement.largest_px if scale == PIXEL_TOLERANCE else agreement.largest_score
        assert largest == pytest.approx(factor * scale, rel=0.1)


@pytest.mark.parametrize('task, values', [
    ('detection', {'classes': np.array([1, 1, 1])}),
    ('pose', {'keypoints': np.full((3, 17, 2), 5, np.float32)}),
    ('segmentation', {'labels': np.zeros((8, 8), np.uint8)}),
    ('segmentation', {'labels': np.eye(9, dtype=np.uint8)})])
def test_what_differs_is_told(predicted, task, values):
    agreement = Agreement()
    agreement.add(changed(predicted, task, **values), predicted)
    assert (agreement.equal, agreement.unequal) == (0, {task: 1})
    assert np.isfinite(agreement.largest_px)


def test_equal_pixels_are_counted(predicted):
    agreement = Agreement()
    agreement.add(changed(predicted, 'segmentation', labels=np.zeros((8, 8), np.uint8)), predicted)
    agreement.add(predicted, predicted)
    assert agreement.pixels == (56 + 64) / 128


def test_the_node_says_nothing_below_its_threshold(predicted):
    shown = {name: select(predicted[name], slice(2)) for name in ('detection', 'pose')}
    for threshold, equal in ((0.3, 1), (0.0, 0), (None, 1)):
        agreement = Agreement()
        agreement.add(shown, predicted, threshold)
        assert agreement.equal == equal


def test_heads_that_did_not_answer_are_not_compared(predicted):
    agreement = Agreement()
    agreement.add({'pose': predicted['pose']}, predicted)
    assert agreement.result()['pixels'] is None and agreement.equal == 1


@pytest.mark.parametrize('made', [ScalarMap(np.full((4, 4), 0.5, np.float32)),
                                  VectorMap(np.full((4, 4, 3), 0.5, np.float32))])
def test_maps_of_numbers_may_differ_as_little_as_scores_but_for_rounding(made):
    name, = made.ROWS
    values, rounding = getattr(made, name), RESULTS[type(made)].rounding
    assert rounding == (0.5 / 255 if type(made) is ScalarMap else 0)  # a message of 8 bits
    for other, equal in ((values + rounding + SCORE_TOLERANCE / 2, 1),
                         (values + rounding + 2 * SCORE_TOLERANCE, 0), (values[:2], 0)):
        agreement = Agreement()
        agreement.add({'map': replace(made, **{name: other})}, {'map': made}, 0.3)
        assert agreement.equal == equal and agreement.pixels is None


def test_of_planes_the_node_tells_the_likeliest_class():
    planes = ClassPlanes(np.random.default_rng(0).random((3, 8, 8), np.float32))
    told = likeliest_planes(planes.class_map(SCORE_THRESHOLD).labels, 3)
    other = replace(told, planes=told.planes[::-1])
    agreement = Agreement()
    agreement.add({'parts': told}, {'parts': planes})
    agreement.add({'parts': other}, {'parts': planes})
    assert agreement.frames == 2 and agreement.equal == 1
