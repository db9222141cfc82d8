# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The player: what arrives is what the source has, at its pace, with the right stamps."""

import threading
import time

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, TimeReference

from mcn_ros.ros.node.conversions import compressed_to_rgb, image_to_rgb
from mcn_ros.ros.tools import camera_player

PATIENCE_S = 30
SECOND = 1_000_000_000


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), picture(index)[:, :, ::-1])
    return tmp_path


@pytest.fixture
def bag(tmp_path):
    """Return a bag of three padded bgr8 images at 20 Hz, stamped from second 7 on."""
    store, kind = get_typestore(Stores.ROS2_KILTED), 'sensor_msgs/msg/Image'
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/camera', kind, typestore=store)
        for index in range(3):
            stamp = store.types['builtin_interfaces/msg/Time'](7, index * SECOND // 20)
            header = store.types['std_msgs/msg/Header'](stamp, 'optical')
            rows = np.pad(picture(index)[:, :, ::-1].reshape(24, -1), ((0, 0), (0, 4)))
            msg = store.types[kind](header, 24, 32, 'bgr8', 0, 100, rows.reshape(-1))
            writer.write(connection, index * SECOND // 20, store.serialize_cdr(msg, kind))
    return tmp_path / 'bag'


def play(source, msg_type=Image, topic='image', count=3, **parameters):
    """Run the player in a thread; return its exit code and the messages."""
    context = rclpy.Context()
    parameters = {'source': str(source), 'wait_for_subscribers': 1, **parameters}
    arguments = ['--ros-args', *(word for name, value in parameters.items()
                                 for word in ('-p', f'{name}:={value}'))]
    codes = []
    with rclpy.init(context=context):
        node = Node('listener', context=context)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        received = []
        node.create_subscription(msg_type, topic, received.append, 50)
        thread = threading.Thread(target=lambda: codes.append(camera_player.main(arguments)))
        thread.start()
        end = time.monotonic() + PATIENCE_S
        while (thread.is_alive() or len(received) < count) and time.monotonic() < end:
            if not thread.is_alive() and codes[0]:
                break
            executor.spin_once(timeout_sec=0.02)
        thread.join(timeout=PATIENCE_S)
        executor.shutdown()
        node.destroy_node()
    return codes[0], received


def test_raw_images_of_files(folder):
    code, received = play(folder, rate=20.0, frame_id='eye')
    assert code == 0 and len(received) == 3
    for index, msg in enumerate(received):
        np.testing.assert_array_equal(image_to_rgb(msg), picture(index))
        assert msg.header.frame_id == 'eye' and abs(msg.header.stamp.sec - time.time()) < 60


def test_files_are_sent_as_they_are(folder):
    code, received = play(folder, CompressedImage, 'image/compressed', rate=20.0,
                          image_transport='compressed')
    assert code == 0
    assert [bytes(msg.data) for msg in received] == [
        path.read_bytes() for path in sorted(folder.glob('*.png'))]


def test_drawn_scenes_are_compressed():
    code, received = play('SYNTHETIC', CompressedImage, 'image/compressed', frames=3, rate=20.0,
                          image_transport='compressed', width=64, height=48)
    assert code == 0 and len(received) == 3
    assert compressed_to_rgb(received[0]).shape == (48, 64, 3)


def test_a_bag_keeps_its_data_stamps_and_pace(bag, monkeypatch):
    due, spin_until = [], camera_player.CameraPlayer._spin_until
    monkeypatch.setattr(camera_player.CameraPlayer, '_spin_until',
                        lambda self, at: (due.append(at), spin_until(self, at)))
    code, received = play(bag, stamps='source')
    assert code == 0 and len(received) == 3
    for index, msg in enumerate(received):
        assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == (7, index * SECOND // 20)
        assert (msg.header.frame_id, msg.encoding, msg.step) == ('optical', 'bgr8', 100)
        np.testing.assert_array_equal(image_to_rgb(msg), picture(index))
    # When frames are sent; when they arrive is up to how busy the machine is.
    assert len(due) == 3 and np.diff(due).min() >= 1 / 20 - 1e-6


def test_a_loop_starts_again(bag):
    code, received = play(bag, stamps='source', loop='true', frames=7, rate=50.0, count=7)
    assert code == 0
    assert [msg.header.stamp.nanosec * 20 // SECOND for msg in received] == [
        0, 1, 2, 0, 1, 2, 0]


def test_a_bag_can_be_played_slowly(bag, monkeypatch):
    due, spin_until = [], camera_player.CameraPlayer._spin_until
    monkeypatch.setattr(camera_player.CameraPlayer, '_spin_until',
                        lambda self, at: (due.append(at), spin_until(self, at)))
    code, received = play(bag, speed=0.25)
    assert code == 0 and len(received) == 3
    assert np.diff(due).min() >= 4 / 20 - 1e-6


def test_stamps_of_the_source_are_told(bag):
    code, received = play(bag, TimeReference, 'image/source_stamp', wait_for_subscribers=0,
                          source_stamps='true')
    assert code == 0 and len(received) == 3  # so the first image has waited for a listener
    for index, msg in enumerate(received):
        assert (msg.time_ref.sec, msg.time_ref.nanosec) == (7, index * SECOND // 20)
        assert abs(msg.header.stamp.sec - time.time()) < 60


class ClockNode:
    """Keeps what a clock makes of it."""

    def __init__(self):
        self.told = []

    def create_publisher(self, msg_type, topic, qos):
        assert (msg_type, topic) == (Clock, '/clock')
        return self

    def create_timer(self, period, callback, clock):
        self.tick = callback

    def publish(self, msg):
        self.told.append(msg.clock.sec + msg.clock.nanosec / SECOND)


def test_the_clock_runs_from_frame_to_frame(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(camera_player.time, 'monotonic', lambda: now[0])
    node = ClockNode()
    clock = camera_player.SourceClock(node, rate=100.0, speed=2.0)
    node.tick()
    assert not node.told  # before the first frame there is no time
    clock.jump_to(7 * SECOND)
    clock.run_to(8 * SECOND)
    for now[0] in (50.25, 50.5, 51.0):  # the next frame is late
        node.tick()
    clock.jump_to(8 * SECOND)
    clock.jump_to(3 * SECOND)  # a loop starts again
    now[0] = 51.5
    node.tick()
    assert node.told == [7, 7.5, 8, 8, 8, 3, 3]


@pytest.mark.parametrize('parameters, error', [
    ({'source': '/nowhere'}, "source: '/nowhere' does not exist"),
    ({'source': 'SYNTHETIC', 'stamps': 'never'}, "stamps: 'never' is not one of now, source"),
    ({'source': 'SYNTHETIC', 'rate': -1.0}, 'rate out of range')])
def test_wrong_parameters_are_an_error(capfd, parameters, error):
    code, received = play(count=0, **parameters)
    assert code == 1 and not received
    lines = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert len(lines) == 1 and error in lines[0]
