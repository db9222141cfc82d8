# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The graph: pixels in, what the network and its tasks say out."""

import gc
import weakref

import numpy as np
import pytest
import torch

from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.structures import ClassMap, Instances, Poses


@pytest.fixture(params=[False, True])
def model(request, network):
    return MirrorAveraged(network) if request.param else network


@torch.no_grad()
def test_its_outputs_are_the_predictions(model, images, run):
    graph = InferenceGraph(model)
    expected = model.decode(model(torch.from_numpy(images).permute(0, 3, 1, 2)))
    found = graph.restore(run(graph, images))
    assert {name: type(value) for name, value in found.items()} == {
        'detection': Instances, 'pose': Poses, 'window_pose': Poses, 'segmentation': ClassMap}
    for name, structure in found.items():
        for field, value in vars(expected[name]).items():
            mine = getattr(structure, field)
            if isinstance(value, torch.Tensor):
                assert isinstance(mine, np.ndarray) and f'{name}/{field}' in graph.names
                np.testing.assert_array_equal(mine, value.numpy())
            else:
                assert mine == value


@torch.no_grad()
def test_its_maps_are_the_logits(model, images, run):
    graph = InferenceGraph(model, maps=True)
    expected = model(torch.from_numpy(images).permute(0, 3, 1, 2))
    expected = {f'{task}/{name}': values for task, maps in expected.items()
                for name, values in maps.items()}
    assert graph.names == tuple(expected) and 'detection/heatmap' in expected
    for found, values in zip(run(graph, images), expected.values(), strict=True):
        np.testing.assert_array_equal(found, values.numpy())


@pytest.mark.parametrize('maps', [False, True])
def test_its_layout_tells_shapes_and_types(network, images, run, maps):
    graph = InferenceGraph(network, maps)
    for array, shape, dtype in zip(run(graph, images), graph.layout.shapes, graph.layout.dtypes,
                                   strict=True):
        assert array.shape == (len(images), *shape[1:]) and array.dtype == dtype


def test_its_layout_holds_no_weights(make_network):
    model = make_network()
    layout, weights = InferenceGraph(model).layout, [weakref.ref(p) for p in model.parameters()]
    assert layout.names and weights[0]() is not None
    del model
    gc.collect()
    assert not any(reference() is not None for reference in weights)


def test_a_wrong_number_of_arrays_is_noticed(graph, images, run):
    with pytest.raises(ValueError, match='zip'):
        graph.restore(run(graph, images)[:-1])


def test_a_network_in_training_is_put_into_evaluation(network, images, run):
    expected = run(InferenceGraph(network), images)
    for found, values in zip(run(InferenceGraph(network.train()), images), expected, strict=True):
        np.testing.assert_array_equal(found, values)
