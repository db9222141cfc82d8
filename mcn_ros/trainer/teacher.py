# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Learn from the maps of a larger network beside the labels, and on images that have none.

Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015: what
a network makes of an image says more than its label does, such as which classes it might be, too.
"""

from typing import Iterable, Mapping

import torch
from torch import nn, Tensor

from mcn_ros.model import MultiTaskNet
from mcn_ros.trainer.transfer import differing
from mcn_ros.weights_file import load_model

LOSS = 'teacher'  # a task's loss of this name is the distance from the teacher


class Teacher(nn.Module):
    """
    A network whose maps are targets.

    :param path: its weights file.
    :param factors: task, one that is ``teachable`` -> factor of the distance between its maps and
        those of the network.
    :param model: that learns, where it does: the teacher is put on the same device.
    :ivar tasks: those that are taught.
    :ivar weights: 'task/teacher' -> factor.
    :raises ValueError: for a file that cannot be read, and tasks that cannot learn from it.
    """

    def __init__(self, path: str, factors: Mapping[str, float], model: MultiTaskNet):
        super().__init__()
        device = next(model.parameters()).device
        self._network = load_model(path, list(factors)).eval().requires_grad_(False).to(
            device=device, memory_format=torch.channels_last)
        for name in factors:
            task, teacher_task = model.tasks[name], self._network.tasks[name]
            if not task.taught_by(teacher_task):
                raise ValueError(f'teacher: the maps of {name} in {path} mean something else: it '
                                 f'has another {differing(task, teacher_task)}')
        self.tasks: Iterable[str] = factors.keys()
        self.weights = {f'{name}/{LOSS}': factor for name, factor in factors.items()}

    @torch.no_grad()
    def forward(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """
        Look at a batch.

        :param images: (B, 3, H, W) uint8.
        :return: task name -> map name -> (B, C, H, W) logits, of tasks that are taught.
        """
        return self._network(images)
