# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Blocks strip by strip: the same numbers, with less in between."""

import pytest
import torch
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import strips
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import convert, openvino_obstacle
from mcn_ros.runtime.strips import compute_in_strips, Strips


@pytest.fixture
def network():
    torch.manual_seed(0)
    return BACKBONES['mobilenet_v2_x1_0_same']().eval()


def largest_inside(network, images):
    """Return the most numbers that an activation inside of a block gets."""
    sizes = []
    hooks = [module.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].numel()))
             for module in network.modules() if isinstance(module, nn.ReLU6)]
    network(images)
    for hook in hooks:
        hook.remove()
    return max(sizes[1:])  # the stem is not in a block


@pytest.mark.parametrize('largest', [2_000, 20_000, 70_000, 10 ** 9])
@pytest.mark.parametrize('size', [(64, 64), (96, 160)])
def test_the_numbers_are_the_same(network, largest, size, monkeypatch):
    monkeypatch.setattr(strips, 'LARGEST', largest)
    images = torch.randn(2, 3, *size, generator=torch.manual_seed(1))
    with torch.no_grad():
        expected = network(images)
        compute_in_strips(network)
        found = network(images)
    for mine, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5 * wanted.abs().max().item())


def test_little_is_in_between(network, monkeypatch):
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        whole = largest_inside(network, images)
        monkeypatch.setattr(strips, 'LARGEST', 4 * whole // 8)
        compute_in_strips(network)
        assert largest_inside(network, images) < whole / 4


def test_the_rows_are_shared_out_evenly_or_nearly(monkeypatch):
    block, x = InvertedResidual(4, 4, 1, 6).eval(), torch.randn(1, 4, 32, 32)
    expected = block(x)
    monkeypatch.setattr(strips, 'LARGEST', 4 * 24 * 32 * 7)
    heights = []
    block.conv[1][2].register_forward_hook(lambda _, __, output: heights.append(output.shape[2]))
    torch.testing.assert_close(Strips(block)(x), expected, rtol=1e-4, atol=1e-5)
    assert heights == [6, 6, 7, 6, 7]


@pytest.mark.skipif(bool(openvino_obstacle(torch.device('cpu'), torch.float32)),
                    reason='OpenVINO is not installed')
def test_openvino_computes_large_maps_in_strips(monkeypatch):
    model = MultiTaskNet(ModelConfig(
        {'pose': {'head': {'width': 8}}},
        TrunkConfig('mobilenet_v2_x1_0_same', 'movenet', channels=24), (64, 64)))
    graph, names = InferenceGraph(model), list(model.state_dict())

    def rows():
        return [op.get_output_shape(0)[2] for op in convert(graph).get_ops()
                if op.get_type_name() == 'GroupConvolution']

    whole = rows()
    monkeypatch.setattr(strips, 'LARGEST', 40_000)
    cut = rows()
    assert sum(cut) == sum(whole) and len(cut) > len(whole)
    assert list(model.state_dict()) == names  # the network itself is left as it is
