# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequences: people walk evenly, and what is said of them in metres is what the pictures show."""

import json

import numpy as np
from pycocotools import mask as coco_mask
import pytest

from mcn_ros.data.maps import read_depth
from mcn_ros.data.synthetic.people import draw_outfit
from mcn_ros.data.synthetic.sequence import (
    camera_pose, draw_sequence, TO_MAP, TURNING, Walk, write_sequence)
from mcn_ros.vocabulary import COCO_SKELETON

SIZE = (64, 80)
COUNT, RATE, START = 5, 2.0, 10 ** 18


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('sequence') / 'set'
    write_sequence(path, COUNT, RATE, START, 4, SIZE, maps=('depth',))
    return path


@pytest.fixture(scope='module')
def file(folder):
    return json.loads((folder / 'annotations.json').read_text())


def matrix(quaternion):
    """Return the rotation of x, y, z, w: v + 2 w (u x v) + 2 u x (u x v)."""
    u, w = np.array(quaternion[:3]), quaternion[3]
    return np.stack([v + 2 * w * np.cross(u, v) + 2 * np.cross(u, np.cross(u, v))
                     for v in np.eye(3)], axis=1)


def test_frames_come_at_their_rate(file):
    assert [image['stamp'] - START for image in file['images']] == [
        index * 500_000_000 for index in range(COUNT)]


def test_a_thing_keeps_its_id(file):
    classes = {}
    for image in file['images']:
        tracks = [a['track_id'] for a in file['annotations'] if a['image_id'] == image['id']]
        assert len(set(tracks)) == len(tracks)
    for annotation in file['annotations']:
        number = annotation['track_id']
        assert classes.setdefault(number, annotation['category_id']) == annotation['category_id']
    frames = [a['track_id'] for a in file['annotations'] if a['category_id'] == 1]
    assert max(map(frames.count, frames)) >= COUNT - 1


def test_positions_are_those_of_the_depth(folder, file):
    images = {image['id']: image for image in file['images']}
    for annotation in file['annotations']:
        image = images[annotation['image_id']]
        depth = read_depth(folder / image['maps']['depth'], SIZE) / 1000
        rows, columns = np.nonzero(coco_mask.decode(annotation['segmentation']))
        z, lens = depth[rows, columns], image['camera']
        points = np.stack([(columns - lens['cx']) / lens['fx'] * z,
                           (rows - lens['cy']) / lens['fy'] * z, z])
        np.testing.assert_allclose(np.median(points, axis=1), annotation['position'], atol=2e-3)


def test_joints_in_space_are_those_in_the_picture(file):
    lenses = {image['id']: image['camera'] for image in file['images']}
    seen = 0
    for annotation in file['annotations']:
        if 'keypoints' in annotation:
            lens = lenses[annotation['image_id']]
            joints = np.reshape(annotation['keypoints'], (-1, 3))
            x, y, z = np.reshape(annotation['keypoints_3d'], (-1, 3)).T
            known = joints[:, 2] > 0
            # Coordinates of pictures begin at the corner of the first pixel.
            spots = np.stack([lens['fx'] * x / z + lens['cx'] + .5,
                              lens['fy'] * y / z + lens['cy'] + .5], axis=1)
            np.testing.assert_allclose(spots[known], joints[known, :2], atol=.05)
            seen += known.sum()
    assert seen > 50
    assert len(joints) == len(COCO_SKELETON.keypoint_names)


def test_the_pose_of_the_camera_leads_to_the_map():
    drive, rng = draw_sequence(1, SIZE).drive, np.random.default_rng(0)
    for seconds in (0, 1.3, 4):
        camera = drive.at(seconds)
        points = rng.uniform(-5, 5, (20, 3))
        pose = camera_pose(camera)
        found = camera.optical(points) @ matrix(pose['orientation']).T + pose['position']
        np.testing.assert_allclose(found, points @ TO_MAP.T, atol=1e-5)
        # The map has z up, and the camera looks forwards.
        assert pose['position'][2] == pytest.approx(camera.height)
        assert matrix(pose['orientation'])[0, 2] > .7
    assert np.linalg.det(TO_MAP) == pytest.approx(1)


def test_a_walk_is_even_and_turns_at_its_ends():
    start, end = np.array([-1.0, 0, -3]), np.array([1.0, 0, -3.5])
    length = np.linalg.norm(end - start)
    walk = Walk(draw_outfit(np.random.default_rng(0)), start, end, 0.8, 0.0)

    def trunk(seconds):
        names = [f'{side}_{joint}' for side in ('left', 'right') for joint in ('hip', 'shoulder')]
        joints = walk.item(seconds).joints
        return joints[[COCO_SKELETON.keypoint_names.index(name) for name in names]]

    def place(seconds):
        return trunk(seconds).mean(axis=0)[[0, 2]]

    lasts = length / .8
    way = (end - start)[[0, 2]]
    for first, sign in ((.5, 1), (lasts + TURNING + .5, -1)):
        step = place(first + 1) - place(first)
        np.testing.assert_allclose(step, sign * .8 * way / length, atol=.08)
        hips = trunk(first)[0] - trunk(first)[2]  # from the right one to the left one
        # Who walks to the right and is seen from the front has the left side at the back.
        assert np.cross(np.append(hips, 0)[[0, 2]], sign * way) > 0
    times = np.arange(0, 3 * (lasts + TURNING), .04)
    joints = np.array([walk.item(seconds).joints for seconds in times])
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=2) / .04
    assert speeds.max() < 5
    assert (place(lasts + TURNING / 2) - end[[0, 2]] < .1).all()


def test_the_place_stands_still_while_the_camera_moves():
    sequence = draw_sequence(2, SIZE)
    (one, ids), (other, others) = (sequence.view(seconds) for seconds in (0.0, 2.0))
    assert one.camera.eye.tolist() != other.camera.eye.tolist()
    for name in ('kind', 'left', 'right', 'depth'):
        assert getattr(one.place, name) == getattr(other.place, name)
    np.testing.assert_array_equal(one.place.light.direction, other.place.light.direction)
    assert set(ids) == set(others) == set(range(1, len(ids) + 1))
    still = {number: item for item, number in zip(one.items, ids)
             if number > len(sequence.walks)}
    for item, number in zip(other.items, others):
        assert number not in still or item is still[number]


def test_a_faster_camera_sees_the_same_scene(folder, tmp_path):
    write_sequence(tmp_path, 3, 2 * RATE, START, 4, SIZE, maps=('depth',))
    assert ((tmp_path / 'images' / '00000003.jpg').read_bytes()
            == (folder / 'images' / '00000002.jpg').read_bytes())
    again = json.loads((tmp_path / 'annotations.json').read_text())
    first = json.loads((folder / 'annotations.json').read_text())
    assert again['images'][2]['camera_pose'] == first['images'][1]['camera_pose']
    assert again['images'][2]['stamp'] == first['images'][1]['stamp']


@pytest.mark.parametrize('seed', range(6))
def test_people_walk_where_they_are_seen(seed):
    sequence = draw_sequence(seed, SIZE)
    assert 2 <= len(sequence.walks) <= 4
    seen = set()
    for seconds in (0, 3):
        view, ids = sequence.view(seconds)
        people = {number for item, number in zip(view.items, ids) if item.category == 'person'}
        assert set(range(1, len(sequence.walks) + 1)) <= people
        seen |= {number for number, position in zip(ids, range(1, len(ids) + 1))
                 if (view.numbers == position).any() and number <= len(sequence.walks)}
    assert len(seen) >= len(sequence.walks) - 1


def test_bad_weather_changes_pictures_only(folder, file, tmp_path):
    write_sequence(tmp_path, COUNT, RATE, START, 4, SIZE, maps=('depth',), weather='rain')
    wet = json.loads((tmp_path / 'annotations.json').read_text())
    assert [image.pop('weather') for image in wet['images']] == ['rain'] * COUNT
    assert wet == file
    for image in file['images']:
        name = image['file_name']
        assert (tmp_path / 'images' / name).read_bytes() != (
            folder / 'images' / name).read_bytes()
        depth = image['maps']['depth']
        assert (tmp_path / depth).read_bytes() == (folder / depth).read_bytes()
