# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Means over all classes."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers import scorer_of
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks import build_tasks

PARTS = build_tasks({'parts': {}})['parts']
TRUTH = [[0, 0, 1, 1], [2, 2, 1, IGNORE], [5, 5, 6, 6]]
FOUND = [[0, 1, 1, 1], [2, 0, 1, 3], [5, 6, 6, 6]]


def scored(*images):
    scorer = scorer_of(PARTS)(PARTS)
    for truth, found in images:
        scorer.add(ClassMap(np.array(truth, np.uint8)), ClassMap(np.array(found, np.uint8)))
    return scorer


def test_an_image_by_hand():
    """By class: 1/3, 3/4, 1/2, 0/0, 0/0, 1/2 and 2/3 of background and six parts."""
    result = scored((TRUTH, FOUND)).result()
    assert result['mIoU'] == pytest.approx(2.75 / 7) == pytest.approx(.392857, abs=1e-6)
    assert result['mIoU_present'] == pytest.approx(.55)
    assert result['mIoU_classes'] == pytest.approx(.604167, abs=1e-6)
    assert result['background'] == pytest.approx(1 / 3)
    assert list(result['per_class']) == ['head', 'torso', 'upper leg', 'lower leg']


def test_all_background_is_the_guess():
    result = scored((TRUTH, np.zeros((3, 4)))).result()
    assert result['mIoU_background'] == pytest.approx(result['mIoU']) == pytest.approx(2 / 11 / 7)


def test_images_without_a_part_are_left_out():
    blank = [[0, 0, IGNORE]], [[1, 0, 2]]
    assert scored((TRUTH, FOUND), blank).result() == scored((TRUTH, FOUND)).result()
    nothing = scored(blank).result()
    assert nothing.pop('per_class') == {} and set(nothing.values()) == {None}
    assert list(nothing) == list(scored().MEANINGS)


def test_an_image_alone_is_judged_by_what_is_in_it():
    truth, found = (ClassMap(np.array(each, np.uint8)) for each in (TRUTH, FOUND))
    figure = scored().figure(truth, found)
    assert figure.value == pytest.approx(.55) and figure.text == 'mIoU_present 0.55'
    assert scored().figure(ClassMap(np.zeros((2, 2), np.uint8)), found).value is None
