# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks that tell one object from the next."""

import json

import numpy as np
import pytest

SIZE = 20, 30
TASKS = {'detection': {'classes': ['person']}, 'segmentation': {'classes': ['person']}}


@pytest.fixture
def numbers():
    """Return the mask of two objects and of what nobody has told apart."""
    mask = np.zeros(SIZE, np.uint8)
    mask[2:8, 3:9] = 1
    mask[5:18, 7:12] = 4
    mask[10:12, 20:30] = 255
    return mask


def test_objects_have_the_boxes_of_what_is_seen(image, write, imported, numbers):
    data = imported('masks', image('p.png', SIZE), write('masks', 'p_mask.png', numbers),
                    tasks={**TASKS, 'pose': {}, 'parts': {}, 'saliency': {}})
    assert list(data[0].annotations) == list(TASKS)
    found = data[0].annotations['detection']
    assert found.boxes.tolist() == [[3, 2, 9, 8], [7, 5, 12, 18], [20, 10, 30, 12]]
    assert found.crowd.tolist() == [False, False, True]
    assert found.areas.tolist() == [(numbers == number).sum() for number in (1, 4, 255)]
    assert found.full_boxes is None and found.visible is None
    assert (data[0].annotations['segmentation'].labels == (numbers > 0)).all()


def test_all_numbers_of_16_bit_are_objects(image, write, imported, numbers):
    data = imported('masks', image('p.png', SIZE),
                    write('masks', 'p.png', numbers.astype(np.uint16)), category='dog',
                    tasks={'detection': {'classes': ['dog']}})
    assert not data[0].annotations['detection'].crowd.any()


def test_an_image_may_have_no_objects(image, write, imported):
    data = imported('masks', image('p.png', SIZE), write('masks', 'p.png', np.zeros(SIZE, 'u1')),
                    tasks=TASKS)
    assert len(data) == 1 and len(data[0].annotations['detection']) == 0


def test_colours_are_refused(image, write, refused):
    told = refused('masks', image('p.png', SIZE),
                   write('masks', 'p.png', np.zeros((*SIZE, 3), np.uint8)))
    assert 'masks/p.png: expected gray' in told


def test_public_images(shared, imported):
    folder = shared('pedestrians')
    data = imported('masks', folder / 'images', folder / 'labels', only='Penn*', tasks=TASKS)
    file = json.loads((folder / 'annotations.json').read_bytes())
    ids = {entry['file_name']: entry['id'] for entry in file['images']}
    for row, record in enumerate(data.file.records):
        boxes = np.array([entry['bbox'] for entry in file['annotations']
                          if entry['image_id'] == ids[record.file_name]])
        boxes[:, 2:] += boxes[:, :2]
        found = data[row].annotations['detection'].boxes
        assert len(found) == len(boxes)
        # Theirs are of larger masks, scaled.
        assert np.abs(found[:, None] - boxes).max(axis=2).min(axis=1).max() < 2
