# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of contours, of anything and of classes."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.evaluation.scorers import scorer_of, Scorers
from mcn_ros.structures import ClassPlanes, LineMap, RegionMap, UNKNOWN_REGION
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'boundaries': {}, 'semantic_boundaries': {'classes': ['a', 'b', 'c']}})
ANY, CLASSES = TASKS.values()
SIZE = 60, 80
NEARLY = 0.97  # where a contour turns, it is no ridge
FIGURES = {'boundaries': ('ODS', 'OIS', 'AP'),
           'semantic_boundaries': ('mMF', 'mAP', 'mMF_present', 'mAP_present')}


def square(region_class=0):
    labels = np.zeros(SIZE, np.uint16)
    labels[20:40, 25:55] = 1
    return RegionMap(labels, np.array([region_class]))


def lines(annotation, value=0.9):
    return LineMap(np.float32(value) * (annotation.contours().values == 1))


def planes(annotation, value=0.9):
    found = annotation.class_contours(3).planes
    return ClassPlanes(np.float32(value) * (found == 1))


PREDICTED = {'boundaries': lines, 'semantic_boundaries': planes}


def scored(task, *pairs):
    scorer = scorer_of(task)(task)
    for annotation, prediction in pairs:
        scorer.add(annotation, prediction)
    return scorer


@pytest.mark.parametrize('name', TASKS)
def test_the_truth_scores_one_and_nothing_none(name):
    # Two images of different certainty, for else there is one recall, and no area.
    images = [(square(), PREDICTED[name](square(), value)) for value in (0.9, 0.5)]
    scorer = scored(TASKS[name], *images)
    result = scorer.result()
    best, *_ = FIGURES[name]
    assert result[best] > NEARLY
    assert set(FIGURES[name]) <= set(result) - {'per_class'} == set(type(scorer).MEANINGS)
    empty = scored(TASKS[name]).result()
    assert {empty[key] for key in FIGURES[name]} == {None}


def test_the_best_threshold_is_told():
    details = scored(ANY, (square(), lines(square()))).details()
    assert details['recall'] > 0.95 and details['precision'] == 1
    assert 0 < details['threshold'] < 0.9
    assert scored(ANY).details() == {}


def test_of_several_annotators_all_are_to_be_found_and_any_makes_a_pixel_right():
    one, other = (np.where(np.arange(SIZE[1]) <= column, 1, 2)[None].repeat(SIZE[0], axis=0)
                  .astype(np.uint16) for column in (50, 20))
    both = RegionMap(one, np.array([-1, -1]), others=other[None])
    details = scored(ANY, (both, lines(both))).details()  # what the first has drawn
    assert 0.47 < details['recall'] <= 0.5 and details['precision'] == 1
    more = LineMap(np.maximum(*(lines(each).values for each in both.annotators)))
    assert scored(ANY, (both, more)).result()['ODS'] > NEARLY
    alone = scored(ANY, (both.annotators[0], more)).details()
    assert alone['recall'] > 0.96 and alone['precision'] == pytest.approx(0.5, abs=0.02)


def test_an_image_has_its_own_threshold():
    noise = lines(square(), 0.9).values.copy()
    noise[5:55, 10] = 0.6
    quiet = lines(square(), 0.3)
    result = scored(ANY, (square(), LineMap(noise)), (square(), quiet)).result()
    assert result['OIS'] > NEARLY > result['ODS'] > 0.5


def test_who_has_not_looked_has_found_nothing():
    for name, figure in (('boundaries', 'ODS'), ('semantic_boundaries', 'mMF')):
        scorers = Scorers({name: TASKS[name]})
        scorers.add(None, {name: square()})
        assert scorers.result()[name][figure] == 0


def test_false_alarms_of_a_class_count_in_every_image_but_in_scores_of_those_with_it():
    annotations = square(0), square(1)
    wrong = [planes(each) for each in annotations]
    wrong[1].planes[0, 30, 10:70] = 0.9
    result = scored(CLASSES, *zip(annotations, wrong)).result()
    assert result['mMF_present'] > NEARLY > result['mMF'] > 0.5
    assert result['per_class'].keys() == {'a', 'b'}
    assert result['per_class']['b'] > NEARLY > result['per_class']['a']


def test_classes_that_are_not_labelled_are_not_scored():
    annotation = replace(square(0), labelled_classes=np.array([True, False, True]))
    prediction = planes(square(0))
    prediction.planes[1] = 1
    scorer = scored(CLASSES, (annotation, prediction))
    assert scorer.result()['per_class'].keys() == {'a'}
    assert scorer.result()['mMF'] > NEARLY
    # 99 pixels of contours in 4800, three of which thinning takes at the corners.
    assert scorer.details() == {'pixels': {'a': pytest.approx(96 / 4800)}}


def test_the_border_of_an_image_is_left_out_of_classes():
    labels = np.zeros(SIZE, np.uint16)
    labels[20:40, :30] = 1
    labels[:, -3:] = 2  # ends within five pixels of the border
    annotation = RegionMap(labels, np.array([0, 0]))
    whole = planes(annotation)
    parts = ClassPlanes(whole.planes.copy())
    parts.planes[:, :, -5:] = 0
    results = [scored(CLASSES, (annotation, each)).result() for each in (whole, parts)]
    assert results[0]['mMF'] == results[1]['mMF'] > NEARLY


@pytest.mark.parametrize('name', TASKS)
def test_an_image_alone_and_sizes(name):
    scorer, prediction = scored(TASKS[name]), PREDICTED[name](square())
    figure = scorer.figure(square(), prediction)
    assert NEARLY < figure.value <= 1 and figure.text == f'F {figure.value:.2f}'
    assert scorer.figure(square().nothing(), prediction).value is None
    unknown = replace(square(), labels=np.full(SIZE, UNKNOWN_REGION, np.uint16))
    assert scorer.figure(unknown, prediction).value is None
    with pytest.raises(ValueError, match=r'\(60, 80\).*\(30, 80\)'):
        scorer.add(RegionMap(square().labels[:30], square().classes), prediction)
