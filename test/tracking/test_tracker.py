# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ids: when they begin, how long they last, and that they are never those of two."""

from dataclasses import replace
import functools
from itertools import count
import re

from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.data.synthetic.sequence import draw_sequence
from mcn_ros.evaluation.iou_tracker import IouTracker
from mcn_ros.evaluation.tracking import TrackingScores
from mcn_ros.structures import Instances, Poses, ScalarMap, select
from mcn_ros.tasks import build_tasks
from mcn_ros.tracking import id_prefix, Thresholds, Tracker

CLASSES = ('person', 'car')
TASKS = build_tasks({'detection': {'classes': CLASSES}, 'pose': {}})
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
STEP = SECOND // 10


def things(*xyxy, scores=0.9, classes=0):
    """Return objects, people unless said otherwise."""
    num = len(xyxy)
    return Instances(np.array(xyxy, np.float32).reshape(num, 4),
                     np.broadcast_to(np.array(classes), num).copy(),
                     np.broadcast_to(np.array(scores, np.float32), num).copy())


def people(*xyxy, scores=0.9, joints=None):
    """Return people whose joints are spread over their boxes."""
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    spots = np.random.default_rng(1).random((17, 2)) if joints is None else joints
    points = boxes[:, None, :2] + spots * (boxes[:, 2:] - boxes[:, :2])[:, None]
    num = len(boxes)
    return Poses(boxes, np.broadcast_to(np.array(scores, np.float32), num).copy(),
                 points.astype(np.float32), np.full((num, 17), 0.9, np.float32))


def person(left, top=100.0, width=40.0, height=100.0):
    return left, top, left + width, top + height


class Watch:
    """A tracker that has seen a frame without objects, and the time."""

    def __init__(self, *arguments, **options):
        self.tracker, self.now = Tracker(*(arguments or (TASKS,)), **options), START
        self.see(things())

    def see(self, objects, after=0.1, thresholds=Thresholds(), **others):
        """Return the ids of the objects of the next frame."""
        self.now += round(after * SECOND)
        found = {'detection': objects, **others}
        return self.tracker.update(self.now, found, thresholds)['detection'].ids.tolist()

    def follow(self, *boxes, frames=3, **options):
        """Return the ids of objects once they have been seen often enough."""
        for _ in range(frames):
            ids = self.see(things(*boxes), **options)
        return ids


# ---- From the first sight to the end ----

def test_an_id_comes_with_the_second_match():
    watch, one = Watch(), things(person(50))
    assert [watch.see(one) for _ in range(4)] == [[''], ['t1'], ['t1'], ['t1']]


def test_what_is_sure_in_the_first_frame_has_an_id_at_once():
    """Nothing was seen before that could have confirmed it; the same after all tracks ended."""
    found, tracker = things(person(50), person(200), scores=[0.9, 0.29]), Tracker(TASKS)
    for now, expected in ((START, 't1'), (START - 1, 't2'), (START + 2 * SECOND, 't3')):
        ids = tracker.update(now, {'detection': found})['detection'].ids.tolist()
        assert ids == [expected, '']


def test_what_is_published_is_sure():
    assert Thresholds().high == SCORE_THRESHOLD


@pytest.mark.parametrize('score, begins', [(0.3, True), (0.29, False)])
def test_only_what_is_certain_begins_a_track(score, begins):
    watch, one = Watch(), things(person(50), scores=score)
    ids = [watch.see(one) for _ in range(6)][-1]
    assert ids == (['t1'] if begins else [''])


def test_who_was_seen_once_is_soon_forgotten():
    watch = Watch()
    watch.see(things(person(50)))
    for _ in range(4):
        watch.see(things())
    assert watch.see(things(person(50))) == [''] and watch.see(things(person(50))) == ['t1']


def test_matches_that_are_far_apart_make_no_id():
    """A thing that is there now and then, and not in the frames between, is none."""
    watch, one, nothing = Watch(), things(person(50)), things()
    for _ in range(6):
        assert watch.see(one) == ['']
        watch.see(nothing), watch.see(nothing), watch.see(nothing)
    watch = Watch()
    watch.see(one)
    watch.see(nothing)  # but it may be missed once
    assert watch.see(one) == ['t1']


def test_where_frames_are_rare_two_of_them_make_an_id():
    watch = Watch()
    assert watch.follow(person(50), frames=2, after=0.6) == ['t1']


def test_unsure_objects_keep_a_track_but_make_none():
    watch, unsure = Watch(), things(person(50), scores=0.25)
    watch.follow(person(50))
    assert [watch.see(unsure) for _ in range(20)] == [['t1']] * 20
    assert watch.see(things(person(50))) == ['t1']
    fresh = Watch()
    fresh.see(things(person(50)))
    assert [fresh.see(unsure) for _ in range(4)][-1] == ['']
    assert watch.see(things(person(50), scores=0.05)) == ['']


def test_the_sure_choose_first():
    """An unsure box that fits better does not take a track from a sure one."""
    watch = Watch()
    watch.follow(person(50))
    assert watch.see(things(person(50), person(56), scores=[0.25, 0.9])) == ['', 't1']


def test_an_unsure_object_has_to_fit_better():
    for beside, expected in ((12, 't1'), (24, '')):  # overlaps of 0.54 and 0.25
        for score, ids in ((0.25, expected), (0.9, 't1')):
            watch = Watch()
            watch.follow(person(50))
            assert watch.see(things(person(50 + beside), scores=score)) == [ids]


def test_who_is_seen_in_part_is_who_they_were():
    """Somebody vanishes behind a pillar, and comes out of it as a strip."""
    watch = Watch()
    watch.follow(person(50))
    watch.see(things())
    strip = (50.0, 100.0, 57.0, 150.0)  # a twelfth of the box
    assert watch.see(things(strip)) == ['t1']
    assert watch.see(things(person(50))) == ['t1']
    # But only if nobody has the id who fits better, and not for a glimpse.
    assert watch.see(things(strip, person(50))) == ['', 't1']
    watch.see(things())
    assert watch.see(things(strip, scores=0.25)) == ['']


def test_who_already_has_an_id_chooses_before_who_does_not():
    watch = Watch()
    watch.follow(person(50))
    assert watch.see(things(person(50), person(62))) == ['t1', '']
    assert watch.see(things(person(60))) == ['t1']  # where the second one was


@pytest.mark.parametrize('gap, expected', [(0.9, 't1'), (1.1, '')])
def test_a_track_outlives_a_gap_of_a_second(gap, expected):
    watch, empty = Watch(), things()
    watch.follow(person(50))
    for _ in range(round(gap * 10) - 1):
        watch.see(empty)
    assert watch.see(things(person(50))) == [expected]


def test_a_walker_is_found_where_he_must_be_after_a_gap():
    watch = Watch()
    for frame in range(10):
        ids = watch.see(things(person(50 + 12 * frame)))
    assert ids == ['t1']
    for _ in range(5):
        watch.see(things())
    # Without its velocity there is no overlap left: 72 pixels are nearly two widths.
    assert watch.see(things(person(50 + 12 * 15))) == ['t1']


def test_who_cross_keep_their_ids():
    watch = Watch()
    for frame in range(30):
        one, other = person(50 + 10 * frame), person(340 - 10 * frame, top=104)
        ids = watch.see(things(one, other))
    assert ids == ['t1', 't2']


def test_thresholds_change_from_frame_to_frame():
    watch = Watch()
    strict = Thresholds(high=0.95, low=0.92)
    assert watch.follow(person(50), thresholds=strict) == ['']
    assert watch.follow(person(50)) == ['t1']


# ---- Classes and heads ----

def test_each_class_is_tracked_by_itself():
    watch = Watch()
    watch.follow(person(50))
    for _ in range(3):
        ids = watch.see(things(person(50), classes=1))
    assert ids == ['t2']


def test_a_person_of_both_heads_has_one_id():
    tracker = Tracker(TASKS)
    for frame in range(2):
        found = tracker.update(START + frame * STEP, {
            'detection': things(person(50), person(200)),
            'pose': people(person(203), person(400))})
    ids = {name: value.ids.tolist() for name, value in found.items()}
    assert ids['detection'][1] == ids['pose'][0] != ''
    assert len({*ids['detection'], *ids['pose']}) == 3 and '' not in ids['pose']


def test_a_car_is_no_person():
    tracker = Tracker(TASKS)
    for frame in range(3):
        found = tracker.update(START + frame * STEP, {
            'detection': things(person(50), classes=1), 'pose': people(person(50))})
    assert found['detection'].ids[0] != found['pose'].ids[0]


def test_a_track_goes_on_when_a_head_joins_or_leaves():
    tracker = Tracker(TASKS)
    both = {'detection': things(person(50)), 'pose': people(person(52))}
    seen = []
    for frame, heads in enumerate([['pose']] * 2 + [['pose', 'detection']] + [['detection']] * 3):
        found = tracker.update(START + frame * STEP, {name: both[name] for name in heads})
        seen.append({value.ids[0] for value in found.values()})
    assert seen[1:] == [{'t1'}] * 5


def test_joints_tell_two_apart_whose_boxes_are_the_same():
    """Two people before each other, whose boxes change places: their joints do not."""
    rng = np.random.default_rng(3)
    poses, tracker = [rng.random((17, 2)) for _ in range(2)], Tracker(TASKS)

    def see(frame, order):
        found = [people(person(50 + 3 * slot), joints=poses[who])
                 for slot, who in enumerate(order)]
        return tracker.update(START + frame * STEP, {
            'pose': found[0].join(found[1])})['pose'].ids.tolist()

    for frame in range(4):
        ids = see(frame, (0, 1))
    assert see(4, (1, 0)) == ids[::-1]


def test_maps_pass_as_they_are():
    salient = ScalarMap(np.zeros((4, 4), np.float32))
    tasks = {**TASKS, **build_tasks({'segmentation': {'classes': CLASSES}})}
    assert Tracker(tasks).heads == ['detection', 'pose']
    assert Tracker(tasks).update(1, {'segmentation': salient}) == {'segmentation': salient}


# ---- Time ----

def test_a_stamp_that_comes_again_has_no_ids():
    watch = Watch()
    assert watch.follow(person(50)) == ['t1']
    same = watch.tracker.update(watch.now, {'detection': things(person(300))})
    assert same['detection'].ids is None
    assert watch.see(things(person(50))) == ['t1']


@pytest.mark.parametrize('jump', [-1e-9, -0.1, -1e6, 1.0001, 1e6])
def test_a_jump_ends_all_tracks_and_no_id_comes_again(jump):
    watch = Watch()
    assert watch.follow(person(50)) == ['t1']
    assert watch.see(things(person(50)), after=jump) == ['t2']
    assert watch.follow(person(50)) == ['t2']


def test_what_was_forgotten_has_another_id():
    watch = Watch()
    watch.follow(person(50))
    watch.tracker.forget()
    assert watch.follow(person(50), frames=3) == ['t2']


def test_frames_left_out_are_only_time():
    """Every second frame: the same ids, whatever the number of frames between."""
    for step in (1, 2, 3):
        watch = Watch()
        for frame in range(0, 30, step):
            ids = watch.see(things(person(50 + 6 * frame), person(400 - 4 * frame)),
                            after=0.1 * step)
        assert ids == ['t1', 't2']


# ---- Names ----

def test_two_cameras_share_no_id_and_no_number_comes_twice():
    numbers = count(1)
    watches = [Watch(TASKS, prefix=prefix, numbers=numbers) for prefix in ('a_', 'b_', 'a_')]
    assert [watch.follow(person(50)) for watch in watches] == [['a_1'], ['b_2'], ['a_3']]


@pytest.mark.parametrize('camera, prefix', [
    ('', 't'), ('front', 'front_'), ('/Front/Left', 'front_left_'), ('_x', 't_x_')])
def test_ids_are_names(camera, prefix):
    assert id_prefix(camera) == prefix
    assert re.fullmatch('[a-z][a-z0-9_]*', f'{prefix}1')


# ---- Whatever comes ----

@strategies.composite
def frames(draw):
    """Return some frames of objects that may overlap, be nonsense or be there twice."""
    found = []
    for _ in range(draw(strategies.integers(1, 8))):
        num = draw(strategies.integers(0, 6))
        boxes = draw(arrays.arrays(np.float32, (num, 4), elements=strategies.one_of(
            strategies.integers(0, 60), strategies.sampled_from(
                [np.nan, np.inf, -np.inf, 3e38, -3e38]))))
        scores = draw(arrays.arrays(np.float32, num, elements=strategies.sampled_from(
            [0.05, 0.2, 0.45, 0.6, 0.9, np.nan])))
        classes = draw(arrays.arrays(np.int64, num, elements=strategies.integers(0, 1)))
        found.append(Instances(boxes, classes, scores))
    return found


@settings(deadline=None, max_examples=40)
@given(frames(), strategies.lists(strategies.sampled_from([0, STEP, 3 * STEP, -STEP, SECOND * 3]),
                                  min_size=8, max_size=8))
def test_an_id_is_never_in_a_frame_twice_and_never_that_of_another_class(found, steps):
    tracker, now, classes = Tracker(TASKS), START, {}
    for objects, step in zip(found, steps):
        now += step
        pose = Poses(objects.boxes, objects.scores, np.zeros((len(objects), 17, 2), np.float32),
                     np.full((len(objects), 17), np.nan, np.float32))
        result = tracker.update(now, {'detection': objects, 'pose': pose})
        for name, value in result.items():
            np.testing.assert_array_equal(value.boxes, objects.boxes)
            if value.ids is not None:
                ids = [text for text in value.ids.tolist() if text]
                assert len(ids) == len(set(ids))
                for text, index in zip(value.ids.tolist(), objects.classes.tolist()):
                    if text and name == 'detection':
                        assert classes.setdefault(text, index) == index


@settings(deadline=None, max_examples=25)
@given(strategies.integers(0, 2 ** 32 - 1), strategies.integers(1, 8))
def test_a_permutation_changes_no_id(seed, num):
    rng = np.random.default_rng(seed)
    trackers = [Tracker(TASKS) for _ in range(2)]
    lefts = rng.uniform(0, 300, num)
    for frame in range(5):
        lefts = lefts + rng.normal(0, 8, num)
        scores = rng.uniform(0.1, 1, num)
        objects = things(*map(person, lefts), scores=scores, classes=rng.integers(0, 2, num))
        both = {'detection': objects, 'pose': people(*map(person, lefts), scores=scores)}
        orders = {name: rng.permutation(num) for name in both}
        plain = trackers[0].update(START + frame * STEP, both)
        mixed = trackers[1].update(START + frame * STEP, {
            name: select(value, orders[name]) for name, value in both.items()})
        for name, order in orders.items():
            assert mixed[name].ids.tolist() == plain[name].ids[order].tolist()


# ---- On the ground ----

def spot(watch, left, place, scores=0.9):
    """See a person at a place on the ground; return the id."""
    watch.now += STEP
    found = watch.tracker.update(watch.now, {'detection': things(person(left), scores=scores)},
                                 places={'detection': np.array([place], float)})
    return found['detection'].ids[0]


@pytest.mark.parametrize('away, same', [(1.1, True), (1.3, False)])
def test_nobody_goes_farther_than_a_metre_and_two_in_a_second(away, same):
    watch = Watch()
    assert [spot(watch, 50, (3, 0)) for _ in range(2)] == ['', 't1']
    assert spot(watch, 50, (3 + away, 0)) == ('t1' if same else '')
    watch = Watch()
    spot(watch, 50, (3, 0)), spot(watch, 50, (3, 0))
    for _ in range(4):
        watch.see(things())
    assert spot(watch, 50, (4.9, 0)) == 't1'  # it had half a second


def test_an_id_survives_that_the_camera_turns_fast():
    watch = Watch()
    spot(watch, 50, (3, 0)), spot(watch, 50, (3, 0))
    assert spot(watch, 350, (3.2, 0.1)) == 't1'
    assert spot(watch, 50, (np.nan, np.nan)) == ''  # where they are is not known


def test_places_come_from_the_head_that_knows_them():
    tracker = Tracker(TASKS)
    both = {'detection': things(person(50)), 'pose': people(person(50))}
    for frame, place in enumerate(((3, 0), (3, 0), (9, 0))):
        found = tracker.update(START + frame * STEP, both, places={
            'detection': np.full((1, 2), np.nan), 'pose': np.array([place], float)})
        assert found['detection'].ids == found['pose'].ids == ('' if frame == 2 else 't1')


# ---- How good ----

SEQUENCES, SECONDS = (11, 16), 6


@functools.cache
def drawn(seed):
    """
    Return time, boxes, names and places on the ground of the people of a drawn sequence.

    Who was not seen for longer than a track lasts is somebody new.
    """
    sequence, frames, seen, visits = draw_sequence(seed, (96, 128)), [], {}, {}
    for frame in range(10 * SECONDS):
        view, tracks = sequence.view(frame / 10)
        points = view.shape[0][..., None] * view.camera.rays()
        boxes, names, places = [], [], []
        for number, (item, track) in enumerate(zip(view.items, tracks), 1):
            annotation = view.annotate(number)
            if annotation is None or item.category != 'person':
                continue
            left, top, width, height = annotation['bbox']
            x, y, z = np.median(points[view.numbers == number], axis=0)
            place = view.camera.eye + view.camera.rotation.T @ (x, -y, -z)
            visits[track] = visits.get(track, 0) + (frame - seen.get(track, frame) > 10)
            seen[track] = frame
            boxes.append((left, top, left + width, top + height))
            names.append(f'{track}/{visits[track]}')
            places.append(place[[0, 2]])
        frames.append((frame / 10, boxes, np.array(names, str),
                       np.array(places).reshape(-1, 2)))
    return frames


@pytest.mark.parametrize('step, least', [(1, 0.9), (2, 0.85)])
def test_people_of_drawn_sequences_keep_their_ids(step, least):
    found = {}
    for kind in ('ground', 'image', 'iou'):
        scores = TrackingScores(TASKS)
        for seed in SEQUENCES:
            tracker = IouTracker(TASKS) if kind == 'iou' else Tracker(TASKS)
            for time, boxes, names, places in drawn(seed)[::step]:
                now, known = START + round(time * SECOND), things(*boxes)
                options = {'places': {'detection': places}} if kind == 'ground' else {}
                scores.add(str(seed), now, tracker.update(now, {'detection': known}, **options),
                           {'detection': replace(known, ids=names)})
        found[kind] = scores.result()['person']['IDF1']
    assert found['ground'] >= least and found['ground'] > found['image'] > found['iou'], found


@functools.cache
def stroll(seed, rate=10, seconds=12):
    """
    Return time, boxes and names of the people who are seen by a camera that pans.

    They walk in metres, and hide each other; who comes back into the view is somebody new.
    """
    rng = np.random.default_rng(seed)
    frames, num = [], 5
    place = np.column_stack([rng.uniform(-4, 4, num), rng.uniform(4, 9, num)])
    speed = rng.normal(0, 0.7, (num, 2))
    visits, was_inside = np.zeros(num, int), np.zeros(num, bool)
    for frame in range(round(seconds * rate)):
        time = frame / rate
        speed += rng.normal(0, 0.25 / np.sqrt(rate), (num, 2))
        place += speed / rate
        speed[:, 1] = np.where((place[:, 1] < 3) | (place[:, 1] > 10), -speed[:, 1], speed[:, 1])
        place[:, 1] = place[:, 1].clip(3, 10)
        across = place[:, 0] / place[:, 1] - 0.2 * np.sin(0.8 * time)
        x, height = 320 + 500 * across, 500 * 1.7 / place[:, 1]
        boxes = np.column_stack([x - 0.2 * height, 240 - 0.5 * height, x + 0.2 * height,
                                 240 + 0.5 * height])
        inside = (x > 0) & (x < 640)
        near = place[:, 1, None] > place[:, 1]
        shared = (np.minimum(boxes[:, None, 2], boxes[:, 2])
                  - np.maximum(boxes[:, None, 0], boxes[:, 0])).clip(0) / (0.4 * height)[:, None]
        visits, was_inside = visits + (inside & ~was_inside), inside
        names = np.array([f'{who}/{visit}' for who, visit in enumerate(visits)])
        seen = inside & ~((shared > 0.8) & near).any(axis=1)
        frames.append((time, boxes[seen], names[seen]))
    return frames


def score(make, step):
    scores = TrackingScores(TASKS)
    for seed in range(4):
        tracker = make(TASKS)
        for frame, (time, boxes, names) in enumerate(stroll(seed)):
            if frame % step == 0:
                now = START + round(time * SECOND)
                truth = replace(things(*boxes), ids=names)
                found = tracker.update(now, {'detection': things(*boxes)})
                scores.add(str(seed), now, found, {'detection': truth})
    return scores.result()['person']


@pytest.mark.parametrize('step, least', [(1, 0.9), (2, 0.85)])
def test_people_who_walk_and_hide_keep_their_ids(step, least):
    ours, plain = score(Tracker, step), score(IouTracker, step)
    assert ours['IDF1'] >= least, ours
    assert ours['IDF1'] > plain['IDF1'] and ours['id_switches'] < plain['id_switches']
