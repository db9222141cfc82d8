# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks in ONNX files, and other files."""

import numpy as np
import pytest

from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork


def test_a_network_is_run_on_an_image(tmp_path, write_onnx):
    outputs = {'a': np.arange(6).reshape(2, 3), 'b': np.ones((1, 1, 1))}
    network = OnnxNetwork(write_onnx(tmp_path / 'n.onnx', outputs, masks={'b': 1}))
    found = network(np.stack([np.full((4, 8), 7.0), *np.zeros((2, 4, 8))], axis=2))
    np.testing.assert_array_equal(found['a'], outputs['a'])
    np.testing.assert_array_equal(found['b'], [[[8]]])


@pytest.mark.parametrize('size, sides', [
    ((64, 96), (64, 96)), ((None, None), ()), ((64, None), None)])
def test_the_sides_of_its_input(tmp_path, write_onnx, size, sides):
    network = OnnxNetwork(write_onnx(tmp_path / 'n.onnx', {'a': np.ones(1)}, size))
    assert network.sides == sides
    assert network.output_shapes == {'a': (1, 1)}


@pytest.mark.parametrize('make, what', [
    (lambda path: None, 'cannot be read'), (lambda path: path.mkdir(), 'cannot be read'),
    (lambda path: path.write_bytes(b''), 'not an ONNX network'),
    (lambda path: path.write_bytes(b'weights'), 'not an ONNX network')])
def test_other_files_are_refused_in_one_line(tmp_path, make, what):
    make(tmp_path / 'n.onnx')
    with pytest.raises(ValueError, match=f'n.onnx: .*{what}') as caught:
        OnnxNetwork(tmp_path / 'n.onnx')
    assert '\n' not in str(caught.value)
