# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Times of networks beside those of other programs' networks: ONNX files.

All run in turns, in the same runtime and precision. The time of a file is that of the network in
it: whatever its program does before and after is not part of it.
"""

from functools import partial
from pathlib import Path
import time
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch

from mcn_ros.benchmark.architectures import build_network, Noise, noise, title
from mcn_ros.benchmark.networks import Tell, Variant
from mcn_ros.benchmark.stopwatch import interleave, show, spread
from mcn_ros.model import ModelConfig
from mcn_ros.runtime.backends import build_backend
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import compiler_options, import_openvino
from mcn_ros.tables import markdown

BACKEND = 'openvino'  # what reads files
PRECISIONS = 'float32', 'bfloat16'  # that a file can be run in as it is


def open_file(path: Path, dtype: torch.dtype) -> Callable[[], Any]:
    """
    Compile a network of an ONNX file.

    :return: runs it on noise.
    :raises ValueError: naming the file, if it is none or its inputs have no fixed shape.
    """
    if not path.is_file():
        raise ValueError(f'against: no such file: {path}')
    ov = import_openvino()
    core = ov.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ValueError(f'against: {path}: cannot be read: {_first_line(error)}') from error
    if model.is_dynamic():
        shapes = ', '.join(str(tensor.get_partial_shape()) for tensor in model.inputs)
        raise ValueError(f'against: {path}: has no fixed size (inputs: {shapes}); export it for '
                         'one image of one size')
    rng = np.random.default_rng(0)
    inputs = [_noise(rng, tensor) for tensor in model.inputs]
    compiled = core.compile_model(model, 'CPU', compiler_options(dtype))
    return partial(compiled.create_infer_request().infer, inputs, share_inputs=True)


def _noise(rng: np.random.Generator, tensor: Any) -> np.ndarray:
    """Return an input: pixels, where they are bytes or numbers from 0 to 1."""
    dtype, shape = tensor.get_element_type().to_dtype(), tuple(tensor.get_shape())
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.random(shape).astype(dtype)


def _first_line(error: Exception) -> str:
    return next((line for line in map(str.strip, str(error).splitlines()) if line), '')


def measure(configs: Mapping[str, ModelConfig], files: Sequence[Path],
            variants: Sequence[Variant], seconds: float, tell: Tell = lambda text: None,
            ) -> list[dict[str, Any]]:
    """
    Measure networks and files in turns.

    :param configs: name -> network.
    :param variants: those of other backends are left out; files run in PRECISIONS only.
    :param seconds: about what building and measuring may take.
    :return: for each variant of each network and file 'ms' (spread) and 'ratios' {file: spread},
        its time by that of each file in the same precision, in float32 where it has none.
    :raises ValueError: see :func:`open_file`.
    """
    deadline = time.monotonic() + seconds
    variants = [variant for variant in variants if variant.backend == BACKEND]
    if not variants:
        raise ValueError(f'against: only {BACKEND} reads files; name it among the backends')
    shared = [variant for variant in variants if variant.precision in PRECISIONS]
    runs: dict[tuple[str, str], Callable[[], Any]] = {}
    for path in files:
        for variant in shared:
            tell(f'compile {path.name}, {variant.precision}')
            runs[path.stem, variant.precision] = open_file(path, variant.dtype)
    for name, config in configs.items():
        for variant in variants:
            tell(f'build {name}, {variant.precision}')
            runs[title(name), variant.precision] = _build(config, variant)
    tell('in turns')
    times = interleave(runs, deadline - time.monotonic())
    others = [path.stem for path in files]
    return [{'network': name, 'precision': precision, 'ms': spread(values),
             'ratios': {other: spread(values / times[key]) for other in others
                        if (key := _same(times, other, precision)) in times}}
            for (name, precision), values in times.items()]


def _same(times: Mapping[tuple[str, str], Any], other: str, precision: str) -> tuple[str, str]:
    return (other, precision) if (other, precision) in times else (other, PRECISIONS[0])


def _build(config: ModelConfig, variant: Variant) -> Callable[[], Any]:
    graph = InferenceGraph(build_network(config), calibration=Noise(config.input_size))
    run = build_backend(variant.backend, graph, torch.device('cpu'), variant.dtype)[1]
    return partial(run, noise(1, config.input_size))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return times, and ratios to each file: medians, in brackets the quartiles."""
    others = list(dict.fromkeys(other for row in rows for other in row['ratios']))
    return markdown(
        ['network', 'precision', 'ms', *(f'by {other}' for other in others)],
        [[row['network'], row['precision'], show(row['ms']),
          *(show(row['ratios'][other], 2) if other in row['ratios'] else '' for other in others)]
         for row in rows], words=2)
