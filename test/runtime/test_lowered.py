# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Graphs in other precisions: nearly the same, and nothing is left to convert at run time."""

import numpy as np
import pytest
import torch
from torch import nn

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import SeparateTrunksConfig, StreamConfig, TrunkConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.mirror import MirrorAveraged

SIZE = 64, 96
TRUNKS = [TrunkConfig('shufflenet_v2_x0_5', 'top_down', channels=8),
          TrunkConfig('shufflenet_v2_x0_5', 'deconv', channels=8, deformable=True),
          TrunkConfig('shufflenet_v2_x0_5', 'aggregation', channels=8, deformable=True),
          SeparateTrunksConfig({
              name: StreamConfig((name,), 'shufflenet_v2_x0_5', channels=8, channel_order=order,
                                 std=(0.2, 0.3, 0.4))
              for name, order in zip(('detection', 'pose', 'window_pose', 'segmentation'),
                                     ('rgb', 'bgr', None, None))})]


@pytest.fixture(params=TRUNKS, ids=lambda trunk: getattr(trunk, 'neck', trunk.kind))
def maps(request, make_network):
    return InferenceGraph(make_network(request.param, contrast=300), maps=True)


def weights(graph):
    return {name: tensor.clone() for name, tensor in graph.state_dict().items()}


def test_batch_norms_are_folded(maps, images, run):
    before, expected = weights(maps), run(maps, images)
    folded = lowered(maps, torch.float32)
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    for found, values in zip(run(folded, images), expected, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-3)
    for name, tensor in weights(maps).items():  # the graph itself is as it was
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_bfloat16_is_nearly_the_same(maps, images, run):
    expected = run(maps, images)
    low = lowered(maps, torch.bfloat16)
    assert torch.bfloat16 in {tensor.dtype for tensor in low.parameters()}
    with torch.no_grad():
        for found, values in zip(low(torch.from_numpy(images)), expected, strict=True):
            difference = (found - torch.from_numpy(values)).abs().mean()
            assert difference < 0.1 * values.std()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_predictions_stay_float32(network, images, dtype):
    graph = InferenceGraph(MirrorAveraged(network))
    with torch.no_grad():
        found = lowered(graph, dtype)(torch.from_numpy(images))
    assert [tensor.numpy().dtype for tensor in found] == list(graph.layout.dtypes)


def test_pixels_are_normalised_in_full_precision(make_network, images):
    low = lowered(InferenceGraph(make_network(mean=(0.4, 0.5, 0.6))), torch.bfloat16)
    seen = []
    low.model.trunk.backbone.stages[0].register_forward_pre_hook(
        lambda module, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        low(torch.from_numpy(images))
    pixels = images.transpose(0, 3, 1, 2) / 255 - np.reshape([0.4, 0.5, 0.6], (1, 3, 1, 1))
    expected = torch.from_numpy(pixels / np.reshape(low.config.std, (1, 3, 1, 1)))
    assert seen[0].dtype == torch.bfloat16
    torch.testing.assert_close(seen[0], expected.float().to(torch.bfloat16), rtol=1e-2, atol=1e-4)


PEOPLE = {'pose': {'head': {'width': 8}}}
# What leaves a trunk in float32, heads that read levels, and streams for colours of their own.
MIXED = {
    'readings': ({'detection': {'reads': 'readings', 'relative': True, 'head': {
        'width': 8, 'layout': 'shared', 'direct': True}}, **PEOPLE},
        TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 8)),
    'pyramid': ({'distance_detection': {'width': 8}, **PEOPLE},
                TrunkConfig('shufflenet_v2_x0_5', 'ghost_pan', 8)),
    'streams': ({'distance_detection': {'width': 8}, **PEOPLE}, SeparateTrunksConfig({
        'objects': StreamConfig(('distance_detection',), 'shufflenet_v2_x0_5', 'ghost_pan', 8,
                                channel_order='bgr', std=(0.2, 0.3, 0.4)),
        'people': StreamConfig(('pose',), 'shufflenet_v2_x0_5', channels=8)}))}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('name', MIXED)
def test_heads_get_features_of_their_own_precision(name, dtype, images, run):
    torch.manual_seed(0)
    tasks, trunk = MIXED[name]
    model = MultiTaskNet(ModelConfig(tasks, trunk, SIZE))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (4, 3, *SIZE), dtype=torch.uint8))
    graph = InferenceGraph(model.eval(), maps=True)
    low = lowered(graph, dtype)
    seen = set()
    for head in low.model.heads.values():
        for module in head.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda module, arguments, output: seen.add(
                    (arguments[0].dtype, module.weight.dtype, output.dtype)))
    for found, values in zip(run(low, images), run(graph, images), strict=True):
        assert np.abs(found - values).mean() < 0.1 * values.std() + 0.02
    assert seen == {(dtype, dtype, dtype)}
