# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pseudo-labels: classes that nothing is known of get boxes, and all else stays as it was."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.journal import Journal
from mcn_ros.data.labeller import Teachers, Thresholds
from mcn_ros.data.pseudo_labels import add_pseudo_labels
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import TASKS as KINDS
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.pose import PoseTask
from mcn_ros.tasks.segmentation import SegmentationTask
from mcn_ros.vocabulary import COCO_SKELETON

CLASSES = ('person', 'dog', 'cup')
TASKS = {'detection': DetectionTask(CLASSES), 'pose': PoseTask(),
         'segmentation': SegmentationTask(CLASSES)}
PERSON = {'id': 7, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'area': 400,
          'bbox': [10, 10, 20, 20], 'segmentation': [[10, 10, 30, 10, 30, 30, 10, 30]],
          'keypoints': [15, 15, 2] * 17, 'num_keypoints': 17}
PEOPLE = {'id': 1, 'name': 'person', 'keypoints': list(COCO_SKELETON.keypoint_names)}


def teacher(image):
    """Find a person, a certain and a doubtful dog, noise, and what clipping left of a cup."""
    boxes = [[0, 0, 20, 20], [5, 5, 25, 45], [30, 0, 40, 8], [0, 0, 8, 8], [63.5, 0, 64, 20]]
    return Instances(np.array(boxes, np.float32), np.array([0, 1, 1, 2, 2]),
                     np.array([0.9, 0.8, 0.3, 0.05, 0.9], np.float32))


def write(folder, labelled=..., categories=(PEOPLE,), annotations=(PERSON,)):
    """Write a file of one image; return its path and the folder of the image."""
    image = {'id': 1, 'file_name': '1.png', 'width': 64, 'height': 48, 'license': 4}
    if labelled is not ...:
        image['labelled'] = labelled
    path = folder / 'annotations.json'
    path.write_text(json.dumps({'info': {'year': 2026}, 'categories': categories,
                                'images': [image], 'annotations': annotations}))
    cv2.imwrite(str(folder / '1.png'), np.zeros((48, 64, 3), np.uint8))
    return path, folder


def label(path, images, teachers=Teachers(teacher, CLASSES)):
    """Return the content of a file with the labels of teachers."""
    tasks = {} if teachers.maps is None else dict([teachers.maps])
    with Journal(path.parent / 'part', {}) as journal:
        return add_pseudo_labels(
            json.loads(path.read_text()), CocoDataset(path, images, tasks), teachers,
            Thresholds(keep=0.5, unsure=0.1), journal, path.parent)


def read(path, images, content=None):
    """Return the sample of a file, or of new content for it."""
    if content is not None:
        path = path.with_name('new.json')
        path.write_text(json.dumps(content))
    return CocoDataset(path, images, TASKS)[0]


def added(content):
    return [entry for entry in content['annotations'] if 'score' in entry]


def test_sure_boxes_become_objects_and_doubtful_ones_crowds(tmp_path):
    content = label(*write(tmp_path, ['detection:person', 'pose']))
    names = {category['id']: category['name'] for category in content['categories']}
    assert list(names.values()) == list(CLASSES)
    sure, doubtful = added(content)
    assert names[sure['category_id']] == names[doubtful['category_id']] == 'dog'
    assert (sure['iscrowd'], doubtful['iscrowd']) == (0, 1)
    assert (sure['score'], doubtful['score']) == (0.8, 0.3)
    assert (sure['bbox'], sure['area']) == ([5, 5, 20, 40], 800)
    assert len({entry['id'] for entry in content['annotations']}) == 3


@pytest.mark.parametrize('labelled', [
    ..., ['detection:person', 'pose'], ['detection:person', 'pose', 'segmentation:person'],
    ['detection', 'pose', 'segmentation']])
def test_what_was_known_stays(tmp_path, labelled):
    path, images = write(tmp_path, labelled)
    content, before = label(path, images), json.loads(path.read_text())
    assert content['info'] == before['info'] and content['annotations'][:1] == [PERSON]
    assert content['categories'][:1] == [PEOPLE]
    old, new = read(path, images), read(path, images, content)
    assert new.annotations.keys() == old.annotations.keys()
    for name in old.annotations.keys() & {'pose', 'segmentation'}:
        for field, value in vars(old.annotations[name]).items():
            np.testing.assert_array_equal(getattr(new.annotations[name], field), value)
    objects = new.annotations['detection']
    assert objects.labelled_classes is None
    assert objects.classes.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(objects.boxes[0], old.annotations['detection'].boxes[0])


def test_an_image_without_any_label_gets_all_classes(tmp_path):
    path, images = write(tmp_path, [], annotations=())
    sample = read(path, images, label(path, images))
    assert sample.annotations.keys() == {'detection'}
    assert sample.annotations['detection'].classes.tolist() == [0, 1, 1]


@pytest.mark.parametrize('labelled', [['pose'], ['segmentation:person']])
def test_no_box_for_a_class_that_another_task_labels(tmp_path, labelled):
    path, images = write(tmp_path, labelled)
    content = label(path, images)
    assert len(added(content)) == 2
    objects = read(path, images, content).annotations['detection']
    assert objects.labelled_classes.tolist() == [False, True, True]


def test_maps_stay_and_keep_no_class_from_boxes(tmp_path):
    path, images = write(tmp_path, ['normals'], annotations=())
    before = json.loads(path.read_text())
    before['images'][0]['maps'] = {'normals': 'normals.png'}
    path.write_text(json.dumps(before))
    content = label(path, images)
    assert content['images'][0]['labelled'] == ['detection', 'normals']
    assert content['images'][0]['maps'] == {'normals': 'normals.png'}
    assert len(added(content)) == 3


def test_labels_of_a_type_that_is_not_known_stay(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, 'weather', SimpleNamespace(annotation=str))
    path, images = write(tmp_path, ['weather'], annotations=())
    labelled = label(path, images)['images'][0]['labelled']
    assert [entry for entry in labelled if 'weather' in entry] == ['weather']


def test_a_class_without_masks_stays_unknown_in_the_segmentation(tmp_path):
    dog = {'id': 9, 'image_id': 1, 'category_id': 5, 'bbox': [40, 20, 10, 10]}
    path, images = write(tmp_path, categories=(PEOPLE, {'id': 5, 'name': 'dog'}),
                         annotations=(PERSON, dog))
    old, new = read(path, images), read(path, images, label(path, images))
    assert old.annotations['segmentation'].labelled_classes.tolist() == [True, False, False]
    assert new.annotations['segmentation'].labelled_classes.tolist() == [True, False, False]


def test_a_fully_labelled_file_stays_as_it_is(tmp_path):
    others = [{'id': 4, 'name': 'dog'}, {'id': 9, 'name': 'cup'}]
    path, images = write(tmp_path, categories=(PEOPLE, *others))
    assert label(path, images) == json.loads(path.read_text())


def test_a_missing_image_is_named(tmp_path):
    path, images = write(tmp_path, ['pose'])
    (tmp_path / '1.png').unlink()
    with pytest.raises(ValueError, match='1.png: no such image'):
        label(path, images)


def joints(image, boxes, scores):
    """Find all joints in the middle of each box; the first is not sure, the last is outside."""
    points = np.repeat((boxes[:, None, :2] + boxes[:, None, 2:]) / 2, 17, axis=1)
    points[:, -1] = -1
    sure = np.full((len(boxes), 17), 0.9, np.float32)
    sure[:, 0] = 0.1
    return Poses(boxes, scores, points, sure)


def test_people_get_joints_where_none_are_labelled(tmp_path):
    boxed = {key: value for key, value in PERSON.items()
             if key not in ('keypoints', 'num_keypoints')}
    path, images = write(tmp_path, ['detection:person'], [{'id': 1, 'name': 'person'}], [boxed])
    content = label(path, images, Teachers(teacher, CLASSES, joints))
    assert content['images'][0]['labelled'] == ['detection', 'pose']
    known = content['annotations'][0]
    assert {key: known[key] for key in boxed} == boxed and 'score' not in known
    rows = np.reshape(known['keypoints'], (17, 3))
    np.testing.assert_array_equal(rows[1:-1], [[20, 20, 2]] * 15)
    assert not rows[[0, -1]].any() and known['num_keypoints'] == 15
    poses = read(path, images, content).annotations['pose']
    assert (poses.keypoint_scores.sum(axis=1) == 15).all()


def test_new_people_get_joints_and_crowds_do_not(tmp_path):
    def crowd(image):
        return Instances(np.array([[0, 0, 20, 20], [30, 0, 50, 40]], np.float32),
                         np.array([0, 0]), np.array([0.9, 0.2], np.float32))

    path, images = write(tmp_path, [], [], [])
    person, unsure = label(path, images, Teachers(crowd, CLASSES, joints))['annotations']
    assert person['num_keypoints'] == 15
    assert unsure['iscrowd'] == 1 and 'keypoints' not in unsure


def test_labelled_joints_stay(tmp_path):
    path, images = write(tmp_path, ['detection:person', 'pose'])
    content = label(path, images, Teachers(people=joints))
    assert content == json.loads(path.read_text())


def test_people_without_known_boxes_get_no_joints(tmp_path):
    path, images = write(tmp_path, ['detection:dog'], [PEOPLE, {'id': 2, 'name': 'dog'}], [])
    assert label(path, images, Teachers(people=joints)) == json.loads(path.read_text())


def pixels(image, classes):
    """See the last class everywhere."""
    logits = np.zeros((len(classes) + 1, *image.shape[:2]), np.float32)
    logits[-1] = 9
    return logits


MAPS = Teachers(teacher, CLASSES, pixels=pixels, maps=('segmentation', SegmentationTask(CLASSES)))


def test_pixels_are_labelled_within_boxes(tmp_path):
    path, images = write(tmp_path, [], annotations=())
    content = label(path, images, MAPS)
    assert content['images'][0]['labelled'] == ['detection', 'segmentation']
    found = read(path, images, content).annotations['segmentation']
    assert found.labelled_classes is None
    # Classes with boxes are the person and the dog; the cup is noise.
    assert (found.labels[10:15, 10:15] == 2).all() and (found.labels[46:, :] == 0).all()


def test_true_masks_win_over_pixels(tmp_path):
    path, images = write(tmp_path, ['detection:person', 'pose', 'segmentation:person'])
    content = label(path, images, MAPS)
    assert content['images'][0]['labelled'] == ['detection', 'pose:person', 'segmentation']
    found = read(path, images, content).annotations['segmentation']
    mask = np.zeros((48, 64), bool)
    mask[10:30, 10:30] = True
    np.testing.assert_array_equal(found.labels == 1, mask)
    assert (found.labels[32:45, 5:25] == 2).all()


def test_a_second_run_goes_on_where_the_first_stopped(tmp_path):
    path, images = write(tmp_path, [], annotations=())
    content = json.loads(path.read_text())
    content['images'] = [{**content['images'][0], 'id': number} for number in (1, 2, 3)]
    path.write_text(json.dumps(content))
    whole = label(path, images)
    (tmp_path / 'part').unlink()
    seen = []

    def interrupted(image):
        seen.append(len(seen))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return teacher(image)

    with pytest.raises(KeyboardInterrupt):
        label(path, images, Teachers(interrupted, CLASSES))
    assert json.dumps(label(path, images, Teachers(interrupted, CLASSES))) == json.dumps(whole)
    assert len(seen) == 4


def test_what_is_labelled_keeps_its_words_where_no_class_is_added(tmp_path):
    others = [{'id': 4, 'name': 'dog'}, {'id': 9, 'name': 'cup'}]
    path, images = write(tmp_path, ['detection', 'pose', 'segmentation:person'],
                         (PEOPLE, *others))
    content = label(path, images, MAPS)
    assert content['images'][0]['labelled'] == ['detection', 'pose', 'segmentation']
    assert read(path, images, content).annotations['segmentation'].labelled_classes is None


def test_joints_of_people_stay_where_others_get_some(tmp_path):
    bare = {**PERSON, 'id': 8, 'keypoints': [0] * 51, 'num_keypoints': 0}
    path, images = write(tmp_path, ['detection:person'], annotations=(PERSON, bare))
    content = label(path, images, Teachers(people=joints))
    assert content['annotations'][0] == PERSON
    assert content['annotations'][1]['num_keypoints'] == 15
