# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What stands out among the objects of a COCO file."""

import json

import numpy as np
import pytest

from mcn_ros.data.coco_file import read_coco
from mcn_ros.data.formats.objects import salient

SIZE = 40, 60
TASKS = {'saliency': {}}


def outline(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def square(image, *box, **keys):
    left, top, right, bottom = box
    return {'image_id': image, 'category_id': 1, 'bbox': [left, top, right - left, bottom - top],
            'area': (right - left) * (bottom - top), 'iscrowd': 0, 'segmentation': outline(*box),
            **keys}


@pytest.fixture
def coco(tmp_path, image):
    """Return a function: writes images and a COCO file of objects; the folder and the file."""
    def write(*objects, **keys):
        numbers = sorted({each['image_id'] for each in objects})
        entries = [{'id': number, 'file_name': f'{number}.png', 'height': SIZE[0],
                    'width': SIZE[1], **keys} for number in numbers]
        for entry in entries:
            folder = image(entry['file_name'], SIZE)
        path = tmp_path / 'coco.json'
        path.write_text(json.dumps({
            'images': entries, 'categories': [{'id': 1, 'name': 'dog'}],
            'annotations': [{'id': row, **each} for row, each in enumerate(objects, 1)]}))
        return folder, path
    return write


def test_what_is_large_and_in_the_middle_stands_out(coco, imported):
    data = imported('objects', *coco(square(1, 20, 10, 40, 30), square(1, 0, 0, 6, 5)),
                    tasks={**TASKS, 'boundaries': {}})
    annotations, = (sample.annotations for sample in data)
    expected = np.zeros(SIZE, np.uint8)
    expected[10:30, 20:40] = 1
    assert list(annotations) == ['saliency']  # nothing else is said of the image
    assert (annotations['saliency'].values == expected).all()


def test_the_smaller_object_is_in_front_and_what_is_hidden_stands_out_less(coco):
    whole, hidden = square(1, 10, 10, 34, 30), square(1, 26, 8, 50, 32)
    cover = [square(1, 34, 8, 50, 20), square(1, 34, 20, 50, 32)]
    alone, = read_coco(coco(whole, hidden)[1]).records
    assert salient(alone)[20, 20] and salient(alone)[20, 45]
    covered, = read_coco(coco(whole, hidden, *cover)[1]).records
    assert salient(covered)[20, 20] and not salient(covered)[9, 30]


@pytest.mark.parametrize('keys', [{'iscrowd': 1, 'segmentation': {
    'counts': [400, 100, 1900], 'size': list(SIZE)}}, {'segmentation': []}])
def test_an_image_with_an_object_that_is_not_outlined_says_nothing(coco, imported, keys):
    sources = coco(square(1, 20, 10, 40, 30), square(1, 2, 2, 30, 20, **keys),
                   square(2, 20, 10, 40, 30))
    assert [record.file_name for record in imported(
        'objects', *sources, tasks=TASKS).file.records] == ['2.png']


def test_nor_does_one_that_is_labelled_in_part(coco, refused):
    folder, path = coco(square(1, 20, 10, 40, 30), labelled=['detection:dog'])
    told = refused('objects', folder, path)
    assert told == f'{path}: no image * with masks of all of its objects'


def test_some_images_can_be_chosen(coco, imported):
    sources = coco(square(1, 20, 10, 40, 30), square(2, 20, 10, 40, 30))
    assert len(imported('objects', *sources, tasks=TASKS, only='2')) == 1


def test_an_image_of_another_size_is_named(coco, image, refused):
    folder, path = coco(square(1, 20, 10, 40, 30))
    image('1.png', (20, 60))
    told = refused('objects', folder, path)
    assert told == f'{folder / "1.png"}: (height, width) is (20, 60), but {path} says {SIZE}'
