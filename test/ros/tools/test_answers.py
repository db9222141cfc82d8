# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A camera that sends images one by one, to a stand-in for the node that takes its time."""

import threading
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from mcn_ros.data.results import describe, heads_to_json
from mcn_ros.ros.node.conversions import class_map_to_msg, detections_to_msg
from mcn_ros.ros.node.diagnostics import Statistics, UNDECODABLE
from mcn_ros.ros.tools import answers, camera_player
from mcn_ros.ros.tools.heads import LATCHED
from mcn_ros.structures import ClassMap, Instances
from mcn_ros.tasks import build_tasks, describe_tasks

PATIENCE_S = 30
NOTHING = Instances(np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, np.float32))
BLANK = ClassMap(np.zeros((24, 32), np.uint8))


class SlowNode:
    """
    Works on one image at a time, and notes what it gets: 'image' or 'answer'.

    :param drops: indices of the images that it drops, which its next report tells.
    :param silent: index of the image from which on it says nothing.
    """

    def __init__(self, context, drops=(), silent=None):
        self.node = Node('slow', context=context)
        self.drops, self.silent = drops, silent
        self.notes, self.count = [], 0
        heads = build_tasks({'detection': {'classes': ['person']},
                             'segmentation': {'classes': ['person']}})
        self.heads = self.node.create_publisher(String, 'mcn/heads', LATCHED)
        self.heads.publish(String(data=heads_to_json(describe(heads, describe_tasks(heads)))))
        self.detections = self.node.create_publisher(Detection2DArray, 'mcn/detections', 10)
        self.labels = self.node.create_publisher(Image, 'mcn/semantic/image', 10)
        self.reports = self.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.statistics = Statistics()
        self.statistics.add_received()  # of a camera before
        self.statistics.add_dropped(UNDECODABLE, 'an old error')
        self.node.create_timer(0.1, self.report)
        self.node.create_subscription(Image, 'image', self.receive, 10)

    def report(self):
        self.reports.publish(DiagnosticArray(
            status=[self.statistics.report('mcn: image', topic, {})
                    for topic in ('/other/image', '/image')]))

    def receive(self, msg):
        self.notes.append('image')
        index, self.count = self.count, self.count + 1
        if self.silent is not None and index >= self.silent:
            return
        self.statistics.add_received()
        time.sleep(0.15)  # longer than the camera would wait by itself
        header = Header(stamp=msg.header.stamp)
        self.detections.publish(detections_to_msg(NOTHING, header, ['person']))
        if index in self.drops:
            self.statistics.add_dropped(UNDECODABLE, 'a bad picture')
            return
        time.sleep(0.05)
        self.notes.append('answer')
        self.labels.publish(class_map_to_msg(BLANK, header))
        self.statistics.add_processed(0.2)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Return a function: plays four images to a node; returns exit code and the node's notes."""
    monkeypatch.setattr(answers, 'SETTLE_S', 0.2)
    for index in range(4):
        cv2.imwrite(str(tmp_path / f'photo_{index}.png'), np.zeros((24, 32, 3), np.uint8))

    def run(patience=20.0, **behaviour):
        given = {'source': str(tmp_path), 'one_by_one': 'true', 'rate': 100.0,
                 'wait_for_subscribers': 1, 'patience': patience}
        words = ['--ros-args', *(word for key, value in given.items()
                                 for word in ('-p', f'{key}:={value}'))]
        codes, context = [], rclpy.Context()
        with rclpy.init(context=context):
            slow = SlowNode(context, **behaviour)
            executor = SingleThreadedExecutor(context=context)
            executor.add_node(slow.node)
            thread = threading.Thread(target=lambda: codes.append(camera_player.main(words)))
            thread.start()
            end = time.monotonic() + PATIENCE_S
            while thread.is_alive() and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.05)
            thread.join(timeout=PATIENCE_S)
            slow.node.destroy_node()
        return codes[0], slow.notes

    return run


def test_every_image_waits_until_the_last_one_has_all_results(play):
    assert play() == (0, 4 * ['image', 'answer'])


def test_an_image_that_is_dropped_is_told_and_not_waited_for_longer(play, capfd):
    code, notes = play(drops={1, 2})
    assert (code, notes) == (0, ['image', 'answer', 'image', 'image', 'image', 'answer'])
    told = [line for line in capfd.readouterr().err.splitlines() if 'WARN' in line]
    assert len(told) == 2
    assert 'image photo_1: the node has no results for it; its last error: a bad pic' in told[0]


def test_a_node_that_says_nothing_is_an_error(play, capfd):
    code, notes = play(patience=1.0, silent=1)
    assert (code, notes) == (1, ['image', 'answer', 'image'])
    told = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert len(told) == 1 and 'image photo_1: no answer from the node for 1 s' in told[0]
