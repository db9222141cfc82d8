# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Places in space against the true ones: of drawn people, and what is found and missed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import objects, scene, surface
from mcn_ros.data.bag_writer import ANNOTATIONS, BagConfig, coco_frames, write_bag
from mcn_ros.data.bags import Bag
from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.synthetic.sequence import write_sequence
from mcn_ros.evaluation.bag import evaluate_offline
from mcn_ros.evaluation.bag_report import measures
from mcn_ros.evaluation.positions import (
    lift_shown, Placed, PositionScores, read_positions)
from mcn_ros.evaluation.stamped import Evaluation, StampedTruth
from mcn_ros.tasks import build_tasks
from mcn_ros.tracking import Tracker

CLASSES = ('person', 'chair')
TASKS = build_tasks({'detection': {'classes': CLASSES}, 'segmentation': {'classes': CLASSES}})
TOPIC = '/camera/image_raw'
SIZE = (240, 320)
NEAR, FAR = (40, 40, 80, 200, 2.0), (200, 80, 240, 160, 4.0)


class Knower:
    """A predictor that finds what is annotated, image by image."""

    tasks = TASKS

    def __init__(self, path):
        annotations = CocoAnnotations(path, TASKS)
        self._found = iter([annotations[record.image_id] for record in annotations.file.records])

    def __call__(self, image):
        return next(self._found)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Write a bag of a drawn sequence, in which people also hide each other."""
    folder = tmp_path_factory.mktemp('sequence')
    write_sequence(folder, 10, 1.0, 10 ** 9, seed=0, size=SIZE, maps=('depth',))
    write_bag(folder / 'bag', coco_frames(folder / ANNOTATIONS, folder / 'images'), BagConfig(),
              folder / ANNOTATIONS)
    return folder / 'bag'


def run(path, truth, **options):
    predictor = Knower(path / ANNOTATIONS)
    with Bag(path) as source:
        return evaluate_offline(predictor, source, [TOPIC], StampedTruth(truth, TASKS),
                                progress=False, **options).results


def test_drawn_people_are_placed_to_a_tenth_of_a_metre(bag):
    results = run(bag, bag / ANNOTATIONS)
    people = results['spatial']['person']
    assert people['objects'] > 15 and people['found'] == 1
    error = people['position_error_m']
    assert 0 < error['p50'] < error['p95'] <= 0.10
    told = measures(Evaluation(results))['position of person, 1 to 5 m away']
    assert told == {'error p50 (m)': error['p50'], 'error p95 (m)': error['p95'],
                    'found': 1, 'objects': people['objects']}


def test_the_tracker_is_told_where_on_the_ground_objects_are(bag):
    """And true objects are those that are annotated: the predictor is not asked."""
    told = []

    class Listener(Tracker):

        def update(self, time_ns, predictions, **known):
            told.append((predictions['detection'], known['places']['detection']))
            return super().update(time_ns, predictions, **known)

    with Bag(bag) as source:
        evaluation = evaluate_offline(
            SimpleNamespace(tasks=TASKS), source, [TOPIC], StampedTruth(bag / ANNOTATIONS, TASKS),
            progress=False, tracker=Listener, true_objects=True).results
    assert evaluation['spatial'] == run(bag, bag / ANNOTATIONS)['spatial']
    assert len(told) == 10 and all(len(found) == len(ground) for found, ground in told)
    ahead = np.concatenate([ground[found.classes == 0, 1] for found, ground in told])
    assert len(ahead) > 15 and (ahead > 1).all() and (ahead < 8).all()


def test_where_no_position_is_annotated_or_no_depth_is_there_none_is_scored(bag, tmp_path):
    content = json.loads((bag / ANNOTATIONS).read_bytes())
    for entry in content['annotations']:
        del entry['position']
    assert 'spatial' not in run(bag, content)
    for image in content['images']:
        del image['camera_pose']
    (bag.parent / 'plain.json').write_text(json.dumps(content))
    write_bag(tmp_path / 'plain', coco_frames(bag.parent / 'plain.json', bag.parent / 'images'),
              BagConfig(), bag.parent / 'plain.json')
    assert 'spatial' not in run(tmp_path / 'plain', bag / ANNOTATIONS)


def test_frames_that_are_not_there_have_lost_their_people(bag, tmp_path):
    frames = list(coco_frames(bag.parent / ANNOTATIONS, bag.parent / 'images'))[:4]
    write_bag(tmp_path / 'part', frames, BagConfig(), bag.parent / ANNOTATIONS)
    whole, part = (run(path, bag / ANNOTATIONS)['spatial']['person']
                   for path in (bag, tmp_path / 'part'))
    assert whole['objects'] == part['objects'] and 0.2 < part['found'] < 0.8


def measure(boxes, truth, **options):
    """Return the errors of people in a scene of two; masks are not known."""
    depth, _ = scene([NEAR, FAR])
    placed = Placed(*map(np.array, zip(*truth)))
    return PositionScores(TASKS).measure(placed, lift_shown(
        TASKS, {'detection': objects(*boxes, **options)}, surface(depth), depth.shape))


def position(left, top, right, bottom, metres):
    depth, _ = scene([NEAR, FAR])
    return metres * surface(depth).rays(np.array([(left + right) / 2, (top + bottom) / 2]))


def test_errors_are_the_ways_to_the_objects_that_overlap_most():
    boxes = [(38, 42, 81, 198), FAR[:4], (260, 0, 300, 40)]
    truth = [('person', FAR[:4], position(*FAR)),
             ('person', NEAR[:4], position(*NEAR) + (0.3, 0, -0.4))]
    errors = measure(boxes, truth)
    assert errors.keys() == {'person'}
    np.testing.assert_allclose(errors['person'], [0, 0.5], atol=0.02)


def test_what_is_of_another_class_or_elsewhere_is_not_found():
    truth = [('person', NEAR[:4], position(*NEAR))]
    assert np.isnan(measure([NEAR[:4]], truth, classes=[1])['person']).all()
    assert np.isnan(measure([FAR[:4]], truth)['person']).all()
    assert np.isnan(measure([], truth)['person']).all()


def test_what_is_too_near_or_too_far_or_unknown_to_the_heads_does_not_count():
    places = [('person', NEAR[:4], (0, 0, 0.9)), ('person', NEAR[:4], (0, 0, 5.1)),
              ('zebra', NEAR[:4], (0, 0, 2.0))]
    assert measure([NEAR[:4]], places) == {}


def test_scores_are_percentiles_and_the_share_that_is_found():
    scores = PositionScores(TASKS)
    assert scores.result() == {}
    scores.accumulate({'person': [0.1, 0.2], 'chair': [np.nan]})
    scores.accumulate({'person': [0.3, np.nan]})
    assert scores.result() == {
        'chair': {'position_error_m': {}, 'found': 0.0, 'objects': 1},
        'person': {'position_error_m': {'p50': pytest.approx(0.2), 'p95': pytest.approx(0.29)},
                   'found': 0.75, 'objects': 4}}


@pytest.mark.parametrize('value', [[1, 2], 'here', [1, 2, None], [0, 0, float('nan')]])
def test_a_position_is_three_numbers(value):
    content = {'categories': [{'id': 1, 'name': 'person'}], 'annotations': [
        {'id': 7, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 1, 1], 'position': value}]}
    with pytest.raises(ValueError, match='annotation 7: position'):
        read_positions(content)
