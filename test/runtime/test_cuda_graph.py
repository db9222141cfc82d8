# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""CUDA graphs: recorded once for every number of images."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.cuda_graph import cuda_graph, CudaGraph
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.parity import compare

needs_gpu = pytest.mark.gpu
GPU = torch.device('cuda:0')


@needs_gpu
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


@needs_gpu
def test_what_is_handed_out_stays(network, images):
    replay = cuda_graph(InferenceGraph(network), GPU, torch.float16)
    kept = replay(images)
    copies = [array.copy() for array in kept]
    replay(images[::-1].copy())
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@needs_gpu
def test_the_graph_itself_stays_on_the_cpu(network):
    graph = InferenceGraph(network)
    cuda_graph(graph, GPU, torch.float16)
    assert {(tensor.device.type, tensor.dtype) for tensor in graph.parameters()} == {
        ('cpu', torch.float32)}


@needs_gpu
@pytest.mark.parametrize('flip', [False, True])
def test_maps_of_deformable_networks_depend_on_the_image(make_network, images, run, flip):
    model = make_network(TrunkConfig('resnet18', 'deconv', 8, deformable=True), contrast=20)
    graph = InferenceGraph(MirrorAveraged(model) if flip else model, maps=True)
    replay = cuda_graph(graph, GPU, torch.float32)
    first, second = (replay(images[index:index + 1]) for index in (0, 1))
    for found, index in ((first, 0), (second, 1)):
        for mine, its in zip(found, run(graph, images[index:index + 1])):
            assert np.abs(mine - its).max() < 0.01 * np.abs(its).max() + 1e-3
    assert any(np.abs(one - other).max() > 0.1 for one, other in zip(first, second))


@needs_gpu
def test_a_recording_that_fails_leaves_the_allocator_as_it_was(network):
    class Waiting(InferenceGraph):
        """A graph that cannot be recorded."""

        def forward(self, images):
            images.sum().item()
            return super().forward(images)

    with pytest.raises(RuntimeError):
        cuda_graph(Waiting(network), GPU, torch.float32)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    block = torch.empty(2 ** 26, device=GPU)
    del block
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == before


def test_a_recording_that_fails_tells_the_allocator(monkeypatch, graph):
    """With a device that is none: what is called, and that the first error is the one raised."""
    told = []

    def end(name):
        def call(device, pool):
            told.append((name, device, pool))
            raise RuntimeError('nothing to end')
        return call

    class Broken:
        """A recording that cannot be."""

        def __init__(self, *arguments, **settings):
            pass

        def __enter__(self):
            raise RuntimeError('cannot be recorded')

        def __exit__(self, *arguments):
            pass

    names = '_cuda_endAllocateToPool', '_cuda_releasePool'
    for name in names:
        monkeypatch.setattr(torch._C, name, end(name))
    run = CudaGraph.__new__(CudaGraph)
    run._size, run._device, run._pool = (64, 96), torch.device('cpu', 0), 'pool'
    run._graph, run._stream = graph, SimpleNamespace(
        wait_stream=lambda stream: None, synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda: None)
    monkeypatch.setattr(torch.cuda, 'stream', lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', object)
    monkeypatch.setattr(torch.cuda, 'graph', Broken)
    monkeypatch.setattr(torch.cuda, 'graph_pool_handle', lambda: 'another pool')
    with pytest.raises(RuntimeError, match='cannot be recorded'):
        run._capture(1)
    assert told == [(name, 0, 'pool') for name in names] and run._pool == 'another pool'
