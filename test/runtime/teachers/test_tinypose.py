# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The PP-TinyPose teacher: peaks between cells, and views of boxes."""

import numpy as np
import pytest

from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.tinypose import peaks, TinyPoseTeacher

SIZE = (64, 48)


def bump(x, y, shape=(16, 12), top=0.8):
    rows, columns = np.indices(shape)
    return top * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5 ** 2))


@pytest.mark.parametrize('x, y', [(5, 8), (5.3, 8.4), (6.45, 7.6)])
def test_a_peak_is_placed_between_cells(x, y):
    np.testing.assert_allclose(peaks(np.float32([bump(x, y)])), [[x, y]], atol=0.05)


def test_peaks_at_the_border_and_flat_maps_are_cells():
    maps = np.float32([bump(0, 0), bump(11, 15), np.zeros((16, 12))])
    np.testing.assert_array_equal(peaks(maps), [[0, 0], [11, 15], [0, 0]])


@pytest.fixture
def teacher(tmp_path, write_onnx):
    """Return a teacher that sees all joints in one cell, more likely the redder the input is."""
    maps = np.repeat(bump(3, 4, top=0.5)[None], 17, axis=0)
    maps[1] *= 0.2
    red = np.zeros((17, 1, 1))
    red[2] = 0.1
    return TinyPoseTeacher(OnnxNetwork(write_onnx(
        tmp_path / 't.onnx', {'output': maps}, SIZE, {'output': red})))


def test_joints_are_in_camera_pixels(teacher):
    # Enlarged to 60 x 80 about (100, 100), so that a pixel of the input is 1.25 of the camera.
    found = teacher(np.zeros((200, 200, 3), np.uint8), np.float32([[76, 84, 124, 116]]),
                    np.float32([0.5]))
    assert found.keypoints.shape == (1, 17, 2)
    np.testing.assert_allclose(found.keypoints[0, 0], [70 + 12 * 1.25, 60 + 16 * 1.25], atol=0.1)


def test_the_score_is_that_of_the_box_times_the_mean_of_likely_joints(teacher):
    image = np.zeros((80, 60, 3), np.uint8)
    image[...] = 124, 116, 104  # nearly nothing once it is normalised
    found = teacher(image, np.float32([[6, 8, 54, 72]]), np.float32([0.5]))
    np.testing.assert_allclose(found.keypoint_scores[0, [0, 1]], [0.5, 0.1], rtol=1e-3)
    np.testing.assert_allclose(found.scores, [0.25], rtol=0.01)


def test_it_sees_red_first_normalised_and_black_beside_the_image(teacher):
    image = np.zeros((64, 48, 3), np.uint8)
    image[..., 0] = 200
    # The view is as large as the image is, and half of it is on the image.
    found = teacher(image, np.float32([[28.8, 6.4, 67.2, 57.6]]), np.float32([1]))
    mean = (200 / 2 - 123.675) * .01712475
    np.testing.assert_allclose(found.keypoint_scores[0, 2], 0.5 + 0.1 * mean, atol=2e-3)


def test_no_boxes_no_people(teacher):
    found = teacher(np.zeros((8, 8, 3), np.uint8), np.zeros((0, 4), np.float32),
                    np.zeros(0, np.float32))
    assert len(found) == 0 and found.keypoints.shape == (0, 17, 2)


@pytest.mark.parametrize('shape, size', [
    ((16, 16, 12), SIZE), ((17, 16, 12), (64, 64)), ((17, 16, 12), (None, None))])
def test_other_networks_are_refused(tmp_path, write_onnx, shape, size):
    path = write_onnx(tmp_path / 't.onnx', {'output': np.zeros(shape)}, size)
    with pytest.raises(ValueError, match='t.onnx: is not a PP-TinyPose network of 17 joints'):
        TinyPoseTeacher(OnnxNetwork(path))
