# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The NanoDet-Plus teacher, on networks made by hand."""

import numpy as np
import pytest

from mcn_ros.runtime.teachers.nanodet_plus import NanoDetPlusTeacher
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.vocabulary import COCO_CLASSES

CELLS = 64 + 16 + 4 + 1  # of an input of 64 x 64
DOG = COCO_CLASSES.index('dog')


@pytest.fixture
def teacher(tmp_path, write_onnx):
    """Return a teacher that finds a dog, whose score grows with how blue the input is."""
    output = np.zeros((CELLS, 112), np.float32)
    output[10, DOG] = 0.5  # second row, third column: at (16, 8)
    output[10, 80:].reshape(4, 8)[range(4), (1, 1, 2, 3)] = 60
    blue = np.zeros(112)
    blue[DOG] = 0.1
    path = write_onnx(tmp_path / 'n.onnx', {'output': output}, masks={'output': blue})
    return NanoDetPlusTeacher(OnnxNetwork(path), side=64, floor=0.3)


def test_boxes_are_in_camera_pixels_and_clipped(teacher):
    # At half size, in the upper half of the input.
    found = teacher(np.full((40, 128, 3), 104, np.uint8))
    assert found.classes.tolist() == [DOG]
    np.testing.assert_allclose(found.boxes, [[16, 0, 64, 40]], atol=1e-4)


def test_it_sees_blue_first_normalised_and_black_beside_the_image(teacher):
    image = np.zeros((64, 32, 3), np.uint8)
    image[..., 2] = 255
    mean = ((255 + 0) / 2 - 103.53) * .017429
    np.testing.assert_allclose(teacher(image).scores, [0.5 + 0.1 * mean], rtol=1e-5)


@pytest.mark.parametrize('shape, size', [
    ((CELLS, 85), (None, None)), ((CELLS, 112), (64, 96)), ((CELLS, 112), (64, None))])
def test_other_networks_are_refused(tmp_path, write_onnx, shape, size):
    path = write_onnx(tmp_path / 'n.onnx', {'output': np.zeros(shape)}, size)
    with pytest.raises(ValueError, match='n.onnx: is not a NanoDet-Plus network of 80 classes'):
        NanoDetPlusTeacher(OnnxNetwork(path))
