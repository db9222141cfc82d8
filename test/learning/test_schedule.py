# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate: up, then down as the schedule says."""

import pytest

from mcn_ros.learning.schedule import relative_rate


def rates(**changes):
    return [relative_rate(step, 100, **changes) for step in range(100)]


@pytest.mark.parametrize('schedule', [
    {}, {'schedule': 'constant'}, {'schedule': 'step', 'milestones': (50,)}])
def test_it_rises_evenly(schedule):
    found = rates(warmup_steps=10, **schedule)
    assert found[:11] == pytest.approx([0.1 * (step + 1) for step in range(10)] + [1.0])


def test_it_falls_as_a_cosine():
    found = rates(warmup_steps=10)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[55] == pytest.approx(0.5) and 0 < found[99] < 0.001
    assert found[55 - 20] + found[55 + 20] == pytest.approx(1.0)


def test_it_falls_in_steps():
    found = rates(warmup_steps=0, schedule='step', milestones=(60, 80))
    assert found == pytest.approx([1.0] * 60 + [0.1] * 20 + [0.01] * 20)


def test_it_stays():
    assert rates(warmup_steps=0, schedule='constant') == [1.0] * 100


def test_without_a_warm_up_it_begins_at_its_highest():
    assert rates(warmup_steps=0)[0] == 1.0


def test_all_may_be_warm_up():
    assert relative_rate(5, 5, 5) == 1.0
