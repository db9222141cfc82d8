# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cameras: reliability, compressed images, several at once, and silence that is explained."""

import re
import threading

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from mcn_ros.ros.node import mcn_node
from mcn_ros.ros.transport import TRANSPORT_CHOICES

BLANK = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize('reliability', ['RELIABLE', 'BEST_EFFORT'])
@pytest.mark.parametrize('first', ['publisher', 'node'])
def test_the_reliability_is_that_of_the_publisher(world, reliability, first):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    world.peer.destroy_publisher(world.peer.images)
    if first == 'node':
        world.start()
        world.spin(0.2)
    wanted = ReliabilityPolicy[reliability]
    publisher = world.peer.create_publisher(
        Image, 'image', QoSProfile(depth=1, reliability=wanted))
    if first == 'publisher':
        world.spin(0.5)
        world.start()

    def matched():
        infos = world.peer.get_subscriptions_info_by_topic('/image')
        return [info.qos_profile.reliability for info in infos] == [wanted]

    world.wait(matched, f'a subscription that is {reliability}')
    world.connect(publisher)
    world.send(4, publisher=publisher)
    world.wait(lambda: world.stamps(detections) == [4], 'a result')


def test_the_user_may_choose_the_reliability(world):
    world.start(**{'qos_overrides./image.subscription.reliability': 'best_effort'})
    world.spin(2.2)  # a reliable publisher is there: twice the chance to change
    info, = world.peer.get_subscriptions_info_by_topic('/image')
    assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize('arguments, topic', [
    ([], 'image/compressed'),
    (['-r', 'image:=/front/image_raw'], '/front/image_raw/compressed'),
    (['-r', 'image:=/front/image_raw/compressed'], '/front/image_raw/compressed'),
    (['-r', 'image/compressed:=/front/jpeg'], '/front/jpeg')])
def test_compressed_images(world, arguments, topic):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    publisher = world.peer.create_publisher(CompressedImage, topic, 1)
    world.start(arguments, image_transport='compressed')
    world.connect(publisher)
    data = cv2.imencode('.jpg', np.full((48, 64, 3), 200, np.uint8))[1]
    msg = CompressedImage(format='jpeg', data=data.tobytes())
    msg.header.stamp.sec = 6
    publisher.publish(CompressedImage(format='jpeg', data=data.tobytes()[:40]))
    publisher.publish(msg)
    world.wait(lambda: 6 in world.stamps(detections), 'a result')
    assert len(detections[-1].detections) == 2


def test_cameras_share_the_network(world):
    names = ('left', 'right')
    results = {name: world.peer.listen(Detection2DArray, f'mcn/{name}/detections')
               for name in names}
    images = {name: world.peer.create_publisher(Image, f'{name}/image', 1) for name in names}
    world.monkeypatch.setattr(mcn_node, 'useful_batch', lambda seconds, num_cameras: num_cameras)
    world.start(cameras=list(names), heads='detection')
    world.wait_for_topics(*(f'/mcn/{name}/{topic}' for name in names
                            for topic in ('heads', 'detections', 'detection/label_info',
                                          'overlay')))
    world.predictor.permits = threading.Semaphore(0)
    for publisher in images.values():
        world.connect(publisher)
    world.send(1, publisher=images['left'])
    world.wait(lambda: world.counts()['received'] == 1)  # the network is at work on it
    world.deliver(2, publisher=images['left'])
    world.deliver(3, BLANK, images['right'])
    world.predictor.permits.release(10)
    world.wait(lambda: len(results['left']) == 2 and len(results['right']) == 1)
    assert [len(batch) for batch in world.predictor.batches] == [1, 2]
    assert world.stamps(results['left']) == [1, 2] and world.stamps(results['right']) == [3]
    assert len(results['left'][1].detections) == 2 and not results['right'][0].detections


def start_cameras(world, *names, largest_batch):
    """Start a node; return name -> publisher of images, name -> detections."""
    results = {name: world.peer.listen(Detection2DArray, f'mcn/{name}/detections')
               for name in names}
    images = {name: world.peer.create_publisher(Image, f'{name}/image', 1) for name in names}
    world.monkeypatch.setattr(mcn_node, 'useful_batch', lambda *_: largest_batch)
    world.start(cameras=list(names), heads='detection')
    world.predictor.permits = threading.Semaphore(0)
    for publisher in images.values():
        world.connect(publisher)
    return images, results


def send_together(world, images, *sends):
    """Let images wait together: the network is at work on a first one, of the first camera."""
    before = world.counts()['received']
    world.send(1, publisher=next(iter(images.values())))
    world.wait(lambda: world.counts()['received'] > before, 'the first image')
    for send in sends:
        send()
    for publisher in images.values():
        world.wait(lambda: publisher.wait_for_all_acked(Duration(seconds=0.1)), 'the delivery')


def test_no_camera_starves_beside_a_fast_one(world):
    """Three cameras, one of which always has a newer image: everyone's turn comes."""
    images, results = start_cameras(world, 'fast', 'slow', 'rare', largest_batch=1)
    received = [world.counts(index) for index in range(3)]
    sent = dict.fromkeys(images, 0)

    def send(name):
        sent[name] += 1
        world.deliver(sent[name], publisher=images[name])

    send('fast')
    world.wait(lambda: received[0]['received'] == 1, 'the first image')
    for step in range(1, 13):
        for name, every in (('fast', 1), ('fast', 1), ('slow', 2), ('rare', 6)):
            if step % every == 0:
                send(name)
        world.predictor.permits.release()
        world.wait(lambda: sum(map(len, results.values())) == step, f'result {step}')
        # The next turn is chosen among what is there now.
        world.wait(lambda: sum(counts['received'] - counts['superseded']
                               for counts in received) == step + 1,
                   f'image {step + 1}')
    world.predictor.permits.release(10)
    last = {name: messages for name, messages in results.items() if name != 'rare'}
    world.wait(lambda: all(world.stamps(last[name])[-1] == sent[name] for name in last)
               and world.stamps(results['rare']) == [1, 2], 'the last images')
    assert all(counts['superseded'] == 0 for counts in received[1:])
    assert received[0]['superseded'] > 10


def test_every_camera_has_its_own_size(world):
    images, results = start_cameras(world, 'left', 'right', largest_batch=2)
    large = np.full((96, 160, 3), 9, np.uint8)
    send_together(world, images, lambda: world.send(2, publisher=images['left']),
                  lambda: world.send(3, large, images['right']))
    world.predictor.permits.release(10)
    world.wait(lambda: world.stamps(results['left']) == [1, 2]
               and world.stamps(results['right']) == [3], 'all results')
    assert {image.shape[:2] for image in world.predictor.batches[1]} == {(48, 64), (96, 160)}


def test_a_bad_image_of_one_camera_does_not_harm_the_other(world):
    images, results = start_cameras(world, 'left', 'right', largest_batch=2)
    send_together(world, images, lambda: world.send_broken(2, images['left']),
                  lambda: world.send(3, publisher=images['right']))
    world.predictor.permits.release(10)
    world.wait(lambda: world.stamps(results['right']) == [3], 'the result of the good camera')
    assert world.counts(0)['undecodable'] == 1 and world.counts(1)['undecodable'] == 0


def test_an_image_that_the_network_fails_on_does_not_harm_the_other_cameras(world):
    images, results = start_cameras(world, 'left', 'right', 'rear', largest_batch=3)
    world.predictor.fails_on = lambda batch: any((image == 99).all() for image in batch)
    poison = np.full((48, 64, 3), 99, np.uint8)
    send_together(world, images, lambda: world.send(2, publisher=images['right']),
                  lambda: world.send(3, poison, images['left']),
                  lambda: world.send(4, publisher=images['rear']))
    world.predictor.permits.release(20)
    world.wait(lambda: world.stamps(results['right']) == [2]
               and world.stamps(results['rear']) == [4], 'the results of the others')
    assert [world.counts(index)['failed'] for index in range(3)] == [1, 0, 0]
    assert world.stamps(results['left']) == [1]


def test_a_batch_that_does_not_fit_at_the_start_is_not_made(world, capfd):
    def load(*arguments):
        predictor = world.load(*arguments)
        predictor.warm_up = warm_up
        return predictor

    def warm_up(count):
        if count > 1:
            raise RuntimeError('CUDA out of memory')

    world.monkeypatch.setattr(mcn_node, 'load_predictor', load)
    world.start(cameras=['left', 'right'])
    assert world.nodes[-1]._thread.largest_batch == 1
    assert re.search(r'WARN.*2 images at once: RuntimeError: CUDA out', capfd.readouterr().err)


def test_a_batch_that_is_too_large_is_made_smaller(world, capfd):
    images, results = start_cameras(world, 'left', 'right', largest_batch=2)
    world.predictor.fails_on = lambda batch: len(batch) > 1
    for stamp in (2, 4):
        send_together(world, images, lambda: world.send(stamp, publisher=images['left']),
                      lambda: world.send(stamp, publisher=images['right']))
        world.predictor.permits.release(4)  # the first image, the batch, and both again
        world.wait(lambda: world.stamps(results['left'])[-1:] == [stamp]
                   and world.stamps(results['right'])[-1:] == [stamp], 'both results')
    assert [len(batch) for batch in world.predictor.batches].count(2) == 1
    assert 'from now on at most 1' in capfd.readouterr().err
    assert [world.counts(index)['failed'] for index in range(2)] == [0, 0]


def test_images_that_cannot_be_published_harm_no_other(world):
    images, results = start_cameras(world, 'left', 'right', largest_batch=2)

    def fail(*_):
        raise RuntimeError('no')

    world.nodes[-1]._cameras[0].outputs.publish = fail
    send_together(world, images, lambda: world.send(2, publisher=images['left']),
                  lambda: world.send(3, publisher=images['right']))
    world.predictor.permits.release(10)
    world.wait(lambda: world.stamps(results['right']) == [3], 'the result of the other camera')
    world.wait(lambda: world.counts(0)['failed'] == 2, 'both failures')


@pytest.mark.parametrize('names', [['left', 'left'], ['left', '/left']])
def test_cameras_have_names_of_their_own(world, capfd, names):
    node = world.make(cameras=names)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'cameras: left named more than once' in capfd.readouterr().err


def wait_for_silence(world):
    """Publish images where the node does not listen; return what it says until it says so."""
    world.peer.create_publisher(Image, '/camera/image_raw', 1)
    world.peer.destroy_publisher(world.peer.images)
    diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
    world.start()
    world.wait(lambda: diagnostics and diagnostics[-1].status[0].level == DiagnosticStatus.STALE,
               'a stale status')
    return diagnostics


def test_silence_is_explained(world, capfd):
    wait_for_silence(world)
    world.spin(0.1)
    warning, = [line for line in capfd.readouterr().err.splitlines() if 'no image on' in line]
    assert re.search(r'WARN.*no image on /image .*0 publishers.*: /camera/image_raw$', warning)


def test_a_node_that_is_told_to_find_nobody_says_so(world):
    world.peer.destroy_publisher(world.peer.images)
    node = world.start()
    world.monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    world.wait(lambda: not node.count_publishers('/image'))
    assert node._cameras[0].describe_silence().endswith(
        '0 publishers: ROS_AUTOMATIC_DISCOVERY_RANGE=OFF, so that other processes are not found')


def test_every_silent_camera_is_named(world, capfd):
    world.start(cameras='left,right')
    world.spin(4.5)
    warning, = [line for line in capfd.readouterr().err.splitlines() if 'no image on' in line]
    assert 'no image on /left/image ' in warning and 'no image on /right/image ' in warning


def test_a_publisher_of_the_wrong_type_is_named(world):
    world.peer.destroy_publisher(world.peer.images)
    # In a context of its own, like another process: DDS has one type for a topic in each.
    context = rclpy.Context()
    with rclpy.init(context=context):
        other = Node('other', context=context)
        other.create_publisher(CompressedImage, '/image', 1)
        node = world.start()
        world.wait(lambda: node.count_publishers('/image'))
        assert re.search(r'1 publishers, of type sensor_msgs/msg/CompressedImage, where '
                         r'sensor_msgs/msg/Image is expected; see the parameter image_transport',
                         node._cameras[0].describe_silence())
        other.destroy_node()


def test_best_effort_publishers_are_named(world):
    world.peer.destroy_publisher(world.peer.images)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    world.peer.create_publisher(Image, '/image', qos)
    node = world.start(**{'qos_overrides./image.subscription.reliability': 'reliable'})
    world.wait(lambda: node.count_publishers('/image'))
    assert re.search('1 publishers, with best effort, where reliable is asked for',
                     node._cameras[0].describe_silence())


@pytest.mark.parametrize('variables, advice', [
    ({}, 'set FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for the camera and for this node'),
    ({'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'},
     'unless the camera has this transport, too: FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA')])
def test_large_images_that_are_lost_are_explained(world, variables, advice):
    world.peer.destroy_publisher(world.peer.images)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    world.peer.create_publisher(Image, '/image', qos)
    node = world.start()
    for name in TRANSPORT_CHOICES:
        world.monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        world.monkeypatch.setenv(name, value)
    world.wait(lambda: node.count_publishers('/image'))
    text = node._cameras[0].describe_silence()
    assert '1 publishers, with best effort: images of more than 0.5 MB are lost' in text
    assert advice in text


def test_a_camera_that_sends_nothing_is_told(world):
    node = world.start()
    world.wait(lambda: node.count_publishers('/image'))
    assert node._cameras[0].describe_silence().endswith('1 publishers, which send nothing')


def test_silence_and_its_cause_are_in_the_diagnostics(world):
    diagnostics = wait_for_silence(world)
    message = diagnostics[-1].status[0].message
    assert message.startswith('no image on /image for 3 s: 0 publishers')
    assert 'remapped to: /camera/image_raw' in message
