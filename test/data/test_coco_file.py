# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Annotation files: what is wrong is named; masks are those of the COCO tools."""

import json

from hypothesis import given, strategies
import numpy as np
from pycocotools import mask as coco_mask
import pytest

from mcn_ros.data.coco_file import draw_mask, read_coco
from mcn_ros.vocabulary import COCO_SKELETON

SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
RUNS = {'size': [48, 64], 'counts': [64, 30, 48 * 64 - 94]}


def content(**changes):
    """Return a good file with some keys replaced."""
    file = {
        'images': [{'id': 5, 'file_name': 'a.png', 'width': 64, 'height': 48}],
        'categories': [{'id': 7, 'name': 'car'},
                       {'id': 1, 'name': 'person',
                        'keypoints': list(COCO_SKELETON.keypoint_names)}],
        'annotations': [annotation()]}
    return {**file, **changes}


def annotation(**changes):
    entry = {'id': 3, 'image_id': 5, 'category_id': 7, 'bbox': [10, 10, 20, 20], 'area': 400,
             'iscrowd': 0, 'segmentation': [SQUARE]}
    return {k: v for k, v in {**entry, **changes}.items() if v is not ...}


def image(**changes):
    return {**content()['images'][0], **changes}


def write(tmp_path, file):
    path = tmp_path / 'annotations.json'
    path.write_text(file if isinstance(file, str) else json.dumps(file))
    return path


def test_a_file_is_read(tmp_path):
    person = annotation(id=4, category_id=1, keypoints=[1, 2, 2] * 17, num_keypoints=17)
    file = read_coco(write(tmp_path, content(annotations=[annotation(), person])))
    (record,) = file.records
    assert file.classes == {'car': 7, 'person': 1}
    assert file.joints == COCO_SKELETON.keypoint_names
    assert file.masked and record.size == (48, 64) and record.labelled is None
    np.testing.assert_array_equal(record.boxes, [[10, 10, 30, 30]] * 2)
    np.testing.assert_array_equal(record.categories, [7, 1])
    np.testing.assert_array_equal(record.keypoints, np.full((1, 17, 3), [1, 2, 2]))


def test_the_content_of_a_file_is_read_as_the_file(tmp_path):
    of_content, of_file = read_coco(content()), read_coco(write(tmp_path, content()))
    assert of_content.classes == of_file.classes and of_content.joints == of_file.joints
    np.testing.assert_array_equal(of_content.records[0].boxes, of_file.records[0].boxes)
    with pytest.raises(ValueError, match='annotations: annotation 3: category 99'):
        read_coco(content(annotations=[annotation(category_id=99)]))


def test_records_are_in_the_order_of_their_ids(tmp_path):
    images = [image(id=9), image(id=2), image()]
    file = read_coco(write(tmp_path, content(images=images)))
    assert [record.image_id for record in file.records] == [2, 5, 9]
    assert [len(record.boxes) for record in file.records] == [0, 1, 0]


@pytest.mark.parametrize('box', [[10, 10, 0, 20], [10, 10, 20, 0], [10, 10, -3, 20]])
def test_objects_without_an_area_are_left_out(tmp_path, box):
    file = read_coco(write(tmp_path, content(annotations=[annotation(bbox=box)])))
    assert len(file.records[0].boxes) == 0


def test_masks_can_be_left_out(tmp_path):
    file = read_coco(write(tmp_path, content()), with_masks=False)
    assert not file.masked and file.records[0].masks == (None,)


@pytest.mark.parametrize('segmentation', [..., None, [], [[1, 2, 3, 4]]])
def test_an_empty_segmentation_is_none(tmp_path, segmentation):
    entry = annotation(segmentation=segmentation)
    assert not read_coco(write(tmp_path, content(annotations=[entry]))).masked


PERSON = {'category_id': 1, 'id': 4}
BAD = {
    'is not JSON': '{',
    'is not a COCO annotation file': '[]',
    "has no 'images'": '{"categories": [], "annotations": []}',
    "category 1 has no 'name'": content(categories=[{'id': 1}]),
    "an entry of images has no 'id'": content(images=[{'file_name': 'a.png'}]),
    'two entries of images have the same id': content(images=[image(), image()]),
    'two categories have the same name': content(
        categories=[{'id': 7, 'name': 'car'}, {'id': 8, 'name': 'car'}]),
    "image 5 has no 'height'": content(images=[{'id': 5, 'file_name': 'a', 'width': 4}]),
    "annotation 3 has no 'bbox'": content(annotations=[annotation(bbox=...)]),
    "annotation 3 has no 'category_id'": content(annotations=[annotation(category_id=...)]),
    'category 9 is not in the file': content(annotations=[annotation(category_id=9)]),
    'annotations of image 6': content(annotations=[annotation(image_id=6)]),
    'annotation 3: bbox: expected 4 finite': content(annotations=[annotation(bbox=[1, 2, 3])]),
    'annotation 3: bbox: is not a list': content(annotations=[annotation(bbox='big')]),
    'annotation 4: keypoints: expected 51': content(
        annotations=[annotation(**PERSON, keypoints=[1, 2, 2])]),
    'annotation 3: segmentation is neither': content(
        annotations=[annotation(segmentation=[[1, 2, 3, 4, 5, 6, 7]])]),
    "annotation 3: segmentation has no 'counts'": content(
        annotations=[annotation(segmentation={'size': [48, 64]})]),
    r'run-length mask is \[9, 9\]': content(
        annotations=[annotation(segmentation={'size': [9, 9], 'counts': [81]})]),
    "labelled has 'detection:cow', but 'cow' is no category": content(
        images=[image(labelled=['detection:cow'])]),
}


@pytest.mark.parametrize('message', BAD)
def test_what_is_wrong_with_a_file_is_named(tmp_path, message):
    path = write(tmp_path, BAD[message])
    with pytest.raises(ValueError, match=message) as caught:
        read_coco(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match='nothing.json: cannot be read'):
        read_coco(tmp_path / 'nothing.json')


@given(strategies.integers(0, 2 ** 32 - 1))
def test_polygons_are_drawn_as_the_coco_tools_draw_them(seed):
    rng = np.random.default_rng(seed)
    polygons = [rng.uniform(-6, 70, 2 * rng.integers(3, 9)).round(2)
                for _ in range(rng.integers(1, 4))]
    labels = np.zeros((48, 64), np.uint8)
    draw_mask(labels, polygons, 9)
    expected = coco_mask.decode(coco_mask.frPyObjects(polygons, 48, 64)).any(axis=2)
    # The tools themselves move a boundary by a pixel with the place of an oblique edge.
    assert ((labels == 9) != expected).mean() < 0.01
    assert set(np.unique(labels)) <= {0, 9}


def test_a_polygon_outside_of_the_image_draws_nothing():
    labels = np.zeros((48, 64), np.uint8)
    draw_mask(labels, [np.array([100, 5, 120, 5, 120, 20.0])], 1)
    assert not labels.any()


@pytest.mark.parametrize('compressed', [True, False])
def test_run_lengths_are_drawn(tmp_path, compressed):
    runs = coco_mask.frPyObjects(RUNS, 48, 64) if compressed else RUNS
    if compressed:
        runs = {**runs, 'counts': runs['counts'].decode()}
    file = read_coco(write(tmp_path, content(annotations=[annotation(segmentation=runs)])))
    labels = np.zeros((48, 64), np.uint8)
    draw_mask(labels, file.records[0].masks[0], 3)
    # Runs go down the columns.
    np.testing.assert_array_equal(np.flatnonzero(labels.T), np.arange(64, 94))
