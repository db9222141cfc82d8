# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where boxes are: time counts, not frames, and what is seen makes it surer."""

from hypothesis import given, strategies
import numpy as np
import pytest

from mcn_ros.tracking import kalman
from mcn_ros.tracking.kalman import begin, MEASUREMENT

seconds = strategies.floats(0.001, 2)


def box(left=10.0, top=20.0, width=40.0, height=100.0):
    return np.array([[left, top, left + width, top + height]])


def walk(motion, speed, step, count):
    """Return the motion of a box that moves to the right, after so many steps."""
    for index in range(1, count + 1):
        motion = motion.predict(step).correct(box(10 + speed * index * step))
    return motion


@given(seconds, seconds)
def test_two_steps_are_one_of_both_times(first, second):
    motion = walk(begin(box()), 50, 0.1, 5)
    twice, once = motion.predict(first).predict(second), motion.predict(first + second)
    np.testing.assert_allclose(twice.mean, once.mean, rtol=1e-9)
    # The height is the same up to rounding, and with it the noise.
    np.testing.assert_allclose(twice.covariance, once.covariance, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('step', [0.02, 0.1, 0.4])
def test_a_velocity_is_learned_in_pixels_per_second(step):
    motion = walk(begin(box()), 60, step, round(4 / step))
    assert motion.mean[0, 0, 1] == pytest.approx(60, abs=1)
    np.testing.assert_allclose(motion.mean[0, 1:, 1], 0, atol=1e-6)
    ahead = motion.predict(0.5).boxes
    np.testing.assert_allclose(ahead, box(10 + 60 * 4.5), atol=1.5)


def test_what_is_seen_makes_it_surer_and_time_less_sure():
    motion = begin(box())
    assert motion.covariance[0, 0, 0, 0] == pytest.approx((MEASUREMENT * 100) ** 2)
    later = motion.predict(1)
    seen = later.correct(box(50))
    spread = [m.covariance[0, :, 0, 0] for m in (motion, later, seen)]
    assert (spread[1] > 10 * spread[0]).all() and (spread[2] < spread[0]).all()
    assert 45 < seen.boxes[0, 0] <= 50  # nothing is known of its velocity: it is where it is seen


def test_noise_goes_with_the_height():
    near = begin(np.concatenate([box(), 3 * box()])).predict(0.3)
    np.testing.assert_allclose(near.covariance[1], 9 * near.covariance[0])


def test_sides_never_vanish():
    shrinking = begin(box())
    for height in (100.0, 60.0, 20.0):
        shrinking = shrinking.predict(0.1).correct(box(height=height))
    sides = shrinking.predict(5).boxes
    assert sides[0, 3] - sides[0, 1] >= 1 and np.isfinite(sides).all()


@given(strategies.lists(seconds, max_size=8))
def test_covariances_stay_positive(steps):
    motion = begin(box())
    for index, step in enumerate(steps):
        motion = motion.predict(step).correct(box(10 + 7 * index, height=100 + 3 * index))
        assert np.linalg.eigvalsh(motion.covariance).min() > 0
    assert kalman.Motion(*motion).boxes.shape == (1, 4)
