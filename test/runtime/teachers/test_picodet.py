# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The PicoDet teacher, on networks made by hand."""

import numpy as np
import pytest

from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.picodet import PicoDetTeacher
from mcn_ros.vocabulary import COCO_CLASSES

LEVELS = (64, 16, 4, 1)  # cells of an input of 64 x 64
DOG = COCO_CLASSES.index('dog')


@pytest.fixture
def teacher(tmp_path, write_onnx):
    """Return a teacher that finds a dog in the second level; its score grows with red."""
    outputs = {}
    for level, cells in enumerate(LEVELS):
        outputs[f's{level}'] = np.zeros((cells, 80), np.float32)
        outputs[f'd{level}'] = np.zeros((cells, 32), np.float32)
    outputs['s1'][5, DOG] = 0.5  # second row and column: at (24, 24)
    outputs['d1'][5].reshape(4, 8)[range(4), (0, 0, 1, 4)] = 60
    red = np.zeros(80)
    red[DOG] = 0.1
    path = write_onnx(tmp_path / 'p.onnx', outputs, masks={'s1': red})
    return PicoDetTeacher(OnnxNetwork(path), side=64, floor=0.4)


def test_the_image_is_stretched_and_boxes_are_clipped(teacher):
    found = teacher(np.full((32, 128, 3), 124, np.uint8))
    assert found.classes.tolist() == [DOG]
    np.testing.assert_allclose(found.boxes, [[48, 12, 80, 32]], atol=1e-4)


def test_it_sees_red_first_normalised(teacher):
    image = np.zeros((64, 32, 3), np.uint8)
    image[..., 0] = 200
    mean = (200 - 123.675) * .01712475
    np.testing.assert_allclose(teacher(image).scores, [0.5 + 0.1 * mean], rtol=1e-5)


@pytest.mark.parametrize('outputs', [
    {'a': (85, 80), 'b': (85, 32)}, {str(i): (4, 80) for i in range(8)}])
def test_other_networks_are_refused(tmp_path, write_onnx, outputs):
    path = write_onnx(tmp_path / 'p.onnx', {k: np.zeros(v) for k, v in outputs.items()})
    with pytest.raises(ValueError, match='p.onnx: is not a PicoDet network of 80 classes'):
        PicoDetTeacher(OnnxNetwork(path))
