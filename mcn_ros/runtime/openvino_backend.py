# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
OpenVINO as a backend, for CPUs.

The network is converted from PyTorch directly: OpenVINO's reader of ONNX files does not know
deformable convolutions.
"""

from contextlib import contextmanager
from copy import deepcopy
import ctypes
from importlib import import_module
from importlib.util import find_spec
import io
import json
import sys
from types import ModuleType
from typing import Any, Callable, Iterator
import warnings

import numpy as np
import torch

from mcn_ros.runtime.artefacts import fingerprint, load_or_build
from mcn_ros.runtime.cell_convolutions import compute_at_cells
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.int8 import quantize
from mcn_ros.runtime.lowered import fold_batch_norms
from mcn_ros.runtime.strips import compute_in_strips
from mcn_ros.runtime.transposes import cancel_transposes

# What the compiler is told; with int8 it is what the layers that are not quantized compute in.
PRECISIONS = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.int8: 'f32'}
# What a CPU has to have beyond float32, as the library calls it.
CAPABILITIES = {torch.bfloat16: 'BF16', torch.int8: 'INT8'}
TELEMETRY = 'openvino_telemetry'


class SignalStack(ctypes.Structure):
    """The type stack_t of sigaltstack(2)."""

    _fields_ = [('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """
    Leave this thread the stack that its signal handlers had.

    OpenVINO gives the thread that loads it another one, for as long as it has a network. If that
    is freed in another thread, the stack is gone and still in use: the next signal that Python
    handles, such as that of Ctrl-C or of a child that ends, would end the process.
    """
    libc, before = ctypes.CDLL(None), SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


@same_signal_stack()
def openvino(graph: InferenceGraph, device: torch.device, dtype: torch.dtype,
             ) -> Callable[[np.ndarray], list[np.ndarray]]:
    """
    Return the graph compiled by OpenVINO.

    It is compiled for single images, and several go through it one after the other: a network for
    any number of images is slower with one, and no faster with several, as one image keeps all
    cores busy.
    """
    ov = import_openvino()
    core = ov.Core()
    options = compiler_options(dtype)
    calibration = graph.calibration.digest if dtype == torch.int8 else ''
    key = fingerprint(graph, backend='openvino', version=ov.__version__, images='1',
                      options=json.dumps(options), cpu=_describe_cpu(core),
                      calibration=calibration)

    def build() -> bytes:
        return core.compile_model(convert(graph, dtype), 'CPU', options).export_model().getvalue()

    compiled = load_or_build(
        key, build, lambda blob: core.import_model(io.BytesIO(blob), 'CPU', options))
    request = compiled.create_infer_request()

    def look(image: np.ndarray) -> tuple[np.ndarray, ...]:
        return request.infer([image[None]], share_inputs=True).to_tuple()

    def run(images: np.ndarray) -> list[np.ndarray]:
        if len(images) == 1:
            return list(look(images[0]))
        return [np.concatenate(rows) for rows in zip(*map(look, images))]

    return run


@same_signal_stack()
def openvino_obstacle(device: torch.device, dtype: torch.dtype) -> str:
    """Return why OpenVINO cannot run on a device, '' if it can."""
    if device.type != 'cpu':
        return 'it runs on the CPU only'
    if find_spec('openvino') is None:
        return 'it is not installed (pip install openvino)'
    if dtype not in PRECISIONS:
        return 'it runs in float32, bfloat16 and int8 only'
    if dtype != torch.float32:
        known = import_openvino().Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        needed = CAPABILITIES[dtype]
        return '' if needed in known else f'this CPU has no {str(dtype).removeprefix("torch.")}'
    return ''


def import_openvino() -> ModuleType:
    """
    Import the library without its usage reports.

    By default it sends one whenever it is imported and whenever it converts a network, and waits
    for an answer where there is no network. It does without where its reporter is not installed.
    """
    if 'openvino' not in sys.modules and TELEMETRY not in sys.modules:
        sys.modules[TELEMETRY] = None
        try:
            return import_module('openvino')
        finally:
            del sys.modules[TELEMETRY]
    return import_module('openvino')


def convert(graph: InferenceGraph, dtype: torch.dtype = torch.float32) -> Any:
    """Return a graph as an ``openvino.Model`` for one image, quantized if the type is int8."""
    ov = import_openvino()
    if dtype == torch.int8:
        fold_batch_norms(graph)  # what is rounded are the weights that are multiplied with
    else:  # to be rounded, all rows of a map have to be seen together
        graph = deepcopy(graph)
        compute_in_strips(graph)
    frontend = import_module('openvino.frontend').FrontEndManager().load_by_framework('pytorch')
    decoder = import_module('openvino.frontend.pytorch.ts_decoder').TorchScriptPythonDecoder
    images = torch.zeros((1, *graph.size, 3), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        # The trace holds for one image of one size, which is wanted.
        warnings.simplefilter('ignore')
        # The library does not keep what it reads from: this variable does.
        source = decoder(torch.jit.trace(graph.cpu(), images, check_trace=False))
        model = frontend.convert(frontend.load(source))
    model.reshape([1, *graph.size, 3])
    for output, name in zip(model.outputs, graph.names, strict=True):
        output.get_tensor().set_names({name})
    assert model.input(0).get_element_type() == ov.Type.u8
    fold_constants(model)
    cancel_transposes(model)
    if dtype == torch.int8:
        quantize(model, (image[None] for image in graph.calibration))
    compute_at_cells(model)
    return model


def fold_constants(model: Any) -> None:
    """Compute what does not depend on the image, such as weights that are parts of others."""
    passes = import_module('openvino.passes')
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(model)


def compiler_options(dtype: torch.dtype) -> dict[str, Any]:
    """Return the settings of the compiler."""
    return {
        'INFERENCE_PRECISION_HINT': PRECISIONS[dtype],
        'PERFORMANCE_HINT': 'LATENCY',
        # As many as PyTorch would take: what limits those, such as OMP_NUM_THREADS, goes for all.
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        # A robot has other work, and two networks must not be tied to the same cores.
        'ENABLE_CPU_PINNING': False,
    }


def _describe_cpu(core: Any) -> str:
    names = ('FULL_DEVICE_NAME', 'OPTIMIZATION_CAPABILITIES')
    return json.dumps([core.get_property('CPU', name) for name in names])
