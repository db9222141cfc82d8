# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where the time of a network goes: the layers that OpenVINO makes of it, one by one."""

from collections import defaultdict
import re
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np
import torch

from mcn_ros.benchmark.architectures import build_network, Noise, noise, title
from mcn_ros.model import ModelConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import (
    compiler_options, convert, import_openvino, openvino_obstacle)
from mcn_ros.tables import markdown

# The first passes find their memory.
WARM_UP_PASSES, PASSES = 5, 20
MOST = 15  # layers in a table
# Part of a network that a layer is in, by the names that a trace gives it; all else is decoding.
PARTS = (
    (re.compile(r'__module\.model\.(trunk\.(?:[^/]*?\.)?(?:backbone|neck))\b'), r'\1'),
    (re.compile(r'__module\.model\.(trunk|heads\.\w+)'), r'\1'),
    (re.compile(r'__module\.model/'), 'normalisation'),
)
DECODING = 'decoding'


class Layer(NamedTuple):
    """
    A layer of a compiled network.

    :param part: such as 'trunk.neck', 'heads.pose' or 'decoding'.
    :param kind: of operation.
    :param kernel: what computes it, and in which precision.
    :param shape: of its output.
    :param ms: median over the passes.
    """

    part: str
    kind: str
    kernel: str
    shape: str
    ms: float


def measure(name: str, config: ModelConfig, dtype: torch.dtype) -> dict[str, Any]:
    """
    Measure the layers of a network.

    :raises ValueError: where OpenVINO cannot run in this precision.
    """
    if why := openvino_obstacle(torch.device('cpu'), dtype):
        raise ValueError(f'layers: openvino cannot be used: {why}')
    graph = InferenceGraph(build_network(config), calibration=Noise(config.input_size))
    compiled = import_openvino().Core().compile_model(
        convert(graph, dtype), 'CPU', {**compiler_options(dtype), 'PERF_COUNT': True})
    operations = {op.get_friendly_name(): op for op in compiled.get_runtime_model().get_ops()}
    request, image = compiled.create_infer_request(), noise(1, config.input_size)
    times = defaultdict(list)
    for index in range(WARM_UP_PASSES + PASSES):
        request.infer([image])
        for record in request.get_profiling_info() if index >= WARM_UP_PASSES else ():
            times[record.node_name, record.node_type, record.exec_type].append(
                1000 * record.real_time.total_seconds())
    layers = [Layer(_part(operations.get(layer), layer), kind, kernel,
                    _shape(operations.get(layer)), float(np.median(values)))
              for (layer, kind, kernel), values in times.items()]
    return {'network': title(name), 'precision': str(dtype).removeprefix('torch.'),
            'layers': [layer._asdict() for layer in sorted(layers, key=lambda layer: -layer.ms)]}


def _part(operation: Any, name: str) -> str:
    """Return the part that a layer is in; what is fused into it says so, too."""
    info = operation.get_rt_info() if operation else {}
    names = info['originalLayersNames'].value if 'originalLayersNames' in info else name
    for pattern, part in PARTS:
        if found := pattern.search(names):
            return found.expand(part)
    return DECODING


def _shape(operation: Any) -> str:
    if not operation or not operation.get_output_size():
        return ''
    return 'x'.join(map(str, operation.get_output_partial_shape(0)))


def part_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return how long the parts of networks take."""
    lines = []
    for row in found:
        sums: dict[str, float] = defaultdict(float)
        for layer in row['layers']:
            sums[layer['part']] += layer['ms']
        total = sum(sums.values())
        lines += [[row['network'], row['precision'], part, f'{ms:.2f}', f'{ms / total:.0%}']
                  for part, ms in sorted(sums.items(), key=lambda item: -item[1])]
    return markdown(['network', 'precision', 'part', 'ms', 'share'], lines, words=3)


def layer_table(found: Mapping[str, Any]) -> str:
    """Return the most costly layers of a network."""
    return markdown(['part', 'layer', 'kernel', 'output', 'ms'], [
        [layer['part'], layer['kind'], layer['kernel'], layer['shape'], f'{layer["ms"]:.2f}']
        for layer in found['layers'][:MOST]], words=4)
