# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks of 8-bit integers: nearly the same, only where it is meant, and calibrated once."""

from importlib import import_module

import numpy as np
import pytest
import torch

from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import Predictor, RuntimeConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.int8 import (
    CONVOLUTIONS, Inputs, NARROW, OUTPUT_AXIS, quantize, Range)
from mcn_ros.runtime.openvino_backend import (
    convert, import_openvino, openvino, openvino_obstacle)

CPU = torch.device('cpu')
needs_openvino = pytest.mark.skipif(
    bool(openvino_obstacle(CPU, torch.int8)),
    reason=f'OpenVINO: {openvino_obstacle(CPU, torch.int8)}')


class Images:
    """Images to calibrate with, that count how often they are read."""

    def __init__(self, images, digest='1'):
        self.images, self.digest, self.read = images, digest, 0

    def __iter__(self):
        self.read += 1
        return iter(self.images)


@pytest.mark.parametrize('low, high', [
    (-1.0, 3.0), (-0.001, 5.0), (-7.0, 0.01), (-2.0, 2.0), (0.0, 4.0), (-4.0, 0.0), (1.0, 2.0),
    (-2.0, -1.0)])
def test_a_range_has_all_numbers_and_exactly_0(low, high):
    found = Range.around(low, high)
    step = (found.high - found.low) / 255
    assert found.low <= low + 1e-9 and found.high >= high - 1e-9
    assert -found.low / step == pytest.approx(round(-found.low / step), abs=1e-6)
    # No wider than it has to be: one step at either end.
    assert found.high - found.low <= (max(high, 0) - min(low, 0)) * 1.01 + step


def test_numbers_that_are_all_0_have_a_range():
    assert Range.around(0.0, 0.0).high > 0


@needs_openvino
def test_only_inner_convolutions_are_quantized(make_network, images):
    network = make_network()
    before = convert(InferenceGraph(network))
    model = convert(InferenceGraph(network, calibration=Images(images)), torch.int8)
    rounded = [op for op in model.get_ops() if op.get_type_name() == 'FakeQuantize']
    convolutions = [op for op in model.get_ops() if op.get_type_name() in CONVOLUTIONS]
    last = [f'heads.{task}.maps.{name}.2/' for task, head in network.heads.items()
            for name in head.maps]
    layers = [op for op in convolutions if op.get_type_name() in OUTPUT_AXIS
              and min(op.get_input_shape(1)[:2]) >= NARROW
              and not any(name in op.get_friendly_name() for name in last)]
    assert 0 < len(layers) < len(convolutions)
    assert not any(op.get_type_name() == 'FakeQuantize' for op in before.get_ops())
    for op in convolutions:
        kinds = {value.get_node().get_type_name() == 'FakeQuantize' for value in op.input_values()}
        assert kinds == {op in layers}, op.get_friendly_name()
    readers = {target.get_node().get_type_name() for op in rounded
               for target in op.output(0).get_target_inputs()}
    assert readers <= set(OUTPUT_AXIS)


@needs_openvino
def test_logits_are_nearly_the_same(make_network, images, run):
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=NARROW)
    graph = InferenceGraph(make_network(trunk, contrast=200), True, Images(images))
    expected = run(graph, images)
    found = openvino(graph, CPU, torch.int8)(images)
    for name, values, wanted in zip(graph.names, found, expected, strict=True):
        error = np.abs(values - wanted).mean()
        assert 1e-4 * wanted.std() < error < 0.1 * wanted.std(), name


@needs_openvino
def test_it_is_calibrated_once_with_the_inputs_that_images_become(make_network):
    shapes = []
    camera = Images([np.full((30, 20, 3), value, np.uint8) for value in (50, 200)])

    def predictor(images):
        return Predictor(make_network(), RuntimeConfig('cpu', 'auto', 'int8', images))

    first, again = predictor(camera), predictor(camera)
    assert camera.read == 1 and (first.backend, first.precision) == ('openvino', 'int8')
    assert first(camera.images[0])['detection'].scores.tolist() \
        == again(camera.images[0])['detection'].scores.tolist()
    other = Images(camera.images, digest='2')
    predictor(other)
    assert other.read == 1
    inputs = Inputs(camera, lambda image: shapes.append(image.shape) or first._draw(image))
    assert [image.shape for image in inputs] == [(*first.input_size, 3)] * 2
    assert shapes == [(30, 20, 3)] * 2 and inputs.digest == '1'


@needs_openvino
def test_without_an_image_there_is_an_error():
    ov, ops = import_openvino(), import_module('openvino.opset13')
    image = ops.parameter([1, NARROW, 4, 4], np.float32)
    layers = [image]
    for _ in range(2):
        weights = np.ones((NARROW, NARROW, 1, 1), np.float32)
        layers.append(ops.convolution(layers[-1], weights, [1, 1], [0, 0], [0, 0], [1, 1]))
    with pytest.raises(ValueError, match='^calibration: no image'):
        quantize(ov.Model([ops.result(layers[-1])], [image], 'model'), [])
