# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is said about a camera, with a clock that the tests turn."""

from diagnostic_msgs.msg import DiagnosticStatus
import pytest

from mcn_ros.ros.node.diagnostics import (
    Circumstances, FAILED, Limits, MAX_LINE, one_line, Statistics, UNDECODABLE)


class Clock:
    """Seconds."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def statistics(clock):
    return Statistics(clock)


def report(statistics, limits=Limits(), **circumstances):
    status = statistics.report('mcn: image', '/image', {'device': 'cpu'},
                               Circumstances(**circumstances), limits)
    return status.level, status.message, {value.key: value.value for value in status.values}


def play(statistics, clock, seconds, rate, latency_s=0.02):
    for _ in range(round(seconds * rate)):
        clock.now += 1 / rate
        statistics.add_received()
        statistics.add_processed(latency_s)


def test_rate_and_latency_are_those_of_the_last_seconds(statistics, clock):
    play(statistics, clock, 20, 8, latency_s=5.0)
    play(statistics, clock, 20, 32, latency_s=0.02)
    level, message, values = report(statistics)
    assert level == DiagnosticStatus.OK and message == '32.0 frames/s'
    assert values['images per second'] == values['frames per second'] == '32.0'
    assert values['latency p50 (ms)'] == values['latency p95 (ms)'] == '20.0'
    assert values['images received'] == values['frames processed'] == '800'
    assert values['device'] == 'cpu' and values['last error'] == 'none'


def test_a_camera_that_waits_for_its_turn_is_not_silent(statistics, clock):
    for _ in range(4):
        clock.now += 1
        statistics.add_waiting()
    assert report(statistics)[0] == DiagnosticStatus.OK
    assert report(statistics)[2]['images received'] == '0'


def test_the_rate_is_right_from_the_start(statistics, clock):
    play(statistics, clock, 2, 10)
    assert statistics.rate == pytest.approx(10)


def test_drops_are_counted_by_cause(statistics, clock):
    statistics.add_received(superseded=3)
    for cause, count in ((UNDECODABLE, 2), (FAILED, 1)):
        for _ in range(count):
            statistics.add_dropped(cause, 'broken')
    _, _, values = report(statistics)
    assert [value for key, value in values.items() if 'dropped' in key] == ['3', '2', '1']


def test_newer_images_are_no_error_and_count_as_received(statistics, clock):
    play(statistics, clock, 1, 10)
    statistics.add_received(superseded=5)
    level, _, values = report(statistics)
    assert level == DiagnosticStatus.OK
    assert (values['images received'], values['images per second']) == ('16', '16.0')


def test_how_many_were_replaced_may_be_unknown_but_is_never_nothing(statistics, clock):
    """A camera of 20 images per second, of which two are answered, without numbers."""
    assert report(statistics)[2]['images per second'] == '0.0'
    for _ in range(20):
        clock.now += 0.5
        statistics.add_received(superseded=None, interval_s=0.05)
        statistics.add_processed(0.4)
    statistics.add_received(superseded=None)
    values = report(statistics)[2]
    assert values['images received'] == values['dropped: superseded by a newer image'] == 'unknown'
    assert (values['images per second'], values['frames per second']) == ('20.0', '2.0')
    assert (values['frames processed'], values['images at work']) == ('20', '1')
    clock.now += 9
    assert report(statistics)[2]['images per second'] == '0.0'
    statistics.add_received(superseded=None)
    assert report(statistics)[2]['images per second'] == 'unknown'


def test_what_is_at_work_is_neither_processed_nor_dropped(statistics):
    for superseded in (0, 3, 0, 1):
        statistics.add_received(superseded=superseded)
    statistics.add_processed(0.1)
    statistics.add_dropped(UNDECODABLE, 'broken')
    assert report(statistics)[2]['images at work'] == '2'


def test_what_a_robot_needs_is_compared_with_what_it_gets(statistics, clock):
    for latency_s in (0.2, 2.0, 1.9, 0.3):
        play(statistics, clock, 2.5, 0.4, latency_s)
    for limits, expected in ((Limits(), '0.4 frames/s'), (Limits(2.1, 0.3), '0.4 frames/s'),
                             (Limits(max_latency=1.0), '1820 ms is more than diagnostics.max'),
                             (Limits(min_rate=0.5), 'less than diagnostics.min_rate = 0.5, of 0.4')
                             ):
        level, message, _ = report(statistics, limits)
        warned = message != '0.4 frames/s'
        assert expected in message and level == (
            DiagnosticStatus.WARN if warned else DiagnosticStatus.OK)
    _, message, _ = report(statistics, Limits(1.0, 9.0))
    assert 'max_latency' in message and 'min_rate' in message


def test_a_rate_is_not_judged_at_the_beginning(statistics, clock):
    play(statistics, clock, 2, 2)
    assert report(statistics, Limits(min_rate=5.0))[0] == DiagnosticStatus.OK
    play(statistics, clock, 3, 2)
    assert report(statistics, Limits(min_rate=5.0))[0] == DiagnosticStatus.WARN


def test_an_error_is_an_error_until_it_is_over_and_is_told_once(statistics, clock):
    play(statistics, clock, 1, 10)
    statistics.add_dropped(UNDECODABLE, 'broken')
    level, message, values = report(statistics)
    assert (level, message, values['last error']) == (DiagnosticStatus.ERROR, 'broken', 'broken')
    assert report(statistics)[0] == DiagnosticStatus.ERROR
    statistics.add_dropped(UNDECODABLE, 'broken')
    play(statistics, clock, 1, 10)
    level, message, _ = report(statistics)
    assert level == DiagnosticStatus.WARN
    assert message == '1 images failed, the last one: broken'
    level, _, values = report(statistics)
    assert level == DiagnosticStatus.OK and values['last error'] == 'broken'


def test_silence_is_stale(statistics, clock):
    assert report(statistics)[0] == DiagnosticStatus.OK
    clock.now += 4
    assert report(statistics)[:2] == (DiagnosticStatus.STALE, 'no image for 4 s')
    play(statistics, clock, 1, 10)
    assert report(statistics)[0] == DiagnosticStatus.OK
    clock.now += 4
    assert report(statistics)[0] == DiagnosticStatus.STALE


@pytest.mark.parametrize('latency_s', [-3600.0, 3600.0])
def test_stamps_of_another_time_are_a_warning(statistics, clock, latency_s):
    play(statistics, clock, 1, 10, latency_s)
    level, message, _ = report(statistics)
    assert level == DiagnosticStatus.WARN and 'use_sim_time' in message


def test_images_without_stamps_have_no_latency(statistics, clock):
    play(statistics, clock, 1, 10, latency_s=None)
    level, _, values = report(statistics)
    assert (level, values['latency p50 (ms)']) == (DiagnosticStatus.OK, 'unknown')


def test_a_jump_of_time_clears_latencies_but_not_the_rate(statistics, clock):
    play(statistics, clock, 5, 10, latency_s=-60.0)
    statistics.forget_latencies()
    assert report(statistics)[0] == DiagnosticStatus.OK
    play(statistics, clock, 1, 10, latency_s=0.03)
    _, _, values = report(statistics)
    assert values['latency p50 (ms)'] == '30.0' and values['frames per second'] == '10.0'


def test_the_worst_that_is_true_is_told(statistics, clock):
    """Each line takes one trouble away: what is left is told, and at last all is well."""
    troubles = {'broken': 'GPU lost', 'silent': '0 publishers', 'impaired': '2 publishers'}
    clock.now += 4
    assert report(statistics, **troubles)[:2] == (DiagnosticStatus.ERROR, 'GPU lost')
    del troubles['broken']
    assert report(statistics, **troubles)[:2] == (DiagnosticStatus.STALE, '0 publishers')
    statistics.add_received()
    statistics.add_dropped(UNDECODABLE, 'bad image')
    assert report(statistics, **troubles)[:2] == (DiagnosticStatus.ERROR, 'bad image')
    play(statistics, clock, 1, 10)
    assert report(statistics, **troubles)[:2] == (DiagnosticStatus.WARN, '2 publishers')
    assert report(statistics)[0] == DiagnosticStatus.OK


@pytest.mark.parametrize('note', ['add_received', 'add_waiting'])
def test_a_network_that_hangs_is_an_error(statistics, clock, note):
    """One image is in work for ever, or several have no result; others are there all the time."""
    play(statistics, clock, 1, 10)
    for second in range(8):
        clock.now += 1
        getattr(statistics, note)()
        level, message, _ = report(statistics)
        assert (level == DiagnosticStatus.ERROR) == (second > 5), second
    assert 'no result for 7 s' in message and 'hangs' in message
    statistics.add_processed(0.1)
    assert report(statistics)[0] == DiagnosticStatus.OK


def test_stamps_that_go_back_are_a_warning_once(statistics, clock):
    for stamp in (100, 101, 51, 52):
        clock.now += 0.1
        statistics.add_received(stamp * 10**9)
        statistics.add_processed(0.02)
    level, message, values = report(statistics)
    assert level == DiagnosticStatus.WARN and 'went back by 50 s' in message
    assert values['stamps that went back'] == '1'
    assert report(statistics)[0] == DiagnosticStatus.OK


def test_images_without_stamps_and_a_jump_of_time_do_not_count_as_going_back(statistics, clock):
    for stamp in (100, 0, 0, 101):
        statistics.add_received(stamp * 10**9)
    statistics.forget_latencies()
    statistics.add_received(10**9)
    assert report(statistics)[2]['stamps that went back'] == '0'


def test_errors_are_one_line_of_bounded_length():
    assert one_line(ValueError('a\n  b')) == 'a b'
    assert one_line(KeyError('a')) == "KeyError: 'a'"
    assert len(one_line(ValueError('x' * 10**6))) <= MAX_LINE + 4
