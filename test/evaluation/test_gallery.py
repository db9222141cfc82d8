# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The images that are shown: the right ones, in order, and as they are."""

import cv2
import numpy as np
import pytest

from mcn_ros.evaluation.gallery import draw_picture, Gallery, LONG_SIDE, RANKED
from mcn_ros.structures import ClassMap, Instances
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'detection': {'classes': ('person', 'car')},
                     'segmentation': {'classes': ('person', 'car')}})
IMAGE = np.full((60, 80, 3), 90, np.uint8)
NOTHING = Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def boxes(count, score=1.0):
    """Return ``count`` people beside each other."""
    left = 12 * np.arange(count)[:, None]
    return Instances((left + [1, 0, 1, 0] + [0, 5, 10, 50]).astype(np.float32),
                     np.zeros(count, np.int64), np.full(count, score, np.float32))


def gallery(found, of=4, count=2):
    """Return a gallery of images in which some of the people are found."""
    result = Gallery(TASKS, count)
    for number in found:
        result.add(f'found {number}', IMAGE, {'detection': boxes(number, 0.9)},
                   {'detection': boxes(of)})
    return result


def titles(sections):
    return {heading: [p.title for p in pictures] for heading, pictures in sections.items()}


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_the_best_and_the_worst_are_shown_in_order():
    sections = gallery([2, 0, 4, 3, 1]).sections()
    assert titles(sections) == {'Best images': ['found 4', 'found 3'],
                                'Worst images': ['found 0', 'found 1']}
    assert sections['Best images'][0].caption == '1.00; detection: 4 found, 0 missed, 0 false'


def test_no_image_is_shown_twice():
    assert titles(gallery([1, 3, 2], count=6).sections()) == {
        'Best images': ['found 3', 'found 2'], 'Worst images': ['found 1']}
    assert titles(gallery([3]).sections()) == {'Best images': ['found 3']}
    same = titles(gallery([2] * 5).sections())
    assert sum(len(shown) for shown in same.values()) <= 5


def test_of_equal_images_those_with_more_in_them_come_first():
    result = Gallery(TASKS, 1)
    for title, number in (('few', 1), ('many', 4), ('some', 2)):
        known = {'detection': boxes(number)}
        result.add(f'{title} right', IMAGE, {'detection': boxes(number, 0.9)}, known)
        result.add(f'{title} wrong', IMAGE, {'detection': NOTHING}, known)
    assert titles(result.sections()) == {
        'Best images': ['many right'], 'Worst images': ['many wrong']}


def test_galleries_of_parts_of_the_images_are_together_that_of_all():
    found = [2, 0, 4, 3, 1, 4, 0, 3]
    parts = [Gallery(TASKS, 2) for _ in range(3)]
    whole = Gallery(TASKS, 2)
    for index, number in enumerate(found):
        for each in (whole, parts[index % 3]):
            each.add(f'{index}', IMAGE, {'detection': boxes(number, 0.9)},
                     {'detection': boxes(4)}, index)
    parts[0].merge(parts[1:])
    assert parts[0].sections() == whole.sections()
    assert titles(whole.sections()) == {'Best images': ['2', '5'], 'Worst images': ['1', '6']}


def test_what_is_uncertain_does_not_count():
    result = Gallery(TASKS)
    result.add('a', IMAGE, {'detection': boxes(2, 0.1)}, {'detection': boxes(2)})
    assert '0 found, 2 missed, 0 false' in result.sections()['Best images'][0].caption


def test_an_image_with_nothing_to_find_is_not_shown():
    result = Gallery(TASKS)
    blank = ClassMap(np.zeros((60, 80), np.uint8))
    result.add('a', IMAGE, {'detection': NOTHING, 'segmentation': blank},
               {'detection': NOTHING, 'segmentation': blank})
    assert result.sections() == {}
    assert gallery([1, 2], count=0).sections() == {}


def test_areas_enter_the_figure():
    result, truth = Gallery(TASKS, 1), np.zeros((60, 80), np.uint8)
    truth[:, :40] = 1
    for title, columns in (('half', 20), ('whole', 40), ('none', 0)):
        labels = np.zeros_like(truth)
        labels[:, :columns] = 1
        result.add(title, IMAGE, {'segmentation': ClassMap(labels)},
                   {'segmentation': ClassMap(truth)})
    assert titles(result.sections()) == dict(zip(RANKED, (['whole'], ['none'])))


@pytest.mark.parametrize('size', [(60, 80), (900, 1600), (1600, 20)])
def test_pictures_keep_their_shape_and_are_not_large(size):
    drawn = draw_picture('a', np.full((*size, 3), 90, np.uint8), {'detection': boxes(1)}, TASKS,
                         {'detection': boxes(1)})
    assert list(drawn.images) == ['prediction', 'annotation']
    for jpeg in drawn.images.values():
        height, width, _ = decoded(jpeg).shape
        assert max(height, width) == min(LONG_SIDE, max(size))
        assert width / height == pytest.approx(size[1] / size[0], rel=0.05)


def test_predictions_are_drawn_where_they_are():
    found = Instances(np.array([[800, 0, 1600, 900]], np.float32), np.array([0]), np.array([.9]))
    drawn = draw_picture('a', np.full((900, 1600, 3), 90, np.uint8), {'detection': found}, TASKS)
    assert list(drawn.images) == ['prediction']
    changed = np.abs(decoded(drawn.images['prediction']).astype(int) - 90).max(axis=2) > 60
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns.min() == pytest.approx(LONG_SIDE / 2, abs=6)


def test_only_what_is_annotated_is_compared():
    labels = ClassMap(np.ones((60, 80), np.uint8))
    known = {'detection': NOTHING}
    drawn = draw_picture('a', IMAGE, {'detection': NOTHING, 'segmentation': labels}, TASKS, known)
    assert np.abs(decoded(drawn.images['prediction']).astype(int) - 90).max() < 8
