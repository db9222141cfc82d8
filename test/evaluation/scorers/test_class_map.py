# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Intersection over union."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.class_map import ClassMapScorer, confusion_matrix
from mcn_ros.structures import ClassMap, IGNORE
from mcn_ros.tasks import SegmentationTask

CLASSES = ('person', 'car', 'dog')
TASK = SegmentationTask(classes=CLASSES)


def random_labels(seed, num_labels=4, ignore=0.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_labels, (13, 17)).astype(np.uint8)
    labels[rng.random(labels.shape) < ignore] = IGNORE
    return labels


def result(*pairs):
    scorer = ClassMapScorer(TASK)
    for truth, prediction in pairs:
        scorer.add(truth, prediction)
    return scorer.result()


def test_confusion_matrix_counts_every_known_pixel():
    truth, prediction = random_labels(0, ignore=0.2), random_labels(1)
    naive = np.zeros((4, 4), int)
    for t, p in zip(truth.ravel(), prediction.ravel()):
        if t != IGNORE:
            naive[t, p] += 1
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 4), naive)


def test_the_truth_scores_one():
    labels = random_labels(2)
    scores = result((ClassMap(labels), ClassMap(labels)))
    assert scores == {'mIoU': 1, 'background': 1, 'pixel_accuracy': 1,
                      'per_class': dict.fromkeys(CLASSES, 1)}


def test_iou_is_intersection_over_union():
    truth, prediction = random_labels(3), random_labels(4)
    scores = result((ClassMap(truth), ClassMap(prediction)))
    for index, name in enumerate(CLASSES):
        t, p = truth == index + 1, prediction == index + 1
        assert scores['per_class'][name] == pytest.approx((t & p).sum() / (t | p).sum())
    assert scores['mIoU'] == pytest.approx(np.mean(list(scores['per_class'].values())))


def test_images_are_pooled_not_averaged():
    one, other = random_labels(5), random_labels(6)
    stacked = ClassMap(np.hstack([one, other])), ClassMap(np.hstack([other, other]))
    apart = (ClassMap(one), ClassMap(other)), (ClassMap(other), ClassMap(other))
    assert result(*apart) == result(stacked)


def test_unknown_pixels_do_not_count():
    truth = random_labels(7)
    truth[5:] = IGNORE
    prediction = truth.copy()
    prediction[5:] = 1
    assert result((ClassMap(truth), ClassMap(prediction)))['mIoU'] == 1


def test_the_mean_is_over_classes_of_the_ground_truth():
    truth = np.zeros((4, 4), np.uint8)
    truth[:2] = 1
    prediction = truth.copy()
    prediction[3] = 2  # cars that are not there harm the background, but car has no IoU
    scores = result((ClassMap(truth), ClassMap(prediction)))
    assert scores['per_class'] == {'person': 1}
    assert scores['mIoU'] == 1
    assert scores['background'] == 0.5


def test_nothing_to_score_is_none():
    assert result() == {'mIoU': None, 'background': None, 'pixel_accuracy': None, 'per_class': {}}


def test_unlabelled_classes_are_background():
    truth = np.zeros((4, 4), np.uint8)
    truth[0] = 1
    cars = truth.copy()
    cars[2:] = 2
    people_only = ClassMap(truth, np.array([True, False, False]))
    full = ClassMap(np.where(cars == 2, cars, truth))
    scores = result((people_only, ClassMap(cars)), (full, ClassMap(cars)))
    assert scores['per_class'] == {'person': 1, 'car': 1}
    assert scores['background'] == 1
    assert result((ClassMap(truth), ClassMap(cars)), (full, ClassMap(cars)))['mIoU'] < 1


def test_a_person_taken_for_an_unlabelled_class_is_missed():
    truth = ClassMap(np.full((4, 4), 1, np.uint8), np.array([True, False, False]))
    assert result((truth, ClassMap(np.full((4, 4), 2, np.uint8))))['per_class'] == {'person': 0}


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r'prediction is \(2, 3\), but .* annotation is \(2, 2\)'):
        result((ClassMap(np.zeros((2, 2), np.uint8)), ClassMap(np.zeros((2, 3), np.uint8))))


def test_body_parts():
    classes = ('head', 'torso', 'upper_arms', 'lower_arms', 'upper_legs', 'lower_legs')
    scorer = ClassMapScorer(SegmentationTask(classes=classes))
    truth = [[0, 0, 1, 1], [2, 2, 1, IGNORE], [5, 5, 6, 6]]
    found = [[0, 1, 1, 1], [2, 0, 1, 3], [5, 6, 6, 6]]
    scorer.add(*(ClassMap(np.array(labels, np.uint8)) for labels in (truth, found)))
    scores = scorer.result()
    assert scores['background'] == pytest.approx(1 / 3)
    assert scores['per_class'] == pytest.approx({
        'head': 3 / 4, 'torso': 1 / 2, 'upper_legs': 1 / 2, 'lower_legs': 2 / 3})
    assert scores['mIoU'] == pytest.approx(0.604167, abs=1e-6)


def test_an_image_alone_is_judged_by_the_classes_in_it():
    scorer, labels = ClassMapScorer(TASK), random_labels(8, num_labels=2)
    wrong = np.where(labels == 1, 2, labels).astype(np.uint8)
    assert scorer.figure(ClassMap(labels), ClassMap(labels)).text == 'mIoU 1.00'
    assert scorer.figure(ClassMap(labels), ClassMap(wrong)).value == 0
    blank = ClassMap(np.zeros_like(labels))
    assert scorer.figure(blank, blank).value is None
    assert not scorer.confusion.any()


def test_the_share_of_a_class_is_of_the_labelled_pixels():
    scorer, labels = ClassMapScorer(TASK), np.zeros((4, 10), np.uint8)
    labels[:2], labels[2, :5], labels[3] = 1, 3, IGNORE
    scorer.add(ClassMap(labels), ClassMap(np.zeros_like(labels)))
    assert scorer.details() == {'pixels': {'person': pytest.approx(20 / 30),
                                           'dog': pytest.approx(5 / 30)}}
    assert ClassMapScorer(TASK).details() == {'pixels': {}}
