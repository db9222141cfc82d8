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
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

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
    world.start(cameras=list(names), heads='detection')
    world.wait_for_topics(*(f'/mcn/{name}/{topic}' for name in names
                            for topic in ('detections', 'detection/label_info', 'overlay')))
    assert world.predictor.warm_ups == [1, 2]
    world.predictor.permits = threading.Semaphore(0)
    for publisher in images.values():
        world.connect(publisher)
    received = [world.counts(index) for index in range(2)]
    world.send(1, publisher=images['left'])
    world.wait(lambda: received[0]['received'] == 1)
    world.spin(0.1)  # the network is at work on the first; the others wait together
    world.send(2, publisher=images['left'])
    world.send(3, BLANK, images['right'])
    world.wait(lambda: (received[0]['received'], received[1]['received']) == (2, 1))
    world.predictor.permits.release(10)
    world.wait(lambda: len(results['left']) == 2 and len(results['right']) == 1)
    assert [len(batch) for batch in world.predictor.batches] == [1, 2]
    assert world.stamps(results['left']) == [1, 2] and world.stamps(results['right']) == [3]
    assert len(results['left'][1].detections) == 2 and not results['right'][0].detections


def test_a_bad_image_of_one_camera_does_not_harm_the_other(world):
    results = world.peer.listen(Detection2DArray, 'mcn/right/detections')
    images = [world.peer.create_publisher(Image, f'{name}/image', 1)
              for name in ('left', 'right')]
    world.start(cameras='left,right')
    world.predictor.permits = threading.Semaphore(0)
    for publisher in images:
        world.connect(publisher)
    world.send_broken(1, images[0])
    world.send(2, publisher=images[1])
    world.predictor.permits.release(10)
    world.wait(lambda: world.stamps(results) == [2], 'the result of the good camera')


def test_silence_is_explained(world, capfd):
    world.peer.create_publisher(Image, '/camera/image_raw', 1)
    world.peer.destroy_publisher(world.peer.images)
    diagnostics = world.peer.listen(DiagnosticArray, '/diagnostics')
    world.start()
    world.wait(lambda: diagnostics and diagnostics[-1].status[0].level == DiagnosticStatus.STALE,
               'a stale status')
    world.spin(0.1)
    warning, = [line for line in capfd.readouterr().err.splitlines() if 'no image on' in line]
    assert re.search(r'WARN.*no image on /image .*0 publishers.*: /camera/image_raw$', warning)


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
                         r'sensor_msgs/msg/Image', node._cameras[0].describe_silence())
        other.destroy_node()


def test_best_effort_publishers_are_named(world):
    world.peer.destroy_publisher(world.peer.images)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    world.peer.create_publisher(Image, '/image', qos)
    node = world.start(**{'qos_overrides./image.subscription.reliability': 'reliable'})
    world.wait(lambda: node.count_publishers('/image'))
    assert re.search('1 publishers, with best effort, where reliable is asked for',
                     node._cameras[0].describe_silence())
