# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ids in the messages of the node; whether there are any changes nothing else."""

from mcn_ros_msgs.msg import HumanPose2DArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mcn_ros.data.image_formats import RawImage
from mcn_ros.ros.node.conversions import raw_to_image


class Eye:
    """Sends images to a node that is connected, and reads what it says."""

    def __init__(self, world, camera='', publisher=None):
        self.world, self.publisher = world, publisher or world.peer.images
        self.detections = world.peer.listen(Detection2DArray, f'mcn/{camera}detections')
        self.poses = world.peer.listen(HumanPose2DArray, f'mcn/{camera}poses')

    def connect(self):
        self.world.connect(self.publisher)
        self.world.wait(lambda: all(self.world.peer.count_publishers(f'/{topic}')
                                    for topic in self.world.peer.received), 'the results')
        self.world.spin(0.3)

    def send(self, tenth):
        """Send an image of a tenth of a second; return the messages that follow."""
        header = Header()
        header.stamp.sec, rest = divmod(tenth, 10)
        header.stamp.nanosec = rest * 100_000_000
        count = len(self.detections), len(self.poses)
        self.publisher.publish(raw_to_image(
            RawImage('bgr8', 48, 64, 192, bytes([9] * 48 * 192)), header))
        self.world.wait(lambda: (len(self.detections), len(self.poses)) == (
            count[0] + 1, count[1] + 1), 'results')
        return self.detections[-1], self.poses[-1]

    def ids(self, tenth):
        """Return the ids of a car and a person, and of two people."""
        detections, poses = self.send(tenth)
        return [d.id for d in detections.detections], [p.id for p in poses.poses]


def test_a_person_has_one_id_in_both_and_after_a_pause_another(world):
    """Deactivation, a restart and a jump back all end the tracks; no id comes again."""
    eye = Eye(world)
    node = world.start()
    eye.connect()
    # The car of the detections, and a person of the poses where it is, are not the same.
    car, person, other = 't1', 't2', 't3'
    found = eye.ids(10)
    assert sorted({*found[0], *found[1]}) == [car, person, other]
    assert found[0][1] == found[1][1] and found[0][0] != found[1][0]
    assert eye.ids(11) == found == eye.ids(13)
    again = eye.ids(13 - 6)  # a bag starts again
    assert again == eye.ids(8)
    assert sorted({*again[0], *again[1]}) == ['t4', 't5', 't6']
    for steps in (('deactivate', 'activate'),
                  ('deactivate', 'cleanup', 'configure', 'activate')):
        for step in steps:
            assert getattr(node, f'trigger_{step}')() == TransitionCallbackReturn.SUCCESS
        eye.connect()
        assert not {*again[0], *again[1]} & {*eye.ids(9)[0]}
        assert all(eye.ids(10)[0])
    assert sorted(eye.ids(11)[0]) == sorted(eye.ids(12)[0])
    assert min(int(text[1:]) for text in eye.ids(13)[0]) > 9


def test_without_tracking_messages_are_the_same_but_for_the_ids(world):
    eye = Eye(world)
    node = world.start()
    eye.connect()

    def bare(messages, ids):
        """Return the bytes of messages, and whether they have ids, which are taken away."""
        objects = [*messages[0].detections, *messages[1].poses]
        assert [bool(each.id) for each in objects] == [ids] * 4
        for each in objects:
            each.id = ''
        return [serialize_message(message) for message in messages]

    tracked_ids = {*eye.ids(10)[0]}
    tracked = bare(eye.send(11), True)
    node.set_parameters([Parameter('tracking', value=False)])
    eye.send(10)
    assert bare(eye.send(11), False) == tracked
    node.set_parameters([Parameter('tracking', value=True)])
    assert tracked_ids.isdisjoint({*eye.ids(12)[0]})  # what was tracked before is forgotten


def test_thresholds_of_the_tracker_change_at_run_time(world):
    eye = Eye(world)
    node = world.start(tracking__high=0.95, tracking__low=0.5)
    eye.connect()
    eye.send(10)
    assert eye.ids(11) == (['', ''], ['', ''])
    node.set_parameters([Parameter('tracking.high', value=0.6)])
    eye.send(12)
    found = eye.ids(13)
    assert found[0][0] and found[1][0] and not found[0][1] and not found[1][1]


def test_cameras_share_no_ids(world):
    publishers = {name: world.peer.create_publisher(Image, f'{name}/image', 1)
                  for name in ('left', 'Right')}
    eyes = [Eye(world, f'{name}/', publisher) for name, publisher in publishers.items()]
    world.start(cameras=list(publishers))
    for eye in eyes:
        eye.connect()
        eye.send(10)
    found = [{*eye.ids(11)[0], *eye.ids(12)[1]} for eye in eyes]
    assert found == [{'left_1', 'left_2', 'left_3'}, {'right_1', 'right_2', 'right_3'}]
