# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of ids: cases that can be counted by hand, and drawn ones with the reference's scores."""

from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.evaluation.iou_tracker import IouTracker
from mcn_ros.evaluation.tracking import Frame, score_ids, TrackingScores
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'detection': {'classes': ['person', 'car']}, 'pose': {}})


def frames(*rows):
    """Return frames of (objects, tracks); a track is where the object at its place is."""
    made = []
    for truth, found in rows:
        overlap = np.zeros((len(truth), len(found)))
        np.fill_diagonal(overlap, 1)
        made.append(Frame(np.array(truth, np.int64), np.array(found, np.int64), overlap))
    return made


def drawn(seed):
    """Return frames at random, each with objects and tracks, in which a track prefers one."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(30):
        truth = np.sort(rng.choice(6, rng.integers(2, 6), replace=False))
        found = np.sort(rng.choice(9, rng.integers(2, 7), replace=False))
        overlap = np.round(rng.random((len(truth), len(found))) ** 1.5, 3)
        overlap = np.where(truth[:, None] == found, np.maximum(overlap, 0.6), overlap)
        made.append(Frame(truth, found, overlap))
    return made


def test_perfect_ids_have_one():
    scores = score_ids(frames(*[([0, 1], [4, 2])] * 10))
    assert scores == {'MOTA': 1, 'IDF1': 1, 'HOTA': 1, 'DetA': 1, 'AssA': 1, 'id_switches': 0,
                      'fragments': 0}


def test_one_switch_in_the_middle_of_one_track():
    scores = score_ids(frames(*[([0], [0])] * 5, *[([0], [1])] * 5))
    # Each half is 5 of 10 frames: the association is 5 / (5 + 5 + 0).
    assert scores == pytest.approx({
        'MOTA': 0.9, 'IDF1': 0.5, 'HOTA': 0.5 ** 0.5, 'DetA': 1, 'AssA': 0.5, 'id_switches': 1,
        'fragments': 0})


def test_a_gap_is_a_fragment_and_no_switch():
    scores = score_ids(frames(*[([0], [0])] * 4, *[([0], [])] * 2, *[([0], [0])] * 4))
    assert scores['MOTA'] == pytest.approx(0.8)
    assert scores['IDF1'] == pytest.approx(2 * 8 / (10 + 8))
    assert (scores['id_switches'], scores['fragments']) == (0, 1)
    assert scores['DetA'] == pytest.approx(0.8) and scores['AssA'] == pytest.approx(0.8)


def test_what_is_nobody_counts_against_it():
    scores = score_ids([*frames(*[([0], [0])] * 8), *frames(*[([], [1, 2])] * 4)])
    assert scores['MOTA'] == 0 and scores['AssA'] == 1
    assert scores['IDF1'] == pytest.approx(2 * 8 / (8 + 16))
    assert scores['DetA'] == pytest.approx(0.5)


def test_nothing_found_is_zero():
    scores = score_ids(frames(*[([0, 1], [])] * 3))
    assert set(scores.values()) == {0}


def test_boxes_that_are_not_exact_lose_the_strict_half_of_hota():
    exact = frames(*[([0], [0])] * 4)
    loose = [Frame(f.truth, f.found, 0.5 * f.overlap) for f in exact]
    scores = score_ids(loose)
    assert scores['MOTA'] == scores['IDF1'] == 1
    assert scores['HOTA'] == pytest.approx(10 / 19)  # at .05 to .50 of .05 to .95


# Of TrackEval 1.3.0 for the frames of drawn(seed).
REFERENCE = {
    0: (-0.12612612612612611, 0.4206008583690987, 0.22517409326465787, 0.46168383282540393,
        0.11154321470575501, 64, 40),
    1: (-0.23232323232323232, 0.44933920704845814, 0.24968189399018575, 0.4338430573218245,
        0.14481890312286222, 61, 42),
    2: (-0.1388888888888889, 0.42016806722689076, 0.24560407377184595, 0.4774019994776369,
        0.12774564066472024, 63, 39)}


@pytest.mark.parametrize('seed', REFERENCE)
def test_scores_are_those_of_the_reference(seed):
    assert tuple(score_ids(drawn(seed)).values()) == pytest.approx(REFERENCE[seed], abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(strategies.integers(0, 2 ** 32 - 1))
def test_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    before = drawn(seed)
    truth, found = rng.permutation(6), rng.permutation(9)
    after = [Frame(truth[f.truth], found[f.found], f.overlap) for f in before]
    assert score_ids(after) == pytest.approx(score_ids(before))


# ---- Images of a data set ----

def person(left):
    return [left, 10, left + 20, 60]


def objects(ids, *boxes, classes=0, scores=1.0, crowd=None, labelled=None):
    num = len(boxes)
    return Instances(
        np.array(boxes, np.float32).reshape(num, 4),
        np.broadcast_to(np.array(classes), num).copy(), np.full(num, scores, np.float32),
        crowd=None if crowd is None else np.array(crowd, bool),
        labelled_classes=None if labelled is None else np.array(labelled),
        ids=None if ids is None else np.array(ids, str))


def result(*images):
    """Return the scores of images: time, what is found and what is annotated."""
    scores = TrackingScores(TASKS)
    for time, found, truth in images:
        scores.add('a', time, {} if found is None else {'detection': found}, {'detection': truth})
    return scores.result()


def test_images_come_in_any_order():
    images = [(time, objects(['t1' if time < 6 else 't2'], person(5)), objects(['7'], person(5)))
              for time in range(10)]
    rng = np.random.default_rng(0)
    expected = result(*images)
    assert expected['person']['id_switches'] == 1
    assert result(*(images[row] for row in rng.permutation(10))) == expected


def test_only_annotations_with_ids_are_scored():
    assert result((0, objects(['t1'], person(5)), objects(None, person(5)))) == {}


def test_what_has_no_id_or_is_not_shown_is_not_found():
    truth = objects(['1'], person(5))
    for found in (objects([''], person(5)), objects(None, person(5)), None,
                  objects(['t1'], person(5), scores=0.29)):
        assert result((0, found, truth))['person']['MOTA'] == 0
    assert result((0, objects(['t1'], person(5), scores=0.31), truth))['person']['MOTA'] == 1


def test_crowds_and_who_has_no_id_are_neither_right_nor_false():
    truth = objects(['1', '', ''], person(5), [100, 0, 300, 100], person(400),
                    crowd=[False, True, False])
    found = objects(['t1', 't2', 't3'], person(5), person(150), person(400))
    assert result((0, found, truth))['person']['MOTA'] == 1
    assert result((0, objects(['t1', 't2'], person(5), person(330)), truth))['person']['MOTA'] == 0


def test_classes_by_themselves():
    truth = objects(['1', '2'], person(5), person(100), classes=[0, 1])
    found = objects(['t1', 't2'], person(5), person(100), classes=[0, 0])
    assert {name: scores['MOTA'] for name, scores in result((0, found, truth)).items()} == {
        'person': 0, 'car': 0}
    unlabelled = objects(['1'], person(5), labelled=[True, False])
    assert list(result((0, found, unlabelled))) == ['person']


def test_ids_of_two_sequences_are_different_ones():
    scores = TrackingScores(TASKS)
    for sequence, left in (('a', 5), ('b', 200)):
        for time in range(4):
            scores.add(sequence, time, {'detection': objects(['t1'], person(left))},
                       {'detection': objects(['1'], person(left))})
    assert scores.result()['person']['IDF1'] == 1


def test_the_first_head_that_is_annotated_counts():
    scores, boxes = TrackingScores(TASKS), np.array([person(5)], np.float32)
    joints = np.zeros((1, 17, 2), np.float32)
    people = Poses(boxes, np.ones(1, np.float32), joints, joints[..., 0], ids=np.array(['t1']))
    truth = objects(['1'], person(5))
    scores.add('a', 0, {'pose': people}, {'pose': people, 'detection': truth})
    assert scores.result()['person']['MOTA'] == 0  # the detection head has found nobody
    scores = TrackingScores(TASKS)
    scores.add('a', 0, {'pose': people}, {'pose': people})
    assert scores.result()['person']['MOTA'] == 1


# ---- The plain tracker ----

def test_the_plain_tracker_follows_what_overlaps():
    tracker = IouTracker(TASKS)

    def see(time, *lefts, scores=0.9, classes=0):
        found = objects(None, *map(person, lefts), scores=scores, classes=classes)
        return tracker.update(time, {'detection': found})['detection'].ids.tolist()

    assert see(0, 5, 100) == ['t1', 't2']
    assert see(1, 103, 8) == ['t2', 't1']
    assert see(2, 103, scores=0.2) == ['']
    assert see(3, 103) == ['t3']  # a frame without it, and it is somebody else
    assert see(4, 103, classes=1) == ['t4']
