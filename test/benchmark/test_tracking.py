# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Times of the tracker: everyone is tracked while it is measured."""

from mcn_ros.benchmark.tracking import measure, table, Walk


def test_everyone_is_tracked_by_one_id():
    walk = Walk(3)
    walk.step()
    first = walk.step()
    for _ in range(120):
        last = walk.step()
    for name in ('detection', 'pose'):
        ids = last[name].ids.tolist()
        assert ids == first[name].ids.tolist() and len(set(ids) - {''}) == 3


def test_a_row_for_each_count():
    rows = measure(0.01, (1, 4))
    assert [row['people'] for row in rows] == [1, 4]
    assert all(0 < row['ms']['q1'] <= row['ms']['median'] for row in rows)
    assert f'{rows[1]["ms"]["median"]:.2f} (' in table(rows).splitlines()[3]
