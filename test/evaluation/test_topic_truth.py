# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ground truth in topics: whatever it is called there, it is scored as in a COCO file."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.data.bags import Bag
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.evaluation.topic_truth import TopicTruth
from mcn_ros.structures import (
    ClassMap, ClassPlanes, IGNORE, Instances, Poses, RegionMap, ScalarMap, VectorMap)
from mcn_ros.tasks import build_tasks, SegmentationTask

CLASSES = ['person', 'car']
TASKS = build_tasks({'detection': {'classes': CLASSES}, 'pose': {},
                     'segmentation': {'classes': CLASSES}})
BOX, OTHER = (10.0, 20.0, 30.0, 60.0), (40.0, 10.0, 60.0, 30.0)
TOPICS = ['/truth/objects', '/truth/people', '/truth/pixels']


@pytest.fixture
def bag(messages, tmp_path):
    """Write two images' truth, of which the second has no objects; ids are not ours."""
    labels = np.zeros((64, 64), np.uint8)
    labels[:32], labels[40:], labels[50:] = 7, 9, IGNORE
    names = messages.label_info({3: 'car', 5: 'dog', 8: 'person'})
    pixels = messages.label_info({0: 'background', 7: 'car', 9: 'dog'})
    return messages.write(
        tmp_path / 'bag', ('/truth/objects/label_info', 1, names),
        ('/truth/pixels/label_info', 1, pixels),
        ('/truth/objects', 10, messages.detections(
            100, (BOX, '8', 1.0), (OTHER, '3', 1.0), (OTHER, '5', 1.0))),
        ('/truth/objects', 20, messages.detections(200)),
        ('/truth/people', 10, messages.poses(100, BOX)),
        ('/truth/pixels', 10, messages.labels(100, labels)))


def read(bag, topics, tasks=None):
    with Bag(bag) as opened:
        return TopicTruth(opened, topics, tasks or TASKS)


def test_a_topic_of_two_kinds_of_truth_is_refused(messages, tmp_path):
    bag = messages.write(tmp_path / 'bag', ('/truth', 10, messages.detections(100)),
                         ('/truth', 20, messages.poses(100, BOX)))
    with pytest.raises(ValueError, match="'/truth' has messages of several types.*Detection2DArray"
                                         '.*HumanPose2DArray'):
        read(bag, ['/truth'])


def test_annotations_are_those_of_the_tasks(bag):
    truth = read(bag, TOPICS)
    ids = truth.ids('/camera/image')
    assert sorted(ids) == [100, 200]
    first, second = (truth.annotations[ids[stamp]] for stamp in (100, 200))
    assert first.keys() == set(TASKS) and second.keys() == {'detection'}
    np.testing.assert_array_equal(first['detection'].boxes, [BOX, OTHER])  # the dog is no class
    np.testing.assert_array_equal(first['detection'].classes, [0, 1])
    assert first['detection'].labelled_classes is None
    assert not len(second['detection'])
    joints = first['pose'].keypoint_scores[0]
    assert joints[0] == 0 and (joints[1:] == 1).all()
    area = first['segmentation']
    np.testing.assert_array_equal(area.labels[[0, 35, 45, 60], 0], [2, 0, 0, IGNORE])
    np.testing.assert_array_equal(area.labelled_classes, [False, True])
    assert truth.sizes == {ids[100]: (64, 64)}


@pytest.mark.parametrize('found, ap', [(True, 1.0), (False, 0.0)])
def test_scores_of_all_or_nothing(bag, found, ap):
    truth = read(bag, TOPICS)
    scorers = Scorers(TASKS)
    for annotations in truth.annotations.values():
        predictions = dict(annotations)
        if 'segmentation' in predictions:  # which say something of every pixel
            labels = annotations['segmentation'].labels
            predictions['segmentation'] = ClassMap(np.where(labels == IGNORE, 1, labels))
        scorers.add(predictions if found else None, annotations)
    result = scorers.result()
    assert result['images'] == 2
    assert result['detection']['AP'] == pytest.approx(ap)
    # Those who have joints are no objects of their own.
    assert result['detection']['per_class'] == pytest.approx({'person': ap, 'car': ap})
    assert result['pose']['AP'] == pytest.approx(ap)
    assert result['segmentation']['per_class'] == pytest.approx({'car': ap})


def test_of_several_tasks_of_a_type_one_is_named(bag):
    tasks = build_tasks({'detection': {'classes': CLASSES},
                         'cars': {'kind': 'detection', 'classes': ['car']}})
    first = read(bag, ['cars=/truth/objects', 'detection=/truth/objects'], tasks).annotations[1]
    assert len(first['cars']) == 1 and len(first['detection']) == 2
    for entry, error in (
            ('/truth/objects', 'may be the truth of detection, cars: .* detection=/truth/objects'),
            ('cars=/truth/people', "/truth/people cannot be the truth of 'cars' .*: none"),
            ('bikes=/truth/objects', "cannot be the truth of 'bikes' .*: detection, cars")):
        with pytest.raises(ValueError, match=error):
            read(bag, [entry], tasks)


def test_names_may_be_in_the_objects(messages, tmp_path):
    bag = messages.write(tmp_path / 'bag', (
        '/truth', 1, messages.detections(5, (BOX, 'car', 1.0), (BOX, 'tree', 1.0))))
    truth = read(bag, ['/truth'])
    annotation, = truth.annotations.values()
    assert annotation['detection'].classes.tolist() == [1]
    assert annotation['detection'].labelled_classes.tolist() == [False, True]


@pytest.mark.parametrize('topics, error', [
    (['/nowhere'], "'/nowhere' is not there .*can be ground truth: /truth/objects, /truth/people"),
    (['/truth/objects/label_info'], 'is vision_msgs/msg/LabelInfo'),
    (['/truth/people', '/truth/people'], 'second topic for pose')])
def test_wrong_topics_are_an_error(bag, topics, error):
    with pytest.raises(ValueError, match=error):
        read(bag, topics)


def test_classes_without_names_are_an_error(messages, tmp_path):
    bag = messages.write(tmp_path / 'bag',
                         ('/truth', 1, messages.detections(5, (BOX, '1', 1.0))),
                         ('/pixels', 1, messages.labels(5, np.zeros((4, 4), np.uint8))))
    for topic, error in (('/truth', "/truth: class '1' has no name"), ('/pixels', 'names none')):
        with pytest.raises(ValueError, match=error):
            read(bag, [topic])


def test_a_truth_that_no_head_predicts_is_an_error(bag):
    with pytest.raises(ValueError, match='have nothing for the heads pose'):
        read(bag, ['/truth/objects'], {'pose': TASKS['pose']})


def test_annotations_have_the_types_of_predictions(bag):
    first = read(bag, TOPICS).annotations[1]
    assert [type(first[name]) for name in TASKS] == [Instances, Poses, ClassMap]


# Type -> encoding, and pixels of two rows; the second column is unknown.
MAPS = {
    ScalarMap: ('mono8', np.array([[1, 255], [0, 255]], np.uint8)),
    VectorMap: ('32FC3', np.array([[[0, 0, -1], [np.nan] * 3]] * 2, np.float32)),
    ClassPlanes: ('mono8', np.array([[2, 255], [0, 255]], np.uint8)),
    RegionMap: ('mono16', np.array([[2, 65535], [0, 65535]], np.uint16)),
}


def map_task(kind):
    """Return a task whose annotations are of a type; nothing else of it is used here."""
    if kind is RegionMap:
        return build_tasks({'map': {'kind': 'boundaries'}})
    return {'map': type('MapTask', (SegmentationTask,), {'annotation': kind})(('person', 'car'))}


def write_map(messages, path, kind, **changes):
    encoding, pixels = MAPS[kind]
    message = messages.labels(100, np.zeros((2, 2), np.uint8))
    message = replace(message, encoding=encoding, step=pixels[0].nbytes,
                      data=pixels.reshape(-1).view(np.uint8), **changes)
    names = messages.label_info({0: 'background', 1: 'person', 2: 'car'})
    return messages.write(path, ('/map/label_info', 1, names), ('/map', 10, message))


@pytest.mark.parametrize('kind', MAPS)
def test_maps_are_read_as_files_are(messages, tmp_path, kind):
    truth = read(write_map(messages, tmp_path / 'bag', kind), ['/map'], map_task(kind))
    found, (_, pixels) = truth.annotations[1]['map'], MAPS[kind]
    assert type(found) is kind and found.size == (2, 2)
    if kind is ClassPlanes:
        pixels = np.array([[[0, 255], [0, 255]], [[1, 255], [0, 255]]])
    np.testing.assert_array_equal(getattr(found, kind.ROWS[0]), pixels)
    if kind is RegionMap:
        assert found.classes.tolist() == [-1, -1]


@pytest.mark.parametrize('kind', MAPS)
def test_a_map_of_another_encoding_is_refused(messages, tmp_path, kind):
    path = tmp_path / 'bag'
    encoding, pixels = MAPS[kind]
    names = messages.label_info({0: 'background', 1: 'person', 2: 'car'})
    message = replace(messages.labels(100, np.zeros((2, 2), np.uint8)), encoding='bgr8')
    messages.write(path, ('/map/label_info', 1, names), ('/map', 10, message))
    with pytest.raises(ValueError, match=f"/map: is an image of encoding 'bgr8', .*{encoding}"):
        read(path, ['/map'], map_task(kind))


def test_a_scalar_map_of_gray_levels_is_refused(messages, tmp_path):
    bag = messages.write(tmp_path / 'bag', (
        '/map', 10, messages.labels(100, np.full((2, 2), 128, np.uint8))))
    with pytest.raises(ValueError, match=r'/map: has other values than 0 .no., 1 .yes. and 255'):
        read(bag, ['/map'], map_task(ScalarMap))


def test_boundaries_are_those_of_class_ids(messages, tmp_path):
    ids = np.zeros((6, 8), np.uint8)
    ids[:3, 4:], ids[3:, 4:], ids[:, 7] = 3, 5, IGNORE
    bag = messages.write(
        tmp_path / 'bag', ('/map/label_info', 1, messages.label_info({3: 'car', 5: 'tree'})),
        ('/map', 10, messages.labels(100, ids)))
    tasks = build_tasks({'boundaries': {}, 'semantic_boundaries': {'classes': CLASSES}})
    found = read(bag, ['boundaries=/map', 'semantic_boundaries=/map'], tasks).annotations[1]
    lines = found['boundaries'].contours().values
    expected = np.zeros((6, 8), np.uint8)
    expected[:, 3], expected[2, 4:], expected[:, 6:] = 1, 1, IGNORE
    np.testing.assert_array_equal(lines, expected)
    person, car = found['semantic_boundaries'].class_contours(2).planes
    assert (person == IGNORE).all()  # it has no name there, so nothing is known of it
    expected[3:, 3] = 0  # there, only the tree has a boundary
    np.testing.assert_array_equal(car, expected)


def test_numbers_of_regions_are_no_boundaries_of_classes(messages, tmp_path):
    tasks = build_tasks({'map': {'kind': 'semantic_boundaries', 'classes': CLASSES}})
    with pytest.raises(ValueError, match="/map: is an image of encoding 'mono16', not of class"):
        read(write_map(messages, tmp_path / 'bag', RegionMap), ['/map'], tasks)
