# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Annotation files: what is wrong is named."""

from copy import deepcopy
import json
import logging

from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.data.coco_file import read_coco
from mcn_ros.data.masks import draw_mask
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


def test_objects_outside_of_their_image_are_counted_and_named(tmp_path, caplog):
    boxes = [[64, 0, 5, 5], [0, 48, 5, 5], [-9, 0, 9, 5], [0, -9, 5, 9], [10, 10, 0, 0],
             [500, 500, 10, 10]]
    objects = [annotation(id=number, bbox=box) for number, box in enumerate(boxes)]
    seen = [annotation(id=99, bbox=[-9, -9, 9.5, 9.5])]
    with caplog.at_level(logging.WARNING):
        (record,) = read_coco(write(tmp_path, content(annotations=objects + seen))).records
    np.testing.assert_array_equal(record.boxes, [[-9, -9, 0.5, 0.5]])
    (message,) = caplog.messages
    assert '6 objects are left out' in message
    assert message.endswith('annotations 0, 1, 2, 3, 4, ...')


# Values that may stand anywhere in JSON, also where nobody expects them.
ANYTHING = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.text(max_size=3)
    | strategies.integers() | strategies.sampled_from([10 ** 400, -1, 7, 1e30]),
    lambda inner: strategies.lists(inner, max_size=3)
    | strategies.dictionaries(strategies.sampled_from(['id', 'size', 'counts', 'x']), inner),
    max_leaves=5)


@settings(max_examples=300)
@given(strategies.data())
def test_any_value_anywhere_is_refused_or_read(data):
    person = annotation(id=4, category_id=1, keypoints=[1, 2, 2] * 17,
                        segmentation={'size': [48, 64], 'counts': [5, 48 * 64 - 5]})
    # A copy: parts of it are shared by all tests.
    file = deepcopy(content(annotations=[annotation(), person],
                            images=[image(labelled=['pose'])]))
    for _ in range(data.draw(strategies.integers(1, 2))):
        inner, places = file, []
        while isinstance(inner, (dict, list)) and inner:
            keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
            places.append((inner, data.draw(strategies.sampled_from(list(keys)))))
            inner = places[-1][0][places[-1][1]]
        owner, key = data.draw(strategies.sampled_from(places))
        owner[key] = data.draw(ANYTHING)
    try:
        records = read_coco(file).records
    except ValueError as error:
        assert str(error).startswith('annotations: ') and len(str(error)) < 1000
        return
    for record in records:
        assert np.isfinite(record.boxes).all() and np.isfinite(record.keypoints).all()
        labels = np.zeros(record.size, np.uint8)
        for mask in filter(None, record.masks):
            draw_mask(labels, mask, 1)


@settings(max_examples=100)
@given(strategies.binary(max_size=60) | strategies.tuples(
    strategies.integers(0, 10 ** 6), strategies.integers(0, 255), strategies.integers(0, 10 ** 6)))
def test_damaged_bytes_are_refused_or_read(tmp_path_factory, damage):
    data = bytearray(json.dumps(content()).encode())
    if isinstance(damage, bytes):
        data = damage
    else:
        data[damage[0] % len(data)] = damage[1]
        data = data[:damage[2] % (2 * len(data))]
    path = tmp_path_factory.getbasetemp() / 'damaged.json'
    path.write_bytes(data)
    try:
        read_coco(path)
    except ValueError as error:
        assert str(path) in str(error)


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
    'two entries of images have the same id, 5': content(images=[image(), image()]),
    "categories 7 and 8 have the same name, 'car'": content(
        categories=[{'id': 7, 'name': 'car'}, {'id': 8, 'name': 'car'}]),
    "image 5 has no 'height'": content(images=[{'id': 5, 'file_name': 'a', 'width': 4}]),
    "annotation 3 has no 'bbox'": content(annotations=[annotation(bbox=...)]),
    "annotation 3 has no 'category_id'": content(annotations=[annotation(category_id=...)]),
    'category 9 is not in the file': content(annotations=[annotation(category_id=9)]),
    'annotations of image 6': content(annotations=[annotation(image_id=6)]),
    'annotation 3: bbox: expected 4 finite': content(annotations=[annotation(bbox=[1, 2, 3])]),
    "annotation 3: bbox: is not a list of numbers, but 'big'": content(
        annotations=[annotation(bbox='big')]),
    'annotation 4: keypoints: expected 51': content(
        annotations=[annotation(**PERSON, keypoints=[1, 2, 2])]),
    'annotation 3: segmentation is neither': content(
        annotations=[annotation(segmentation=[[1, 2, 3, 4, 5, 6, 7]])]),
    "annotation 3: segmentation has no 'counts'": content(
        annotations=[annotation(segmentation={'size': [48, 64]})]),
    r'run-length mask is \[9, 9\]': content(
        annotations=[annotation(segmentation={'size': [9, 9], 'counts': [81]})]),
    'annotation 3: bbox: expected finite numbers up to': content(
        annotations=[annotation(bbox=[float('nan'), 2, 3, 4])]),
    **{f'annotation 3: area: expected square pixels, got {told}': content(
        annotations=[annotation(area=value)])
       for told, value in (("'x'", 'x'), ("''", ''), ('False', False), (r'\[', []), ('-1', -1))},
    **{f'annotation 3: iscrowd: expected 0 or 1, got {told}': content(
        annotations=[annotation(iscrowd=value)])
       for told, value in (("'0'", '0'), ("'1'", '1'), ("'false'", 'false'), ("''", ''),
                           (r'\[0', [0]), (r'\[\]', []), ('2', 2), ('0.5', 0.5))},
    **{f'annotation 4: keypoints: .*{told}': content(
        annotations=[annotation(**PERSON, keypoints=value)])
       for told, value in (("''", ''), ('0', 0), ('False', False), ('{}', {}))},
    'two entries of annotations have the same id, 3': content(
        annotations=[annotation(), annotation()]),
    'images: expected list, got None': content(images=None),
    "an entry of images: id: expected int, got 'a'": content(images=[image(id='a')]),
    'an entry of categories: id: expected int, got 1000': content(
        categories=[{'id': 10 ** 30, 'name': 'car'}]),
    r"category 7: name: expected str, got \['car'\]": content(
        categories=[{'id': 7, 'name': ['car']}]),
    'category 7: keypoints: expected a list of texts, got 3': content(
        categories=[{'id': 7, 'name': 'person', 'keypoints': 3}]),
    r'annotation 3: category_id: expected int, got \[7\]': content(
        annotations=[annotation(category_id=[7])]),
    r'annotation 3: image_id: expected int, got \[5\]': content(
        annotations=[annotation(image_id=[5])]),
    "image 5: width: expected int, got '64'": content(images=[image(width='64')]),
    r'image 5: \(height, width\) is \(48, -64\)': content(images=[image(width=-64)]),
    'image 5: has 3600.0 million pixels, more than max_pixels': content(
        images=[image(width=60000, height=60000)]),
    'image 5: file_name: expected str, got 3': content(images=[image(file_name=3)]),
    "image 5: file_name: '../a.png' is not in the folder": content(
        images=[image(file_name='../a.png')]),
    "image 5: file_name: '/a.png' is not in the folder": content(
        images=[image(file_name='/a.png')]),
    'image 5: labelled: expected a list of texts, got 3': content(images=[image(labelled=3)]),
    "image 5: labelled: expected a list of texts, got 'pose'": content(
        images=[image(labelled='pose')]),
    'is not JSON .maximum recursion': '[' * 100_000,
    "labelled has 'detection:cow', but 'cow' is no category": content(
        images=[image(labelled=['detection:cow'])]),
}


@pytest.mark.parametrize('value, crowd', [
    (..., False), (None, False), (0, False), (1, True), (False, False), (True, True),
    (0.0, False)])
def test_crowds(value, crowd):
    (record,) = read_coco(content(annotations=[annotation(iscrowd=value)])).records
    assert record.crowd.tolist() == [crowd]


@pytest.mark.parametrize('value', [..., None, 0])
def test_an_object_without_an_area_has_that_of_its_box(value):
    (record,) = read_coco(content(annotations=[annotation(area=value)])).records
    assert record.areas.tolist() == [400]


@pytest.mark.parametrize('categories', [
    [{'id': 1, 'name': 'person'}], [{'id': 1, 'name': 'person', 'keypoints': []}]])
def test_joints_that_nothing_names_are_left_out_and_told(categories, caplog):
    people = [annotation(**{**PERSON, 'id': number}, keypoints=[15, 15, 2] * 26)
              for number in range(7)]
    others = [annotation(**{**PERSON, 'id': 8}, keypoints=[]), annotation(**{**PERSON, 'id': 9})]
    file = read_coco(content(annotations=people + others, categories=categories))
    (record,) = file.records
    assert file.joints == () and record.keypoints.shape == (9, 0, 3)
    assert len(record.boxes) == 9 and all(record.masks)
    (message,) = caplog.messages
    assert message == ('annotations: 7 people have joints, but the category person names no '
                       'keypoints: boxes and masks are used, poses cannot be: annotations '
                       '0, 1, 2, 3, 4, ...')


@pytest.mark.parametrize('message', BAD)
def test_what_is_wrong_with_a_file_is_named(tmp_path, message):
    path = write(tmp_path, BAD[message])
    with pytest.raises(ValueError, match=message) as caught:
        read_coco(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match='nothing.json: cannot be read'):
        read_coco(tmp_path / 'nothing.json')


def test_objects_may_have_a_box_around_all_of_them():
    things = [annotation(), annotation(id=4, full_bbox=[0, 10, 40, 40]),
              annotation(id=5, vis_ratio=0.5), annotation(id=6, full_bbox=[10, 10, 20, 40],
                                                          vis_ratio=0.25)]
    (record,) = read_coco(content(annotations=things)).records
    np.testing.assert_array_equal(record.full_boxes, [
        [10, 10, 30, 30], [0, 10, 40, 50], [10, 10, 30, 30], [10, 10, 30, 50]])
    np.testing.assert_array_equal(record.visible, [1, 0.25, 0.5, 0.25])
    (record,) = read_coco(content()).records
    assert record.full_boxes is None and record.visible is None


@pytest.mark.parametrize('change, words', [
    ({'full_bbox': [1, 2, 3]}, 'full_bbox: expected 4 finite numbers'),
    ({'full_bbox': [1, 2, 0, 3]}, r'full_bbox: \[1, 2, 0, 3\] has no area'),
    ({'vis_ratio': 1.5}, 'vis_ratio: expected a number in 0..1, got 1.5'),
    ({'vis_ratio': '1'}, "vis_ratio: expected a number in 0..1, got '1'"),
    ({'ignore': 2}, 'ignore: expected 0 or 1, got 2')])
def test_extents_that_make_no_sense_are_told(change, words):
    with pytest.raises(ValueError, match=f'annotation 3: {words}'):
        read_coco(content(annotations=[annotation(**change)]))


def test_what_is_to_be_ignored_is_a_crowd():
    (record,) = read_coco(content(annotations=[
        annotation(ignore=1), annotation(id=4, ignore=0)])).records
    assert record.crowd.tolist() == [True, False]


def test_track_ids_are_integers_and_may_be_absent():
    entries = [annotation(id=number, **extra) for number, extra in enumerate(
        ({'track_id': 12}, {}, {'track_id': None}, {'track_id': 0}), 1)]
    file = read_coco(content(annotations=entries))
    assert file.tracked and file.records[0].track_ids == ('12', '', '', '0')
    assert not read_coco(content(annotations=[annotation()])).tracked
    for wrong in ('12', 1.5, True, [1]):
        with pytest.raises(ValueError, match='annotation 1: track_id: expected an integer'):
            read_coco(content(annotations=[annotation(id=1, track_id=wrong)]))
