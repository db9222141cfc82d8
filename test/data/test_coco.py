# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""COCO data sets: each task is told what the file knows, and nothing else."""

import json
from pathlib import Path
import pickle
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mcn_ros.data import image_formats
from mcn_ros.data.coco import CocoAnnotations, CocoDataset, read_image
from mcn_ros.structures import IGNORE
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_SKELETON

SHARED = Path(__file__).resolve().parents[3] / 'shared' / 'data'

CLASSES = ('person', 'car', 'dog')
NAMES = COCO_SKELETON.keypoint_names


def rectangle(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def thing(category, box, **extra):
    """Return an annotation; its mask is its box."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {'image_id': 1, 'category_id': category, 'bbox': [left, top, width, height],
            'area': width * height, 'segmentation': rectangle(*box), **extra}


def make(tmp_path, things, categories=('person', 'car', 'dog'), joints=NAMES, labelled=None,
         tasks=None, classes=CLASSES):
    """Write one 64 x 48 image, and return the data set."""
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((48, 64, 3), (10, 20, 30), np.uint8))
    entries = [{'id': i + 1, 'name': name} for i, name in enumerate(categories)]
    for entry in entries:
        if entry['name'] == 'person' and joints:
            entry['keypoints'] = list(joints)
    image = {'id': 1, 'file_name': 'a.png', 'width': 64, 'height': 48}
    if labelled is not None:
        image['labelled'] = labelled
    things = [{'id': i, **entry} for i, entry in enumerate(things)]
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps({'images': [image], 'categories': entries, 'annotations': things}))
    if tasks is None:
        tasks = build_tasks({'detection': {'classes': classes}, 'pose': {},
                             'segmentation': {'classes': classes}})
    return CocoDataset(path, tmp_path, tasks)


def annotations(*args, **kwargs):
    return make(*args, **kwargs)[0].annotations


def test_classes_are_matched_by_name(tmp_path):
    things = [thing(1, (0, 0, 9, 9)), thing(2, (10, 0, 19, 9)), thing(3, (20, 0, 29, 9))]
    found = annotations(tmp_path, things, categories=('cow', 'dog', 'person'),
                        classes=('person', 'dog'))
    np.testing.assert_array_equal(found['detection'].classes, [1, 0])
    np.testing.assert_array_equal(found['detection'].boxes, [[10, 0, 19, 9], [20, 0, 29, 9]])
    labels = found['segmentation'].labels
    assert (labels[4, 4], labels[4, 14], labels[4, 24]) == (0, 2, 1)


def test_annotations_can_be_had_without_images(tmp_path):
    dataset = make(tmp_path, [thing(1, (0, 0, 9, 9))])
    (tmp_path / 'a.png').unlink()
    for source in (dataset.file.path, json.loads(dataset.file.path.read_text())):
        found = CocoAnnotations(source, dataset.tasks)[1]
        np.testing.assert_array_equal(found['detection'].boxes, [[0, 0, 9, 9]])
        assert found['segmentation'].labels[4, 4] == 1


def test_an_image_without_objects_is_labelled_as_empty(tmp_path):
    found = annotations(tmp_path, [thing(2, (0, 0, 0, 5))])
    assert len(found['detection']) == 0 and len(found['pose']) == 0
    assert found['detection'].boxes.shape == (0, 4)
    assert found['pose'].keypoints.shape == (0, 17, 2)


def test_a_crowd_is_marked_for_detection_and_drawn_for_segmentation(tmp_path):
    found = annotations(tmp_path, [thing(1, (0, 0, 20, 20), iscrowd=1), thing(1, (30, 0, 40, 9))])
    np.testing.assert_array_equal(found['detection'].crowd, [True, False])
    np.testing.assert_array_equal(found['pose'].crowd, [True, False])
    assert found['segmentation'].labels[10, 10] == 1
    assert not (found['segmentation'].labels == IGNORE).any()


@pytest.mark.parametrize('order', [1, -1])
def test_the_smaller_of_two_overlapping_masks_is_on_top(tmp_path, order):
    things = [thing(1, (0, 0, 40, 40)), thing(3, (10, 10, 20, 20))][::order]
    labels = annotations(tmp_path, things)['segmentation'].labels
    assert labels[15, 15] == 3 and labels[30, 30] == 1


def test_masks_of_one_class_are_merged(tmp_path):
    things = [thing(2, (0, 0, 20, 20)), thing(2, (10, 10, 30, 30))]
    labels = annotations(tmp_path, things)['segmentation'].labels
    assert (labels == 2).sum() == 20 * 20 + 20 * 20 - 10 * 10


def keypoints(names):
    """Return COCO keypoints in the order of names: joint i at (i, 2 i), every third unknown."""
    values = []
    for name in names:
        i = NAMES.index(name)
        values += [0, 0, 0] if i % 3 == 0 else [i, 2 * i, 1 + i % 2]
    return values


@pytest.mark.parametrize('names', [NAMES, NAMES[::-1], ('tail', *NAMES)])
def test_joints_are_matched_by_name(tmp_path, names):
    values = [7, 7, 2] * ('tail' in names) + keypoints([n for n in names if n in NAMES])
    pose = annotations(tmp_path, [thing(1, (0, 0, 20, 40), keypoints=values)],
                       joints=names)['pose']
    known = np.arange(17) % 3 != 0
    expected = np.where(known[:, None], np.arange(17)[:, None] * [1, 2], np.nan)
    np.testing.assert_array_equal(pose.keypoints[0], expected)
    np.testing.assert_array_equal(pose.keypoint_scores[0], known)


def test_a_person_without_joints_is_still_a_person(tmp_path):
    pose = annotations(tmp_path, [thing(1, (0, 0, 20, 40)), thing(2, (0, 0, 9, 9))])['pose']
    assert len(pose) == 1 and np.isnan(pose.keypoints).all() and not pose.keypoint_scores.any()


def test_poses_are_not_labelled_in_a_file_without_joints(tmp_path):
    assert set(annotations(tmp_path, [], joints=())) == {'detection'}


def test_a_category_that_the_file_lacks_is_not_labelled(tmp_path):
    found = annotations(tmp_path, [thing(1, (0, 0, 9, 9))], categories=('person', 'dog'))
    for task in ('detection', 'segmentation'):
        np.testing.assert_array_equal(found[task].labelled_classes, [True, False, True])
    found = annotations(tmp_path, [thing(1, (0, 0, 9, 9))], categories=('cow',))
    assert not found


def test_only_what_is_labelled_is_said(tmp_path):
    things = [thing(1, (0, 0, 9, 9)), thing(2, (10, 0, 19, 9))]
    found = annotations(tmp_path, things, labelled=['detection:person', 'segmentation:person'])
    assert set(found) == {'detection', 'segmentation'}
    np.testing.assert_array_equal(found['detection'].classes, [0])
    np.testing.assert_array_equal(found['detection'].labelled_classes, [True, False, False])
    np.testing.assert_array_equal(np.unique(found['segmentation'].labels), [0, 1])
    assert set(annotations(tmp_path, things, labelled=['pose'])) == {'pose'}
    assert not annotations(tmp_path, things, labelled=[])
    whole = annotations(tmp_path, things, labelled=['detection'])
    assert whole['detection'].labelled_classes is None


def test_a_class_with_an_object_without_a_mask_is_not_segmented(tmp_path):
    things = [thing(1, (0, 0, 9, 9)), thing(2, (10, 0, 19, 9), segmentation=None)]
    found = annotations(tmp_path, things)
    np.testing.assert_array_equal(found['segmentation'].labelled_classes, [True, False, True])
    assert found['detection'].labelled_classes is None
    bare = annotations(tmp_path, [thing(1, (0, 0, 9, 9), segmentation=None)])
    assert set(bare) == {'detection', 'pose'}


def test_a_promised_mask_must_be_there(tmp_path):
    things = [thing(1, (0, 0, 9, 9), segmentation=None)]
    with pytest.raises(ValueError, match='image 1 is labelled for segmentation'):
        make(tmp_path, things, labelled=['segmentation:person'])
    make(tmp_path, things, labelled=['segmentation:dog', 'detection'])


def test_a_skeleton_must_fit(tmp_path):
    with pytest.raises(ValueError, match='lacks keypoints of coco17: nose'):
        make(tmp_path, [], joints=NAMES[1:])


def test_a_task_that_coco_does_not_know_is_absent(tmp_path):
    detection = build_tasks({'detection': {}})['detection']
    depth = SimpleNamespace(annotation=np.ndarray)
    assert set(annotations(tmp_path, [], tasks={'detection': detection, 'depth': depth})) == {
        'detection'}


def test_a_photograph_that_exif_turns_is_told(tmp_path):
    dataset = make(tmp_path, [])
    jpeg = cv2.imencode('.jpg', np.zeros((64, 48, 3), np.uint8))[1].tobytes()
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    turned = jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:]
    (tmp_path / 'a.png').write_bytes(turned)
    with pytest.raises(ValueError, match=r'a.png.*says \(48, 64\): its EXIF data turn it.*-auto'):
        dataset[0]
    (tmp_path / 'a.png').write_bytes(jpeg)
    with pytest.raises(ValueError, match=r'says \(48, 64\)$'):
        dataset[0]


def test_errors_of_images_name_them(tmp_path):
    dataset = make(tmp_path, [])
    (tmp_path / 'a.png').write_bytes(b'nothing')
    with pytest.raises(ValueError, match='a.png: is not an image'):
        dataset[0]
    (tmp_path / 'a.png').unlink()
    with pytest.raises(ValueError, match='a.png: no such image'):
        dataset[0]
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((10, 12, 3), np.uint8))
    with pytest.raises(ValueError, match=r'\(10, 12\), but .* says \(48, 64\)'):
        dataset[0]
    with pytest.raises(ValueError, match='no such folder'):
        CocoDataset(tmp_path / 'annotations.json', tmp_path / 'nowhere', {})


def test_an_image_file_that_claims_gigabytes_is_not_decoded(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), np.zeros((10, 12, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack('>II', 60000, 60000)
    path.write_bytes(data)
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ValueError, match='a.png: is not an image.* 60000x60000 pixels has 3600'):
        read_image(path)


def test_a_file_that_is_larger_than_any_image_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image_formats, 'MAX_FILE', 100)
    (tmp_path / 'a.png').write_bytes(bytes(101))
    with pytest.raises(ValueError, match='a.png: .* more than 100 bytes is too large'):
        read_image(tmp_path / 'a.png')
    (tmp_path / 'a.png').unlink()
    (tmp_path / 'a.png').mkdir()
    with pytest.raises(ValueError, match='a.png: cannot be read'):
        read_image(tmp_path / 'a.png')


def test_images_are_rgb(tmp_path):
    image = make(tmp_path, [])[0].image
    np.testing.assert_array_equal(image[0, 0], [30, 20, 10])
    cv2.imwrite(str(tmp_path / 'gray.png'), np.full((4, 5), 77, np.uint8))
    np.testing.assert_array_equal(read_image(tmp_path / 'gray.png'), np.full((4, 5, 3), 77))


def test_images_are_not_turned(tmp_path):
    _, data = cv2.imencode('.jpg', np.zeros((8, 16, 3), np.uint8))
    # An orientation tag: "turn by 90 degrees", in a directory of this one entry.
    tag = b'Exif\0\0II*\0' + struct.pack('<IHHHIII', 8, 1, 0x0112, 3, 1, 6, 0)
    block = b'\xff\xe1' + struct.pack('>H', len(tag) + 2) + tag
    path = tmp_path / 'turned.jpg'
    path.write_bytes(data.tobytes()[:2] + block + data.tobytes()[2:])
    assert cv2.imread(str(path)).shape[:2] == (16, 8)
    assert read_image(path).shape[:2] == (8, 16)


def test_a_data_set_travels_to_workers(tmp_path):
    dataset = make(tmp_path, [thing(1, (0, 0, 9, 9))])
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[0].annotations['segmentation'].labels,
                                  dataset[0].annotations['segmentation'].labels)
    assert copy.ids == dataset.ids == (1,)


@pytest.mark.skipif(not SHARED.is_dir(), reason='the development data is not here')
@pytest.mark.parametrize('name', ['coco_train', 'coco_person', 'coco_val'])
def test_development_data(name):
    tasks = build_tasks({'detection': {}, 'pose': {}, 'segmentation': {}})
    dataset = CocoDataset(SHARED / name / 'annotations.json', SHARED / name / 'images', tasks)
    for index in range(0, len(dataset), len(dataset) // 8):
        sample = dataset[index]
        height, width = sample.image.shape[:2]
        found = sample.annotations
        assert {'detection', 'pose'} <= set(found)
        boxes = found['detection'].boxes
        assert (boxes >= -1).all() and (boxes <= [width + 1, height + 1] * 2).all()
        assert (found['detection'].labelled_classes is None) == (name != 'coco_person')
        if 'segmentation' in found:
            labels = found['segmentation'].labels
            for left, top, right, bottom in boxes.astype(int):
                assert (labels[top:bottom + 1, left:right + 1] > 0).any()


def test_regions_of_people_are_crowds_of_persons(tmp_path):
    """Unless the task has a class of that name."""
    things = [thing(1, (1, 1, 9, 9), full_bbox=[1, 1, 8, 16]), thing(2, (20, 1, 39, 9)),
              thing(3, (2, 2, 5, 5)), thing(4, (3, 3, 6, 6))]
    made = make(tmp_path, things, ('person', 'people', 'person?', 'dog'), joints=())
    found = made[0].annotations['detection']
    assert found.classes.tolist() == [0, 0, 0, 2]
    assert found.crowd.tolist() == [False, True, True, False]
    assert found.visible.tolist() == [0.5, 1, 1, 1] and len(found.full_boxes) == 4
    for classes, crowd in ((('person', 'people'), [False, False, True]), (('dog',), [False])):
        tasks = build_tasks({'detection': {'classes': classes}})
        dataset = CocoDataset(made.file.path, made.images, tasks)
        assert dataset[0].annotations['detection'].crowd.tolist() == crowd
