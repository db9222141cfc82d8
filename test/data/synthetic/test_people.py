# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bodies: their proportions, their left and right, and the ground under their feet."""

import numpy as np
import pytest

from mcn_ros.data.synthetic.people import draw_person, OWN_PARTS
from mcn_ros.data.synthetic.skeleton import draw_pose, place_joints, Pose, POSES
from mcn_ros.data.synthetic.solids import Blob
from mcn_ros.vocabulary import COCO_SKELETON

BONES = [(f'{side}_{a}', f'{side}_{b}') for side in ('left', 'right')
         for a, b in (('shoulder', 'elbow'), ('elbow', 'wrist'), ('hip', 'knee'),
                      ('knee', 'ankle'))]


def length(joints, bone):
    return np.linalg.norm(joints[bone[0]] - joints[bone[1]])


@pytest.mark.parametrize('kind', POSES)
def test_bones_have_one_length_in_every_pose(kind):
    still = place_joints(Pose())
    for seed in range(5):
        joints = place_joints(draw_pose(np.random.default_rng(seed), kind, 0.45))
        for bone in BONES:
            assert length(joints, bone) == pytest.approx(length(still, bone))


@pytest.mark.parametrize('kind', POSES)
def test_feet_are_on_the_ground_and_knees_above(kind):
    for seed in range(5):
        joints = place_joints(draw_pose(np.random.default_rng(seed), kind, 0.45))
        lowest = min(joints[f'{side}_{end}'][1] for side in ('left', 'right')
                     for end in ('heel', 'toe'))
        if kind == 'sit':
            assert joints['pelvis'][1] == pytest.approx(0.54)
        else:
            assert lowest == pytest.approx(0)


def test_a_person_at_attention():
    joints = place_joints(Pose())
    assert 1.5 < joints['nose'][1] < 1.65
    for name in COCO_SKELETON.keypoint_names:
        if name.startswith('left'):
            assert joints[name][0] > 0 > joints[name.replace('left', 'right')][0]
    assert joints['nose'][2] > joints['left_ear'][2]  # looks along +z
    assert joints['left_toe'][2] > joints['left_heel'][2]
    assert joints['left_wrist'][1] < joints['left_elbow'][1] < joints['left_shoulder'][1]


def test_knees_and_elbows_bend_as_they_should():
    for seed in range(20):
        joints = place_joints(draw_pose(np.random.default_rng(seed), 'sit', 0.45))
        for side in ('left', 'right'):
            assert joints[f'{side}_knee'][2] > joints[f'{side}_hip'][2] + 0.2
            assert joints[f'{side}_ankle'][2] < joints[f'{side}_knee'][2] + 0.2


@pytest.mark.parametrize('kind', POSES)
def test_joints_are_inside_of_the_body(kind):
    for seed in range(4):
        someone = draw_person(np.random.default_rng(seed), kind, 0.45)
        spheres = {}
        for solid in someone.solids:
            assert isinstance(solid, Blob)
            spheres.setdefault(solid.part, []).append(solid.spheres)
        for name, joint in zip(COCO_SKELETON.keypoint_names, someone.joints):
            near = min(np.min(np.linalg.norm(s[:, :3] - joint, axis=1) - s[:, 3])
                       for part in OWN_PARTS[name] for s in spheres.get(part, []))
            assert near < 0.02, name


def test_every_joint_has_parts_that_show_it():
    assert set(OWN_PARTS) == set(COCO_SKELETON.keypoint_names)


def test_people_differ_and_are_repeatable():
    one, again, other = (draw_person(np.random.default_rng(s), 'stand') for s in (1, 1, 2))
    np.testing.assert_array_equal(one.joints, again.joints)
    assert (one.joints != other.joints).any()


def test_who_carries_has_a_hand_up():
    for seed in range(5):
        places = draw_person(np.random.default_rng(seed), 'stand', carries=True).places
        assert places['right_hand'][1] > places['pelvis'][1]
        assert places['right_hand'][2] > places['neck'][2] + 0.1
