# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distances of a depth camera and what its intrinsics are."""

import json

import numpy as np
import pytest

from mcn_ros.data.maps import read_vectors

SIZE = 24, 32
TASKS = {'normals': {}}
CAMERA = {'fx': 30.0, 'fy': 40, 'cx': 15.5, 'cy': -9.5}


@pytest.fixture
def floor():
    """Return millimetres of a floor one metre below the camera, with gaps above."""
    depth = 1000 * CAMERA['fy'] / (np.indices(SIZE)[0] - CAMERA['cy'])
    depth[:4], depth[20, 10] = 0, 65535
    return depth.astype(np.uint16)


@pytest.fixture
def intrinsics(tmp_path):
    """Return a function: writes a file of intrinsics."""
    def save(content):
        (tmp_path / 'camera.yaml').write_text(
            content if isinstance(content, str) else json.dumps(content))
        return tmp_path / 'camera.yaml'
    return save


@pytest.mark.parametrize('camera', [
    CAMERA, {'a': CAMERA}, {'a': {**CAMERA, 'height': 24, 'width': 32, 'of': 'a Kinect'}},
    'fx: 30\nfy: 40.0\ncx: 15.5\ncy: -9.5\n'])
def test_a_floor_faces_up(image, write, imported, intrinsics, floor, camera):
    data = imported('rgbd', image('a.jpg', SIZE), write('depth', 'a.png', floor),
                    intrinsics(camera), radius=3, tasks={**TASKS, 'detection': {}})
    assert list(data[0].annotations) == ['normals']
    vectors = data[0].annotations['normals'].vectors
    known = np.isfinite(vectors).all(axis=2)
    assert not known[floor == 0].any() and not known[floor == 65535].any()
    assert known[floor > 0].mean() > 0.6
    assert np.degrees(np.arccos(-vectors[known][:, 1])).max() < 2
    assert data.file.records[0].entry['camera'] == CAMERA


@pytest.mark.parametrize('camera, message', [
    ('[1, 2]', 'camera.yaml: expected fx, fy, cx, cy'), ('{', 'camera.yaml: is no YAML'),
    ({'b': CAMERA}, 'camera.yaml: a: expected fx, fy, cx, cy, got None'),
    ({**CAMERA, 'fx': 0}, 'camera.yaml: expected numbers'),
    ({**CAMERA, 'fx': '30'}, 'camera.yaml: expected numbers'),
    ({**CAMERA, 'cy': float('nan')}, 'camera.yaml: expected numbers'),
    ({'fx': 30, 'fy': 30, 'cx': 15}, 'camera.yaml: expected numbers'),
    ({'a': {**CAMERA, 'width': 640}}, 'camera.yaml: a: (height, width) is (24, 640)')])
def test_what_is_no_camera_is_named(image, write, refused, intrinsics, floor, camera, message):
    assert message in refused('rgbd', image('a.jpg', SIZE), write('depth', 'a.png', floor),
                              intrinsics(camera))


@pytest.mark.parametrize('pixels, message', [
    (np.ones(SIZE, np.uint8), 'expected 1 channels of uint16'),
    (np.zeros(SIZE, np.uint16), 'no surface'), (np.ones((8, 8), np.uint16), 'expected (24, 32)')])
def test_what_is_no_depth_is_named(image, write, refused, intrinsics, pixels, message):
    told = refused('rgbd', image('a.jpg', SIZE), write('depth', 'a.png', pixels),
                   intrinsics(CAMERA))
    assert 'depth/a.png: ' in told and message in told


def test_a_file_that_is_not_there_and_a_window_without_pixels(image, write, refused, intrinsics,
                                                              floor, tmp_path):
    folders = image('a.jpg', SIZE), write('depth', 'a.png', floor)
    assert 'no.yaml: cannot be read' in refused('rgbd', *folders, tmp_path / 'no.yaml')
    assert 'radius: ' in refused('rgbd', *folders, intrinsics(CAMERA), radius=0)


def test_public_images(shared, imported):
    folder = shared('surface_normals')
    data = imported('rgbd', folder / 'images', folder / 'depth', folder / 'intrinsics.json',
                    only='redkitchen_223', tasks=TASKS)
    for row, record in enumerate(data.file.records):
        theirs = read_vectors(folder / 'labels' / f'{record.file_name[:-4]}.png', record.size)
        angles = np.degrees(np.arccos(np.clip(
            (theirs * data[row].annotations['normals'].vectors).sum(axis=2), -1, 1)))
        # Theirs are fitted to the same distances, in another way.
        assert np.nanmedian(angles) < 3 and np.isfinite(angles).mean() > 0.5
