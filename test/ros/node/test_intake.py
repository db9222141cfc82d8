# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images that are left in the middleware: taken when wanted, and counted when not."""

import threading
import time

from hypothesis import given, strategies
import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from mcn_ros.ros.node import camera as camera_module
from mcn_ros.ros.node import intake
from mcn_ros.ros.node.intake import (
    has_message, Intake, MOST_PUBLISHERS, Numbering, PolledCallbackGroup, take_newest)

PATIENCE_S = 10


def info(publisher, number):
    gid = {'implementation_identifier': 'rmw', 'data': publisher}
    return {'publisher_gid': gid, 'publication_sequence_number': number}


@given(sent=strategies.lists(strategies.tuples(strategies.sampled_from([b'a', b'b']),
                                               strategies.booleans()), min_size=1))
def test_what_was_missed_is_known_of_each_publisher(sent):
    """Each message of two publishers is seen or not; gaps are told with the next one seen."""
    numbering, numbers, seen = Numbering(), {b'a': 7, b'b': 1000}, set()
    missed, counted = 0, 0
    pending = {b'a': 0, b'b': 0}
    for publisher, is_seen in sent:
        numbers[publisher] += 1
        if not is_seen:
            pending[publisher] += publisher in seen
            continue
        seen.add(publisher)
        missed += pending[publisher]
        pending[publisher] = 0
        counted += numbering.count_missed(info(publisher, numbers[publisher]), lambda: 2)
    assert counted == missed


@pytest.mark.parametrize('unknown', [
    {}, {'publisher_gid': None, 'publication_sequence_number': 9},
    {**info(b'a', 9), 'publication_sequence_number': None}])
def test_what_was_missed_is_unknown_without_numbers_of_each_publisher(unknown):
    numbering = Numbering()
    assert numbering.count_missed(info(b'a', 1), lambda: 2) == 0
    assert numbering.count_missed(unknown, lambda: 2) is None


def test_the_numbers_of_one_publisher_need_no_name():
    """As rclpy of Jazzy has them; that a camera is started again shows in its numbers."""
    numbering = Numbering()
    missed = [numbering.count_missed({'publication_sequence_number': number}, lambda: publishers)
              for number, publishers in ((1, 1), (4, 1), (1, 1), (2, 1), (90, 2), (3, 1), (5, 1))]
    assert missed == [0, 2, 0, 0, None, 0, 1]


def test_publishers_without_end_are_not_remembered_without_end():
    numbering = Numbering()
    for index in range(10 * MOST_PUBLISHERS):
        numbering.count_missed(info(b'%d' % index, index), lambda: 2)
    assert len(numbering._last) == MOST_PUBLISHERS


class Ear:
    """A source of messages."""

    def __init__(self, node, topic, depth=1):
        self.subscription = node.create_subscription(
            String, topic, lambda _: None, QoSProfile(depth=depth),
            callback_group=PolledCallbackGroup())


@pytest.fixture
def node(ros):
    node = Node('ears')
    yield node
    node.destroy_node()


@pytest.fixture
def say(node):
    """Publish words on a topic; return when the middleware of who listens has them."""
    publishers = {}

    def say(topic, *words):
        if topic not in publishers:
            publishers[topic] = node.create_publisher(String, topic, QoSProfile(depth=10))
        publisher = publishers[topic]
        end = time.monotonic() + PATIENCE_S
        while not publisher.get_subscription_count():
            assert time.monotonic() < end
            time.sleep(0.01)
        for word in words:
            publisher.publish(String(data=word))
        assert publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=PATIENCE_S))

    return say


@pytest.mark.parametrize('depth', [1, 4])
def test_the_newest_message_is_taken_once(node, say, depth):
    ear = Ear(node, 'a', depth)
    assert take_newest(ear.subscription) is None and not has_message(ear.subscription,
                                                                     node.context)
    say('a', 'one', 'two', 'three')
    assert has_message(ear.subscription, node.context)
    msg, told = take_newest(ear.subscription)
    assert msg.data == 'three' and told['received_timestamp'] >= told['source_timestamp'] > 0
    assert take_newest(ear.subscription) is None and not has_message(ear.subscription,
                                                                     node.context)


def test_only_sources_with_messages_are_told(node, say):
    ears = [Ear(node, topic) for topic in 'abc']
    ears[2].subscription = None
    waiting = Intake(ears, node.context)
    say('b', 'word')
    assert waiting.wait() == [ears[1]]
    assert waiting.wait() == [ears[1]]  # until it is taken
    say('a', 'word')
    assert waiting.wait() == ears[:2]


def test_who_waits_is_woken_and_sees_a_new_subscription(node, say):
    ear = Ear(node, 'old')
    waiting, found = Intake([ear], node.context), []

    def wait():
        while not (ready := waiting.wait()):
            found.append(ready)
        found.append(ready)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    old, ear.subscription = ear.subscription, Ear(node, 'new').subscription
    node.destroy_subscription(old)  # while it is waited for
    waiting.wake()
    say('new', 'word')
    thread.join(PATIENCE_S)
    assert found == [[], [ear]]


def test_a_subscription_that_is_destroyed_has_no_messages(node):
    ear = Ear(node, 'a')
    node.destroy_subscription(ear.subscription)
    assert take_newest(ear.subscription) is None
    assert not has_message(ear.subscription, node.context)


def test_a_middleware_that_cannot_wait_is_asked_again(node, say, monkeypatch):
    ear = Ear(node, 'a')
    waiting = Intake([ear], node.context)
    say('a', 'word')

    def fail(*_):
        raise intake.RCLError('failed to wait on wait set')

    with monkeypatch.context() as patch:
        patch.setattr(intake, '_wait', fail)
        patch.setattr(intake, 'RETRY_S', 0.01)
        assert waiting.wait() == []
    assert waiting.wait() == [ear]


def test_nothing_comes_after_the_end_of_rclpy():
    context = rclpy.Context()
    with rclpy.init(context=context):
        node = Node('short', context=context)
        ear = Ear(node, 'a')
        waiting, found = Intake([ear], context), []
        thread = threading.Thread(target=lambda: found.extend([waiting.wait(), waiting.wait()]),
                                  daemon=True)
        thread.start()
        time.sleep(0.1)
        context.try_shutdown()
        waiting.wake()
        thread.join(PATIENCE_S)
        assert found == [[], None] or found == [None, None]
        node.destroy_node()


def test_the_newest_frame_wins_where_the_user_wants_a_longer_queue(world):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    world.peer.destroy_publisher(world.peer.images)
    publisher = world.peer.create_publisher(Image, 'image', 10)
    world.start(**{'qos_overrides./image.subscription.depth': 5})
    world.predictor.permits = threading.Semaphore(0)
    world.connect(publisher)
    world.send(1, publisher=publisher)
    world.wait(lambda: world.counts()['received'] == 1, 'the first image')
    for index in range(2, 6):
        world.deliver(index, publisher=publisher)
    world.predictor.permits.release(10)
    world.wait(lambda: len(detections) == 2, 'two results')
    world.spin(0.2)
    assert world.stamps(detections) == [1, 5] and world.counts()['superseded'] == 3


def test_the_executor_rests_while_images_wait(world):
    """It would take a processor away from the network, were it woken by images again and again."""
    node = world.start()
    world.predictor.permits = threading.Semaphore(0)
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['received'] == 1, 'the first image')
    world.deliver(2)
    rounds, can_execute = [], PolledCallbackGroup.can_execute

    def count(group, entity):  # each round of an executor asks for each subscription
        rounds.append(entity)
        return can_execute(group, entity)

    world.monkeypatch.setattr(PolledCallbackGroup, 'can_execute', count)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        world.executor.spin_once(timeout_sec=end - time.monotonic())
    assert 0 < rounds.count(node._cameras[0].subscription) < 50


def test_an_image_that_the_middleware_cannot_read_is_only_lost(world, capfd):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    camera, = world.start()._cameras
    taken = []

    def fail(subscription):
        taken.append(take_newest(subscription))
        world.monkeypatch.undo()
        raise RuntimeError('failed to take message')

    world.monkeypatch.setattr(camera_module, 'take_newest', fail)
    world.connect()
    world.send(1)
    world.wait(lambda: world.counts()['undecodable'] == 1, 'a count')
    world.send(2)
    world.wait(lambda: world.stamps(detections) == [2], 'the result of the next image')
    assert len(taken) == 1 and 'failed to take message' in capfd.readouterr().err
