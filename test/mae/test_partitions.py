# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Agreement of partitions, by hand."""

import numpy as np
import pytest

from mcn_ros.mae.partitions import adjusted_rand_index, best_match_iou


@pytest.mark.parametrize('first, second, expected', [
    ([0, 0, 1, 1], [0, 0, 1, 2], 0.571429), ([0, 0, 0, 0], [0, 1, 2, 3], 0),
    ([0, 0, 1, 1], [5, 5, 2, 2], 1), ([0, 0, 0], [7, 7, 7], 1), ([0, 1, 2], [2, 0, 1], 1),
    ([0, 0, 1, 1], [0, 1, 0, 1], -0.5), ([3], [4], 1), ([], [], 1)])
def test_adjusted_rand_index(first, second, expected):
    first, second = np.array(first, int), np.array(second, int)
    assert adjusted_rand_index(first, second) == pytest.approx(expected, abs=1e-6)
    assert adjusted_rand_index(second, first) == adjusted_rand_index(first, second)


def test_chance_is_zero():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 100, 100))
    assert abs(adjusted_rand_index(*labels)) < 0.01


def test_each_segment_takes_what_fits_best():
    truth = np.repeat([[0] * 10, [1] * 10], 5, axis=0)
    predicted = truth.copy()
    assert best_match_iou(truth, predicted + 3) == 1
    predicted[:, :4] = 2  # of either segment 30 of 50 are left, or 20 of 70 - 20 with the third
    assert best_match_iou(truth, predicted) == pytest.approx(0.6)
    assert best_match_iou(truth, np.zeros_like(truth)) == 0.5  # one serves both


def test_what_is_unknown_or_small_does_not_count():
    truth = np.zeros((10, 10), int)
    truth[:3] = 255
    truth[9, :] = 1  # 10 pixels
    predicted = np.zeros((10, 10), int)
    predicted[:3] = 5
    assert best_match_iou(truth, predicted) == pytest.approx(60 / 70)
    assert best_match_iou(np.full((10, 10), 255), predicted) is None
    assert best_match_iou(np.arange(16).reshape(4, 4), predicted[:4, :4]) is None
