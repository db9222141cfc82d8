# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which pixels are of an object: those near a depth that is its own."""

import numpy as np
import pytest

from mcn_ros.spatial.pixels import gated


def test_a_person_between_a_wall_and_a_bar():
    rng = np.random.default_rng(0)
    person, wall, bar = rng.normal(3.0, 0.08, 4000), np.full(2800, 4.2), np.full(800, 1.5)
    box = np.concatenate([person, wall, bar])
    assert np.mean(box) == pytest.approx(3.28, abs=0.02)
    assert np.median(box) == pytest.approx(3.05, abs=0.02)
    masked = np.concatenate([person, wall[:336], bar[:80]])
    kept, depth, _, gate = gated(masked, float(np.median(masked)), 0.3)
    assert kept[:4000].sum() == kept.sum() >= 3995  # nothing of the wall, nothing of the bar
    assert depth == pytest.approx(3.00, abs=0.005) and 0.3 <= gate <= 1
    low, high = np.percentile(masked[kept], [2, 98])
    assert (low, high) == (pytest.approx(2.84, abs=0.01), pytest.approx(3.16, abs=0.01))


def test_what_is_kept_is_about_the_median_of_what_was_kept():
    person = np.random.default_rng(0).normal(3.0, 0.05, 1000)
    kept, depth, deviation, gate = gated(person, 3.25, 0.15)  # a seed at its edge
    assert kept.mean() > 0.99
    assert depth == pytest.approx(3.0, abs=0.01) and deviation == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize('sigma, wall, gate', [
    (0.02, 3.25, 0.15), (0.1, 3.8, 0.35), (0.3, 4.4, 1)])
def test_the_gate_is_as_wide_as_the_object_scatters(sigma, wall, gate):
    thing = np.random.default_rng(0).normal(3.0, sigma, 1000)
    kept, depth, _, found = gated(np.concatenate([thing, np.full(100, wall)]), 3.0, 0.15)
    assert found == pytest.approx(gate, abs=0.04)
    assert kept[:1000].mean() > 0.99 and not kept[1000:].any()
    assert depth == pytest.approx(np.median(thing), abs=0.01)
