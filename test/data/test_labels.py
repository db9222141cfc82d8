# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps beside an annotation file, and tasks that go by their names."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.labels import RING
from mcn_ros.structures import (
    ClassPlanes, IGNORE, Instances, RegionMap, ScalarMap, UNKNOWN_REGION, VectorMap)
from mcn_ros.tasks import DetectionTask, SegmentationTask

SIZE = (48, 64)


class Scalars(SegmentationTask):
    """A task of which nothing but the type of its annotations is used here."""

    annotation = ScalarMap


class Vectors(SegmentationTask):
    """Another one."""

    annotation = VectorMap


class Planes(SegmentationTask):
    """Another one."""

    annotation = ClassPlanes


class Regions(SegmentationTask):
    """Another one."""

    annotation = RegionMap


def thing(category, box, **extra):
    left, top, right, bottom = box
    mask = [[left, top, right, top, right, bottom, left, bottom]]
    return {'image_id': 1, 'category_id': category, 'area': (right - left) * (bottom - top),
            'bbox': [left, top, right - left, bottom - top], 'segmentation': mask, **extra}


def read(folder, tasks, maps=None, things=(), labelled=None, categories=('person', 'car'),
         regions=None, **keys):
    """Write a file of one image with maps {task: pixels}; return the image's annotations."""
    image = {'id': 1, 'file_name': 'a.png', 'width': SIZE[1], 'height': SIZE[0]}
    if regions is not None:
        image['region_categories'] = regions
    if labelled is not None:
        image['labelled'] = labelled
    if maps is not None:
        image['maps'] = {name: f'{name}.png' for name in maps}
        for name, pixels in maps.items():
            cv2.imwrite(str(folder / f'{name}.png'), pixels)
    path = folder / 'annotations.json'
    path.write_text(json.dumps({
        'images': [image], 'annotations': [{'id': i, **entry} for i, entry in enumerate(things)],
        'categories': [{'id': i + 1, 'name': name} for i, name in enumerate(categories)],
        **keys}))
    return CocoAnnotations(path, tasks)[1]


def labels(value, dtype=np.uint8, shape=SIZE):
    pixels = np.zeros(shape, dtype)
    pixels[:, 20:40] = value
    return pixels


def test_every_type_of_map_is_read(tmp_path):
    tasks = {'edges': Regions(), 'saliency': Scalars(), 'normals': Vectors(),
             'contours': Planes(('person', 'car'))}
    blue = np.full((*SIZE, 3), (0, 128, 128), np.uint8)  # BGR
    found = read(tmp_path, tasks, {
        'edges': labels(2, np.uint16), 'saliency': labels(1), 'normals': blue,
        'contours': labels(1, shape=(96, 64))})
    assert {name: type(value) for name, value in found.items()} == {
        name: task.annotation for name, task in tasks.items()}
    np.testing.assert_array_equal(found['edges'].labels, labels(2, np.uint16))
    assert found['edges'].classes.tolist() == [-1, -1]
    np.testing.assert_array_equal(found['saliency'].values, labels(1))
    np.testing.assert_allclose(found['normals'].vectors, np.float32([0, 0, -1]) + np.zeros(
        (*SIZE, 3)), atol=0.01)
    assert found['contours'].planes.shape == (2, *SIZE)
    assert found['contours'].labelled_classes is None


def test_a_map_of_classes_comes_before_masks(tmp_path):
    parts = SegmentationTask(('head', 'torso', 'arms'))
    found = read(tmp_path, {'parts': parts, 'segmentation': SegmentationTask(('person',))},
                 {'parts': labels(3)}, [thing(1, (0, 0, 9, 9))])
    np.testing.assert_array_equal(found['parts'].labels, labels(3))
    assert found['parts'].labelled_classes is None
    assert found['segmentation'].labels.sum() == 81


def test_labels_of_a_map_may_stand_for_other_classes_than_the_task_has(tmp_path):
    pixels = np.zeros(SIZE, np.uint8)
    pixels[0], pixels[1], pixels[2], pixels[3] = 1, 2, 3, IGNORE
    mine = SegmentationTask(('cat', 'person'))
    found = read(tmp_path, {'segmentation': mine}, {'segmentation': pixels},
                 map_classes={'segmentation': ['person', 'dog', 'cat']})['segmentation']
    assert found.labels[:5, 0].tolist() == [2, 0, 1, IGNORE, 0]
    assert found.labelled_classes is None
    found = read(tmp_path, {'segmentation': SegmentationTask(('cow', 'cat'))},
                 {'segmentation': pixels},
                 map_classes={'segmentation': ['person', 'dog', 'cat']})['segmentation']
    assert found.labels[:5, 0].tolist() == [0, 0, 2, IGNORE, 0]
    assert found.labelled_classes.tolist() == [False, True]
    with pytest.raises(ValueError, match='row 1, column 0 has 2, expected 0 to 1'):
        read(tmp_path, {'segmentation': mine}, {'segmentation': pixels},
             map_classes={'segmentation': ['person']})


@pytest.mark.parametrize('value', [['person'], {'segmentation': 'person'},
                                   {'segmentation': [1]}])
def test_classes_of_maps_are_lists_of_names(tmp_path, value):
    with pytest.raises(ValueError, match='map_classes: .*expected a list'):
        read(tmp_path, {'segmentation': SegmentationTask(('cat',))}, map_classes=value)


def test_two_tasks_of_one_type_have_what_is_theirs(tmp_path):
    tasks = {'people': DetectionTask(('person',)), 'vehicles': DetectionTask(('car',))}
    things = [thing(1, (0, 0, 9, 9)), thing(2, (20, 0, 29, 9)), thing(2, (40, 0, 49, 9))]
    found = read(tmp_path, tasks, things=things)
    assert [len(found[name]) for name in tasks] == [1, 2]
    assert read(tmp_path, tasks, things=things, labelled=['vehicles']).keys() == {'vehicles'}
    assert read(tmp_path, tasks, things=things, labelled=['detection']).keys() == tasks.keys()
    assert read(tmp_path, tasks, things=things,
                labelled=['people', 'detection:car']).keys() == tasks.keys()


def test_a_map_is_read_only_where_its_task_is_labelled(tmp_path):
    tasks, maps = {'saliency': Scalars()}, {'saliency': labels(1)}
    assert not read(tmp_path, tasks)
    assert not read(tmp_path, tasks, maps, labelled=['detection'])
    assert read(tmp_path, tasks, maps, labelled=['saliency'])
    with pytest.raises(ValueError, match='image 1 is labelled for saliency, but has no map of it'):
        read(tmp_path, tasks, labelled=['saliency'])


def test_a_plane_whose_class_is_not_labelled_is_unknown(tmp_path):
    planes = read(tmp_path, {'contours': Planes(('person', 'car'))},
                  {'contours': labels(1, shape=(96, 64))}, labelled=['contours:car'])['contours']
    assert planes.labelled_classes.tolist() == [False, True]
    assert (planes.planes[0] == IGNORE).all() and (planes.planes[1] <= 1).all()


def test_regions_are_objects_where_there_is_no_map(tmp_path):
    things = [thing(1, (0, 0, 20, 20)), thing(3, (10, 10, 15, 15)),
              thing(2, (40, 30, 44, 34), iscrowd=1), thing(2, (50, 0, 60, 5), segmentation=[])]
    found = read(tmp_path, {'edges': Regions(('car', 'person'))}, things=things,
                 categories=('person', 'car', 'dog'))['edges']
    assert found.classes.tolist() == [1, -1, 0, 0] and found.labelled_classes is None
    assert (found.labels[5, 5], found.labels[12, 12]) == (1, 2)
    # Crowds, objects without a mask, and what is far from all objects.
    assert (found.labels[32, 42], found.labels[2, 55]) == (UNKNOWN_REGION, UNKNOWN_REGION)
    assert found.labels[10, 20 + RING - 1] == 0 and found.labels[45, 10] == UNKNOWN_REGION
    assert found.labels.dtype == np.uint16


@pytest.mark.parametrize('labelled,known', [
    (['detection'], False), (['edges'], True), (['edges:person'], True)])
def test_regions_are_read_where_they_are_labelled(tmp_path, labelled, known):
    found = read(tmp_path, {'edges': Regions(('person', 'car'))}, things=[thing(1, (0, 0, 9, 9))],
                 labelled=labelled)
    assert ('edges' in found) == known


def test_regions_of_a_map_have_classes_where_the_file_says_so(tmp_path):
    tasks, maps = {'edges': Regions(('car', 'dog', 'person'))}, {'edges': labels(3, np.uint16)}
    found = read(tmp_path, tasks, maps, regions=[1, 2, 0, 1])['edges']
    assert found.classes.tolist() == [2, 0, -1, 2]
    # Nothing is known of a class that is not in the file.
    assert found.labelled_classes.tolist() == [True, False, True]
    assert read(tmp_path, tasks, maps)['edges'].classes.tolist() == [-1] * 3


@pytest.mark.parametrize('regions', [[1, 2], 'person', [1, 2, 'car'], [1, True, 2]])
def test_classes_of_regions_are_a_list_of_ids(tmp_path, regions):
    arguments = {'maps': {'edges': labels(3, np.uint16)}, 'regions': regions}
    with pytest.raises(ValueError, match='image 1: region_categories: expected the category ids '
                                         'of 3 regions, got'):
        read(tmp_path, {'edges': Regions()}, **arguments)


@pytest.mark.parametrize('maps', [['a.png'], {'saliency': 3}, {'saliency': '../a.png'}])
def test_maps_are_names_in_the_folder(tmp_path, maps):
    content = {'images': [{'id': 1, 'file_name': 'a.png', 'width': 4, 'height': 4, 'maps': maps}],
               'annotations': [], 'categories': []}
    with pytest.raises(ValueError, match='image 1: maps'):
        CocoAnnotations(content, {})


def test_the_area_of_an_object_is_that_of_its_mask(tmp_path):
    found = read(tmp_path, {'detection': DetectionTask(('person',))},
                 things=[thing(1, (0, 0, 9, 9), area=50), thing(1, (0, 0, 2, 3), area=None)])
    assert isinstance(found['detection'], Instances)
    assert found['detection'].areas.tolist() == [50, 6]
