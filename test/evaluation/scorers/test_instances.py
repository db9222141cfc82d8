# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision of boxes: what is perfect, what is worthless, and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.instances import InstancesScorer
from mcn_ros.structures import Instances, select
from mcn_ros.tasks import DetectionTask

TASK = DetectionTask(classes=('person', 'car'))
ONE = pytest.approx(1, abs=1e-9)  # COCOeval adds an epsilon to its denominators
A, B, C, FAR = (10, 10, 60, 110), (200, 50, 300, 250), (400, 300, 430, 330), (500, 10, 540, 60)


def instances(*objects, crowd=None, labelled=None):
    """Return objects of (class index, xyxy) or (class index, xyxy, score)."""
    boxes = np.array([box for _, box, *_ in objects], np.float32).reshape(-1, 4)
    return Instances(
        boxes, np.array([index for index, *_ in objects], np.int64),
        np.array([score[0] if score else 1 for _, _, *score in objects], np.float32),
        None if crowd is None else np.array(crowd), labelled,
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / 2)


TRUTH = instances((0, A), (1, B)), instances((0, C))
NOTHING = instances()
PEOPLE_ONLY = np.array([True, False])


def score(truth, predictions, task=TASK):
    """Return the scorer of as many images as there are predictions."""
    scorer = InstancesScorer(task)
    for annotation, predicted in zip(truth, predictions):
        scorer.add(annotation, predicted)
    return scorer


def result(truth, *predictions):
    return score(truth, predictions).result()


def test_the_truth_scores_one():
    scores = result(TRUTH, *TRUTH)
    assert [scores[name] for name in ('AP', 'AP50', 'AP75', 'AR')] == [ONE] * 4
    assert scores['per_class'] == {'person': ONE, 'car': ONE}
    assert [*scores] == [*InstancesScorer.MEANINGS, 'per_class']


def test_no_predictions_score_zero():
    scores = result(TRUTH, NOTHING, NOTHING)
    assert scores['AP'] == scores['AR'] == 0
    assert scores['per_class'] == {'person': 0, 'car': 0}


def test_a_loose_box_counts_at_low_overlap_only():
    loose = (10, 10, 60, 73)  # IoU 0.63 with A
    scores = result([instances((0, A))], instances((0, loose, .9)))
    assert scores['AP50'] == ONE
    assert scores['AP75'] == 0
    assert scores['AP'] == pytest.approx(0.3)  # 3 of the 10 thresholds .5, .55, .6 are met


def test_the_area_decides_about_the_size():
    large = instances((0, (0, 0, 100, 100)))  # of which half is covered
    assert result([large], large)['APl'] is None and result([large], large)['APm'] == ONE
    unknown = replace(large, areas=None)
    assert result([unknown], large)['APl'] == ONE and result([unknown], large)['APm'] is None


def test_neither_order_nor_scale_of_scores_matters():
    rng = np.random.default_rng(1)
    wrong = [(int(rng.integers(2)), (*xy, *(xy + 40)), s)
             for xy, s in zip(rng.integers(0, 400, (20, 2)), rng.random(20))]
    found = instances((0, A, .5), (1, B, .4), *wrong)
    scores = result(TRUTH, found)
    assert 0 < scores['AP'] < 1
    assert result(TRUTH, select(found, rng.permutation(len(found)))) == scores
    assert result(TRUTH, replace(found, scores=found.scores ** 2)) == scores


def test_scores_keep_their_precision():
    # To two decimals these two would be equal, and the wrong one (given first) would win.
    found = instances((0, C, .50001), (0, A, .50002))
    assert result([instances((0, A))], found)['AP'] == ONE


def test_unlabelled_classes_are_neither_missed_nor_false():
    people, cars = instances((0, A), labelled=PEOPLE_ONLY), instances((1, B))
    found = instances((0, A, .5), (1, C, .9)), instances((1, B, .5))
    assert result([people, cars], *found)['AP'] == ONE
    # The same, now with a false car.
    assert result([instances((0, A)), cars], *found)['per_class']['car'] < 1
    # A car in an annotation that does not know of cars is none to find.
    assert result([replace(cars, labelled_classes=PEOPLE_ONLY)], NOTHING)['AP'] is None


def test_a_prediction_in_a_crowd_is_not_false():
    truth, inside = instances((0, A), (0, B), crowd=[False, True]), (210, 60, 240, 120)
    assert result([truth], instances((0, A, .5), (0, inside, .9)))['AP'] == ONE


def test_scores_may_be_asked_for_in_between():
    scorer = score(TRUTH, [TRUTH[0]])
    assert scorer.result()['AP'] == ONE
    scorer.add(TRUTH[1], NOTHING)
    assert scorer.result()['AP'] < 0.9


def test_the_area_below_a_curve_is_the_score():
    loose = (10, 10, 60, 80)
    scorer = score(TRUTH, [instances((0, loose, .9), (1, FAR, .8), (1, B, .7)),
                           instances((0, C, .6))])
    scores, curves = scorer.result(), scorer.details()['precision']
    assert list(curves) == ['all', 'person', 'car']
    for overlap, name in (('.50', 'AP50'), ('.75', 'AP75'), ('mean', 'AP')):
        assert np.mean(curves['all'][overlap]) == pytest.approx(scores[name], abs=1e-4)
    for name, value in scores['per_class'].items():
        assert np.mean(curves[name]['mean']) == pytest.approx(value, abs=1e-4)
        assert all(len(curve) == 101 for curve in curves[name].values())
        assert (np.diff(curves[name]['.50']) <= 0).all()


def test_objects_are_counted_without_crowds():
    truth = instances((1, A), (1, B), crowd=[False, True]), instances((2, C), (1, C))
    task = DetectionTask(classes=('bicycle', *TASK.classes))
    details = score(truth, [NOTHING, NOTHING], task).details()
    assert details['objects'] == {'person': 2, 'car': 1}
    assert details['precision'].keys() == {'all', 'person', 'car'}


@pytest.mark.parametrize('truth', [[], [NOTHING], [NOTHING, NOTHING]])
def test_without_objects_there_is_nothing_to_score(truth):
    scorer = score(truth, [instances((0, A, .9))] * 2)
    assert scorer.result()['AP'] is None and scorer.result()['per_class'] == {}
    assert scorer.details() == {'precision': {}, 'objects': {}}
    assert scorer.plots(scorer.details(), {}) == {}


def test_an_image_alone_is_judged_by_what_is_found():
    scorer = InstancesScorer(TASK)
    figure = scorer.figure(TRUTH[0], instances((0, A, .9), (1, C, .8), (1, B, .1)))
    assert (figure.value, figure.right, figure.wrong) == (0.5, 1, 2)
    assert figure.text == '1 found, 1 missed, 1 false'
    assert scorer.figure(NOTHING, NOTHING).value is None
