# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node publishes: headers, empty results, descriptions, pictures on demand."""

from dataclasses import dataclass
from typing import ClassVar

from mcn_ros_msgs.msg import HumanPose2DArray, SkeletonInfo
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
import torch
from vision_msgs.msg import Detection2DArray, LabelInfo

from mcn_ros.data.messages import vector_map_from_msg
from mcn_ros.data.results import describe, heads_from_json
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.ros.node import mcn_node, outputs
from mcn_ros.ros.node.conversions import compressed_to_rgb, image_to_rgb
from mcn_ros.ros.node.converters import CONVERTERS
from mcn_ros.ros.node.outputs import HeadOutput
from mcn_ros.ros.node.parameters import HeadParameters
from mcn_ros.runtime import load_predictor, predictor, RuntimeConfig
from mcn_ros.runtime.predictions import Predictions
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, ScalarMap, VectorMap)
from mcn_ros.tasks import Task, TASKS
from mcn_ros.visualization import DRAWINGS
from mcn_ros.vocabulary import COCO_SKELETON
from mcn_ros.weights_file import load_model, save_model

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
                           '/mcn/semantic/image/compressed', '/mcn/semantic/color',
                           '/mcn/semantic/color/compressed', '/mcn/semantic/label_info'})])
def test_only_the_chosen_heads_are_advertised(world, heads, expected):
    world.start(heads=heads)
    world.wait_for_topics(*expected, '/mcn/heads', '/mcn/overlay')
    assert set(world.predictor.heads) == set(heads.split(',') if isinstance(heads, str) else heads)


def test_only_what_somebody_subscribes_to_comes_to_camera_pixels(world):
    detections = world.peer.listen(Detection2DArray, 'mcn/detections')
    node = world.start()
    asked, predict = [], world.predictor.predict
    world.predictor.predict = lambda image: Predictions(
        predict(image), lambda value: (asked.append(type(value)), value)[1])
    world.connect()

    def wanted(stamp, messages):
        asked.clear()
        world.send(stamp)
        world.wait(lambda: messages and world.counts()['processed'] == stamp)
        return asked

    assert wanted(1, detections) == [Instances]
    colors = world.peer.listen(Image, 'mcn/semantic/color')
    world.wait(lambda: node.count_subscribers('mcn/semantic/color'))
    world.spin(0.2)
    assert wanted(2, colors) == [Instances, ClassMap]
    overlays = world.peer.listen(Image, 'mcn/overlay')
    world.wait(lambda: node.count_subscribers('mcn/overlay'))
    world.spin(0.2)
    assert wanted(3, overlays) == [Instances, Poses, ClassMap]
    assert image_to_rgb(overlays[0]).std() > 0


@dataclass(frozen=True)
class MapTask(Task):
    """A task that is never trained, of any type."""

    annotation: ClassVar[type] = ScalarMap
    figure: ClassVar[str] = ''
    classes: tuple[str, ...] = ('sky', 'sea')
    kind: str = 'ScalarMap'

    losses = build_head = encode = loss = counts = decode = mirror = same_maps = None

    @property
    def prediction(self):
        return {type_.__name__: type_ for type_ in CONVERTERS}[self.kind]


def test_maps_of_every_type_are_published(world, monkeypatch):
    planes = np.zeros((2, 48, 64), np.float32)
    planes[1, :, 9:] = 0.7
    lines = np.zeros((48, 64), np.float32)
    lines[:, 30] = 0.6
    found = {'salient': ScalarMap(np.full((48, 64), 0.4, np.float32)),
             'rims': LineMap(lines),
             'normals': VectorMap(np.full((48, 64, 3), (0, 0, -1), np.float32)),
             'edges': ClassPlanes(planes)}
    monkeypatch.setitem(TASKS, 'map', MapTask)
    load = world.load

    def load_maps(*arguments):
        predictor = load(*arguments)
        predictor.tasks = {name: MapTask(kind=type(value).__name__)
                           for name, value in found.items()}
        predictor.predict = lambda image: found
        return predictor

    monkeypatch.setattr(mcn_node, 'load_predictor', load_maps)
    topics = ('salient/image', 'rims/image', 'rims/thin', 'normals/image', 'normals/color',
              'edges/image', 'edges/color')
    received = [world.peer.listen(Image, f'mcn/{topic}') for topic in topics]
    files = [world.peer.listen(CompressedImage, f'mcn/{topic}/compressed') for topic in topics
             if topic != 'normals/image']  # numbers of 32 bits
    told = world.peer.listen(String, 'mcn/heads', latched=True)
    world.start()
    world.connect()
    world.wait_for_topics('/mcn/heads', '/mcn/overlay', '/mcn/edges/label_info', *(
        f'/{topic}' for topic in world.peer.received if topic != 'mcn/heads'))
    world.spin(0.3)
    world.send(1)
    world.wait(lambda: all(received) and all(files) and told, 'all pictures')
    scalar, broad, thin, vectors, color, labels, _ = [messages[0] for messages in received]
    assert [messages[0].encoding for messages in received] == [
        'mono8', 'mono8', 'mono8', '32FC3', 'rgb8', 'mono8', 'rgb8']
    assert set(scalar.data) == {102} and tuple(color.data[:3]) == (128, 128, 255)
    assert labels.data[8] == 0 and labels.data[9] == 2
    row = slice(24 * 64, 25 * 64)  # in the middle, far from the border
    assert np.flatnonzero(broad.data[row]).tolist() == [30] and broad.data[row][30] == 153
    assert np.flatnonzero(thin.data[row]).tolist() == [30] and thin.data[row][30] == 255
    whole = [messages[0] for messages in received if messages[0].encoding != '32FC3']
    for image, (file,) in zip(whole, files, strict=True):
        assert file.header == image.header
        np.testing.assert_array_equal(compressed_to_rgb(file), image_to_rgb(image))
    heads = heads_from_json(told[0].data)
    np.testing.assert_array_equal(heads['normals'].read(vectors).vectors, found['normals'].vectors)
    assert heads['edges'].read(labels).planes[1, 0, 9] == 1


MAPS = {  # head -> topic -> encoding
    'boundaries': {'image': 'mono8', 'thin': 'mono8'},
    'normals': {'image': '32FC3', 'color': 'rgb8'},
    'saliency': {'image': 'mono8'},
    'parts': {'image': 'mono8', 'color': 'rgb8'},
    'semantic_boundaries': {'image': 'mono8', 'color': 'rgb8'}}


@pytest.fixture(scope='module')
def eight(tmp_path_factory):
    """Write random weights of a tiny network of all eight tasks."""
    two = {'classes': ['person', 'car']}
    tasks = {'detection': two, 'pose': {}, 'segmentation': two, **dict.fromkeys(MAPS, {}),
             'boundaries': {'threshold': 0.0}, 'semantic_boundaries': two}
    torch.manual_seed(0)
    model = MultiTaskNet(ModelConfig(
        {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()},
        TrunkConfig('shufflenet_v2_x0_5', 'top_down', 8), (64, 96)))
    path = tmp_path_factory.mktemp('weights') / 'eight.safetensors'
    save_model(model, path)
    return path


@pytest.fixture
def network(monkeypatch, eight):
    """Let nodes load the real network; return the names of the heads that are built and read."""
    read = []

    def load(path, heads):
        model = load_model(path, heads)
        read.extend({key.split('.')[1] for key in model.state_dict() if key[:6] == 'heads.'})
        return model

    monkeypatch.setattr(predictor, 'load_model', load)
    monkeypatch.setattr(mcn_node, 'load_predictor', lambda weights, heads, runtime: load_predictor(
        eight, heads, RuntimeConfig('cpu', 'torch')))
    return read


def listen_to_maps(world, heads):
    """Return the messages of each map of heads, by topic."""
    return {f'{head}/{end}': world.peer.listen(Image, f'mcn/{head}/{end}')
            for head in heads for end in MAPS[head]}


def test_chosen_heads_of_eight_are_published_and_nothing_else_is_computed(world, network):
    received = listen_to_maps(world, ('boundaries', 'normals'))
    world.start(heads='[boundaries,normals]')
    assert sorted(network) == ['boundaries', 'normals']
    world.connect()
    world.wait_for_topics(
        '/mcn/heads', '/mcn/overlay', *(f'/mcn/{topic}' for topic in received),
        *(f'/mcn/{topic}/compressed' for topic in received if topic != 'normals/image'))
    world.spin(0.3)
    world.send(4)
    world.wait(lambda: all(received.values()), 'all maps')
    vectors = vector_map_from_msg(received['normals/image'][0]).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)


def test_all_eight_heads_give_images_like_the_camera(world, network):
    received = listen_to_maps(world, MAPS)
    infos = {head: world.peer.listen(LabelInfo, f'mcn/{head}/label_info', latched=True)
             for head in ('parts', 'semantic_boundaries')}
    overlay = world.peer.listen(Image, 'mcn/overlay')
    node = world.start(normals__encoding='rgb8', semantic_boundaries__score_threshold=0.125)
    assert len(network) == 8
    world.connect()
    world.wait(lambda: all(world.peer.count_publishers(topic) for topic in world.peer.received))
    world.spin(0.3)
    world.send(5)
    world.wait(lambda: all(received.values()) and overlay and all(infos.values()), 'all of it')
    encodings = {f'{head}/{end}': encoding for head, ends in MAPS.items()
                 for end, encoding in ends.items()} | {'normals/image': 'rgb8'}
    for topic, (msg,) in received.items():
        assert (msg.header.stamp.sec, msg.header.frame_id) == (5, 'optical'), topic
        assert (msg.height, msg.width, msg.encoding) == (48, 64, encodings[topic]), topic
    assert received['normals/image'][0].data == received['normals/color'][0].data
    parts, rims = (infos[head][-1] for head in infos)
    assert [(c.class_id, c.class_name) for c in parts.class_map][:3] == [
        (0, 'background'), (1, 'head'), (2, 'torso')]
    assert rims.threshold == 0.125 and parts.threshold == 0
    # The weights say from where on a line is one: this one from 0 on, everywhere.
    assert set(received['boundaries/thin'][0].data) == {255}
    node.set_parameters([Parameter('boundaries.threshold', value=1.0)])
    world.send(6)
    world.wait(lambda: len(received['boundaries/thin']) == 2)
    assert set(received['boundaries/thin'][1].data) == {0}


class Topic:
    """A publisher without ROS."""

    def __init__(self, name, subscribed):
        self.name, self.subscribed, self.messages = name, subscribed, []
        self.publish = self.messages.append

    def get_subscription_count(self):
        return int(self.name in self.subscribed)


@pytest.mark.parametrize('subscribed', [(), ('thin',), ('image/compressed',), ('image', 'thin')])
def test_no_message_is_made_for_nobody(monkeypatch, subscribed):
    made, made_of, topics = [], LineMap.ridges, {}
    monkeypatch.setattr(
        LineMap, 'ridges', lambda *given: (made.append('thin'), made_of(*given))[1])
    monkeypatch.setattr(outputs, 'image_to_png', lambda image: made.append('png'))
    monkeypatch.setattr(outputs, 'create_publisher', lambda node, topic, msgtype, latched=False: (
        topics.setdefault(topic, Topic(topic.removeprefix('rims/'), subscribed))))
    tasks = {'rims': MapTask(kind='LineMap')}
    output = HeadOutput(None, '', 'rims', tasks['rims'], describe(tasks, {'rims': {}})['rims'])
    assert output.is_subscribed == bool(subscribed)
    output.publish(LineMap(np.zeros((8, 9), np.float32)), Header(), HeadParameters())
    assert {topic.name for topic in topics.values() if topic.messages} == set(subscribed)
    assert made == [*['png'] * ('image/compressed' in subscribed),
                    *['thin'] * ('thin' in subscribed)]


@pytest.mark.parametrize('table, message', [(CONVERTERS, 'no messages'), (DRAWINGS, 'no drawing')])
def test_a_type_that_a_table_lacks_is_named(monkeypatch, table, message):
    monkeypatch.delitem(table, ScalarMap)
    tasks = {'salient': MapTask()}
    monkeypatch.setattr(MapTask, 'prediction', ScalarMap)
    head = describe(tasks, {'salient': {}})['salient']
    with pytest.raises(ValueError, match=f'^head salient: {message} of predictions of type '
                                         r'ScalarMap \(known: '):
        HeadOutput(None, '', 'salient', tasks['salient'], head)


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
