# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Results in space, by a depth camera beside the camera; they change nothing of the others."""

from array import array
from pathlib import Path
import re
import struct

import cv2
from mcn_ros_msgs.msg import HumanPose2DArray, HumanPose3DArray
import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from mcn_ros.spatial.depth import points_from_cloud
from mcn_ros.trials.hostile_depth import hostile_depth

EXAMPLES = Path(__file__).resolve().parents[3] / 'examples'
SIZE = 48, 64
FOCAL, CX, CY = 60.0, 31.5, 23.5


def header(stamp, frame='optical'):
    result = Header(frame_id=frame)
    result.stamp.sec, result.stamp.nanosec = divmod(round(stamp * 1e9), 10 ** 9)
    return result


def depth_image(stamp, metres=2.0, size=SIZE, frame='optical', encoding='16UC1'):
    height, width = size
    msg = Image(header=header(stamp, frame), height=height, width=width, encoding=encoding,
                step=2 * width)
    msg.data = array('B', np.full(size, metres * 1000, np.uint16).tobytes())
    return msg


def compressed(stamp, metres=2.0):
    png = cv2.imencode('.png', np.full(SIZE, metres * 1000, np.uint16))[1].tobytes()
    msg = CompressedImage(header=header(stamp), format='16UC1; compressedDepth png')
    msg.data = array('B', struct.pack('<iff', 0, 0.0, 0.0) + png)
    return msg


def camera_info(size=SIZE, focal=FOCAL):
    height, width = size
    return CameraInfo(header=header(0), height=height, width=width, k=[
        focal, 0, CX, 0, focal, CY, 0, 0, 1], p=[focal, 0, CX, 0, 0, focal, CY, 0, 0, 0, 1, 0])


def cloud(stamp, metres=2.0):
    """Return the points of a wall, in a frame with x forward, y left and z up."""
    rows, columns = np.indices(SIZE)
    right, down = (columns - CX) / FOCAL * metres, (rows - CY) / FOCAL * metres
    points = np.stack([np.full(SIZE, metres), -right, -down], axis=-1).astype(np.float32)
    msg = PointCloud2(header=header(stamp, 'body'), height=SIZE[0], width=SIZE[1],
                      point_step=12, row_step=12 * SIZE[1], fields=[
                          PointField(name=name, offset=4 * index, datatype=7, count=1)
                          for index, name in enumerate('xyz')])
    msg.data = array('B', points.tobytes())
    return msg


class Rig:
    """A camera with depth, and someone who listens to what the node says in space."""

    def __init__(self, world, msg_type=Image, topic='depth', latched=False):
        self.world = world
        self.depth = world.peer.create_publisher(msg_type, topic, 10)
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL if latched
                         else DurabilityPolicy.VOLATILE)
        self.info = world.peer.create_publisher(CameraInfo, 'depth_info', qos)
        self.flat = [world.peer.listen(Detection2DArray, 'mcn/detections'),
                     world.peer.listen(HumanPose2DArray, 'mcn/poses')]
        self.stamp = 0

    def listen(self):
        listen = self.world.peer.listen
        self.detections = listen(Detection3DArray, 'mcn/detections_3d')
        self.poses = listen(HumanPose3DArray, 'mcn/poses_3d')
        self.markers = listen(MarkerArray, 'mcn/markers')
        self.clouds = listen(PointCloud2, 'mcn/semantic/points')
        self.spatial = [self.detections, self.poses, self.markers, self.clouds]

    def start(self, **parameters):
        self.listen()
        values = {'depth__source': 'image', 'depth__wait': 5.0, 'tracking': False, **parameters}
        node = self.world.start(**values)
        self.space = node._cameras[0].space
        self.world.connect()
        self.connect()
        return node

    def connect(self):
        self.world.connect(self.depth)
        if self.space.intake.info_topic:
            self.world.connect(self.info)
        self.world.wait(lambda: all(self.world.peer.count_publishers(f'/{topic}')
                                    for topic in self.world.peer.received), 'the results')
        self.world.spin(0.3)

    def send(self, *depths):
        """Send depth, then an image of the next second; return its 2D messages in bytes."""
        self.stamp += 1
        count = [len(messages) for messages in self.flat]
        for depth in depths:
            self.depth.publish(depth)
        self.world.send(self.stamp)
        self.world.wait(lambda: all(len(messages) > num for messages, num in zip(
            self.flat, count)), 'results in the image')
        for messages in self.flat:
            messages[-1].header.stamp.sec = 0
            for each in getattr(messages[-1], 'detections', []):
                each.header.stamp.sec = 0
        return [serialize_message(messages[-1]) for messages in self.flat]

    def totals(self):
        return self.space.statistics._totals

    def see(self, *depths):
        """Send, wait for results in space, and return the objects."""
        count = [len(messages) for messages in self.spatial]
        self.send(*depths)
        self.world.wait(lambda: all(len(messages) > num for messages, num in zip(
            self.spatial, count)), 'results in space')
        return self.detections[-1]

    def told(self):
        status, _ = self.space.report('depth')
        return status.level, status.message


def positions(detections):
    found = [d.results[0].pose.pose.position for d in detections.detections]
    return np.array([[place.x, place.y, place.z] for place in found])


# The car is about (20, 30); of the person, who fills the image, the middle is looked at.
EXPECTED = [[(19.5 - CX) / FOCAL * 2, (29.5 - CY) / FOCAL * 2, 2], [0, 0, 2]]


def test_everything_is_where_the_depth_says(world):
    rig = Rig(world)
    rig.start(tracking=True)
    rig.info.publish(camera_info())
    rig.see(depth_image(1))
    found = rig.see(depth_image(2))
    assert found.header == header(2)
    np.testing.assert_allclose(positions(found), EXPECTED, atol=0.05)
    flat = rig.flat[0][-1].detections
    assert [d.results[0].hypothesis.class_id for d in found.detections] == ['1', '0']
    assert [d.id for d in found.detections] == [d.id for d in flat]
    people = rig.poses[-1]
    assert people.header == header(2) and len(people.poses) == 2
    assert [len(person.keypoints) for person in people.poses] == [17, 17]
    points = rig.clouds[-1]
    assert points.header == header(2) and (points.height, points.width) == SIZE
    np.testing.assert_allclose(points_from_cloud(points)[:, :, 2], 2)
    assert {marker.ns for marker in rig.markers[-1].markers} == {'boxes', 'labels', 'skeletons'}
    level, text = rig.told()
    # Those of the last seconds: on a busy machine the first one may be too long ago.
    assert level == b'\x00' and re.search(r'\b([12]) of \1 images', text)


def test_depth_is_subscribed_to_only_while_somebody_wants_results(world):
    rig = Rig(world)
    node = world.start(depth__source='image')
    world.connect()
    world.spin(1.5)  # subscriptions follow once per second
    assert rig.depth.get_subscription_count() == rig.info.get_subscription_count() == 0
    rig.space = node._cameras[0].space
    assert rig.told() == (b'\x00', 'nobody subscribes to results in space')
    listener = world.peer.create_subscription(MarkerArray, 'mcn/markers', lambda _: None, 1)
    world.connect(rig.depth)
    world.connect(rig.info)
    world.peer.destroy_subscription(listener)
    world.wait(lambda: not rig.depth.get_subscription_count(), 'the end of the subscription')
    assert rig.info.get_subscription_count() == 0
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS


def test_examples_name_topics_of_the_node(world):
    world.start(depth__source='image')
    text = ''.join(file.read_text() for file in EXAMPLES.glob('nav2_*.yaml'))
    named = set(re.findall(r'/mcn/\S+', text))
    assert len(named) == 3
    world.wait(lambda: named <= world.topics(), f'topics {named}')


def test_off_there_are_no_topics_in_space(world):
    world.start(heads='pose')
    world.wait_for_topics('/mcn/poses', '/mcn/skeleton_info', '/mcn/heads', '/mcn/overlay')


def test_each_camera_has_its_own_depth(world):
    node = world.start(depth__source='image', cameras=['left', 'right'], heads='detection')
    assert [camera.space.intake.source for camera in node._cameras] == [
        '/left/depth (/left/depth_info)', '/right/depth (/right/depth_info)']
    world.wait(lambda: {f'/mcn/{camera}/{topic}' for camera in ('left', 'right')
                        for topic in ('detections_3d', 'markers')} <= world.topics(), 'topics')


def test_without_depth_the_results_in_the_image_are_the_same_and_the_others_silent(world):
    rig = Rig(world)
    node = rig.start(depth__wait=0.2, tracking=True)
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.see(depth_image(1))
    expected = rig.send(depth_image(2))
    world.wait(lambda: rig.totals()['results in space'] == 2)
    world.wait(lambda: len(rig.detections) == 2)
    refused = [
        (lambda t: depth_image(t, size=(48, 48)), 'camera_info is of 64x48, the image of 48x48'),
        (lambda t: depth_image(t, frame='other'),
         "depth is in frame 'other', the image in 'optical': not registered"),
        (lambda t: depth_image(t, encoding='mono8'), "encoding 'mono8' is none of depth")]
    for number, (make, words) in enumerate(refused, 1):
        assert rig.send(make(rig.stamp + 1)) == expected
        world.wait(lambda: rig.totals()['depth refused'] == number)
        level, text = rig.told()
        assert level == b'\x01' and words in text
    for number in range(1, 7):  # another time than depth.slop lets pass, and none
        assert rig.send(*[depth_image(rig.stamp + 1.03)] * (number % 2)) == expected
        world.wait(lambda: rig.totals()['no depth for image'] == number)
    level, text = rig.told()
    assert level == b'\x01' and 'no depth for image: 6 of 11 in the last 10 s' in text
    assert 'the nearest one is 0.970 s away' in text
    node.set_parameters([Parameter('depth.slop', value=0.04)])
    world.spin(0.2)
    assert len(rig.detections) == len(rig.poses) == 2
    rig.see(depth_image(rig.stamp + 1.03))
    rig.see(depth_image(rig.stamp + 1, metres=20))  # too far to be known, and told as such
    assert not rig.detections[-1].detections and rig.totals()['objects without depth'] == 4


def test_depth_that_comes_late_is_waited_for_and_the_equal_stamp_is_better(world):
    rig = Rig(world)
    rig.start(depth__wait=10.0)
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.send(depth_image(0.99, metres=1))
    world.spin(0.2)
    assert not rig.detections
    rig.depth.publish(depth_image(1, metres=3))
    world.wait(lambda: rig.detections)
    np.testing.assert_allclose(positions(rig.detections[0])[:, 2], 3)


def test_who_is_elsewhere_on_the_ground_is_somebody_else_if_depth_is_there_already(world):
    """Ids are the same in the image and in space; depth that comes late changes none."""
    def ids(metres):
        """Let depth be there, then send the image."""
        rig.depth.publish(depth_image(rig.stamp + 1, metres))
        world.wait(lambda: rig.depth.wait_for_all_acked(Duration(seconds=0.1)))
        rig.see()
        return same()

    def same():
        flat = [each.id for each in (*rig.flat[0][-1].detections, *rig.flat[1][-1].poses)]
        assert flat == [each.id for each in (*rig.detections[-1].detections,
                                             *rig.poses[-1].poses)]
        return flat

    rig = Rig(world)
    rig.start(tracking=True)
    rig.info.publish(camera_info())
    world.spin(0.2)
    before = ids(2)
    assert all(before) and ids(3) == before
    count = len(rig.detections)
    rig.send()
    rig.depth.publish(depth_image(3, metres=9))
    world.wait(lambda: min(map(len, rig.spatial)) > count, 'results in space')
    assert same() == before
    assert not any(ids(9))  # the last that was known was 3 m, two seconds ago
    after = ids(9)
    assert all(after) and not {*after} & {*before}


def test_without_a_stamp_depth_and_image_do_not_belong_together(world):
    rig = Rig(world)
    rig.start(tracking=True)
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.stamp = -1
    rig.send(depth_image(0))
    world.wait(lambda: rig.totals()['depth refused'] == 1)
    assert rig.told() == (b'\x01', 'the image has the stamp 0: its depth cannot be told')
    assert all(each.id for each in rig.flat[0][-1].detections)  # by when it has come
    rig.send(depth_image(0))
    world.wait(lambda: rig.totals()['depth refused'] == 2)
    assert rig.told() == (b'\x01', 'depth has the stamp 0: its image cannot be told')
    assert not any(rig.spatial)
    rig.see(depth_image(2))


def test_without_camera_info_there_is_nothing_and_a_model_is_made_once(world):
    rig = Rig(world, latched=True)
    rig.start()
    rig.send(depth_image(1))
    world.wait(lambda: rig.totals()['depth refused'])
    assert rig.told() == (b'\x01', 'no camera_info of the depth has come')
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.see(depth_image(2))
    model = rig.space._reader._camera
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.see(depth_image(3))
    assert rig.space._reader._camera is model
    rig.info.publish(camera_info(focal=2 * FOCAL))
    world.spin(0.2)
    np.testing.assert_allclose(positions(rig.see(depth_image(4)))[0, :2],
                               np.array(EXPECTED)[0, :2] / 2, atol=0.03)
    rig.info.publish(camera_info(focal=0.0))
    world.spin(0.2)
    rig.send(depth_image(5))
    world.wait(lambda: rig.totals()['depth refused'] == 2)
    assert rig.told()[0] == b'\x01' and 'not calibrated, P has fx = 0.0' in rig.told()[1]


def test_after_a_jump_back_old_depth_is_forgotten(world):
    rig = Rig(world)
    rig.start()
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.stamp = 100
    rig.see(depth_image(101))
    rig.stamp = 0
    found = rig.see(depth_image(1, metres=3))
    np.testing.assert_allclose(positions(found)[:, 2], 3)
    assert len(rig.space.intake._kept) == 1


def test_compressed_depth(world):
    rig = Rig(world, CompressedImage, 'depth/compressedDepth')
    rig.start(depth__transport='compressedDepth')
    rig.info.publish(camera_info())
    world.spin(0.2)
    np.testing.assert_allclose(positions(rig.see(compressed(1))), EXPECTED, atol=0.05)


def test_clouds_are_in_their_own_frame(world):
    rig = Rig(world, PointCloud2, 'points')
    rig.start(depth__source='points')
    found = rig.see(cloud(1))
    assert found.header == header(1, 'body') == rig.poses[-1].header
    np.testing.assert_allclose(positions(found), [[z, -x, -y] for x, y, z in EXPECTED], atol=0.05)


def test_the_cloud_is_of_the_classes_that_are_asked_for(world):
    rig = Rig(world)
    node = rig.start(semantic__points_classes=['person'])  # everything is a car
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.see(depth_image(1))
    assert np.isnan(points_from_cloud(rig.clouds[-1])).all()
    wrong, = node.set_parameters([Parameter('semantic.points_classes', value=['dog'])])
    assert not wrong.successful and 'semantic.points_classes: unknown dog' in wrong.reason
    node.set_parameters([Parameter('semantic.points_classes', value=['1', 'person'])])
    rig.see(depth_image(2))
    np.testing.assert_allclose(points_from_cloud(rig.clouds[-1])[:, :, 2], 2)


def test_results_are_in_the_target_frame_as_it_is_at_the_time_of_the_image(world, frames):
    rig = Rig(world)
    rig.start(target_frame='map')
    rig.info.publish(camera_info())
    frames.send('map', 'optical', 1)
    there = rig.see(depth_image(1))
    # The turn that a camera has which looks ahead: z is forward, which is x of the other frame.
    frames.send('map', 'optical', 2, (0, 0, 1), (0.5, 0.5, 0.5, 0.5))
    found = rig.see(depth_image(2))
    turn = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    for messages in (found, rig.poses[-1], *rig.markers[-1].markers):
        assert messages.header == header(2, 'map')
    assert rig.clouds[-1].header == header(2)  # the costmap brings it where it wants it
    np.testing.assert_allclose(positions(found), positions(there) @ turn.T + [0, 0, 1])
    for one, other, person in zip(there.detections, found.detections, rig.poses[-1].poses):
        np.testing.assert_allclose(covariance(other), turn @ covariance(one) @ turn.T, atol=1e-9)
        size, turned = one.bbox.size, other.bbox.size
        np.testing.assert_allclose([turned.x, turned.y, turned.z], [size.z, size.x, size.y])
        assert person.keypoints[0].position.x == pytest.approx(2)
    labels = [marker for marker in rig.markers[-1].markers if marker.text]
    assert [label.text for label in labels] == ['car 2.0 m', 'person 2.0 m']
    boxes = [detection.bbox for detection in found.detections]
    for label, box in zip(labels, boxes):  # z is up
        assert label.pose.position.z > box.center.position.z + box.size.z / 2
    assert rig.told()[0] == b'\x00'


def test_without_a_transform_the_results_in_the_image_are_the_same_and_the_others_silent(
        world, frames):
    rig = Rig(world)
    node = rig.start(target_frame='map', tf_timeout=0.0)
    rig.info.publish(camera_info())
    world.spin(0.2)
    expected = rig.send(depth_image(1))
    world.wait(lambda: rig.totals()['transform unknown'] == 1)
    level, text = rig.told()
    assert level == b'\x01' and "transform unknown, from frame 'optical' to 'map': \"map\"" in text
    frames.send('map', 'optical', 3)
    assert rig.send(depth_image(2)) == expected
    world.wait(lambda: rig.totals()['transform too old'] == 1)
    assert not any(rig.spatial)
    assert len(rig.see(depth_image(3)).detections) == 2
    assert rig.send(depth_image(4)) == expected
    world.wait(lambda: rig.totals()['transform not yet known'] == 1)
    assert 'extrapolation' in rig.told()[1]
    rig.stamp = 1  # a bag starts again: what was known of its future is forgotten
    assert rig.send(depth_image(2)) == expected
    world.wait(lambda: rig.totals()['transform unknown'] == 2)
    assert [len(messages) for messages in rig.spatial] == [1] * 4
    assert node.trigger_deactivate() == node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


def covariance(detection):
    return np.reshape(detection.results[0].pose.covariance, (6, 6))[:3, :3]


@pytest.mark.parametrize('source, msg_type, topic', [
    ('image', Image, 'depth'), ('points', PointCloud2, 'points')])
def test_no_depth_message_ends_the_node(world, source, msg_type, topic):
    rig = Rig(world, msg_type, topic)
    rig.start(depth__source=source, depth__wait=0.1)
    make = {'image': depth_image, 'points': cloud}[source]
    rig.info.publish(camera_info())
    world.spin(0.2)
    rig.see(make(1))
    expected = rig.send(make(2))
    for index in range(40):
        message = hostile_depth(make(rig.stamp + 1), 0, index)
        assert rig.send(message) == expected
    totals = rig.totals()
    world.wait(lambda: sum(totals[key] for key in (
        'results in space', 'depth refused', 'no depth for image')) == 42)
    assert totals['depth refused'] > 10
    rig.info.publish(camera_info())
    world.spin(0.2)
    np.testing.assert_allclose(
        np.sort(positions(rig.see(make(rig.stamp + 1)))).max(), 2, atol=0.05)


@pytest.mark.parametrize('parameters, words', [
    ({'depth__source': 'image', 'target_frame': '/map'},
     "target_frame: '/map': no frame has a slash at the beginning"),
    ({'semantic__points_classes': ['dog']}, 'semantic.points_classes: unknown dog (known: person'),
    ({'depth__source': 'image', 'depth__min': 3.0, 'depth__max': 2.0},
     'depth from 3.0 to 2.0 m is no range')])
def test_what_cannot_be_is_refused_in_one_line(world, capfd, parameters, words):
    node = world.make(**parameters)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert f'cannot configure: {words}' in capfd.readouterr().err
