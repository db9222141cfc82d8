# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes: the labels are exactly what is seen."""

import numpy as np
from pycocotools import mask as coco_mask
import pytest

from mcn_ros.data.synthetic import scene
from mcn_ros.data.synthetic.background import draw_place, PLACES
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import CATEGORIES, draw_group, GROUPS
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.view import CATEGORY_IDS, MIN_SEEN
from mcn_ros.vocabulary import COCO_SKELETON

SIZE = (144, 176)
NAMES = COCO_SKELETON.keypoint_names
SCENES = 24


@pytest.fixture(scope='module')
def scenes():
    return [scene((7, index), SIZE) for index in range(SCENES)]


@pytest.fixture(scope='module')
def objects(scenes):
    """Return (annotation, mask) of everything."""
    return masked(scenes)


@pytest.fixture(scope='module')
def simple():
    """Return (annotation, mask) of everything in simple scenes, in a list for each scene."""
    return [masked([scene((7, index), SIZE, RECIPES['simple'])]) for index in range(SCENES)]


def masked(scenes):
    return [(annotation, coco_mask.decode(annotation['segmentation']).astype(bool))
            for _, annotations in scenes for annotation in annotations]


def joints_of(annotation):
    return dict(zip(NAMES, np.array(annotation['keypoints']).reshape(-1, 3)))


def test_pictures_have_the_size_that_was_asked_for(scenes):
    for image, _ in scenes:
        assert image.shape == (*SIZE, 3) and image.dtype == np.uint8
        assert image.std() > 8  # there is something to see


def test_scenes_have_people_and_other_things(scenes):
    found = [a['category_id'] for _, annotations in scenes for a in annotations]
    assert set(found) <= set(CATEGORY_IDS.values())
    assert found.count(CATEGORY_IDS['person']) > SCENES
    assert len(set(found)) > 12


def test_boxes_are_tight_around_masks(objects):
    for annotation, mask in objects:
        left, top, width, height = annotation['bbox']
        rows, columns = np.nonzero(mask)
        assert (columns.min(), rows.min()) == (left, top)
        assert (columns.max() + 1, rows.max() + 1) == (left + width, top + height)
        assert mask.shape == SIZE and annotation['iscrowd'] == 0


def test_areas_are_pixels_and_enough_of_them(objects):
    for annotation, mask in objects:
        assert annotation['area'] == mask.sum() >= MIN_SEEN * mask.size


def test_no_pixel_belongs_to_two_things(scenes):
    for _, annotations in scenes:
        masks = [coco_mask.decode(a['segmentation']) for a in annotations]
        assert not masks or np.sum(masks, axis=0).max() <= 1


def test_only_people_have_joints(objects):
    for annotation, _ in objects:
        is_person = annotation['category_id'] == CATEGORY_IDS['person']
        assert ('keypoints' in annotation) == is_person == ('num_keypoints' in annotation)


def test_joints_are_in_the_picture_and_counted(objects):
    for annotation, _ in objects:
        if 'keypoints' in annotation:
            joints = np.array(annotation['keypoints']).reshape(-1, 3)
            known = joints[:, 2] > 0
            assert annotation['num_keypoints'] == known.sum()
            assert (joints[known, :2] >= 0).all()
            assert (joints[known, :2] < [SIZE[1], SIZE[0]]).all()
            assert not joints[~known].any()
            assert set(joints[:, 2]) <= {0, 1, 2}


def test_a_visible_joint_is_on_its_person(objects):
    seen = 0
    for annotation, mask in objects:
        if 'keypoints' in annotation:
            joints = np.array(annotation['keypoints']).reshape(-1, 3)
            visible = joints[joints[:, 2] == 2, :2].astype(int)
            seen += len(visible)
            assert mask[visible[:, 1], visible[:, 0]].all()
    assert seen > 8 * SCENES


def test_most_joints_of_who_is_seen_well_are_visible(objects):
    shares = [np.mean(np.array(a['keypoints'])[2::3] == 2) for a, mask in objects
              if 'keypoints' in a and mask.mean() > 0.02]
    assert np.mean(shares) > 0.4
    hidden = [np.sum(np.array(a['keypoints'])[2::3] == 1) for a, _ in objects if 'keypoints' in a]
    assert np.mean(hidden) > 0.5


def test_who_shows_both_eyes_has_the_left_one_on_the_right(objects):
    pairs = [joints for joints in (joints_of(a) for a, _ in objects if 'keypoints' in a)
             if joints['left_eye'][2] == joints['right_eye'][2] == 2]
    assert len(pairs) > 5
    for joints in pairs:
        assert joints['left_eye'][0] > joints['right_eye'][0]


def test_a_scene_is_a_function_of_its_seed(scenes):
    image, annotations = scene((7, 3), SIZE)
    np.testing.assert_array_equal(image, scenes[3].image)
    assert annotations == scenes[3].annotations
    assert (image != scenes[4].image).any()


@pytest.mark.parametrize('size', [(32, 32), (240, 64), (64, 240)])
def test_odd_shapes(size):
    for seed in range(3):
        assert scene(seed, size).image.shape == (*size, 3)


@pytest.mark.parametrize('kind', PLACES)
def test_places_are_painted_completely(kind):
    for seed in range(3):
        camera = Camera((60, 80), 70.0, 1.4, pitch=5, roll=3, yaw=15)
        place = draw_place(np.random.default_rng(seed), camera, kind)
        assert place.picture.shape == (60, 80, 3) and place.picture.dtype == np.uint8
        # A ray that hit nothing would be black.
        assert (place.picture.max(axis=2) > 0).mean() > 0.99
        assert np.linalg.norm(place.light.direction) == pytest.approx(1)
        assert place.light.direction[1] > 0


@pytest.mark.parametrize('kind', GROUPS)
def test_groups_are_made_of_known_things_above_the_ground(kind):
    rng = np.random.default_rng(0)
    for _ in range(15):
        group = draw_group(rng, GROUPS[kind])
        items = [item for cluster in group.clusters for item in cluster.items]
        assert items and group.radius > 0 and group.height > 0
        for item in items:
            assert item.category in (None, *CATEGORIES)
            assert (item.joints is not None) == (item.category == 'person')
            points = np.concatenate([getattr(s, 'points', getattr(s, 'spheres', None))[:, :3]
                                     for s in item.solids])
            assert points[:, 1].min() > -0.25


def test_simple_scenes_have_few_large_things_that_are_seen_well(simple):
    things = [thing for things in simple for thing in things]
    assert max(map(len, simple)) <= 5 and len(things) > SCENES
    longer = [max(a['bbox'][2] / SIZE[1], a['bbox'][3] / SIZE[0]) for a, _ in things]
    assert np.mean(np.array(longer) > .3) > .8
    joints = [np.array(a['keypoints'])[2::3] for a, _ in things if 'keypoints' in a]
    assert np.mean(np.concatenate(joints) == 2) > .8
    faces = [joints_of(a) for a, _ in things if 'keypoints' in a]
    assert np.mean([f['left_eye'][0] > f['right_eye'][0] > 0 for f in faces]) > .8


def test_things_in_simple_scenes_are_in_the_picture_and_apart(simple):
    edges, covered = [], []
    for things in simple:
        for annotation, mask in things:
            edges.append(mask[0].any() or mask[:, 0].any() or mask[:, -1].any())
            left, top, width, height = map(int, annotation['bbox'])
            others = sum((other for _, other in things if other is not mask), np.zeros(SIZE, int))
            covered.append(others[top:top + height, left:left + width].mean())
    assert np.mean(edges) < .15
    assert np.mean(covered) < .03


def test_everyday_scenes_are_neither(scenes, objects):
    longer = [max(a['bbox'][2] / SIZE[1], a['bbox'][3] / SIZE[0]) for a, _ in objects]
    assert np.mean(np.array(longer) > .3) < .5
    edges = [mask[0].any() or mask[:, 0].any() or mask[:, -1].any() for _, mask in objects]
    assert np.mean(edges) > .2
