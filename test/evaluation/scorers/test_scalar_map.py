# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Max F and mean absolute error."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.scalar_map import ScalarMapScorer
from mcn_ros.structures import IGNORE, ScalarMap

# (levels of 255, what is true) of two images whose scores are known.
FIRST = [[0, 51], [204, 255]], [[0, 0], [1, 1]]
SECOND = [[255, 102], [153, 0]], [[1, 1], [0, 0]]


class Task:
    """All that is asked of a task."""

    figure = 'maxF'


def scored(*images):
    scorer = ScalarMapScorer(Task())
    for levels, truth in images:
        scorer.add(ScalarMap(np.array(truth, np.uint8)),
                   ScalarMap(np.array(levels, np.float32) / 255))
    return scorer.result()


def own(*images):
    """Return the scores of the maps, without those of the guess beside them."""
    return {name: value for name, value in scored(*images).items() if 'center' not in name}


def test_two_small_images():
    # Precision 1 and recall .75, their means, from the threshold 154 on.
    assert own(FIRST, SECOND) == pytest.approx(
        {'maxF': 0.928571, 'maxF_mean': 0.90625, 'MAE': 0.2}, abs=1e-6)
    assert own(SECOND) == pytest.approx({'maxF': 0.8125, 'maxF_mean': 0.8125, 'MAE': 0.3})


def test_the_guess_is_in_the_middle():
    truth = np.zeros((40, 60), np.uint8)
    truth[10:30, 20:40] = 1
    blank = np.zeros((40, 60))
    result, aside = scored((blank, truth)), scored((blank, np.roll(truth, 20, axis=1)))
    assert result['maxF_center'] > 0.7 > aside['maxF_center']
    assert result['MAE_center'] < aside['MAE_center']
    # Its value in a corner is exp(-1 / (2 * .35 ** 2)) = .017, in levels of 255.
    corner = np.full((201, 201), IGNORE)
    corner[0, 0] = 0
    assert scored((np.zeros((201, 201)), corner))['MAE_center'] == pytest.approx(4 / 255)


def test_the_truth_is_perfect_and_its_opposite_is_not():
    assert own(([[0, 255]], [[0, 1]])) == {'maxF': 1, 'maxF_mean': 1, 'MAE': 0}
    # With the threshold 0 all is found: precision .5, recall 1.
    assert own(([[255, 0]], [[0, 1]])) == pytest.approx(
        {'maxF': 0.65 / 1.15, 'maxF_mean': 0.65 / 1.15, 'MAE': 1})


def test_unknown_pixels_do_not_count():
    levels, truth = [[*FIRST[0][0], 255], [*FIRST[0][1], 0]], [[0, 0, IGNORE], [1, 1, IGNORE]]
    assert own((levels, truth)) == own(FIRST)
    assert set(scored(([[7]], [[IGNORE]])).values()) == {None}


def test_an_image_without_anything_counts_for_the_error_only():
    blank = [[51, 51]], [[0, 0]]
    assert own(blank) == pytest.approx({'maxF': None, 'maxF_mean': None, 'MAE': 0.2})
    assert scored(FIRST, blank)['maxF'] == scored(FIRST)['maxF']


def test_an_image_alone_and_sizes():
    scorer, truth = ScalarMapScorer(Task()), ScalarMap(np.array(FIRST[1], np.uint8))
    assert scorer.figure(truth, ScalarMap(np.array(FIRST[0], np.float32) / 255)).value == 1
    assert scorer.result()['maxF'] is None
    with pytest.raises(ValueError, match=r'\(1, 2\).*\(2, 2\)'):
        scorer.add(truth, ScalarMap(np.zeros((1, 2), np.float32)))
