# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""CUDA graphs: recorded once for every number of images."""

import numpy as np
import pytest
import torch

from mcn_ros.runtime.cuda_graph import cuda_graph
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.parity import compare

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU on this machine')
GPU = torch.device('cuda:0')


def test_replays_are_what_the_network_does(network, images, run):
    graph = InferenceGraph(network)
    expected = run(graph, images)
    replay = cuda_graph(graph, GPU, torch.float32)
    for count in (3, 1, 2, 3, 1):
        found = graph.restore(replay(images[:count]))
        wanted = graph.restore([values[:count] for values in expected])
        for difference in compare(found, wanted).values():
            assert np.quantile(difference.scores, 0.99) < 1e-3 if difference.scores.size else True
            assert difference.labels < 0.01
    assert set(replay._captures) == {1, 2, 3}


def test_what_is_handed_out_stays(network, images):
    replay = cuda_graph(InferenceGraph(network), GPU, torch.float16)
    kept = replay(images)
    copies = [array.copy() for array in kept]
    replay(images[::-1].copy())
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_graph_itself_stays_on_the_cpu(network):
    graph = InferenceGraph(network)
    cuda_graph(graph, GPU, torch.float16)
    assert {(tensor.device.type, tensor.dtype) for tensor in graph.parameters()} == {
        ('cpu', torch.float32)}
