# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node publishes: headers, empty results, descriptions, pictures on demand."""

from mcn_ros_msgs.msg import HumanPose2DArray, SkeletonInfo
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from mcn_ros.ros import outputs
from mcn_ros.ros.conversions import image_to_rgb
from mcn_ros.vocabulary import COCO_SKELETON

BLANK = np.zeros((48, 64, 3), np.uint8)


def test_every_result_has_the_header_of_its_image(world):
    results = [world.peer.listen(Detection2DArray, 'mcn/detections'),
               world.peer.listen(HumanPose2DArray, 'mcn/poses'),
               world.peer.listen(Image, 'mcn/semantic/image'),
               world.peer.listen(Image, 'mcn/semantic/color'),
               world.peer.listen(Image, 'mcn/overlay')]
    world.start()
    world.connect()
    # Pictures are made only for those who listen, so wait until all are connected.
    world.wait(lambda: all(world.peer.count_publishers(topic) for topic in world.peer.received))
    world.spin(0.3)
    world.send(7)
    world.wait(lambda: all(results), 'a result on every topic')
    for messages in results:
        msg, = messages
        assert (msg.header.stamp.sec, msg.header.frame_id) == (7, 'optical')
    detections, poses, semantic, color, overlay = (messages[0] for messages in results)
    assert all(d.header == detections.header for d in detections.detections)
    assert [d.results[0].hypothesis.class_id for d in detections.detections] == ['1', '0']
    assert [len(person.keypoints) for person in poses.poses] == [17, 17]
    assert (semantic.encoding, color.encoding, overlay.encoding) == ('mono8', 'rgb8', 'bgr8')
    assert all((m.height, m.width) == (48, 64) for m in (semantic, color, overlay))
    assert set(semantic.data) == {2} and image_to_rgb(color).any()


def test_an_empty_picture_gives_empty_results(world):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    poses = world.peer.listen(HumanPose2DArray, 'mcn/poses')
    world.start()
    world.connect()
    world.send(3, BLANK)
    world.wait(lambda: detections and poses, 'empty results')
    assert detections[0].detections == [] and poses[0].poses == []
    assert world.stamps(detections) == world.stamps(poses) == [3]


def test_descriptions_are_latched(world):
    world.start(detection__score_threshold=0.25)
    world.spin(0.2)
    labels = world.peer.listen(LabelInfo, 'mcn/detection/label_info', latched=True)
    semantic = world.peer.listen(LabelInfo, 'mcn/semantic/label_info', latched=True)
    skeleton = world.peer.listen(SkeletonInfo, 'mcn/skeleton_info', latched=True)
    world.wait(lambda: labels and semantic and skeleton, 'the descriptions')
    assert [(c.class_id, c.class_name) for c in labels[0].class_map] == [
        (0, 'person'), (1, 'car')]
    assert labels[0].threshold == 0.25
    assert [(c.class_id, c.class_name) for c in semantic[0].class_map] == [
        (0, 'background'), (1, 'person'), (2, 'car')]
    assert tuple(skeleton[0].keypoint_names) == COCO_SKELETON.keypoint_names


@pytest.mark.parametrize('heads, expected', [
    (['detection'], {'/mcn/detections', '/mcn/detection/label_info'}),
    ('pose', {'/mcn/poses', '/mcn/skeleton_info'}),
    ('pose,segmentation', {'/mcn/poses', '/mcn/skeleton_info', '/mcn/semantic/image',
                           '/mcn/semantic/color', '/mcn/semantic/label_info'})])
def test_only_the_chosen_heads_are_advertised(world, heads, expected):
    world.start(heads=heads)
    world.wait_for_topics(*expected, '/mcn/overlay')
    assert set(world.predictor.heads) == set(heads.split(',') if isinstance(heads, str) else heads)


def test_pictures_are_made_only_for_subscribers(world, monkeypatch):
    made = []
    for name in ('draw', 'class_map_to_msg', 'class_map_to_color_msg'):
        def count(*arguments, _original=getattr(outputs, name), _name=name, **options):
            made.append(_name)
            return _original(*arguments, **options)
        monkeypatch.setattr(outputs, name, count)
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    node = world.start()
    world.connect()
    world.send(1)
    world.wait(lambda: detections and world.counts()['processed'] == 1)
    assert made == []
    overlays = world.peer.listen(Image, 'mcn/overlay')
    world.wait(lambda: node.count_subscribers('mcn/overlay'))
    world.spin(0.2)
    world.send(2)
    world.wait(lambda: overlays, 'an overlay')
    assert made == ['draw'] and world.stamps(overlays) == [2]
    assert image_to_rgb(overlays[0]).std() > 0


def test_thresholds_and_classes_change_at_run_time(world):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    labels = world.peer.listen(LabelInfo, 'mcn/detection/label_info', latched=True)
    node = world.start(class_id_format='name')
    world.connect()

    def found_with(**parameters):
        for name, value in parameters.items():
            result, = node.set_parameters([Parameter(name.replace('__', '.'), value=value)])
            assert result.successful, result.reason
        count = len(detections)
        world.send(count)
        world.wait(lambda: len(detections) > count)
        return [d.results[0].hypothesis.class_id for d in detections[-1].detections]

    assert found_with() == ['car', 'person']
    assert found_with(detection__score_threshold=0.625) == ['car']
    world.wait(lambda: labels and labels[-1].threshold == 0.625, 'the new threshold')
    assert found_with(detection__score_threshold=0.95) == []
    assert found_with(detection__score_threshold=0.0) == ['car', 'person']
    assert found_with(detection__classes=['person']) == ['person']
    assert found_with(detection__classes='1') == ['car']
    assert found_with(detection__classes='') == ['car', 'person']
    assert found_with(max_detections=1) == ['car']
    result, = node.set_parameters([Parameter('detection.classes', value=['dog', 'car'])])
    assert not result.successful and 'unknown dog (known: person, car' in result.reason
    assert found_with() == ['car']


def test_people_and_keypoints_have_thresholds_too(world):
    poses = world.peer.listen(HumanPose2DArray, 'mcn/poses')
    node = world.start(pose__score_threshold=0.7, pose__keypoint_threshold=0.4)
    world.connect()
    world.send(1)
    world.wait(lambda: len(poses) == 1)
    person, = poses[0].poses
    assert {keypoint.state for keypoint in person.keypoints} == {keypoint.VISIBLE
                                                                 for keypoint in person.keypoints}
    node.set_parameters([Parameter('pose.keypoint_threshold', value=0.6),
                         Parameter('pose.score_threshold', value=0.1)])
    world.send(2)
    world.wait(lambda: len(poses) == 2)
    assert len(poses[1].poses) == 2
    assert poses[1].poses[0].keypoints[0].state == person.keypoints[0].LOW_CONFIDENCE
