# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node with a stopwatch: it is the node, and tells when each frame was where."""

import json
import os
import threading

import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from mcn_ros.trials.timed_node import TimedNode


@pytest.fixture
def times(world):
    world.kind = TimedNode
    return world.peer.listen(String, 'mcn/times')


def test_every_frame_is_told_of_once(world, times):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    node = world.start()
    world.connect()
    now = int(node.get_clock().now().nanoseconds // 1e9)
    for index in range(3):
        world.send(now + index)
        world.wait(lambda: len(times) == len(detections) == index + 1, 'a result and its times')
    told = [json.loads(msg.data) for msg in times]
    assert [row['stamp_ns'] // 10**9 for row in told] == [now, now + 1, now + 2]
    assert {row['pid'] for row in told} == {os.getpid()}
    for row in told:
        assert row['arrived_ms'] < row['published_ms'] and row['predictor_ms'] > 0
        assert row['predictor_ms'] < row['published_ms'] - row['arrived_ms']
        assert (row['batch'], row['camera']) == (1, '')
    assert told[0]['cpu_s'] < told[-1]['cpu_s']


def test_frames_that_were_superseded_are_not_told_of(world, times):
    world.start()
    world.predictor.permits = threading.Semaphore(0)
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['received'] == 1, 'the first image')
    for index in range(2, 5):
        world.deliver(index)
    world.predictor.permits.release(10)
    world.wait(lambda: len(times) == 2, 'the times of the first frame and of the last')
    world.spin(0.2)
    assert [json.loads(msg.data)['stamp_ns'] // 10**9 for msg in times] == [1, 4]


def test_cameras_are_told_apart(world, times):
    publishers = {name: world.peer.create_publisher(Image, f'{name}/image', 1)
                  for name in ('left', 'right')}
    world.start(cameras=list(publishers))
    for name, publisher in publishers.items():
        world.connect(publisher)
        world.send(1, publisher=publisher)
        world.wait(lambda: times and json.loads(times[-1].data)['camera'] == name, name)
