# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People as REP 155 has them: with hri_msgs where it is installed, with a stand-in everywhere."""

from dataclasses import dataclass, field, fields
from importlib.util import find_spec
import sys
from types import ModuleType

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mcn_ros.ros.node.humans import Humans, openpose
from mcn_ros.structures import Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_SKELETON

NAMES = COCO_SKELETON.keypoint_names
SIZE = 48, 64
PEOPLE = build_tasks({'pose': {}})


@dataclass
class IdsList:
    """The ids of those who are tracked."""

    header: Header
    ids: list = field(default_factory=list)


@dataclass
class NormalizedRegionOfInterest2D:
    """A box."""

    header: Header
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    c: float


@dataclass
class NormalizedPointOfInterest2D:
    """A joint."""

    x: float
    y: float
    c: float


@dataclass
class Skeleton2D:
    """All joints."""

    header: Header
    skeleton: list


KINDS = IdsList, NormalizedRegionOfInterest2D, NormalizedPointOfInterest2D, Skeleton2D


class Recorder:
    """A publisher that remembers what it is given."""

    def __init__(self, world, topic):
        self.messages = world.peer.received.setdefault(topic, [])

    def publish(self, msg):
        self.messages.append(msg)


class Listener:
    """What is heard of people."""

    def __init__(self, world, real):
        self.world, self.real = world, real

    def hear(self, kind, topic):
        """Return the messages that come on a topic of bodies from now on."""
        topic = f'/humans/bodies/{topic}'
        if self.real:
            return self.world.peer.listen(getattr(sys.modules['hri_msgs.msg'], kind), topic)
        return self.world.peer.received.setdefault(topic, [])


@pytest.fixture(params=['stand-in', 'hri_msgs'])
def bodies(request, world, monkeypatch):
    """Return who listens to bodies."""
    if request.param == 'hri_msgs':
        if find_spec('hri_msgs') is None:
            pytest.skip('hri_msgs is not installed')
        __import__('hri_msgs.msg')
        return Listener(world, True)
    module = ModuleType('hri_msgs.msg')
    for kind in KINDS:
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, 'hri_msgs', ModuleType('hri_msgs'))
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', module)
    monkeypatch.setattr(Humans, '_create',
                        lambda self, topic, kind: Recorder(world, f'/humans/bodies/{topic}'))
    return Listener(world, False)


def header(seconds):
    result = Header(frame_id='eye')
    result.stamp.sec, rest = divmod(round(10 * seconds), 10)
    result.stamp.nanosec = rest * 100_000_000
    return result


def people(*ids):
    keypoints = np.full((len(ids), 17, 2), 16, np.float32)
    return Poses(np.tile(np.array([[-8, 12, 32, 36]], np.float32), (len(ids), 1)),
                 np.full(len(ids), 0.75, np.float32), keypoints,
                 np.full((len(ids), 17), 0.5, np.float32), ids=np.array(ids, str))


def publish(humans, seconds, *ids, camera=''):
    humans.publish(camera, people(*ids), SIZE, header(seconds), 1.0)


def test_each_body_has_a_box_and_joints_as_shares_of_the_image(bodies, world):
    tracked = bodies.hear('IdsList', 'tracked')
    roi = bodies.hear('NormalizedRegionOfInterest2D', 't3/roi')
    skeleton = bodies.hear('Skeleton2D', 't3/skeleton2d')
    humans = Humans(world.peer, PEOPLE)
    humans.publish('', people(), SIZE, header(1), 1.0)
    for tenth in range(150):  # until the new publishers are known
        publish(humans, 2 + tenth / 10, 't3', '')
        world.spin(0.1)
        if roi and skeleton and len(tracked) > 1:
            break
    assert tracked[-1].ids == ['t3'] and tracked[-1].header.frame_id == 'eye'
    box = roi[-1]
    assert (box.xmin, box.ymin, box.xmax, box.ymax, box.c) == (0, 0.25, 0.5, 0.75, 0.75)
    assert len(skeleton[-1].skeleton) == 18
    one = skeleton[-1].skeleton[0]
    assert (one.x, one.c) == (0.25, 0.5) and one.y == pytest.approx(1 / 3)
    humans.destroy()


def test_a_body_ends_with_its_track(bodies, world):
    tracked = bodies.hear('IdsList', 'tracked')
    humans = Humans(world.peer, PEOPLE)
    world.spin(0.5)
    steps = [((1, 't1', 't2'), 'left', ['t1', 't2']), ((1.5, 't1'), 'left', ['t1', 't2']),
             ((1.5, 'r1'), 'right', ['t1', 't2', 'r1']), ((2.4, 't1'), 'left', ['t1', 'r1']),
             ((2.0,), 'left', ['r1'])]  # the last one: time goes back, all tracks of it end
    for arguments, camera, expected in steps:
        count = len(tracked)
        publish(humans, *arguments, camera=camera)
        world.wait(lambda: len(tracked) > count)
        assert tracked[-1].ids == expected
    humans.forget()
    world.wait(lambda: not tracked[-1].ids)
    humans.destroy()


def test_the_node_publishes_bodies_for_nobody_else(bodies, world):
    """Nobody subscribes to poses: they are found for the bodies."""
    tracked = bodies.hear('IdsList', 'tracked')
    node = world.start(humans=True, heads='pose')
    world.connect()
    images = [Image(header=header(tenth / 10), height=48, width=64, encoding='mono8', step=64,
                    data=bytes([9]) * 48 * 64) for tenth in range(10, 14)]
    for msg in images:
        count = len(tracked)
        world.peer.images.publish(msg)
        world.wait(lambda: len(tracked) > count, 'the list')
    assert tracked[-1].ids == ['t1', 't2'] and tracked[-1].header == images[-1].header
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    world.wait(lambda: not tracked[-1].ids)
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


def test_without_the_messages_or_people_it_says_so(bodies, world, monkeypatch, capfd):
    node = world.make(humans=True, heads='detection')
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'humans: none of the heads detection finds people' in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', None)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'cannot configure: humans: needs hri_msgs, which is not' in capfd.readouterr().err


def test_joints_are_in_the_order_of_openpose():
    places = np.linspace(0, 1, 34).reshape(17, 2)
    scores = np.linspace(0.1, 0.9, 17)
    points = openpose(places, scores, NAMES)
    order = [0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 1, 2, 3, 4]
    for row, joint in enumerate(order):
        if joint is not None:
            assert points[row].tolist() == [*places[joint], scores[joint]]
    np.testing.assert_allclose(points[1], [*places[5:7].mean(axis=0), scores[5]])
    places[0], places[5] = (1.01, 0.5), np.nan
    points = openpose(places, scores, NAMES)
    assert not points[[0, 1, 5]].any() and points[2].any()


def test_the_stand_in_has_the_fields_of_rep_155(bodies):
    for kind in KINDS:
        real = getattr(sys.modules['hri_msgs.msg'], kind.__name__)
        names = (real.get_fields_and_field_types() if bodies.real
                 else [each.name for each in fields(real)])
        assert set(names) == {each.name for each in fields(kind)}
