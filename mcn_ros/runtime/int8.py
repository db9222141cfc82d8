# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Networks of 8-bit integers, after their training and from a few images.

The convolutions are what is quantized: their weights symmetrically for each output channel, their
inputs asymmetrically for the whole tensor (R. Krishnamoorthi, "Quantizing deep convolutional
networks for efficient inference: A whitepaper", 2018). OpenVINO then moves the rounding on to the
layers between them.
The last convolutions, which give the maps of the heads, stay as they are, and so do depth-wise
ones, normalisation, decoding and whatever else there is. Rounding what the last ones read would
more than double the error of offsets, where the channels that are read are of very different
sizes; rounding depth-wise ones, which multiply little, adds half as much again to all errors.
Nor are narrow ones quantized, of fewer than 32 channels: they multiply little, too, and each of
their rounding errors has few others to be averaged with.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Protocol

import numpy as np

# Convolution that is quantized -> the axis of its weights that is output channels.
OUTPUT_AXIS = {'Convolution': 0, 'ConvolutionBackpropData': 1}
CONVOLUTIONS = {*OUTPUT_AXIS, 'GroupConvolution', 'GroupConvolutionBackpropData',
                'DeformableConvolution'}
# Numbers of an input, and of a weight: one less, so that they are as many on both sides of 0.
LEVELS, WEIGHT_LEVELS = 256, 255
NARROW = 32  # channels; convolutions of fewer, in or out, are not quantized
SMALLEST = 1e-6  # range of numbers that are all 0


class Calibration(Protocol):
    """
    Images that tell how large the numbers inside of a network become: (H, W, 3) uint8 RGB.

    They are read when they are asked for.

    :ivar digest: another one for other images.
    """

    digest: str

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield images."""


@dataclass(frozen=True)
class Inputs:
    """
    Images as the inputs of a network, see :class:`Calibration`.

    :param images: of a camera.
    :param draw: makes an input of one.
    """

    images: Calibration
    draw: Callable[[np.ndarray], np.ndarray]

    @property
    def digest(self) -> str:
        """Return that of the images."""
        return self.images.digest

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield inputs."""
        return map(self.draw, self.images)


class Range(NamedTuple):
    """The numbers that a quantized tensor can have: LEVELS from lowest to highest."""

    low: float
    high: float

    @classmethod
    def around(cls, low: float, high: float) -> 'Range':
        """Return the smallest range that has 0, exactly: borders of images are filled with it."""
        low, high = min(low, 0.0), max(high, 0.0)
        if high - low < SMALLEST:
            return cls(0.0, SMALLEST)
        if low == 0 or high == 0:
            return cls(low, high)
        zero = min(max(round(-low / (high - low) * (LEVELS - 1)), 1), LEVELS - 2)
        step = max(-low / zero, high / (LEVELS - 1 - zero))
        return cls(-zero * step, (LEVELS - 1 - zero) * step)


def quantize(model: Any, images: Iterable[np.ndarray]) -> None:
    """
    Let the convolutions of a model compute with 8-bit integers; the model changes.

    :param model: an ``openvino.Model``, its constants folded.
    :param images: inputs of it, each (1, H, W, 3) uint8.
    :raises ValueError: if there is no image.
    """
    layers = _inner_layers(model)
    inputs = {_name(layer.input_value(0)): layer.input_value(0) for layer in layers}
    ranges = _measure(model, list(inputs.values()), images)
    rounded = {name: _round(tensor, *Range.around(*limits), LEVELS)
               for (name, tensor), limits in zip(inputs.items(), ranges, strict=True)}
    for layer in layers:
        layer.input(0).replace_source_output(rounded[_name(layer.input_value(0))])
        layer.input(1).replace_source_output(_round_weights(layer))
    model.validate_nodes_and_infer_types()


def _inner_layers(model: Any) -> list[Any]:
    """Return the convolutions, not narrow, of constant weights whose output goes on to others."""
    found, leading = [], set()  # to convolutions
    for op in reversed(model.get_ordered_ops()):
        readers = [target.get_node() for output in op.outputs()
                   for target in output.get_target_inputs()]
        if any(reader.get_type_name() in CONVOLUTIONS or reader.get_name() in leading
               for reader in readers):
            leading.add(op.get_name())
            if op.get_type_name() in OUTPUT_AXIS:
                weights = op.input_value(1)
                if weights.get_node().get_type_name() == 'Constant' \
                        and min(weights.get_shape()[:2]) >= NARROW:
                    found.append(op)
    return found


def _measure(model: Any, tensors: list[Any], images: Iterable[np.ndarray]) -> np.ndarray:
    """
    Return the lowest and highest number of tensors, (N, 2): means over the images.

    Extremes of all images would leave fewer levels for what the numbers mostly are.
    """
    ov, ops = import_module('openvino'), import_module('openvino.opset13')
    limits = []
    for tensor in tensors:
        axes = ops.constant(np.arange(len(tensor.get_partial_shape())))
        limits += [ops.reduce_min(tensor, axes), ops.reduce_max(tensor, axes)]
    probe = ov.Model([ops.result(limit) for limit in limits], model.get_parameters(), 'ranges')
    request = ov.Core().compile_model(
        probe, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'}).create_infer_request()
    found = [np.array(request.infer([image]).to_tuple(), np.float64) for image in images]
    if not found:
        raise ValueError('calibration: no image')
    return np.mean(found, axis=0).reshape(-1, 2)


def _round_weights(layer: Any) -> Any:
    weights = layer.input_value(1).get_node().data.astype(np.float32)
    axes = tuple(axis for axis in range(weights.ndim)
                 if axis != OUTPUT_AXIS[layer.get_type_name()])
    largest = np.abs(weights).max(axis=axes, keepdims=True).clip(SMALLEST)
    constant = import_module('openvino.opset13').constant(weights)
    return _round(constant, -largest, largest, WEIGHT_LEVELS)


def _round(tensor: Any, low: Any, high: Any, levels: int) -> Any:
    ops = import_module('openvino.opset13')
    limits = [ops.constant(np.float32(limit)) for limit in (low, high)]
    return ops.fake_quantize(tensor, *limits, *limits, levels).output(0)


def _name(tensor: Any) -> tuple[str, int]:
    return tensor.get_node().get_name(), tensor.get_index()
