# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Angles between directions."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.vector_map import statistics, VectorMapScorer
from mcn_ros.structures import VectorMap

ANGLES = np.array([0, 10, 11.25, 20, 25, 45, 90, 180])
SCORES = {'mean': 47.65625, 'median': 22.5, 'RMSE': 73.9734, 'below_11.25': 0.25,
          'below_22.5': 0.5, 'below_30': 0.625}


class Task:
    """All that is asked of a task."""

    figure = 'mean'


def turned(angles, length=1.0):
    """Return vectors, (1, N, 3), that are turned from the camera by some angles."""
    radians = np.radians(angles)
    vectors = np.stack([np.sin(radians), 0 * radians, -np.cos(radians)], axis=1)
    return VectorMap((length * vectors[None]).astype(np.float32))


def test_statistics_of_angles():
    scorer = VectorMapScorer(Task())
    scorer.accumulate(statistics(ANGLES, 2 * ANGLES))
    result = scorer.result()
    assert result.pop('mean_facing') == pytest.approx(2 * SCORES['mean'])
    assert result == pytest.approx(SCORES, abs=1e-4)


def test_angles_are_those_between_the_directions():
    for length in (1.0, 0.2):
        scorer = VectorMapScorer(Task())
        scorer.add(turned(np.zeros(len(ANGLES))), turned(ANGLES, length))
        result = scorer.result()
        assert [result[name] for name in ('mean', 'median', 'RMSE')] == pytest.approx(
            [SCORES[name] for name in ('mean', 'median', 'RMSE')], abs=0.02)
        assert result['mean_facing'] == pytest.approx(0, abs=0.02)


def test_pixels_of_all_images_count_the_same_and_unknown_ones_do_not():
    together, apart = VectorMapScorer(Task()), VectorMapScorer(Task())
    truth = turned(np.zeros(len(ANGLES)))
    together.add(truth, turned(ANGLES))
    beside = (0, 0), (0, 1), (0, 0)  # one more pixel
    for part in (slice(3), slice(3, None)):
        apart.add(VectorMap(np.pad(truth.vectors[:, part], beside, constant_values=np.nan)),
                  VectorMap(np.pad(turned(ANGLES).vectors[:, part], beside)))
    assert apart.result() == pytest.approx(together.result())


def test_without_a_direction_it_is_half_wrong():
    scorer, truth = VectorMapScorer(Task()), turned(np.zeros(2))
    scorer.add(truth, VectorMap(np.float32([[[0, 0, 0], [np.nan] * 3]])))
    assert scorer.result()['mean'] == pytest.approx(90)


def test_nothing_known_is_none_and_an_image_alone_is_judged_by_a_share():
    scorer = VectorMapScorer(Task())
    scorer.add(VectorMap(np.full((1, 2, 3), np.nan, np.float32)), turned(np.zeros(2)))
    assert set(scorer.result().values()) == {None}
    assert scorer.result().keys() == VectorMapScorer.MEANINGS.keys()
    figure = scorer.figure(turned(np.zeros(4)), turned(np.array([0, 10, 30, 40])))
    assert figure.value == 0.5 and figure.text == 'below_22.5 0.50'
