# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What no data set has labels for is told before a training begins, or keeps it from that."""

from dataclasses import replace
import json
from pathlib import Path

import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.labels import READERS
from mcn_ros.structures import ScalarMap
from mcn_ros.tasks import build_tasks, SegmentationTask
from mcn_ros.trainer.labels import check_labels, labelled_names
from mcn_ros.trainer.train import train


@pytest.fixture
def rewritten(dataset, tmp_path):
    """Return a function that returns the data set with its file changed."""
    def rewrite(change):
        content = json.loads(Path(dataset.annotations).read_text())
        change(content)
        path = tmp_path / f'{len(list(tmp_path.iterdir()))}.json'
        path.write_text(json.dumps(content))
        return replace(dataset, annotations=str(path))

    return rewrite


def warnings(config, *datasets, **settings):
    config = replace(config, datasets=datasets or config.datasets, **settings)
    tasks = build_tasks(config.model.tasks)
    opened = [CocoDataset(data.annotations, data.images, {
        name: task for name, task in tasks.items() if name in (data.tasks or tasks)})
        for data in config.datasets]
    return check_labels(config, tasks, opened)


def with_classes(config, *classes):
    tasks = {**config.model.tasks, 'detection': {'classes': classes, 'head': {'width': 8}}}
    return replace(config, model=replace(config.model, tasks=tasks))


def capital(content):
    content['categories'][0]['name'] = 'Person'


def boxes_only(content):
    for entry in content['annotations']:
        del entry['segmentation']


def test_with_labels_for_all_nothing_is_told(config):
    assert warnings(config) == []


def test_a_misspelt_class_is_told_with_the_one_that_is_there(config):
    assert warnings(with_classes(config, 'person', 'cra')) == [
        'model.tasks.detection: no data set has a label of cra (is it car?)']


def test_a_class_without_an_object_is_told(config, rewritten):
    data = rewritten(lambda content: content['categories'].append({'id': 9, 'name': 'dog'}))
    assert warnings(with_classes(config, 'person', 'dog'), data) == [
        'model.tasks.detection: no data set has a label of dog']


def test_a_joint_without_a_label_is_told(config, rewritten):
    def hide(content):
        for entry in content['annotations'][::2]:
            entry['keypoints'][2] = 0

    assert warnings(config, rewritten(hide)) == [
        'model.tasks.pose: no data set has a label of nose']


def test_names_may_come_from_several_data_sets(config, dataset, rewritten):
    boxes = rewritten(boxes_only)
    assert warnings(config, dataset, boxes) == []
    used = replace(boxes, tasks=('segmentation',))
    assert warnings(config, dataset, used) == [
        f'{boxes.annotations}: labels nothing for segmentation']
    with pytest.raises(ValueError, match='segmentation: no data set has a label of person, car, '):
        warnings(config, replace(dataset, weight=0), boxes)


@pytest.mark.parametrize('change, message', [
    (capital, r'^model\.tasks\.pose: .*a category person with keypoints .*Person, car'),
    (boxes_only, r'^model\.tasks\.segmentation: no data set has a label of person, car, so '),
    (lambda content: content.update(annotations=[]), r'^model\.tasks\.detection: no data set '),
    (lambda content: [image.update(labelled=['pose', 'segmentation'])
                      for image in content['images']], r'^model\.tasks\.detection: no data set ')],
    ids=['capital', 'boxes', 'empty', 'labelled'])
def test_a_head_that_nothing_is_labelled_for_is_refused(config, rewritten, change, message):
    with pytest.raises(ValueError, match=message):
        warnings(config, rewritten(change))


def test_a_frozen_head_needs_no_labels(config, dataset):
    data = replace(dataset, tasks=('pose', 'segmentation'))
    assert warnings(config, data, frozen=('heads.detection',)) == []
    with pytest.raises(ValueError, match='model.tasks.detection: no data set'):
        warnings(config, data, frozen=('heads.pose',))


def test_what_is_labelled(dataset):
    tasks = build_tasks({'detection': {}, 'pose': {}, 'segmentation': {'classes': ['car']}})
    found = labelled_names(CocoDataset(dataset.annotations, dataset.images, tasks))
    assert found == {'detection': {'person', 'car'}, 'segmentation': {'car'},
                     'pose': set(tasks['pose'].joints.keypoint_names)}


class SaliencyTask(SegmentationTask):
    """A task without classes, of which nothing but the type of its annotations is used here."""

    annotation = ScalarMap


def test_a_task_of_maps_is_labelled_where_there_is_one(dataset, rewritten):
    tasks = {'saliency': SaliencyTask(('x',))}
    object.__setattr__(tasks['saliency'], 'classes', ())
    assert labelled_names(CocoDataset(dataset.annotations, dataset.images, tasks)) == {
        'saliency': set()}
    data = rewritten(lambda content: content['images'][0].update(maps={'saliency': '1.png'}))
    assert labelled_names(CocoDataset(data.annotations, data.images, tasks)) == {
        'saliency': {'saliency'}}


class Foreign(ScalarMap):
    """A type of annotations that the package has never heard of."""


class ForeignTask(SaliencyTask):
    """A task of that type."""

    annotation = Foreign


@pytest.mark.parametrize('annotation, names', [(None, set()), (object(), {'x', 'y'})])
def test_a_task_of_a_foreign_type_is_labelled_where_it_is_read(dataset, monkeypatch, annotation,
                                                               names):
    monkeypatch.setitem(READERS, Foreign, lambda labels: annotation)
    assert labelled_names(CocoDataset(dataset.annotations, dataset.images, {
        'foreign': ForeignTask(('x', 'y'))})) == {'foreign': names}


@pytest.mark.usefixtures('monitors')
def test_a_training_tells_or_does_not_begin(config, capfd):
    train(replace(with_classes(config, 'person', 'cra'), steps=1))
    assert 'warning: model.tasks.detection: no data set has a label of cra (is it car?)\n' in (
        capfd.readouterr().err)
    refused = replace(with_classes(config, 'forklift'), run=f'{config.run}2')
    with pytest.raises(ValueError, match='model.tasks.detection: no data set has a label of fork'):
        train(refused)
    assert not Path(refused.run).exists()
