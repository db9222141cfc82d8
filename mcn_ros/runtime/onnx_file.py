# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Graphs as ONNX files that say of themselves all that is needed to use them.

Deformable convolutions are operators of ONNX from opset 19 on (DeformConv).
"""

from dataclasses import fields, is_dataclass
from importlib import import_module
import json
from typing import Any, Sequence
import warnings

import numpy as np
import torch

from mcn_ros.config import to_dict
from mcn_ros.geometry import RESAMPLINGS
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.parity import compare

OPSET = 20
INPUT = 'images'
# What is needed to write and to check a file, on top of what the package needs.
LIBRARIES = ('onnx', 'onnxscript', 'onnxruntime')

# Largest errors by rounding: of logits and scores, of coordinates in input pixels, of labels.
MAX_ERROR, MAX_PIXEL_ERROR, MAX_LABEL_ERROR = 1e-3, 0.1, 1e-3
# Share of the objects that keep to them: between two places that are equally likely, rounding
# decides.
QUANTILE = 0.99


def export(graph: InferenceGraph) -> bytes:
    """
    Return a graph as the content of an ONNX file, for batches of any size.

    Its input is ``images``, its outputs have the names of the graph's.
    """
    images = torch.zeros((2, *graph.size, 3), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of what PyTorch itself is about to change
        program = torch.onnx.export(
            graph.cpu(), (images,), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=[INPUT], output_names=list(graph.names),
            dynamic_shapes=({0: torch.export.Dim('batch')},),
            custom_translation_table={torch.ops.aten.sort.stable: _stable_sort})
    file = program.model_proto
    for key, value in describe(graph).items():
        file.metadata_props.add(key=key, value=value)
    return file.SerializeToString()


def describe(graph: InferenceGraph) -> dict[str, str]:
    """
    Return what a user of the outputs has to know, as the metadata of a file.

    :return: 'input', 'normalisation' (for reference: it is part of the graph), and for each head
        its description, 'detection' and so on; all of them JSON.
    """
    config = graph.config
    described: dict[str, Any] = {
        'input': {'name': INPUT, 'layout': 'NHWC', 'dtype': 'uint8', 'channels': 'rgb',
                  'size': list(graph.size), 'border': RESAMPLINGS[config.preprocessing].border},
        'normalisation': {'mean': config.mean, 'std': config.std,
                          'channel_order': config.channel_order, 'applied': True}}
    for name, task in graph.tasks.items():
        described[name] = _describe_task(task, graph.layout.structures.get(name))
    return {key: json.dumps(value) for key, value in described.items()}


def check_parity(content: bytes, graph: InferenceGraph) -> str:
    """
    Compare an exported file with its network, on images of noise: one, and several at once.

    :return: the largest errors as text.
    :raises ValueError: if they are larger than those of rounding.
    """
    library = import_module('onnxruntime')
    session = library.InferenceSession(content, providers=['CPUExecutionProvider'])
    images = np.random.default_rng(0).integers(0, 256, (3, *graph.size, 3), np.uint8)
    worst = np.zeros(3)
    for batch in (images[:1], images):
        with torch.no_grad():
            expected = [tensor.numpy() for tensor in graph(torch.from_numpy(batch))]
        actual = session.run(list(graph.names), {INPUT: batch})
        worst = np.maximum(worst, (_map_errors if graph.maps else _prediction_errors)(
            actual, expected, graph))
    text = f'{worst[0]:.1e} in logits' if graph.maps else (
        f'{worst[0]:.1e} in scores, {worst[1]:.1e} pixels, {worst[2]:.2%} of the labels')
    if not (worst <= (MAX_ERROR, MAX_PIXEL_ERROR, MAX_LABEL_ERROR)).all():
        raise ValueError(f'the exported network and the original are apart by {text}')
    return text


def _map_errors(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray],
                graph: InferenceGraph) -> tuple[float, float, float]:
    """Return the largest difference, of large numbers relative to the largest."""
    error = max(np.abs(one - other).max() / max(1, np.abs(other).max())
                for one, other in zip(actual, expected, strict=True))
    return float(error), 0.0, 0.0


def _prediction_errors(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray],
                       graph: InferenceGraph) -> tuple[float, float, float]:
    """Return the largest differences of scores and of coordinates, and the share of labels."""
    differences = compare(graph.restore(actual), graph.restore(expected)).values()
    return (max(_quantile(d.scores) for d in differences),
            max(max(_quantile(d.boxes_px), _quantile(d.joints_px)) for d in differences),
            max(d.labels for d in differences))


def _quantile(values: np.ndarray) -> float:
    return float(np.quantile(values, QUANTILE, method='lower')) if values.size else 0.0


def _describe_task(task: Any, prediction: Any) -> dict[str, Any]:
    """Return the classes or the skeleton of a task, and the numbers beside its arrays."""
    described = {}
    if task.classes:
        described['classes'] = task.classes
    if task.joints:
        described['skeleton'] = to_dict(task.joints)
    if is_dataclass(prediction):
        described |= {field.name: value for field in fields(prediction)
                      if isinstance(value := getattr(prediction, field.name), int)}
    return described


def _stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """Sort in ONNX, as PyTorch's exporter cannot: TopK of all, which keeps equals in order."""
    op = import_module('onnxscript').opset20
    count = op.Gather(op.Shape(values), op.Constant(value_ints=[dim]))
    return op.TopK(values, count, axis=dim, largest=int(descending))
