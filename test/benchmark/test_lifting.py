# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The times of lifting: of people who are all found where they are."""

import numpy as np
import pytest

from mcn_ros.benchmark import stopwatch
from mcn_ros.benchmark.depth_scene import CLASSES, mask, objects, scene, surface
from mcn_ros.benchmark.lifting import measure, PARTS, place_people, table
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Subjects


@pytest.fixture(scope='module')
def rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopwatch, 'WARM_UP_S', 0.0)
        return measure(0.01, (1, 3), (120, 160))


def test_every_number_has_its_times(rows):
    assert [(row['people'], row['size']) for row in rows] == [(1, [120, 160]), (3, [120, 160])]
    for row in rows:
        assert set(row['ms']) == {*PARTS, 'total'}
        assert all(figure['q1'] > 0 for figure in row['ms'].values())
        assert row['ms']['total']['median'] > row['ms']['people']['median']


def test_the_people_who_are_measured_are_all_found():
    people = place_people(10, (480, 640))
    depth, labels = scene(people, wall=9.0, size=(480, 640))
    masked = mask(labels, 5)
    boxes = objects(*(person[:4] for person in people))
    found = lift(surface(depth), Subjects.of_objects(boxes, CLASSES, masked), masked)
    np.testing.assert_allclose(found.depths, [person[4] for person in people], rtol=0.01)


def test_the_table_has_a_line_per_number(rows):
    lines = table(rows).splitlines()
    assert len(lines) == 4 and lines[2].startswith('| 160x120 | 1 |')
    assert f'{rows[1]["ms"]["total"]["median"]:.2f} (' in lines[3]
