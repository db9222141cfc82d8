# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The cameras of the benchmark: their pictures, the memory of a process, and the echo."""

import json
import mmap
import os

from sensor_msgs.msg import Image
from std_msgs.msg import String

from mcn_ros.ros.tools.echo import Echo
from mcn_ros.trials.prober import memory, pictures


def test_pictures_have_the_size_that_is_asked_for():
    images = pictures((90, 160))
    assert {(msg.height, msg.width, len(msg.data)) for msg in images} == {(90, 160, 3 * 90 * 160)}
    assert len({bytes(msg.data) for msg in images}) == len(images)


def test_memory_is_that_of_a_process():
    before = memory(os.getpid())
    assert 2**20 < before['Pss'] <= before['Rss']
    shared = mmap.mmap(-1, 2**24)
    shared.write(bytes(2**24))
    after = memory(os.getpid())
    shared.close()
    assert 2**24 <= after['RssShmem'] - before['RssShmem'] < 2**25
    assert after['Rss'] - before['Rss'] >= 2**24


def test_the_echo_answers_an_image(world):
    echo = Echo()
    world.nodes.append(echo)
    world.executor.add_node(echo)
    times = world.peer.listen(String, 'echo/times')
    images = world.peer.create_publisher(Image, 'echo/image', 1)
    world.connect(images)
    stamp = world.peer.get_clock().now()
    msg = Image(height=1, width=1, encoding='mono8', step=1, data=[0])
    msg.header.stamp = stamp.to_msg()
    images.publish(msg)
    world.wait(lambda: times, 'an answer')
    answer = json.loads(times[0].data)
    assert answer['stamp_ns'] == stamp.nanoseconds and 0 < answer['arrived_ms'] < 15_000
