# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Convolutions at cells: moved where only cells are read, and the same numbers."""

import numpy as np
import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import openvino_backend
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import convert, import_openvino, openvino_obstacle
from mcn_ros.runtime.parity import compare

SIZE = (64, 96)

pytestmark = pytest.mark.skipif(bool(openvino_obstacle(torch.device('cpu'), torch.float32)),
                                reason='OpenVINO is not installed')
# Maps of which decoding reads cells alone; joints snap to peaks with joint_offset.
READ_AT_CELLS = {'detection': ('size', 'offset'),
                 'pose': ('size', 'offset', 'displacement', 'joint_offset'),
                 'window_pose': ('size', 'offset', 'displacement', 'joint_offset')}


def convolutions(model):
    return [op.get_friendly_name() for op in model.get_ops()
            if op.get_type_name() == 'Convolution']


def test_maps_that_are_read_at_cells_are_not_computed(network):
    found = convolutions(convert(InferenceGraph(network)))
    every = convolutions(convert(InferenceGraph(network, maps=True)))
    missing = {name for name in every if name not in found}
    assert len(missing) == sum(map(len, READ_AT_CELLS.values()))
    for task, names in READ_AT_CELLS.items():
        for name in names:
            assert any(f'heads.{task}.maps.{name}.2/' in layer for layer in missing), (task, name)


@pytest.fixture(scope='module')
def separable():
    """Return a network whose maps are each made by two 1x1 convolutions, one behind the other."""
    torch.manual_seed(0)
    tasks = {'window_pose': {'head': {'layout': 'separable', 'width': 8}}}
    return MultiTaskNet(ModelConfig(
        tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8), SIZE)).eval()


def test_what_such_maps_alone_are_made_of_is_not_computed_either(separable):
    found = convolutions(convert(InferenceGraph(separable)))
    every = convolutions(convert(InferenceGraph(separable, maps=True)))
    missing = [name for name in every if name not in found]
    assert len(missing) == 2 * len(READ_AT_CELLS['window_pose'])
    for name in READ_AT_CELLS['window_pose']:
        for number in (1, 3):
            assert any(f'maps.{name}.{number}/' in layer for layer in missing), (name, number)


@pytest.mark.parametrize('kind', ['network', 'separable'])
def test_the_numbers_are_the_same(kind, make_network, separable, images, monkeypatch):
    graph = InferenceGraph(make_network(contrast=200) if kind == 'network' else separable)

    def run():
        compiled = import_openvino().Core().compile_model(
            convert(graph), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        values = compiled.create_infer_request().infer([images[:1]]).to_tuple()
        return graph.restore([value.copy() for value in values])

    found = run()
    monkeypatch.setattr(openvino_backend, 'compute_at_cells', lambda model: 0)
    for name, difference in compare(found, run()).items():
        for values in (difference.scores, difference.boxes_px, difference.joints_px):
            assert np.max(values, initial=0) < 1e-3, name
