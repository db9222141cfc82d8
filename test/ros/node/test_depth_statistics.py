# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is told about depth: the worst that is true, of the last ten seconds."""

from diagnostic_msgs.msg import DiagnosticStatus
import pytest

from mcn_ros.ros.node.depth_statistics import DepthStatistics


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def tell(statistics, silence='', wanted=True):
    status = statistics.report('depth', '/depth', silence, wanted)
    return status.level, status.message, {value.key: value.value for value in status.values}


def test_all_is_counted(clock):
    statistics = DepthStatistics(clock)
    statistics.add_found(2)
    statistics.add_found(1)
    statistics.add_missing(0.5)
    statistics.add_refused('no')
    level, message, values = tell(statistics)
    assert (level, message) == (DiagnosticStatus.WARN, 'no')
    assert values == {'results in space': '2', 'no depth for image': '1', 'depth refused': '1',
                      'objects without depth': '3', 'last error': 'no'}
    statistics.add_found(0)
    assert tell(statistics)[:2] == (DiagnosticStatus.OK, '3 of 5 images have results in space')


def test_more_than_half_without_depth_is_told_for_ten_seconds(clock):
    statistics = DepthStatistics(clock)
    statistics.add_found(0)
    statistics.add_missing(0.031)
    assert tell(statistics)[0] == DiagnosticStatus.OK
    statistics.add_missing(None)
    assert tell(statistics)[:2] == (
        DiagnosticStatus.WARN, 'no depth for image: 2 of 3 in the last 10 s; there is none (see '
        'depth.slop and depth.wait)')
    statistics.add_missing(0.031)
    assert 'the nearest one is 0.031 s away' in tell(statistics)[1]
    clock.now = 10.0
    assert tell(statistics)[0] == DiagnosticStatus.OK


def test_silence_goes_before_what_was_wrong_and_nobody_before_all(clock):
    statistics = DepthStatistics(clock)
    statistics.add_refused('no')
    assert tell(statistics, 'nothing comes')[:2] == (DiagnosticStatus.STALE, 'nothing comes')
    assert tell(statistics, 'nothing comes', wanted=False)[0] == DiagnosticStatus.OK
