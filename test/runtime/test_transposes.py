# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pairs of transpositions: gone where they undo each other, and nowhere else."""

from importlib import import_module

import numpy as np
import pytest
import torch

from mcn_ros.runtime.openvino_backend import import_openvino, openvino_obstacle
from mcn_ros.runtime.transposes import cancel_transposes

pytestmark = pytest.mark.skipif(bool(openvino_obstacle(torch.device('cpu'), torch.float32)),
                                reason='OpenVINO is not installed')
SHAPE = (2, 3, 4, 5)


def turned_twice(first, second):
    """Return a model that gives what is between two transpositions, and what is behind them."""
    openvino, ops = import_openvino(), import_module('openvino.opset13')
    image = ops.parameter(SHAPE, np.float32)
    between = ops.transpose(image, list(first))
    behind = ops.transpose(between, list(second))
    return openvino.Model([ops.relu(between), ops.relu(behind)], [image])


def results_of(model):
    compiled = import_openvino().Core().compile_model(
        model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return [values.copy() for values in
            compiled.create_infer_request().infer([image]).to_tuple()]


def transposes(model):
    return sum(op.get_type_name() == 'Transpose' for op in model.get_ops())


@pytest.mark.parametrize('first, second, pairs', [
    ((0, 3, 1, 2), (0, 2, 3, 1), 1), ((1, 0, 3, 2), (1, 0, 3, 2), 1),
    ((0, 3, 1, 2), (0, 3, 1, 2), 0), ((0, 2, 3, 1), (0, 2, 1, 3), 0)])
def test_what_is_turned_back_is_read_from_before(first, second, pairs):
    model = turned_twice(first, second)
    expected = results_of(model)
    assert cancel_transposes(model) == pairs
    assert transposes(model) == 2 - pairs
    for found, wanted in zip(results_of(model), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
