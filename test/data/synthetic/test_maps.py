# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maps of drawn scenes agree with their masks and joints, and with each other."""

import numpy as np
from pycocotools import mask as coco_mask
import pytest

from mcn_ros.data.synthetic import maps
from mcn_ros.data.synthetic.background import draw_place
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import Cluster, Item
from mcn_ros.data.synthetic.people import build_person, draw_outfit
from mcn_ros.data.synthetic.scenes import draw_scene
from mcn_ros.data.synthetic.skeleton import Pose
from mcn_ros.data.synthetic.view import CATEGORY_IDS, MIN_SEEN, paint_view
from mcn_ros.vocabulary import COCO_SKELETON

SIZE = (120, 144)
NAMES = list(maps.PARTS)
# The parts of which one shows a joint.
SHOWN = {'nose': ['head'], 'eye': ['head'], 'ear': ['head'],
         'shoulder': ['torso', 'upper arm'], 'elbow': ['upper arm', 'lower arm'],
         'wrist': ['lower arm'], 'hip': ['torso', 'upper leg'],
         'knee': ['upper leg', 'lower leg', 'torso'], 'ankle': ['lower leg']}


@pytest.fixture(scope='module')
def views():
    return [draw_scene((11, index), SIZE)[1] for index in range(14)]


def test_regions_are_the_masks(views):
    for view in views:
        regions, categories = maps.regions(view), maps.region_categories(view)
        assert regions.dtype == np.uint16 and regions.max() <= len(categories) == len(view.items)
        masks = {(a['category_id'], a['segmentation']['counts']) for a in view.annotations()}
        for number, category in enumerate(categories, 1):
            mask = regions == number
            runs = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))['counts'].decode()
            large = mask.sum() >= MIN_SEEN * mask.size
            assert ((category, runs) in masks) == (large and category != 0)
            masks.discard((category, runs))
        assert not masks


def test_parts_are_those_of_people_only(views):
    labelled = 0
    for view in views:
        people = np.isin(view.numbers, [i for i, item in enumerate(view.items, 1)
                                        if item.category == 'person'])
        parts = maps.parts(view)
        assert (parts is None) == (not people.any())
        if parts is not None:
            np.testing.assert_array_equal(parts > 0, people)
            labelled |= sum(1 << label for label in np.unique(parts))
    assert labelled == 0b1111111  # background and six parts


def test_a_visible_joint_is_on_its_part(views):
    seen = 0
    for view in views:
        parts = maps.parts(view)
        for annotation in view.annotations():
            for name, (x, y, v) in zip(COCO_SKELETON.keypoint_names, np.reshape(
                    annotation.get('keypoints', ()), (-1, 3))):
                if v == 2:
                    part = NAMES[parts[int(y), int(x)] - 1]
                    assert part in SHOWN[name.split('_')[-1]], name
                    seen += 1
    assert seen > 100


def test_a_skirt_is_upper_leg():
    outfit = next(outfit for outfit in map(draw_outfit, map(np.random.default_rng, range(99)))
                  if outfit.legs == 0)
    someone = build_person(outfit, Pose())
    camera = Camera((160, 96), 120.0, 1.0)
    item = Item('person', someone.solids, someone.joints).moved((0, 0, -2.5))
    view = paint_view(draw_place(np.random.default_rng(0), camera, 'studio'),
                      [Cluster([item], np.zeros(3))], camera)
    spots, _ = camera.project(item.joints)
    hips, knees = (spots[[COCO_SKELETON.keypoint_names.index(f'{side}_{joint}')
                          for side in ('left', 'right')]].mean(axis=0)
                   for joint in ('hip', 'knee'))
    # Between the thighs there is cloth.
    column, row = (.5 * (hips + knees)).astype(int)
    assert NAMES[maps.parts(view)[row, column] - 1] == 'upper leg'


def test_depths_are_millimetres(views):
    for view in views:
        depth, distances = maps.depth(view), view.shape[0]
        assert depth.dtype == np.uint16
        known = distances < 65
        np.testing.assert_allclose(depth[known] / 1000, distances[known], atol=6e-4)
        assert not depth[distances > 66].any()
        assert (depth[view.numbers > 0] > 150).all()


def test_normals_are_known_where_there_is_a_surface(views):
    for view in views:
        colors, depth = maps.normals(view), view.shape[0]
        np.testing.assert_array_equal(colors.any(axis=2), np.isfinite(depth))
        vectors = colors[np.isfinite(depth)] / 127.5 - 1
        lengths = np.linalg.norm(vectors, axis=1)
        assert not len(lengths) or np.abs(lengths - 1).max() < .01


def test_what_stands_out_are_whole_things(views):
    found = 0
    for view in views:
        saliency = maps.saliency(view)
        np.testing.assert_array_equal(maps.foreground(view), view.numbers > 0)
        assert set(np.unique(saliency)) <= {0, 1}
        shares = [saliency[view.numbers == number].mean()
                  for number in np.unique(view.numbers) if number]
        assert set(shares) <= {0, 1} and sum(shares) <= 3
        assert not saliency[view.numbers == 0].any()
        found += sum(shares)
    assert found > len(views) / 2


def test_things_without_a_class_are_regions_without_one(views):
    categories = [c for view in views for c in maps.region_categories(view)]
    assert 0 in categories and CATEGORY_IDS['person'] in categories
