# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heads that begin with what a trained detector in the neck says."""

import torch
from torch import nn

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.nanodet import CLASSES, READINGS
from mcn_ros.vocabulary import COCO_CLASSES


def start_from_detector(model: MultiTaskNet) -> None:
    """
    Let the detection head answer what the detector says; from there on it learns.

    :param model: with the nanodet neck; a detection head that has no direct way to what the
        detector says, or speaks in cells rather than relative to the object, is left as it is.
    """
    task = model.tasks.get('detection')
    if task is None or not (task.head.width == 0 or task.head.direct) or not task.relative:
        return
    maps = model.heads['detection'].maps
    first = maps['heatmap'][0].in_channels - READINGS
    known = [(row, first + COCO_CLASSES.index(name)) for row, name in enumerate(task.classes)
             if name in COCO_CLASSES]
    _start(maps['heatmap'][0], known)
    for number, name in enumerate(('size', 'offset')):
        channel = first + CLASSES + 2 * number
        _start(maps[name][0], [(0, channel), (1, channel + 1)])


@torch.no_grad()
def _start(layer: nn.Conv2d, pairs: list[tuple[int, int]]) -> None:
    """Let outputs equal inputs, for (output, input) pairs of channels; other outputs stay."""
    for row, column in pairs:
        layer.weight[row] = 0
        layer.weight[row, column] = 1
        layer.bias[row] = 0
