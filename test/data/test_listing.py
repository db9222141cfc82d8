# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The order of files."""

from mcn_ros.data.listing import list_files

NAMES = ['10.PNG', '9.png', 'a.png', 'frame_1.png', 'frame_01.png', 'frame_2.jpg', 'frame_10.png',
         'frame_10_2.png', 'frame_10_11.png', 'x٣.png', 'x²10.png', 'no.txt']


def test_numbers_count_as_numbers(tmp_path):
    for name in NAMES:
        (tmp_path / name).touch()
    found = [path.name for path in list_files(tmp_path, ('.png', '.jpg'))]
    assert sorted(found) == sorted(set(NAMES) - {'no.txt'})
    for first, second in (('9.png', '10.PNG'), ('10.PNG', 'a.png'),
                          ('frame_2.jpg', 'frame_10.png'),
                          ('frame_01.png', 'frame_1.png'), ('frame_1.png', 'frame_2.jpg'),
                          ('frame_10_2.png', 'frame_10_11.png')):
        assert found.index(first) < found.index(second), (first, second)
