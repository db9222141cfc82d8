# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation of a predictor on a data set with partial labels."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.structures import ClassMap, Instances, Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_SKELETON

CLASSES = ('person', 'car')
BOX = (10, 10, 50, 60)


def make_files(folder, labelled=(None, None), masks=True):
    """Write two images with a person each, and one car in the first."""
    images, annotations = [], []
    x1, y1, x2, y2 = BOX
    joints = np.linspace((x1, y1, 2), (x2, y2, 2), COCO_SKELETON.num_keypoints)
    for index, known in enumerate(labelled):
        cv2.imwrite(str(folder / f'{index}.png'), np.full((64, 96, 3), 40 * index, np.uint8))
        image = {'id': 7 + index, 'file_name': f'{index}.png', 'width': 96, 'height': 64}
        images.append(image if known is None else {**image, 'labelled': known})
        person = {'id': 2 * index + 1, 'image_id': 7 + index, 'category_id': 1, 'iscrowd': 0,
                  'bbox': [x1, y1, x2 - x1, y2 - y1], 'area': (x2 - x1) * (y2 - y1),
                  'keypoints': joints.ravel().tolist(), 'num_keypoints': len(joints)}
        car = {'id': 99, 'image_id': 7, 'category_id': 3, 'iscrowd': 0, 'bbox': [60, 5, 30, 20],
               'area': 600, 'segmentation': [[60, 5, 90, 5, 90, 25, 60, 25]]}
        if masks:
            person['segmentation'] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
        annotations += [person] if index else [person, car]
    categories = [{'id': 1, 'name': 'person', 'keypoints': list(COCO_SKELETON.keypoint_names)},
                  {'id': 3, 'name': 'car'}]
    path = folder / 'annotations.json'
    path.write_text(json.dumps(
        {'images': images, 'annotations': annotations, 'categories': categories}))
    return path


class Oracle:
    """A predictor that answers with the annotations, and with a false car in every image."""

    tasks = build_tasks({'detection': {'classes': CLASSES}, 'pose': {},
                         'segmentation': {'classes': CLASSES}})

    def __init__(self, dataset, wrong_cars=False):
        self._samples = [dataset[index] for index in range(len(dataset))]
        self._wrong_cars = wrong_cars

    def __call__(self, image):
        known = next(s for s in self._samples if (s.image == image).all()).annotations
        found = {'detection': Instances(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)),
                 'pose': Poses(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 2)),
                               np.zeros((0, 17))),
                 'segmentation': ClassMap(np.zeros(image.shape[:2], np.uint8)), **known}
        if self._wrong_cars:
            objects, labels = found['detection'], found['segmentation'].labels.copy()
            labels[:3] = 2
            found['segmentation'] = ClassMap(labels)
            found['detection'] = Instances(
                np.vstack([objects.boxes, [[0, 0, 96, 3]]]).astype(np.float32),
                np.append(objects.classes, 1), np.append(objects.scores, 2.0))
        return found


def run(folder, wrong_cars=False, **options):
    dataset = CocoDataset(make_files(folder, **options), folder, Oracle.tasks)
    return evaluate(Oracle(dataset, wrong_cars), dataset, progress=False)


def test_annotations_score_one(tmp_path):
    result = run(tmp_path)
    assert list(result) == ['detection', 'pose', 'segmentation', 'images']
    assert result['images'] == 2
    assert result['detection']['AP'] == pytest.approx(1)
    assert result['detection']['per_class'] == pytest.approx({'person': 1, 'car': 1})
    assert result['pose']['AP'] == pytest.approx(1)
    assert result['segmentation']['mIoU'] == 1
    json.dumps(result, allow_nan=False)


def test_unlabelled_cars_are_not_false(tmp_path):
    people = ['detection:person', 'pose', 'segmentation:person']
    result = run(tmp_path, wrong_cars=True, labelled=(people, people))
    assert result['detection']['per_class'] == pytest.approx({'person': 1})
    assert result['segmentation']['per_class'] == {'person': 1}
    result = run(tmp_path, wrong_cars=True)
    assert result['detection']['per_class']['car'] < 1
    assert result['segmentation']['per_class']['car'] < 1


def test_images_without_pose_labels_do_not_count_for_pose(tmp_path):
    result = run(tmp_path, labelled=(['pose'], ['detection']))
    assert result['pose']['AP'] == pytest.approx(1)
    assert result['detection']['AP'] == pytest.approx(1)
    assert 'segmentation' not in result


def test_heads_that_the_predictor_lacks_are_absent(tmp_path):
    class PoseOracle(Oracle):
        tasks = build_tasks({'pose': {}})

    dataset = CocoDataset(make_files(tmp_path), tmp_path, PoseOracle.tasks)
    assert set(evaluate(PoseOracle(dataset), dataset, progress=False)) == {'pose', 'images'}
