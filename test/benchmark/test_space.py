# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What depth costs, summed up."""

import pytest

from mcn_ros.benchmark.space import growth, table, WITH, WITHOUT


def summary(without, with_depth, in_space=3):
    return {'in_space': in_space, 'phases': [
        {'phase': {'name': name, 'size': [480, 640], 'rate': 10.0},
         'answers': [{'published_ms': value} for value in values]}
        for name, values in [(WITHOUT, without[:1]), (WITH, with_depth), (WITHOUT, without[1:])]]}


def test_phases_of_a_kind_count_together():
    row = growth(summary([10, 10, 20], [11, 11, 22]))
    assert row['ms'][WITHOUT]['frames'] == row['ms'][WITH]['frames'] == 3
    assert row['growth'] == pytest.approx({'p50': 0.1, 'p95': 0.1})
    cells = [cell.strip() for cell in table(row).splitlines()[-1].strip('|').split('|')]
    assert cells == ['640x480 at 10 Hz', '10.0 / 19.0', '11.0 / 20.9', '+10.0 % / +10.0 %',
                     '3 + 3']


@pytest.mark.parametrize('found', [summary([1], [1], 0), summary([1, 2], [])])
def test_depth_that_was_not_there_has_no_cost(found):
    with pytest.raises(ValueError, match='too few frames were answered'):
        growth(found)
