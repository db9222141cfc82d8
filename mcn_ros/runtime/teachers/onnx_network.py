# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A published network in an ONNX file, run as it is."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

# The names of numbers that the type of an input has.
FLOAT = 'tensor(float)'


class OnnxNetwork:
    """
    A network with one input, for single images.

    :param path: ONNX file.
    :ivar path: the file, for messages.
    :ivar input_shape: of the input: an int where a side is fixed, else a name or None.
    :ivar output_shapes: name of each output -> its shape likewise.
    :raises ValueError: if the file cannot be read, or holds no such network.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._session = _open(self.path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != FLOAT:
            raise ValueError(f'{path}: expected one input of {FLOAT}, found '
                             f'{[(entry.name, entry.type) for entry in inputs]}')
        self._input = inputs[0].name
        self.input_shape = tuple(inputs[0].shape)
        self.output_shapes = {o.name: tuple(o.shape) for o in self._session.get_outputs()}

    def require(self, fits: bool, what: str) -> None:
        """
        Refuse a network of another kind.

        :param fits: whether it is of the kind.
        :param what: the kind, for the message.
        :raises ValueError: naming the file and its shapes.
        """
        if not fits:
            raise ValueError(f'{self.path}: is not {what} (its shapes: {self.shapes})')

    @property
    def sides(self) -> tuple[int, ...] | None:
        """Return the (height, width) of its input, () where it takes any, None for no image."""
        if len(self.input_shape) != 4 or self.input_shape[:2] != (1, 3):
            return None
        sides = self.input_shape[2:]
        known = [isinstance(side, int) for side in sides]
        return sides if all(known) else None if any(known) else ()

    @property
    def shapes(self) -> str:
        """Return the shapes of its input and outputs, for messages."""
        return ', '.join(map(str, (self.input_shape, *self.output_shapes.values())))

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """
        Run the network.

        :param pixels: (H, W, 3), in the colours, range and size that it is meant for.
        :return: name of each output -> (...) float32, without the dimension of the batch.
        """
        inputs = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        outputs = self._session.run(list(self.output_shapes), {self._input: inputs})
        return {name: output[0] for name, output in zip(self.output_shapes, outputs)}


def _open(path: Path) -> Any:
    try:
        library = import_module('onnxruntime')
    except ImportError as error:
        raise ValueError(f'{path}: to run it, the package onnxruntime is needed: {error}'
                         ) from error
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; what it warns of concerns its own optimiser
    try:
        return library.InferenceSession(path.read_bytes(), options,
                                        providers=['CPUExecutionProvider'])
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except Exception as error:
        if not type(error).__module__.startswith('onnxruntime'):
            raise
        raise ValueError(f'{path}: is not an ONNX network that can be run here') from error
