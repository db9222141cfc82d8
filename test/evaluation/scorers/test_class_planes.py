# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""F of classes that may hold at the same pixel."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.class_planes import ClassPlanesScorer
from mcn_ros.structures import ClassPlanes, IGNORE
from mcn_ros.tasks import SegmentationTask

TASK = SegmentationTask(classes=('person', 'car', 'dog'))


def planes(*rows, kind=np.float32):
    """Return planes of one row of pixels for each class."""
    return ClassPlanes(np.array(rows, kind)[:, None])


TRUTH = planes([1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], kind=np.uint8)


def scored(*pairs):
    scorer = ClassPlanesScorer(TASK)
    for truth, prediction in pairs:
        scorer.add(truth, prediction)
    return scorer


def test_the_truth_scores_one_at_whatever_threshold():
    found = ClassPlanes(0.1 * TRUTH.planes.astype(np.float32))
    assert scored((TRUTH, found)).result() == {'mF': 1, 'per_class': {'person': 1, 'car': 1}}


def test_every_class_has_its_best_threshold():
    found = planes([.9, .3, .6, 0], [.8, 0, 0, .8], [0] * 4)
    # People: with .3 or more two of three are right; cars: one of two.
    result = scored((TRUTH, found)).result()
    assert result['per_class'] == pytest.approx({'person': 0.8, 'car': 2 / 3})
    assert result['mF'] == pytest.approx((0.8 + 2 / 3) / 2)


def test_images_are_pooled_and_what_is_unknown_is_not_asked():
    one = planes([1, 0, IGNORE, IGNORE], [IGNORE] * 4, [IGNORE] * 4, kind=np.uint8)
    other = planes([IGNORE, IGNORE, 1, 0], [IGNORE] * 4, [IGNORE] * 4, kind=np.uint8)
    whole = planes([1, 0, 1, 0], [IGNORE] * 4, [IGNORE] * 4, kind=np.uint8)
    found = planes([.9, .7, .5, .1], [1] * 4, [1] * 4)
    assert scored((one, found), (other, found)).result() == scored((whole, found)).result()
    assert scored((whole, found)).result()['per_class'] == pytest.approx({'person': 0.8})


def test_shares_and_nothing():
    assert scored((TRUTH, planes(*[[0] * 4] * 3))).details() == {
        'pixels': {'person': 0.5, 'car': 0.25}}
    assert scored().result() == {'mF': None, 'per_class': {}}
    assert scored().details() == {'pixels': {}}
