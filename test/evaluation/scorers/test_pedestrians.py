# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Miss rates that were worked out by hand, and what neither counts as right nor as wrong."""

from dataclasses import replace
import json

import numpy as np
import pytest

from mcn_ros.evaluation.scorers import PEDESTRIAN_SCORERS
from mcn_ros.evaluation.scorers.pedestrians import (
    FALSE, HIT, IGNORED, match, PedestrianRules, PedestrianScorer)
from mcn_ros.structures import Instances
from mcn_ros.tasks import DetectionTask

TASK = DetectionTask(classes=('dog', 'person', 'bird'))
DOG, PERSON, BIRD = range(3)
BOX, ELSEWHERE = (100, 100, 140, 200), (300, 100, 340, 200)
FLOOR = 1e-10
NONE = pytest.approx(FLOOR)  # are missed


def objects(*rows, index=PERSON, **fields):
    """Return annotations, or predictions of (box, score)."""
    pairs = [row if len(row) == 2 else (row, 1) for row in rows]
    boxes, scores = zip(*pairs) if rows else ((), ())
    return Instances(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), index),
                     np.array(scores, np.float32), **fields)


def rates(*images, kind='reasonable'):
    """Return the miss rates at the points, and the mean, of (annotation, prediction) pairs."""
    scorer = PEDESTRIAN_SCORERS[kind](TASK)
    for annotation, prediction in images:
        scorer.add(annotation, prediction)
    return scorer._miss_rates(np.array(scorer.RULES.points)), scorer.result()['MR']


FOUND, MISSED = (objects(BOX), objects((BOX, .5))), (objects(BOX), objects())
WRONG = objects((BOX, .5), (ELSEWHERE, .9))


def graded():
    """Return 100 images with one person each, and hits and false alarms of falling scores."""
    scores = [.9] * 50 + [.5] * 30 + [.2] * 10
    false = [.95] + [.6] * 4 + [.3] * 45
    for number in range(100):
        found = [(BOX, score) for score in scores[number:number + 1]]
        found += [(ELSEWHERE, score) for score in false[number:number + 1]]
        yield objects(BOX), objects(*found)


@pytest.mark.parametrize('images, expected, mean', [
    ([FOUND], [0] * 9, FLOOR),
    ([MISSED], [1] * 9, 1),
    ([FOUND, MISSED] * 50, [.5] * 9, .5),
    ([FOUND] * 9 + [(objects(BOX), WRONG)], [1] * 4 + [0] * 5, FLOOR ** (5 / 9)),
    ([FOUND] * 3 + [(objects(BOX), WRONG)], [1] * 6 + [0] * 3, FLOOR ** (3 / 9)),
    (list(graded()), [.5] * 3 + [.2] * 4 + [.1] * 2, .232692)])
def test_worked_cases(images, expected, mean):
    found, average = rates(*images)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert average == pytest.approx(mean, rel=1e-5)


def test_a_logarithm_is_averaged():
    found, average = rates(*graded())
    assert found.mean() == pytest.approx(.277778, abs=1e-6) and average < found.mean()


def test_what_lies_in_an_ignored_region_does_not_count():
    region = (300, 100, 500, 300)
    inside = [((310 + 20 * i, 120, 350 + 20 * i, 220), score)
              for i, score in enumerate((.95, .94, .93))]
    truth = objects(BOX, region, crowd=np.array([False, True]))
    assert rates((truth, objects((BOX, .9), *inside)))[1] == NONE
    # With the region one to be found, they would be false.
    assert rates((replace(truth, crowd=None), objects((BOX, .9), *inside)))[1] > .1


def test_those_too_small_are_neither_found_nor_false():
    small = (300, 100, 315, 140)
    assert rates((objects(BOX, small), objects((BOX, .9), (small, .95))))[1] == NONE
    # Predictions of less than 50 / 1.25 pixels are dropped, wherever they are.
    for height, mean in ((39.9, FLOOR), (40, FLOOR ** (1 / 9))):
        far = (400, 100, 415, 100 + height)
        assert rates((objects(BOX), objects((BOX, .9), (far, .95))))[1] == pytest.approx(mean)


@pytest.mark.parametrize('height, outcome', [(10, HIT), (9.99, FALSE)])
def test_half_an_overlap_is_enough(height, outcome):
    found = match(np.array([[0, 0, 10, height]]), np.array([[0., 0, 10, 20]]), np.zeros((0, 4)))
    assert found.tolist() == [outcome]


def test_a_person_is_found_once_and_a_region_often():
    boxes = np.array([BOX] * 3, float)
    assert match(boxes, boxes[:1], boxes[:0]).tolist() == [HIT, FALSE, FALSE]
    assert match(boxes, boxes[:1], boxes[:1]).tolist() == [HIT, IGNORED, IGNORED]
    assert match(boxes, boxes[:0], boxes[:1]).tolist() == [IGNORED] * 3
    # A prediction keeps the best that is left for it, even where another one wants only that.
    near, nearer = np.array([[100., 100, 140, 200], [104, 100, 144, 200]])
    first = np.array([[101., 100, 141, 200], [96, 100, 136, 200]])
    assert match(first, np.array([near, nearer]), near[None][:0]).tolist() == [HIT, HIT]
    assert match(first[[0, 0, 1]], np.array([near, nearer]), near[None][:0]).tolist() == [
        HIT, HIT, FALSE]


def test_what_is_hidden_is_ignored():
    seen = objects(BOX, ELSEWHERE, full_boxes=np.array([BOX, ELSEWHERE], np.float32),
                   visible=np.array([.65, .64], np.float32))
    assert PedestrianRules().counted(seen).tolist() == [True, False]
    assert rates((seen, objects((BOX, .9))))[1] == NONE
    # The full box has the height, though only what is seen of it is to be found.
    low = objects((100, 100, 140, 148), full_boxes=np.array([[100, 100, 140, 150]], np.float32),
                  visible=np.array([.96], np.float32))
    assert PedestrianRules().counted(low).tolist() == [True]
    assert PedestrianRules().counted(replace(low, full_boxes=None)).tolist() == [False]
    assert PedestrianRules().counted(objects((0, 0, 20, 50))).tolist() == [True]


def test_caltech_has_a_border_and_one_shape():
    rules = PEDESTRIAN_SCORERS['caltech'].RULES
    boxes = [(5, 5, 45, 105), (4, 5, 45, 105), (595, 375, 635, 475), (595, 375, 635, 476)]
    assert rules.counted(objects(*boxes)).tolist() == [True, False, True, False]
    np.testing.assert_allclose(rules.shaped(np.array([[90, 100, 190, 200]], np.float32)),
                               [[140 - 20.5, 100, 140 + 20.5, 200]])
    wide = (60, 100, 180, 200)  # around the same centre
    assert rates((objects(BOX), objects((wide, .9))), kind='caltech')[1] == NONE
    assert rates((objects(BOX), objects((wide, .9))))[1] == 1


def test_birds_are_found_among_more_false_ones():
    scorer = PEDESTRIAN_SCORERS['birds'](TASK)
    assert len(scorer.RULES.points) == 17
    np.testing.assert_allclose(scorer.RULES.points[::4], [.01, .1, 1, 10, 100])
    small = (10, 10, 18, 16)
    false = [((100 + 10 * i, 100, 108 + 10 * i, 108), .9) for i in range(10)]
    scorer.add(objects(small, index=BIRD), objects((small, .5), *false, index=BIRD))
    np.testing.assert_array_equal(scorer._miss_rates(np.array(scorer.RULES.points)),
                                  [1] * 12 + [0] * 5)


def test_other_classes_and_images_without_labels_have_no_part():
    dogs = objects(BOX, ELSEWHERE, index=DOG)
    unlabelled = replace(objects(), labelled_classes=np.array([True, False, True]))
    assert rates(FOUND, (dogs, dogs), (unlabelled, objects((ELSEWHERE, .99))))[1] == NONE
    scorer = PedestrianScorer(TASK)
    scorer.add(dogs, dogs)
    assert scorer.result()['MR'] is None and scorer.result()['to_find'] == 0
    assert 'miss_rate' not in scorer.details()
    assert 'miss_rate' not in PedestrianScorer.plots(scorer.details(), {})
    with pytest.raises(ValueError, match='^pedestrian: no class person to find, only dog$'):
        PedestrianScorer(DetectionTask(classes=('dog',)))


def test_the_scores_have_meanings_and_a_curve():
    scorer = PedestrianScorer(TASK)
    for annotation, prediction in graded():
        scorer.add(annotation, prediction)
    result = scorer.result()
    assert result.keys() - {'per_class'} == scorer.MEANINGS.keys()
    assert result['to_find'] == 100 and 0 < result['AP'] < 1
    curve = json.loads(json.dumps(scorer.details()))['miss_rate']
    assert curve['images'] == 100 and curve['mean'] == pytest.approx(.232692, abs=1e-6)
    assert dict(zip(curve['false'], curve['rate']))[1] == .1
    assert sorted(curve['rate'], reverse=True) == curve['rate']
    for others in ({}, scorer.details()):
        png = scorer.plots(scorer.details(), others)['miss_rate'].png
        assert png.startswith(b'\x89PNG')
