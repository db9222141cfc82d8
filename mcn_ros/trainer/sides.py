# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Losses of the parts of a sum, which count less and less, so that the sum alone is learned at last.

I. Kokkinos, "Pushing the Boundaries of Boundary Detection using Deep Learning", ICLR 2016, calls
it graduated deep supervision.
"""

from dataclasses import replace

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.skip_head import SkipHead
from mcn_ros.tasks.dense import DenseMaps


class Sides:
    """
    The weights of the losses of scales, see :class:`mcn_ros.tasks.dense.DenseMaps`, over a run.

    :param model: whose tasks are changed.
    :raises ValueError: if no head of it has such losses.
    """

    def __init__(self, model: MultiTaskNet):
        names = [name for name, head in model.heads.items()
                 if any(isinstance(module, SkipHead) for module in head.modules())]
        self._model = model
        self._tasks = {name: model.tasks[name] for name in names
                       if isinstance(model.tasks[name], DenseMaps)}
        if not self._tasks:
            raise ValueError('graduated_sides: no head is a sum over scales, as those of a trunk '
                             'of kind skip are')

    def weigh(self, share: float) -> None:
        """Let the losses of scales count this share, 0..1, of what the tasks say."""
        self._model.tasks.update({name: replace(task, side_weight=share * task.side_weight)
                                  for name, task in self._tasks.items()})
