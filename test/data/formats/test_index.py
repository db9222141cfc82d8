# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps with the class of every pixel."""

import json

import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.formats import import_labels
from mcn_ros.data.maps import read_pixels
from mcn_ros.tasks import build_tasks

SIZE = 6, 12
CLASSES = ['sky', 'road']
TASKS = {'segmentation': {'classes': CLASSES}, 'semantic_boundaries': {'classes': CLASSES}}


@pytest.fixture
def labels(write):
    """Write a map: sky, a gap of two pixels, road, and what is far from both."""
    pixels = np.full(SIZE, 255, np.uint8)
    pixels[:, :3], pixels[:, 5:8] = 3, 5
    return write('labels', 'a.png', pixels)


@pytest.fixture
def table(tmp_path):
    """Write a table of the classes."""
    path = tmp_path / 'classes.csv'
    path.write_text('index,name\n3,sky\n5,road\n255,void\n')
    return path


def test_classes_and_what_lies_between(image, labels, table, imported):
    data = imported('index', image('a.jpg', SIZE), labels, table, fill=1, tasks={
        **TASKS, 'detection': {'classes': CLASSES}, 'boundaries': {}, 'parts': {}})
    annotations = data[0].annotations
    assert sorted(annotations) == sorted(TASKS)  # objects of a class are not told apart
    assert annotations['segmentation'].labels[0].tolist() == [1] * 3 + [255] * 2 + [2] * 3 + [
        255] * 4
    regions = annotations['semantic_boundaries']
    assert regions.labels[0].tolist() == [1] * 4 + [2] * 5 + [65535] * 3
    planes = regions.class_contours(2).planes
    assert (planes[:, 0] == 1).nonzero()[1].tolist() == [3, 3]  # of both classes


def test_gaps_are_unknown_unless_they_are_filled(image, labels, table, imported):
    data = imported('index', image('a.jpg', SIZE), labels, table, tasks=TASKS)
    regions = data[0].annotations['semantic_boundaries']
    assert not (regions.class_contours(2).planes == 1).any()


def test_a_network_may_number_classes_otherwise(image, labels, table, imported):
    data = imported('index', image('a.jpg', SIZE), labels, table, fill=1, tasks={
        name: {'classes': ['dog', 'road']} for name in TASKS})
    annotations = data[0].annotations
    assert annotations['segmentation'].labels[0, [0, 5]].tolist() == [0, 2]
    assert annotations['segmentation'].labelled_classes.tolist() == [False, True]
    assert (annotations['semantic_boundaries'].class_contours(2).planes[1] == 1).any()


def test_maps_are_for_the_tasks_that_are_named(image, labels, table, tmp_path):
    import_labels('index', [image('a.jpg', SIZE), labels, table], tmp_path / 'out',
                  tasks=['parts'])
    tasks = build_tasks({'parts': {'classes': CLASSES}, **TASKS})
    data = CocoDataset(tmp_path / 'out' / 'annotations.json', tmp_path / 'images', tasks)
    assert list(data[0].annotations) == ['parts']
    assert (data[0].annotations['parts'].labels[:, :3] == 1).all()


@pytest.mark.parametrize('options, message', [
    ({'tasks': ['saliency']}, "tasks: 'saliency' is not one of"),
    ({'tasks': ['sky']}, "tasks: 'sky' is not one of"), ({'fill': -1}, 'fill: ')])
def test_wrong_options_are_named(image, labels, table, refused, options, message):
    assert message in refused('index', image('a.jpg', SIZE), labels, table, **options)


def test_a_value_without_a_meaning_leaves_nothing(image, labels, table, write, refused):
    write('labels', 'b.png', np.full(SIZE, 4, np.uint8))
    image('a.jpg', SIZE)
    told = refused('index', image('b.jpg', SIZE), labels, table)
    assert 'labels/b.png: row 0, column 0 has 4' in told


@pytest.mark.parametrize('name, fill', [('camvid', 0), ('nyu', 6)])
def test_public_images(shared, imported, tmp_path, name, fill):
    folder = shared('semantic_boundaries')
    classes = json.loads((folder / 'classes.json').read_bytes())[f'{name}_classes']
    rows = [f'{number},{each}\n' for number, each in enumerate(classes)]
    (tmp_path / 'classes.csv').write_text(''.join(['index,name\n', *rows, '255,void\n']))
    data = imported('index', folder / 'images', folder / 'labels', tmp_path / 'classes.csv',
                    only=f'{name}_*5*0' if name == 'camvid' else f'{name}_00*', fill=fill,
                    tasks={task: {'classes': classes} for task in TASKS})
    for row, record in enumerate(data.file.records):
        theirs = read_pixels(folder / 'labels' / f'{record.file_name[:-4]}.png', record.size)
        found = data[row].annotations['segmentation'].labels
        assert (found == np.where(theirs == 255, 255, theirs + 1)).all()
        planes = data[row].annotations['semantic_boundaries'].class_contours(len(classes)).planes
        assert (planes == 1).any(axis=(1, 2)).sum() > 1
