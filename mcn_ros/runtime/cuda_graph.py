# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
CUDA graphs as a backend: all kernels of a batch are launched at once.

Small networks on a large GPU spend most of their time between kernels, waiting for Python.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.packing import pack, unpack

# Passes before a capture: libraries choose their algorithms and make their workspaces in these.
WARM_UP = 3


@dataclass(frozen=True)
class Capture:
    """
    The recorded kernels for one number of images, and the memory that they read and write.

    :param kernels: the recording.
    :param images: (B, H, W, 3) uint8 on the GPU, what the kernels read.
    :param packed: (N,) uint8 on the GPU, what they write.
    :param pinned_images: the same on the host, where the GPU can fetch it by itself.
    :param pinned: the same as ``packed`` on the host.
    """

    kernels: torch.cuda.CUDAGraph
    images: Tensor
    packed: Tensor
    pinned_images: Tensor
    pinned: Tensor


class CudaGraph:
    """
    A graph that is recorded once for every number of images and then replayed.

    The recordings share their weights and the memory between the layers: only one runs at a time.

    :param graph: what is run; a copy of it is.
    :param device: the GPU.
    :param dtype: what the network computes in.
    """

    def __init__(self, graph: InferenceGraph, device: torch.device, dtype: torch.dtype):
        self._layout, self._size, self._device = graph.layout, graph.size, device
        self._graph = lowered(graph, dtype).to(device=device, memory_format=torch.channels_last)
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._captures: dict[int, Capture] = {}

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for (B, H, W, 3) uint8 images."""
        count = len(images)
        with torch.inference_mode(), torch.cuda.device(self._device):
            if count not in self._captures:
                self._captures[count] = self._capture(count)
            capture = self._captures[count]
            capture.pinned_images.copy_(torch.from_numpy(images))
            with torch.cuda.stream(self._stream):
                capture.images.copy_(capture.pinned_images, non_blocking=True)
                capture.kernels.replay()
                capture.pinned.copy_(capture.packed, non_blocking=True)
            self._stream.synchronize()
        # The next batch is written to the same place, so what is handed out is a copy.
        shapes = [(count, *shape[1:]) for shape in self._layout.shapes]
        return unpack(capture.pinned.numpy().copy(), shapes, self._layout.dtypes)

    def _capture(self, count: int) -> Capture:
        images = torch.zeros((count, *self._size, 3), dtype=torch.uint8, device=self._device)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):  # capturing is not allowed on the default stream
            for _ in range(WARM_UP):
                pack(self._graph(images))
        self._stream.synchronize()
        kernels = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(kernels, pool=self._pool, stream=self._stream):
                packed = pack(self._graph(images))
        except Exception:
            self._leave_capture()
            raise
        return Capture(kernels, images, packed, *(
            torch.empty(tensor.shape, dtype=torch.uint8, pin_memory=True)
            for tensor in (images, packed)))

    def _leave_capture(self) -> None:
        """
        Let the allocator work as before after a recording that has failed.

        What ends a recording raises before it tells the allocator, which would then keep all
        memory of this stream in the pool of the recording for as long as the process lives.
        """
        for end in (torch._C._cuda_endAllocateToPool, torch._C._cuda_releasePool):
            with suppress(RuntimeError):  # it had been told
                end(self._device.index, self._pool)
        self._pool = torch.cuda.graph_pool_handle()


def cuda_graph(graph: InferenceGraph, device: torch.device, dtype: torch.dtype) -> CudaGraph:
    """Return the graph as recordings, one of which is made here, for single images."""
    run = CudaGraph(graph, device, dtype)
    run(np.zeros((1, *graph.size, 3), np.uint8))  # what cannot be captured is to be told now
    return run


def cuda_graph_obstacle(device: torch.device, dtype: torch.dtype) -> str:
    """Return why there are no CUDA graphs on a device, '' if there are."""
    return '' if device.type == 'cuda' else 'it needs a GPU of NVIDIA'
