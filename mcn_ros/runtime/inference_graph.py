# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What every backend runs and every export writes: from the pixels of a batch to its predictions.

Colour order, normalisation, network and decoding are one graph of static shapes (but for the
number of images), so that a compiler sees all of it and nothing is left to whoever runs it.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from torch import nn, Tensor
from torch.func import functional_call

from mcn_ros.geometry import Size
from mcn_ros.model import MultiTaskNet
from mcn_ros.runtime.int8 import Calibration
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.packing import numpy_dtype


@dataclass(frozen=True)
class Layout:
    """
    What the outputs of a graph are; it holds no weights.

    :param names: of the outputs, in their order: 'detection/boxes' and so on.
    :param shapes: of each output for a batch of one image.
    :param dtypes: of each output.
    :param structures: task name -> a prediction whose arrays are to be filled in.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]
    structures: Mapping[str, Any]

    def restore(self, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
        """
        Put the outputs of a graph back into structures.

        :param arrays: one for each name, in their order.
        :return: task name -> batched prediction in input pixels, not thresholded.
        """
        by_task: dict[str, dict[str, np.ndarray]] = {}
        for name, array in zip(self.names, arrays, strict=True):
            task, field = name.split('/')
            by_task.setdefault(task, {})[field] = array
        return {task: replace(self.structures[task], **values) for task, values in by_task.items()}


class InferenceGraph(nn.Module):
    """
    A network with normalisation before and decoding behind it, in one module.

    :param model: the network, put into evaluation mode.
    :param maps: give the logits of the heads, float32, in place of predictions.
    :param calibration: inputs that the precision int8 is calibrated with, (H, W, 3) uint8 RGB.
    :ivar config: that of the network, and ``tasks``, its tasks by name.
    :ivar size: (height, width) of the input.
    :ivar layout: what the outputs are; with ``maps``, its structures are of no use.
    """

    def __init__(self, model: MultiTaskNet | MirrorAveraged, maps: bool = False,
                 calibration: Calibration | None = None):
        super().__init__()
        self.model = model.eval()
        self.maps, self.calibration = maps, calibration
        network = model.model if isinstance(model, MirrorAveraged) else model
        self.config, self.tasks = network.config, network.tasks
        self.size: Size = self.config.input_size
        self.layout = self._layout()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the outputs, in their order."""
        return self.layout.names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """
        Look at a batch of images.

        :param images: (B, H, W, 3) uint8 RGB, of the size of the graph.
        :return: the outputs that ``names`` names; the first dimension of each is B.
        """
        return self.read(self.look(images))

    def look(self, images: Tensor) -> Mapping[str, Mapping[str, Tensor]]:
        """Return the logits of the heads: what may be computed in any precision."""
        # A view, and just what channels_last is: the colours stay innermost in memory.
        return self.model(images.permute(0, 3, 1, 2))

    def read(self, maps: Mapping[str, Mapping[str, Tensor]]) -> tuple[Tensor, ...]:
        """Return the outputs that the logits mean: what is to be computed in full precision."""
        outputs = self._outputs(maps)
        return tuple(tensor for values in outputs.values() for tensor in _tensors(values).values())

    def _outputs(self, maps: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.maps:
            return self.model.decode(maps)
        return {task: {name: values.float() for name, values in logits.items()}
                for task, logits in maps.items()}

    def restore(self, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
        """Put the outputs back into structures, see :meth:`Layout.restore`."""
        return self.layout.restore(arrays)

    @torch.no_grad()
    def _layout(self) -> Layout:
        """Look at a batch of one image without computing anything: shapes and types only."""
        state = {name: tensor.to('meta') for name, tensor in
                 (*self.model.named_parameters(), *self.model.named_buffers())}
        images = torch.empty((1, 3, *self.size), dtype=torch.uint8, device='meta')
        outputs = self._outputs(functional_call(self.model, state, images))
        tensors = {f'{task}/{name}': tensor for task, values in outputs.items()
                   for name, tensor in _tensors(values).items()}
        return Layout(tuple(tensors), tuple(tuple(t.shape) for t in tensors.values()),
                      tuple(numpy_dtype(t.dtype) for t in tensors.values()), outputs)


def _tensors(values: Any) -> dict[str, Tensor]:
    """Return the tensors of maps or of a structure by name."""
    if not isinstance(values, Mapping):
        values = {field.name: getattr(values, field.name) for field in fields(values)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
