# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The recorder, with a stand-in for camera and node: what is sent is in the bag, as it was."""

import json
import os
import resource
import sys
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, TimeReference
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray, LabelInfo

from mcn_ros.data.bags import Bag
from mcn_ros.data.results import describe, heads_to_json
from mcn_ros.evaluation.recording import Recording
from mcn_ros.ros.node.conversions import class_map_to_msg, detections_to_msg, label_info_msg
from mcn_ros.ros.tools import recorder
from mcn_ros.structures import ClassMap, Instances
from mcn_ros.tasks import build_tasks, describe_tasks

PATIENCE_S = 30
BOX = Instances(np.array([[8, 20, 40, 44.3]], np.float32), np.array([0]),
                np.array([0.9], np.float32))
LABELS = np.eye(48, 64, dtype=np.uint8)
SECOND = 1_000_000_000


class Robot:
    """A camera and a node with two heads, publishing when told to."""

    def __init__(self):
        self.node = rclpy.create_node('robot')
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        make = self.node.create_publisher
        self.reports = make(DiagnosticArray, '/diagnostics', 10)
        self.stamps = make(TimeReference, 'image/source_stamp', 10)
        self.clock = make(Clock, '/clock', 10)
        heads = build_tasks({'detection': {'classes': ['person']},
                             'segmentation': {'classes': ['person']}})
        self.heads = make(String, 'mcn/heads', latched)
        self.heads.publish(String(data=heads_to_json(describe(heads, describe_tasks(heads)))))
        self.detections = make(Detection2DArray, 'mcn/detections', 10)
        self.labels = make(Image, 'mcn/semantic/image', 10)
        for topic, names in (('detection', ['person']), ('semantic', ['background', 'person'])):
            info = make(LabelInfo, f'mcn/{topic}/label_info', latched)
            info.publish(label_info_msg(names, Header()))
        self.received = self.processed = 0

    def report(self):
        values = {'device': 'cpu', 'heads': 'detection, segmentation',
                  'images at work': self.received - self.processed}
        status = DiagnosticStatus(
            name='mcn: image', hardware_id=self.node.resolve_topic_name('image'),
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
        self.reports.publish(DiagnosticArray(status=[status]))

    def wait_for(self, condition):
        """Report until a condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            self.report()
            time.sleep(0.1)

    def send(self, stamp):
        """Send an image, tell that its stamp in its source is another, and answer it."""
        header, source = Header(), Header()
        header.stamp.sec, source.stamp.sec = stamp, stamp + 100
        self.stamps.publish(TimeReference(header=header, time_ref=source.stamp))
        self.received += 1
        self.detections.publish(detections_to_msg(BOX, header, ['person']))
        self.labels.publish(class_map_to_msg(ClassMap(LABELS), header))
        self.processed += 1


@pytest.fixture(autouse=True)
def definitions(monkeypatch):
    """Let messages be described where this Python has them from, if nothing is sourced."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.environ.get('AMENT_PREFIX_PATH', sys.prefix))


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a recorder; it returns a robot and how to end both."""
    monkeypatch.setattr(recorder, 'SETTLE_S', 0.1)
    monkeypatch.setattr(recorder, 'QUIET_S', 0.2)
    running = []

    def begin(namespace='/', **parameters):
        parameters = {'out': str(tmp_path / 'bag'), **parameters}
        arguments = ['--ros-args', '-r', f'__ns:={namespace}', *(
            word for name, value in parameters.items()
            for word in ('-p', f'{name}:={json.dumps(value)}'))]
        context = rclpy.init(args=arguments)
        listener, robot = recorder.Recorder(), Robot()
        ended, sums = threading.Event(), {}
        thread = threading.Thread(target=lambda: sums.update(listener.run(ended)))
        thread.start()

        def finish():
            if thread.is_alive():
                ended.set()
                robot.wait_for(lambda: not thread.is_alive())
            if running:
                listener.destroy_node()
                robot.node.destroy_node()
                running.clear()
                rclpy.try_shutdown()
            return sums

        running.append((context, finish))
        robot.wait_for(robot.stamps.get_subscription_count)
        robot.wait_for(robot.detections.get_subscription_count)
        return robot, finish

    yield begin
    for _, finish in list(running):
        finish()


def test_what_is_said_is_recorded(start, tmp_path):
    robot, finish = start('/robot', notes='{"topic": "/eye"}', strip_namespace=True)
    for stamp in (1, 2):
        robot.send(stamp)
    robot.wait_for(lambda: robot.labels.wait_for_all_acked(rclpy.duration.Duration(seconds=1)))
    sums = finish()
    assert sums == {'frames_sent': 2, 'results': 4, 'heads': ['detection', 'segmentation'],
                    'device': 'cpu', 'backend': None}
    with Bag(tmp_path / 'bag') as bag:
        assert not bag.problems
        recording = Recording(bag)
        assert set(bag.topics) == {
            '/mcn/heads', '/mcn/detections', '/mcn/detection/label_info', '/mcn/semantic/image',
            '/mcn/semantic/label_info', '/image/source_stamp', '/diagnostics', '/recording_notes'}
        assert recording.topic == '/eye'
        assert recording.sent == {1 * SECOND: 101 * SECOND, 2 * SECOND: 102 * SECOND}
        answers = list(recording.answers())
        assert [answer.stamp_ns for answer in answers] == [101 * SECOND, 102 * SECOND]
        for answer in answers:
            assert abs(answer.received_ns / 1e9 - time.time()) < 10 * PATIENCE_S
            found = answer.predictions['detection']
            np.testing.assert_array_equal(found.boxes, BOX.boxes)
            np.testing.assert_array_equal(found.scores, BOX.scores)
            np.testing.assert_array_equal(answer.predictions['segmentation'].labels, LABELS)


def test_messages_are_described_for_others(start, tmp_path):
    robot, finish = start()
    robot.send(1)
    robot.wait_for(lambda: robot.labels.wait_for_all_acked(rclpy.duration.Duration(seconds=1)))
    finish()
    with AnyReader([tmp_path / 'bag']) as reader:  # without knowledge of its own
        connections = {connection.topic: connection for connection in reader.connections}
        detections = connections['/mcn/detections']
        # The hash that ROS itself has for version 4.1.
        assert detections.digest == (
            'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968')
        assert 'vision_msgs/BoundingBox2D' in detections.msgdef.data
        (_, _, data), = reader.messages([detections])
        message = reader.deserialize(data, detections.msgtype)
        assert message.detections[0].results[0].hypothesis.class_id == '0'
        # A player has to publish as the node does, or late listeners would not know the classes.
        qos = {topic: connection.ext.offered_qos_profiles[0].durability.name
               for topic, connection in connections.items()}
        assert qos['/mcn/detection/label_info'] == 'TRANSIENT_LOCAL'
        assert qos['/mcn/detections'] == 'VOLATILE'


def test_the_time_may_be_that_of_a_bag(start, tmp_path):
    robot, finish = start(use_sim_time=True)
    clock = Clock()
    for second in (50, 51, 20):  # a loop starts again
        clock.clock.sec = second
        robot.wait_for(lambda: not robot.clock.publish(clock)
                       and robot.clock.get_subscription_count())
        time.sleep(0.3)
        robot.send(second)
        robot.wait_for(lambda: robot.labels.wait_for_all_acked(
            rclpy.duration.Duration(seconds=1)))
        time.sleep(0.3)
    finish()
    with Bag(tmp_path / 'bag') as bag:
        times = [message.recorded_ns // SECOND for message in bag.messages(['/mcn/detections'])]
        # What came before the first /clock has no time of its own.
        described = list(bag.messages(['/mcn/detection/label_info', '/recording_notes']))
    assert sorted(times) == [20, 50, 51]
    assert [message.recorded_ns // SECOND for message in described] == [50, 50]


def test_a_bag_that_exists_is_an_error(tmp_path, capfd):
    (tmp_path / 'bag').mkdir()
    assert recorder.main(['--ros-args', '-p', f'out:={tmp_path / "bag"}']) == 1
    lines = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert len(lines) == 1 and 'exists already' in lines[0]


@pytest.mark.parametrize('limit', [10_000, 1_000_000])
def test_a_full_disk_is_one_error(tmp_path, capfd, monkeypatch, limit):
    def fill(self, ended):
        data = serialize_message(String(data=os.urandom(2000).hex()))
        for second in range(1, 2000):
            self._write('words', String, False, data, second * SECOND)

    monkeypatch.setattr(recorder.Recorder, 'run', fill)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        assert recorder.main(['--ros-args', '--disable-external-lib-logs', '-p',
                              f'out:={tmp_path / "bag"}']) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = capfd.readouterr().err
    lines = [line for line in told.splitlines() if 'ERROR' in line]
    assert len(lines) == 1 and 'Traceback' not in told
    assert f'out: {tmp_path / "bag"}: cannot be written, the bag is not whole' in lines[0]
