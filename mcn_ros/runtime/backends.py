# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Backends: what runs a graph on a device, and which one is chosen.

A backend is a plain callable that takes (B, H, W, 3) uint8 RGB images and gives the outputs of the
graph, see :class:`mcn_ros.runtime.inference_graph.Layout`, as arrays of its own. One thread may
call it.
"""

from functools import partial
import logging
from typing import Callable, Sequence

import numpy as np
import torch

from mcn_ros.runtime.cuda_graph import cuda_graph, cuda_graph_obstacle
from mcn_ros.runtime.cudnn import cudnn_settings
from mcn_ros.runtime.driver import why_no_gpu
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.onnxruntime_backend import onnxruntime, onnxruntime_obstacle
from mcn_ros.runtime.openvino_backend import openvino, openvino_obstacle
from mcn_ros.runtime.pytorch import torch_compile, torch_compile_obstacle, torch_eager

Backend = Callable[[np.ndarray], list[np.ndarray]]

LOG = logging.getLogger('mcn_ros')

PRECISIONS = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16,
              'int8': torch.int8, 'tf32': torch.float32}
# float32 whose layers multiply numbers of 10 bits; only GPUs of NVIDIA do that.
TF32 = 'tf32'
# The backend that runs networks of 8-bit integers.
INTEGERS = 'openvino'

BACKENDS: dict[str, Callable[[InferenceGraph, torch.device, torch.dtype], Backend]] = {
    'torch': torch_eager,
    'torch_compile': torch_compile,
    'cuda_graph': cuda_graph,
    'onnxruntime': onnxruntime,
    'openvino': openvino,
}

# Why a backend cannot run on a device in a precision, '' if it can; quick to tell, nothing is
# built for it. A backend that is not named always can.
OBSTACLES: dict[str, Callable[[torch.device, torch.dtype], str]] = {
    'torch_compile': torch_compile_obstacle,
    'cuda_graph': cuda_graph_obstacle,
    'onnxruntime': onnxruntime_obstacle,
    'openvino': openvino_obstacle,
}

# The backend that takes inputs of another size than that of the graph.
ANY_SIZE = 'torch'

# Kind of device -> backends, the fastest first.
PREFERENCES: dict[str, Sequence[str]] = {
    'cpu': ('openvino', 'onnxruntime', 'torch'),
    'cuda': ('cuda_graph', 'torch'),
}


def pick_device(name: str) -> torch.device:
    """
    Resolve a device name.

    :param name: 'auto' (the first GPU, or the CPU when there is none), 'cpu', 'cuda' or 'cuda:N'.
    :raises ValueError: for an unknown name and for a GPU that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    available = ['auto', 'cpu'] + [f'cuda:{index}' for index in range(gpus)]
    if name == 'auto':
        return torch.device('cuda:0' if gpus else 'cpu')
    wanted = 'cuda:0' if name == 'cuda' else name
    if wanted not in available:
        reason = '' if gpus or not wanted.startswith('cuda') else f': {why_no_gpu()}'
        raise ValueError(f'device: {name!r} is not available here (known: {", ".join(available)})'
                         f'{reason}')
    return torch.device(wanted)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Resolve a precision, 'auto' being float16 on a GPU, float32 on a CPU; or ValueError."""
    if name == 'auto':
        name = 'float16' if device.type == 'cuda' else 'float32'
    if name not in PRECISIONS:
        raise ValueError(f'precision: {name!r} (known: auto, {", ".join(PRECISIONS)})')
    if name == TF32 and device.type != 'cuda':
        raise ValueError(f'precision: {name!r} needs a GPU of NVIDIA (on {device}: float32)')
    return PRECISIONS[name]


def obstacle(name: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why a backend cannot run here, '' if nothing is known to be in its way."""
    if dtype == torch.int8 and name != INTEGERS:
        return f'only {INTEGERS} runs in int8'
    return OBSTACLES[name](device, dtype) if name in OBSTACLES else ''


def check_backend(name: str, device: torch.device, dtype: torch.dtype) -> None:
    """
    Refuse a backend that cannot run, before anything is read or built for it.

    :param name: 'auto' or a key of BACKENDS.
    :raises ValueError: for an unknown name, and for a backend with an obstacle: those that there
        are here are named.
    """
    if name == 'auto':
        return
    if name not in BACKENDS:
        raise ValueError(f'backend: {name!r} (known: auto, {", ".join(BACKENDS)})')
    if why := obstacle(name, device, dtype):
        usable = [other for other in BACKENDS if not obstacle(other, device, dtype)]
        raise ValueError(f'backend: {name!r} cannot be used: {why} (available here: auto, '
                         f'{", ".join(usable)})')


def pick_sizes(name: str, varies: bool, dtype: torch.dtype = torch.float32) -> str:
    """
    Return the backend for inputs whose size may vary, and for a precision.

    :param name: 'auto' or a key of BACKENDS.
    :param varies: whether it does.
    :raises ValueError: for a backend that runs inputs of one size only.
    """
    if not varies:
        return INTEGERS if (name, dtype) == ('auto', torch.int8) else name
    if name not in ('auto', ANY_SIZE):
        raise ValueError(f'backend: {name!r} runs inputs of one size only; those of the original '
                         f'resolution need {ANY_SIZE!r}')
    return ANY_SIZE


def build_backend(name: str, graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
                  tf32: bool = False, fixed_size: bool = True) -> tuple[str, Backend, str]:
    """
    Build a backend.

    :param name: a key of BACKENDS; or 'auto' for the first of PREFERENCES that can be built.
    :param graph: what it runs; the backend may move or change it.
    :param device: where it runs.
    :param dtype: what the network computes in; predictions are float32 in any case.
    :param tf32: see :func:`mcn_ros.runtime.cudnn.cudnn_settings`, which is what it runs under on
        a GPU, as for ``fixed_size``.
    :return: its name, itself, and a line that says why it was taken.
    :raises ValueError: for a backend that is unknown or cannot be had.
    """
    check_backend(name, device, dtype)
    if device.type != 'cuda':
        return _build_backend(name, graph, device, dtype)
    settings = partial(cudnn_settings, tf32, fixed_size)
    with settings():
        name, backend, why = _build_backend(name, graph, device, dtype)

    def run(images: np.ndarray) -> list[np.ndarray]:
        with settings():
            return backend(images)

    return name, run, why


def _build_backend(name: str, graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
                   ) -> tuple[str, Backend, str]:
    if name != 'auto':
        return name, BACKENDS[name](graph, device, dtype), 'as asked for'
    *faster, last = PREFERENCES[device.type]
    reasons = []
    for candidate in faster:
        why = obstacle(candidate, device, dtype)
        if not why:
            try:
                return candidate, BACKENDS[candidate](graph, device, dtype), _why(reasons)
            # Whatever a compiler or a driver may raise: there is a backend that always works.
            except Exception as error:
                why = f'{type(error).__name__}: {" ".join(str(error).split())}'
                LOG.warning('backend %s cannot be built: %s', candidate, why)
        reasons.append(f'not {candidate}: {why}')
    return last, BACKENDS[last](graph, device, dtype), _why(reasons)


def _why(reasons: Sequence[str]) -> str:
    return '; '.join(['the fastest that works here', *reasons])
