# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The collector of the demo, with a stand-in for camera and node."""

import threading
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray, LabelInfo

from mcn_ros.data.results import describe, heads_to_json
from mcn_ros.ros.node.conversions import (
    class_map_to_msg, detections_to_msg, label_info_msg, rgb_to_image)
from mcn_ros.ros.tools import collector
from mcn_ros.structures import ClassMap, Instances
from mcn_ros.tasks import build_tasks, describe_tasks

GREY = np.full((48, 64, 3), 90, np.uint8)
BOX = Instances(np.array([[8, 20, 40, 44]], np.float32), np.array([0]),
                np.array([0.9], np.float32))


class Robot:
    """A camera and a node with two heads, publishing when told to."""

    def __init__(self):
        self.node = rclpy.create_node('robot')
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        heads = build_tasks({'detection': {'classes': ['person']},
                             'segmentation': {'classes': ['person']}})
        self.heads = self.node.create_publisher(String, 'mcn/heads', latched)
        self.heads.publish(String(data=heads_to_json(describe(heads, describe_tasks(heads)))))
        self.report = self.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.images = self.node.create_publisher(Image, 'image', 10)
        self.detections = self.node.create_publisher(Detection2DArray, 'mcn/detections', 10)
        self.labels = self.node.create_publisher(Image, 'mcn/semantic/image', 10)
        for topic, names in (('detection', ['person']), ('semantic', ['background', 'person'])):
            publisher = self.node.create_publisher(LabelInfo, f'mcn/{topic}/label_info', latched)
            publisher.publish(label_info_msg(names, Header()))

    def introduce(self):
        """Report until the collector listens to the images."""
        values = {'device': 'cpu', 'backend': 'torch'}
        other, own = (DiagnosticStatus(hardware_id=topic, values=[
            KeyValue(key=key, value=text or value) for key, value in values.items()])
            for topic, text in (('/other/image', 'wrong'), ('/image', '')))
        deadline = time.monotonic() + 20
        while not self.images.get_subscription_count() and time.monotonic() < deadline:
            self.report.publish(DiagnosticArray(status=[other, own]))
            time.sleep(0.1)

    def send(self, answers):
        """Send an image; answer it with both results, the first only, or none."""
        header = Header(stamp=self.node.get_clock().now().to_msg())
        self.images.publish(rgb_to_image(GREY, header))
        if answers > 0:
            self.detections.publish(detections_to_msg(BOX, header, ['person']))
        if answers > 1:
            self.labels.publish(class_map_to_msg(ClassMap(np.ones((48, 64), np.uint8)), header))


@pytest.fixture
def robot(tmp_path, monkeypatch):
    """Return a robot, and a function that returns what the collector sums up."""
    monkeypatch.setattr(collector, 'SETTLE_S', 0.2)
    monkeypatch.setattr(collector, 'PATIENCE_S', 1.0)
    with rclpy.init(args=['--ros-args', '-p', f'out:={tmp_path}']):
        listener, robot = collector.Collector(), Robot()
        ended, sums = threading.Event(), {}
        thread = threading.Thread(target=lambda: sums.update(listener.collect(ended)))
        thread.start()

        def finish():
            ended.set()
            thread.join(timeout=20)
            return sums

        yield robot, finish
        finish()
        listener.destroy_node()
        robot.node.destroy_node()


def test_images_and_results_are_paired_and_drawn(robot, tmp_path):
    robot, finish = robot
    robot.introduce()
    for answers in (2, 0, 1, 2):
        robot.send(answers)
        time.sleep(0.1)
    sums = finish()
    assert (sums['frames_sent'], sums['frames_processed']) == (4, 2)
    assert (sums['detections'], sums['poses'], sums['semantic_images']) == (3, 0, 2)
    assert (sums['device'], sums['heads']) == ('cpu', ['detection', 'segmentation'])
    assert 0 < sums['latency_ms']['p50'] < 5000
    assert sorted(path.name for path in tmp_path.glob('*.png')) == [
        'overlay_000000.png', 'overlay_000003.png']
    assert (cv2.imread(str(tmp_path / 'overlay_000000.png')) != GREY).any()


def test_a_node_that_never_answers_is_waited_for_a_while_only(robot):
    robot, finish = robot
    robot.introduce()
    robot.send(0)
    sums = finish()
    assert (sums['frames_sent'], sums['frames_processed']) == (1, 0)
    assert sums['latency_ms'] == {'p50': None, 'p95': None, 'p99': None}
