# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pixels matched one to one, against all ways to do so."""

from itertools import permutations

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.matching import match


def column(index, shift=0):
    mask = np.zeros((100, 100), bool)
    mask[10 + shift:90 + shift, index] = True
    return mask


DIAGONAL = np.hypot(100, 100)


@pytest.mark.parametrize('one, tolerance, matched', [
    (column(51), 0.0075, 80), (column(52), 0.0075, 0), (column(52), 0.02, 80),
    (column(49) | column(51), 0.0075, 80), (column(51, shift=1), 0.0075, 79),
    (column(51, shift=1), 0.02, 80)])
def test_lines_beside_a_line(one, tolerance, matched):
    found, theirs = match(one, column(50), tolerance * DIAGONAL)
    assert found.sum() == theirs.sum() == matched
    assert not (found & ~one).any() and not (theirs & ~column(50)).any()


def best_by_trial(points, others, radius):
    """Return the size, and the least distance, of the largest matchings of few points."""
    best = (0, 0.0)
    slots = [*range(len(others)), *[None] * len(points)]
    for chosen in set(permutations(slots, len(points))):
        pairs = [np.hypot(*(points[i] - others[j])) for i, j in enumerate(chosen)
                 if j is not None]
        if all(length <= radius for length in pairs):
            best = min(best, (-len(pairs), float(sum(pairs))))
    return -best[0], best[1]


@pytest.mark.parametrize('seed', range(12))
def test_as_many_as_can_be_are_matched(seed):
    rng = np.random.default_rng(seed)
    one, other = (np.zeros(30, bool) for _ in range(2))
    one[rng.choice(30, 4, replace=False)], other[rng.choice(30, 4, replace=False)] = True, True
    one, other = one.reshape(5, 6), other.reshape(5, 6)
    for radius in (1.0, 1.5, 2.5):
        size, length = best_by_trial(np.argwhere(one), np.argwhere(other), radius)
        found, theirs = match(one, other, radius)
        assert found.sum() == theirs.sum() == size
        # Those that are chosen can be paired at the least total distance.
        assert best_by_trial(np.argwhere(found), np.argwhere(theirs), radius) == pytest.approx(
            (size, length))


def test_nothing_matches_nothing():
    nothing = np.zeros((4, 5), bool)
    for one, other in ((nothing, nothing), (~nothing, nothing), (nothing, ~nothing)):
        found, theirs = match(one, other, 2.0)
        assert not found.any() and not theirs.any() and found.shape == (4, 5)
