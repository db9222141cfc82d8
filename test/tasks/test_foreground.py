# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Foreground: what masks of objects say of it, and that it is a task of its own."""

import cv2
import numpy as np
import pytest

from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.masks import encode_mask
from mcn_ros.structures import IGNORE
from mcn_ros.tasks import build_tasks, KINDS
from mcn_ros.tasks.foreground import ForegroundTask

SIZE = (40, 60)
TASKS = {'foreground': ForegroundTask()}


def square(top, left):
    mask = np.zeros(SIZE, bool)
    mask[top:top + 6, left:left + 6] = True
    return mask


MASKS = square(4, 4), square(6, 8), square(30, 50)


def content(crowd=2, **keys):
    objects = [{'id': number, 'image_id': 1, 'category_id': 1 + number % 2,
                'iscrowd': int(number == crowd), **encode_mask(mask)}
               for number, mask in enumerate(MASKS)]
    return {'images': [{'id': 1, 'file_name': 'a.png', 'height': 40, 'width': 60, **keys}],
            'annotations': objects, 'categories': [{'id': 1, 'name': 'cup'},
                                                   {'id': 2, 'name': 'cat'}]}


def test_masks_of_all_objects_are_the_foreground():
    values = CocoAnnotations(content(None, labelled=['foreground']), TASKS)[1]['foreground'].values
    np.testing.assert_array_equal(values, np.any(MASKS, axis=0))


def test_a_crowd_is_not_known():
    values = CocoAnnotations(content(labelled=['foreground']), TASKS)[1]['foreground'].values
    assert (values[MASKS[2]] == IGNORE).all() and (values == IGNORE).sum() == MASKS[2].sum()


def test_far_from_masks_there_may_be_other_objects():
    values = CocoAnnotations(content(None), TASKS)[1]['foreground'].values
    assert (values[np.any(MASKS, axis=0)] == 1).all()
    assert values[12, 12] == 0 and values[39, 0] == values[20, 30] == IGNORE


@pytest.mark.parametrize('labelled', [[], ['detection'], ['detection:cup']])
def test_what_is_labelled_for_others_tells_nothing(labelled):
    assert 'foreground' not in CocoAnnotations(content(labelled=labelled), TASKS)[1]


def test_a_map_says_it_all(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[:10], labels[10:20] = 1, 255
    cv2.imwrite(str(tmp_path / 'map.png'), labels)
    file = content(maps={'foreground': 'map.png'})
    found = CocoAnnotations(file, TASKS, tmp_path)[1]['foreground']
    np.testing.assert_array_equal(found.values, labels)


def test_only_this_task_reads_masks():
    tasks = build_tasks({'saliency': {}})
    assert not CocoAnnotations(content(), tasks)[1]
    assert type(build_tasks({'foreground': {'full_resolution': True}})['foreground']) is KINDS[
        'foreground']
    with pytest.raises(ValueError, match='foreground.side_weight'):
        build_tasks({'foreground': {'side_weight': -1.0}})


def test_without_masks_nothing_is_promised():
    file = content(labelled=['foreground'])
    for entry in file['annotations']:
        del entry['segmentation']
    with pytest.raises(ValueError, match='image 1 is labelled for foreground, but has no map'):
        CocoAnnotations(file, TASKS)
