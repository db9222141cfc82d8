# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A robot around the node: topics, an executor, and a stand-in for the network."""

import gc
from itertools import count
import os
import threading
import time

import numpy as np
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mcn_ros.ros.node import mcn_node
from mcn_ros.ros.node.conversions import rgb_to_image
from mcn_ros.ros.node.mcn_node import McnNode
from mcn_ros.structures import ClassMap, Instances, Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_SKELETON

# No other process on the network hears these tests, and images of any size arrive.
WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])
NUM_WORKERS = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1))
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
if 'FASTDDS_DEFAULT_PROFILES_FILE' not in os.environ:
    os.environ.setdefault('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA')

CLASSES = ['person', 'car']
TASKS = {'detection': {'classes': CLASSES}, 'pose': {}, 'segmentation': {'classes': CLASSES}}
PATIENCE_S = 15
# Workers take turns: two of them are never in the same domain at the same time.
DOMAINS = count((os.getpid() if NUM_WORKERS == 1 else os.getppid()) + 1 + WORKER, NUM_WORKERS)


class StubPredictor:
    """Finds a car (score 0.9) and a person (0.5) in every picture that is not black."""

    backend = 'torch'
    precision = 'float32'
    why = 'as asked for'

    def __init__(self, heads=None, device='cpu', broken=frozenset()):
        self.device = device
        self.broken = broken  # devices that do not work, a set that tests change
        self.tasks = build_tasks({name: TASKS[name] for name in heads or TASKS})
        self.heads = list(self.tasks)
        self.batches = []
        self.warm_ups = []
        self.permits = None  # a semaphore: the network waits for a permit
        self.error = None
        self.fails_on = None  # a function: whether it fails on a batch

    def warm_up(self, size=(480, 640), count=1):
        self.check_device()
        self.warm_ups.append(count)

    def check_device(self):
        if self.device in self.broken:
            raise RuntimeError('CUDA error: device lost\nFor debugging, ...')

    def batch(self, images):
        if self.permits is not None:
            assert self.permits.acquire(timeout=PATIENCE_S)
        self.batches.append([image.copy() for image in images])
        self.check_device()
        if self.error is not None:
            raise self.error
        if self.fails_on is not None and self.fails_on(images):
            raise RuntimeError('no')
        return [self.predict(image) for image in images]

    def predict(self, image):
        num = 2 if image.any() else 0
        boxes = np.array([[10, 20, 30, 40], [0, 0, 64, 48]], np.float32)[:num]
        scores = np.array([0.9, 0.5], np.float32)[:num]
        keypoints = np.full((num, COCO_SKELETON.num_keypoints, 2), 5, np.float32)
        found = {'detection': Instances(boxes, np.array([1, 0])[:num], scores),
                 'pose': Poses(boxes, scores, keypoints, keypoints[:, :, 0] / 10),
                 'segmentation': ClassMap(np.full(image.shape[:2], num, np.uint8))}
        return {name: found[name] for name in self.heads}


class Peer(Node):
    """The rest of the robot: publishes images and remembers what it receives."""

    def __init__(self):
        super().__init__('peer')
        self.received = {}
        self.images = self.create_publisher(Image, 'image', 1)

    def listen(self, msg_type, topic, latched=False):
        qos = QoSProfile(depth=50)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        messages = self.received.setdefault(topic, [])
        self.create_subscription(msg_type, topic, messages.append, qos)
        return messages


class World:
    """A peer, one node at a time, and an executor that runs both."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.executor = SingleThreadedExecutor()
        self.peer = Peer()
        self.executor.add_node(self.peer)
        self.nodes = []
        self.kind = McnNode
        self.predictor = None
        self.load_error = None
        self.broken = set()
        monkeypatch.setattr(mcn_node, 'load_predictor', self.load)

    def load(self, weights, heads, runtime):
        if self.load_error is not None:
            raise self.load_error
        if set(heads) - set(TASKS):
            raise ValueError(f'heads: {heads}')
        device = 'cpu' if runtime.device == 'auto' else runtime.device
        self.predictor = StubPredictor(heads, device, self.broken)
        self.predictor.check_device()
        return self.predictor

    def make(self, arguments=(), **parameters):
        node = self.kind(cli_args=['--ros-args', *arguments], parameter_overrides=[
            Parameter(name.replace('__', '.'), value=value) for name, value in parameters.items()])
        self.nodes.append(node)
        self.executor.add_node(node)
        # Cameras are there for long: from the start, the node knows what they offer.
        self.wait(lambda: all(node.count_publishers(publisher.topic_name)
                              for publisher in self.peer.publishers), 'the cameras')
        return node

    def start(self, arguments=(), **parameters):
        node = self.make(arguments, **parameters)
        for transition in (node.trigger_configure, node.trigger_activate):
            assert transition() == TransitionCallbackReturn.SUCCESS
        return node

    def wait(self, condition, what='what is waited for', patience_s=PATIENCE_S):
        end = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < end, f'{what} did not come within {patience_s} s'
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def connect(self, publisher=None):
        publisher = publisher or self.peer.images
        self.wait(publisher.get_subscription_count, 'a subscriber')

    @staticmethod
    def stamps(messages):
        """Return the seconds in the stamps of messages."""
        return [msg.header.stamp.sec for msg in messages]

    def send(self, stamp, image=None, publisher=None):
        rgb = np.full((48, 64, 3), 9, np.uint8) if image is None else image
        header = Header(frame_id='optical')
        header.stamp.sec = stamp
        (publisher or self.peer.images).publish(rgb_to_image(rgb, header))

    def deliver(self, stamp, image=None, publisher=None):
        """Send an image, and wait until the middleware of the node has it."""
        publisher = publisher or self.peer.images
        self.send(stamp, image, publisher)
        self.wait(lambda: publisher.wait_for_all_acked(Duration(seconds=0.1)), 'the delivery')

    def send_broken(self, stamp, publisher=None):
        """Send an image with less data than it says."""
        msg = Image(height=48, width=64, encoding='bgr8', step=192, data=bytes(100))
        msg.header.stamp.sec = stamp
        (publisher or self.peer.images).publish(msg)

    def counts(self, camera=0):
        """Return how many images of a camera had which fate, by the node's statistics."""
        return self.nodes[-1]._cameras[camera].statistics._totals

    def wait_for_topics(self, *expected):
        """Wait until the node advertises these topics and those of every node, no others."""
        self.wait(lambda: self.topics() == set(expected), f'the topics {expected}')

    def topics(self):
        """Return the topics that the node advertises, without those of every node."""
        node = self.nodes[-1]
        names = node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace())
        return {name for name, _ in names} - {
            '/rosout', '/parameter_events', '/mcn/transition_event', '/diagnostics'}

    def close(self):
        for node in [*self.nodes, self.peer]:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        # A lifecycle node is part of a cycle, and in the graph until that is broken.
        self.nodes, self.executor, self.load_error = [], None, None
        gc.collect()


@pytest.fixture(scope='module')
def ros():
    """Run rclpy; each file of tests has a domain of its own, and hears nothing of the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(1 + next(DOMAINS) % 100))
        with rclpy.init():
            yield


@pytest.fixture
def world(ros, monkeypatch):
    world = World(monkeypatch)
    yield world
    if world.predictor is not None and world.predictor.permits is not None:
        world.predictor.permits.release(1000)
    world.close()
    assert 'inference' not in [thread.name for thread in threading.enumerate()]
