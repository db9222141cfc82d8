# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Convolutions that are computed only where somebody looks.

Decoding reads sizes, offsets and displacements at the cells of a hundred peaks. A 1x1 convolution
whose map is read at such cells alone is moved behind the reading, with the 1x1 convolutions before
it that nobody else reads: of the cells of the map, more than a hundred times as many, the others
are never computed.
"""

from importlib import import_module
from typing import Any

import numpy as np

READING = 'GatherElements'
# What may lie between a convolution and the reading of its map: it moves numbers, no more.
MOVING = {'Transpose', 'Reshape', 'Convert'}
# Between the cells and the reading, which wants an index for each channel.
SPREADING = {'Convert', 'Broadcast'}


def compute_at_cells(model: Any) -> int:
    """
    Move 1x1 convolutions behind the reading of their maps; the model changes.

    :param model: an ``openvino.Model`` for one image, its constants folded.
    :return: how many maps are not computed.
    """
    moved = 0
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != 'Convolution' or not _is_pointwise(layer):
            continue
        result = _with_bias(layer)
        readings = _readings(result)
        cells = {reading: _cells(reading) for reading in readings or ()}
        if cells and all(cells.values()):
            for reading, where in cells.items():
                values = import_module('openvino.opset13').unsqueeze(_rows_at(result, where), 0)
                for target in reading.output(0).get_target_inputs():
                    target.replace_source_output(values.output(0))
            moved += 1
    model.validate_nodes_and_infer_types()
    return moved


def _is_pointwise(layer: Any) -> bool:
    weights, attributes = layer.input_value(1), layer.get_attributes()
    return (weights.get_node().get_type_name() == 'Constant'
            and list(weights.get_shape())[2:] == [1, 1] and set(attributes['strides']) == {1}
            and set(attributes['pads_begin']) | set(attributes['pads_end']) == {0})


def _with_bias(layer: Any) -> Any:
    """Return the operation that adds a bias to what a convolution gives; itself if none does."""
    readers = _readers(layer)
    return readers[0] if len(readers) == 1 and _adds_bias(readers[0]) else layer


def _adds_bias(operation: Any) -> bool:
    """Return whether an operation adds a number to each channel of a map."""
    if operation.get_type_name() != 'Add':
        return False
    bias, shape = operation.input_value(1), list(operation.get_output_shape(0))
    return (bias.get_node().get_type_name() == 'Constant' and len(shape) == 4
            and list(bias.get_shape()) == [1, shape[1], 1, 1])


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


def _rows_at(operation: Any, cells: Any) -> Any:
    """
    Return what a map is at cells, (K, C).

    It is computed from what it is made of, there alone, back to where that is no longer of one
    cell, or somebody else reads it, too.
    """
    ops = import_module('openvino.opset13')
    before = operation.input_value(0)
    own = before.get_node() if len(_readers(before.get_node())) == 1 else None
    if operation.get_type_name() == 'Relu' and own:
        return ops.relu(_rows_at(own, cells))
    if _adds_bias(operation) and own:
        bias = operation.input_value(1).get_node().data.astype(np.float32)
        return ops.add(_rows_at(own, cells), ops.constant(bias.reshape(1, -1)))
    if operation.get_type_name() == 'Convolution' and _is_pointwise(operation):
        weights = operation.input_value(1).get_node().data.astype(np.float32)
        rows = _rows_at(own, cells) if own else _gather(before, cells)
        return ops.matmul(rows, ops.constant(weights[:, :, 0, 0]), False, True)
    return _gather(operation.output(0), cells)


def _gather(values: Any, cells: Any) -> Any:
    """Return rows (K, C) of a map (1, C, H, W)."""
    ops = import_module('openvino.opset13')
    channels = values.get_shape()[1]
    rows = ops.reshape(ops.transpose(values, [0, 2, 3, 1]), [-1, channels], False)
    return ops.gather(rows, ops.reshape(cells, [-1], False), 0)
