# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""All tasks at once: the same as one by one, and what was never looked at is missed."""

from dataclasses import dataclass
import json
import pickle

import numpy as np
import pytest

from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.evaluation.scorers import (
    ClassMapScorer, InstancesScorer, PosesScorer, score_text, scorer_of, SCORERS, Scorers)
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, Poses, RegionMap, ScalarMap, VectorMap)
from mcn_ros.tasks import build_tasks, SegmentationTask, TASKS as KINDS
from mcn_ros.vocabulary import COCO_SKELETON

CLASSES = ('person', 'car')
TASKS = build_tasks({'detection': {'classes': CLASSES}, 'pose': {},
                     'segmentation': {'classes': CLASSES}})
BOX = (10, 10, 40, 50)


def content(**labelled):
    """Return a COCO file of three images with a person each; ``labelled`` is by image id."""
    x, y, width, height = BOX
    joints = np.linspace((x, y, 2), (x + width, y + height, 2), COCO_SKELETON.num_keypoints)
    outline = [x, y, x + width, y, x + width, y + height, x, y + height]
    images = [{'id': i, 'file_name': f'{i}.png', 'width': 96, 'height': 64} for i in (1, 2, 3)]
    for image in images:
        if f'image_{image["id"]}' in labelled:
            image['labelled'] = labelled[f'image_{image["id"]}']
    person = {'category_id': 1, 'bbox': list(BOX), 'area': width * height, 'iscrowd': 0,
              'keypoints': joints.ravel().tolist(), 'num_keypoints': len(joints),
              'segmentation': [outline]}
    people = [{**person, 'id': i, 'image_id': i} for i in (1, 2, 3)]
    return {'images': images, 'annotations': people,
            'categories': [{'id': 1, 'name': 'person',
                            'keypoints': list(COCO_SKELETON.keypoint_names)},
                           {'id': 2, 'name': 'car'}]}


def score(truth, predictions):
    """Return the scorers of image id -> predictions, where True is what is annotated."""
    scorers, annotations = Scorers(TASKS), CocoAnnotations(truth, TASKS)
    for image_id, found in predictions.items():
        known = annotations[image_id]
        scorers.add(known if found is True else found, known)
    return scorers


def random(kind, rng):
    """Return an annotation and a prediction of a type."""
    def rows(count):
        corner = rng.uniform(0, 30, (count, 2))
        return np.hstack([corner, corner + rng.uniform(5, 40, (count, 2))]).astype(np.float32)

    scores = rng.uniform(0, 1, 6).astype(np.float32)
    if kind is Instances:
        return (Instances(rows(4), rng.integers(0, 2, 4), np.ones(4, np.float32)),
                Instances(rows(6), rng.integers(0, 2, 6), scores))
    if kind is Poses:
        people = rng.uniform(0, 60, (2, 6, 17, 2)).astype(np.float32)
        certain = np.ones((6, 17), np.float32)
        return (Poses(rows(6), np.ones(6, np.float32), people[0], certain),
                Poses(rows(6), scores, people[1], certain))
    if kind in (ClassMap, 'all_classes'):
        return tuple(ClassMap(rng.integers(0, 3, (8, 9)).astype(np.uint8)) for _ in range(2))
    truth = rng.integers(0, 2, (2, 8, 9)).astype(np.uint8)
    values = rng.uniform(0, 1, (2, 8, 9)).astype(np.float32)
    if kind is ScalarMap:
        return ScalarMap(truth[0]), ScalarMap(values[0])
    if kind is ClassPlanes:
        return ClassPlanes(truth), ClassPlanes(values)
    regions = RegionMap(rng.integers(0, 3, (30, 40)).astype(np.uint16), np.array([0, 1]))
    lines = rng.uniform(0, 1, (2, 30, 40)).astype(np.float32)
    if kind == 'contours':
        return regions, ScalarMap(lines[0])
    if kind == 'class_contours':
        return regions, ClassPlanes(lines)
    return tuple(VectorMap(rng.normal(size=(8, 9, 3)).astype(np.float32)) for _ in range(2))


@pytest.mark.parametrize('kind', list(SCORERS), ids=str)
def test_what_others_have_measured_gives_the_same_scores_to_the_digit(kind):
    task, rng = TASKS['pose' if kind is Poses else 'detection'], np.random.default_rng(0)
    images = [random(kind, rng) for _ in range(7)]
    alone, first, second = (SCORERS[kind](task) for _ in range(3))
    for number, (annotation, prediction) in enumerate(images):
        alone.add(annotation, prediction)
        measured = (second if number % 2 else first).measure(annotation, prediction)
        first.accumulate(pickle.loads(pickle.dumps(measured)))
    assert first.result() == alone.result() and first.details() == alone.details()
    untouched = SCORERS[kind](task)
    assert second.result() == untouched.result()


def test_each_task_has_the_result_of_its_scorer():
    truth = content()
    annotations = CocoAnnotations(truth, TASKS)
    scorers = {'detection': InstancesScorer(TASKS['detection']),
               'pose': PosesScorer(TASKS['pose']),
               'segmentation': ClassMapScorer(TASKS['segmentation'])}
    for image_id in (1, 2):
        for name, known in annotations[image_id].items():
            scorers[name].add(known, known)
    result = score(truth, {1: True, 2: True}).result()
    assert result == {**{name: scorer.result() for name, scorer in scorers.items()}, 'images': 2}


@pytest.mark.parametrize('kind', KINDS)
def test_a_task_is_judged_by_a_score_that_its_scorer_has(kind):
    task = KINDS[kind]()
    scorer = scorer_of(task)
    assert task.figure in scorer.MEANINGS and scorer.ERRORS <= scorer.MEANINGS.keys()
    assert bool(task.classes) == bool(scorer.CLASS_SCORE)


@pytest.mark.parametrize('scorer', SCORERS.values())
def test_what_a_scorer_gives_is_explained(scorer):
    result = scorer(TASKS['pose' if scorer is PosesScorer else 'detection']).result()
    assert [name for name in result if name != 'per_class'] == [*scorer.MEANINGS]
    assert ('per_class' in result) == bool(scorer.CLASS_SCORE) == bool(scorer.AMOUNT)


def test_tasks_of_one_type_have_scores_each():
    tasks = build_tasks({'things': {'kind': 'segmentation', 'classes': CLASSES},
                         'cars': {'kind': 'segmentation', 'classes': ['car']}})
    scorers = Scorers(tasks)
    annotations = CocoAnnotations(content(), tasks)[1]
    scorers.add(annotations, annotations)
    assert [scorers.result()[name]['mIoU'] for name in ('things', 'cars')] == [1, None]


@dataclass(frozen=True)
class Regions(SegmentationTask):
    """A task whose type has no scorer, and which may name one."""

    annotation = RegionMap
    scorer: str = ''


def test_a_task_may_name_its_scorer(monkeypatch):
    monkeypatch.setitem(SCORERS, 'contours', ClassMapScorer)
    assert scorer_of(Regions(scorer='contours')) is ClassMapScorer
    for name, wanted in (('', 'RegionMap'), ('edges', 'edges')):
        with pytest.raises(ValueError, match=f'Regions: no scorer for {wanted} .*Poses.*contours'):
            scorer_of(Regions(scorer=name))


def test_scores_as_text():
    assert [score_text(value) for value in (None, 0.0, 0.12345)] == ['-', '0.000', '0.123']


@pytest.mark.parametrize('predictions', [None, {}])
def test_an_image_that_nobody_looked_at_is_missed(predictions):
    one = score(content(), {1: True}).result()
    assert one['detection']['AP'] == pytest.approx(1) and one['pose']['AP'] == pytest.approx(1)
    both = score(content(), {1: True, 2: predictions}).result()
    assert both['images'] == 2
    # Half of the people are found, and nothing false: precision 1 up to recall 0.5.
    assert both['detection']['AR'] == both['pose']['AR'] == pytest.approx(0.5)
    assert both['segmentation']['per_class']['person'] == pytest.approx(0.5)


def test_a_task_without_predictions_is_missed_alone():
    known = CocoAnnotations(content(), TASKS)[1]
    result = score(content(), {1: {'pose': known['pose']}}).result()
    assert result['detection']['AP'] == 0 and result['pose']['AP'] == pytest.approx(1)


def test_what_no_image_is_labelled_for_is_absent():
    scorers = score(content(image_1=['pose']), {1: True})
    assert set(scorers.result()) == {'pose', 'images'}
    assert set(scorers.details()) == {'pose'}


def test_adding_more_changes_the_result():
    scorers = score(content(), {1: True})
    before, detail = scorers.result(), scorers.details()
    scorers.add(None, CocoAnnotations(content(), TASKS)[2])
    assert scorers.result()['detection']['AP'] < before['detection']['AP']
    assert scorers.result()['pose']['AP'] < before['pose']['AP']
    assert scorers.details()['detection']['objects'] != detail['detection']['objects']


def test_details_can_be_stored():
    details = score(content(), {1: True, 2: None}).details()
    assert json.loads(json.dumps(details, allow_nan=False)) == details
