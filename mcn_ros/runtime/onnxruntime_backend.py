# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ONNX Runtime as a backend: on CPUs, and on GPUs where its build for these is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable

import numpy as np
import torch

from mcn_ros.runtime.artefacts import cache_folder, fingerprint, load_or_build
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.onnx_file import export

# What each kind of device has beyond the provider for CPUs, the fastest first.
PROVIDERS = {'cpu': (), 'cuda': ('TensorrtExecutionProvider', 'CUDAExecutionProvider')}
PRECISIONS = {'cpu': (torch.float32,), 'cuda': (torch.float32, torch.float16)}


def onnxruntime(graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
                ) -> Callable[[np.ndarray], list[np.ndarray]]:
    """
    Return the graph in a session of ONNX Runtime, for batches of any size.

    On a GPU, TensorRT compiles it, where it is installed, else its CUDA operators run it.
    """
    library = import_module('onnxruntime')
    key = fingerprint(graph, backend='onnxruntime', precision=str(dtype),
                      onnx=import_module('onnx').__version__)
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; what it warns of concerns its own optimiser
    providers = _providers(library, device, key)

    def build() -> bytes:
        return export(graph if dtype == torch.float32 else lowered(graph, dtype))

    session = load_or_build(
        key, build, lambda content: library.InferenceSession(content, options, providers))
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})


def onnxruntime_obstacle(device: torch.device, dtype: torch.dtype) -> str:
    """Return why ONNX Runtime cannot run on a device, '' if it can."""
    missing = [name for name in ('onnxruntime', 'onnx', 'onnxscript') if find_spec(name) is None]
    if missing:
        return f'not installed: {", ".join(missing)} (pip install {" ".join(missing)})'
    if dtype not in PRECISIONS[device.type]:
        known = ' and '.join(str(dtype).split('.')[1] for dtype in PRECISIONS[device.type])
        return f'on this device it runs in {known} only'
    if device.type == 'cuda' and not set(PROVIDERS['cuda']) & set(
            import_module('onnxruntime').get_available_providers()):
        return 'it is installed without support for GPUs (pip install onnxruntime-gpu)'
    return ''


def _providers(library: Any, device: torch.device, key: str) -> list[Any]:
    """Return the providers to ask for, each with its settings."""
    settings: dict[str, dict[str, Any]] = {
        'TensorrtExecutionProvider': {
            'device_id': device.index or 0, 'trt_engine_cache_enable': True,
            'trt_engine_cache_path': str(cache_folder() / 'tensorrt' / key)},
        # As PyTorch is to compute now: it has TF32 by default, too.
        'CUDAExecutionProvider': {'device_id': device.index or 0,
                                  'use_tf32': int(torch.backends.cudnn.allow_tf32)},
        'CPUExecutionProvider': {}}
    available = library.get_available_providers()
    return [(name, settings[name]) for name in (*PROVIDERS[device.type], 'CPUExecutionProvider')
            if name in available]
