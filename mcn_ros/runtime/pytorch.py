# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""PyTorch as a backend: operator by operator, and compiled by TorchInductor."""

import os
import shutil
from typing import Callable

import numpy as np
import torch

from mcn_ros.runtime.artefacts import cache_folder
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.packing import to_host

# What TorchInductor makes C++ with, unless CXX says otherwise.
COMPILERS = ('g++', 'clang++')


def torch_eager(graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
                ) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return PyTorch's own execution, operator by operator."""
    graph.to(device=device, memory_format=torch.channels_last)

    def run(images: np.ndarray) -> list[np.ndarray]:
        pixels = torch.from_numpy(images).to(device)
        with torch.inference_mode():
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                maps = graph.look(pixels)
            # Places are computed by products, too, which are not to be of that precision.
            return to_host(graph.read(maps))

    return run


def torch_compile(graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
                  ) -> Callable[[np.ndarray], list[np.ndarray]]:
    """
    Return the graph compiled by TorchInductor; it is compiled when it first sees a batch.

    One compiled graph serves batches of one size, from the second size on one serves all.
    """
    # TorchInductor has a cache of its own, by default in a folder that is gone after a restart.
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(cache_folder() / 'inductor'))
    low = lowered(graph, dtype).to(device=device, memory_format=torch.channels_last)
    # torch.compile alone cannot read the code of the tasks; what is exported are operators only.
    images = torch.zeros((2, *graph.size, 3), dtype=torch.uint8, device=device)
    with torch.no_grad():
        exported = torch.export.export(low, (images,), strict=False,
                                       dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    compiled = torch.compile(exported.module(), options={'freezing': True})

    def run(images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():  # what freezing asks for; inference_mode is not enough
            return to_host(compiled(torch.from_numpy(images).to(device)))

    return run


def torch_compile_obstacle(device: torch.device, dtype: torch.dtype) -> str:
    """Return why nothing can be compiled for a device, '' if it can."""
    compilers = (os.environ.get('CXX'), *COMPILERS)
    if device.type == 'cpu' and not any(name and shutil.which(name) for name in compilers):
        return f'it needs a C++ compiler ({" or ".join(COMPILERS)})'
    return ''
