# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks beside ONNX files: in turns, in the same precision."""

import onnx
from onnx import helper, TensorProto
import pytest
import torch

from mcn_ros.benchmark import against, stopwatch
from mcn_ros.benchmark.networks import Variant
from mcn_ros.runtime.openvino_backend import openvino_obstacle

FLOAT, INT8 = Variant('openvino', 'float32'), Variant('openvino', 'int8')
pytestmark = pytest.mark.skipif(bool(openvino_obstacle(torch.device('cpu'), torch.float32)),
                                reason='OpenVINO is not installed')


def write(path, shape):
    """Write a network that doubles its input."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in 'xy']
    graph = helper.make_graph([helper.make_node('Add', ['x', 'x'], ['y'])], 'double',
                              values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)],
                                ir_version=8), path)
    return path


@pytest.fixture
def other(tmp_path):
    return write(tmp_path / 'other.onnx', [1, 3, 8, 8])


def test_ratios_are_to_the_file(tiny, other, monkeypatch):
    monkeypatch.setattr(stopwatch, 'WARM_UP_S', 0.0)
    told = []
    rows = against.measure({'tiny': tiny}, [other], [Variant('torch', 'float32'), FLOAT, INT8],
                           0.1, told.append)
    assert [(row['network'], row['precision']) for row in rows] == [
        ('other', 'float32'), ('tiny', 'float32'), ('tiny', 'int8')]
    assert rows[0]['ratios']['other']['median'] == 1
    # Precision int8 is that of our networks only; they are compared with the file's float32.
    for row in rows[1:]:
        assert row['ratios']['other']['median'] > 1
    table = against.table(rows).splitlines()
    assert table[0].endswith('| ms | by other |') and len(table) == 5 and len(told) == 4


@pytest.mark.parametrize('shape', [['batch', 3, 8, 8], [1, 3, 'height', 'width']])
def test_a_file_of_no_fixed_size(tmp_path, shape):
    with pytest.raises(ValueError, match=r'any\.onnx: has no fixed size .*one image'):
        against.open_file(write(tmp_path / 'any.onnx', shape), torch.float32)


def test_what_is_no_file_of_a_network(tmp_path, other):
    with pytest.raises(ValueError, match='no such file: .*nothing.onnx'):
        against.open_file(tmp_path / 'nothing.onnx', torch.float32)
    (tmp_path / 'broken.onnx').write_bytes(b'broken')
    with pytest.raises(ValueError, match=r'broken\.onnx: cannot be read: \S'):
        against.open_file(tmp_path / 'broken.onnx', torch.float32)
    with pytest.raises(ValueError, match='only openvino reads files'):
        against.measure({}, [other], [Variant('torch', 'float32')], 1.0)
