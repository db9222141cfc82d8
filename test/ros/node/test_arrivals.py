# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A middleware that does not number images: how often they come is measured all the same."""

import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest

from mcn_ros.ros.node import camera as camera_module
from mcn_ros.ros.node.arrivals import Arrivals
from mcn_ros.ros.node.intake import take_newest

SECOND = 1_000_000_000


@pytest.mark.parametrize('received', [True, False])
def test_intervals_are_those_between_neighbours(received, monkeypatch):
    """Every image of ten per second comes; one is taken when it comes, the others later."""
    now = [0]
    monkeypatch.setattr(time, 'time_ns', lambda: now[0])
    arrivals, found = Arrivals(), []
    taken_at = {0: 0, 1: 1, 5: 5, 8: 8, 9: 9}  # image -> when it was taken, in tenths of a second
    for tenth in range(1, 10):
        now[0] = tenth * SECOND // 10
        if arrivals.awaited:
            arrivals.note()
        if tenth in taken_at:
            found.append(arrivals.measure({'received_timestamp': received * now[0],
                                           'source_timestamp': now[0]}))
    assert found == [None, 0.1, 0.1, 0.1]


def test_clocks_that_go_back_measure_nothing():
    arrivals = Arrivals()
    found = [arrivals.measure({'received_timestamp': stamp * SECOND, 'source_timestamp': 0})
             for stamp in (5, 3, 4)]
    assert found == [None, None, 1.0]


@pytest.fixture
def unnumbered(world):
    """Return a world whose middleware tells what Cyclone DDS does."""
    def take(subscription):
        taken = take_newest(subscription)
        return taken and (taken[0], {
            **taken[1], 'received_timestamp': 0, 'publication_sequence_number': None})

    world.monkeypatch.setattr(camera_module, 'take_newest', take)
    return world


def send_for(world, seconds, period_s):
    """Send images; return how many came per second."""
    begin, count = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        world.send(1)
        count += 1
        world.spin(max(0.0, begin + count * period_s - time.monotonic()))
    return count / passed


@pytest.mark.parametrize('network_s', [0.0, 0.4])
def test_the_rate_is_that_of_the_camera(unnumbered, network_s):
    """Whether the network answers all images or one of eight."""
    world = unnumbered
    diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
    world.start()
    world.connect()
    batch = world.predictor.batch
    world.predictor.batch = lambda images: (time.sleep(network_s), batch(images))[1]
    sent = send_for(world, 4.0, 0.05)
    count = len(diagnostics)
    world.wait(lambda: len(diagnostics) > count, 'a report')
    values = {value.key: value.value for value in diagnostics[-1].status[0].values}
    assert 0.6 * sent < float(values['images per second']) < 1.6 * sent
    assert values['dropped: superseded by a newer image'] == 'unknown'
    if network_s:
        assert float(values['frames per second']) < 0.4 * sent


def test_the_thread_sleeps_where_images_are_numbered(world):
    camera, = world.start()._cameras
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['processed'] == 1, 'a result')
    assert not camera.arrivals.awaited and world.counts()['unnumbered'] == 0
