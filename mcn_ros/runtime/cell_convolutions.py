# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Convolutions that are computed only where somebody looks.

Decoding reads sizes, offsets and displacements at the cells of a hundred peaks. A 1x1 convolution
whose map is read at such cells alone is moved behind the reading: of the cells of the map, more
than a hundred times as many, the others are never computed.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

READING = 'GatherElements'
# What may lie between a convolution and the reading of its map: it moves numbers, no more.
MOVING = {'Transpose', 'Reshape', 'Convert'}
# Between the cells and the reading, which wants an index for each channel.
SPREADING = {'Convert', 'Broadcast'}


class Bias(NamedTuple):
    """
    A bias that is added to a map.

    :param operation: the addition, or the convolution itself where there is none.
    :param values: (C,).
    """

    operation: Any
    values: np.ndarray


def compute_at_cells(model: Any) -> int:
    """
    Move 1x1 convolutions behind the reading of their maps; the model changes.

    :param model: an ``openvino.Model`` for one image, its constants folded.
    :return: how many were moved.
    """
    moved = 0
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != 'Convolution' or not _is_pointwise(layer):
            continue
        bias = _bias(layer)
        readings = _readings(bias.operation)
        cells = {reading: _cells(reading) for reading in readings or ()}
        if cells and all(cells.values()):
            for reading, where in cells.items():
                _replace(reading, layer, bias.values, where)
            moved += 1
    model.validate_nodes_and_infer_types()
    return moved


def _is_pointwise(layer: Any) -> bool:
    weights, attributes = layer.input_value(1), layer.get_attributes()
    return (weights.get_node().get_type_name() == 'Constant'
            and list(weights.get_shape())[2:] == [1, 1] and set(attributes['strides']) == {1}
            and set(attributes['pads_begin']) | set(attributes['pads_end']) == {0})


def _bias(layer: Any) -> Bias:
    channels = layer.get_output_shape(0)[1]
    readers = _readers(layer)
    if len(readers) == 1 and readers[0].get_type_name() == 'Add':
        for value in readers[0].input_values():
            node = value.get_node()
            if node.get_type_name() == 'Constant' and node.data.size == channels:
                return Bias(readers[0], node.data.astype(np.float32).reshape(-1))
    return Bias(layer, np.zeros(channels, np.float32))


def _readings(operation: Any) -> list[Any] | None:
    """Return all that read a map at cells; None where something else is done with it."""
    found = []
    for reader in _readers(operation):
        if reader.get_type_name() == READING:
            found.append(reader)
        elif reader.get_type_name() in MOVING and (inner := _readings(reader)) is not None:
            found += inner
        else:
            return None
    return found


def _readers(operation: Any) -> list[Any]:
    return [target.get_node() for target in operation.output(0).get_target_inputs()]


def _cells(reading: Any) -> Any:
    """Return the flat cells (1, K, 1) at which all channels are read; None where they are not."""
    shape, value = list(reading.get_output_shape(0)), reading.input_value(1)
    if len(shape) != 3 or reading.get_attributes()['axis'] != 1:
        return None
    count = shape[1]
    while list(value.get_shape()) != [1, count, 1]:
        if value.get_node().get_type_name() not in SPREADING:
            return None
        value = value.get_node().input_value(0)
    return value


def _replace(reading: Any, layer: Any, bias: np.ndarray, cells: Any) -> None:
    """Read what the convolution sees, and convolve that."""
    ops = import_module('openvino.opset13')
    features = layer.input_value(0)
    weights = layer.input_value(1).get_node().data.astype(np.float32)
    inputs = weights.shape[1]
    rows = ops.reshape(ops.transpose(features, [0, 2, 3, 1]), [-1, inputs], False)
    chosen = ops.gather(rows, ops.reshape(cells, [-1], False), 0)  # (K, inputs)
    values = ops.matmul(chosen, ops.constant(weights.reshape(-1, inputs)), False, True)
    values = ops.unsqueeze(ops.add(values, ops.constant(bias)), 0)
    for target in reading.output(0).get_target_inputs():
        target.replace_source_output(values.output(0))
