# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trunks of the same architecture, of which some tasks have one of their own."""

from dataclasses import dataclass, field
from typing import Literal, Mapping, Sequence

from torch import nn, Tensor

from mcn_ros.network.backbones import Backbone
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.shared import (
    SHARED, SharedTrunk, start_streams, TRUNK, TrunkConfig)


@dataclass(frozen=True)
class SeparateTrunksConfig(TrunkConfig):
    """
    Trunks for some tasks, and one for all others; each costs as much as a network.

    :param own: names of the tasks that have a trunk of their own.
    """

    own: tuple[str, ...] = ()
    kind: Literal['separate'] = field(default='separate', kw_only=True)

    def build(self, tasks: Sequence[str]) -> 'SeparateTrunks':
        """
        Build the trunks; none without a task.

        :raises ValueError: if a task of ``own`` is not there.
        """
        unknown = [name for name in self.own if name not in tasks]
        if unknown:
            raise ValueError(f'trunk.own: unknown {", ".join(unknown)} '
                             f'(known: {", ".join(tasks)})')
        return SeparateTrunks(self, tasks)

    def of_tasks(self, tasks: Sequence[str]) -> 'SeparateTrunksConfig':
        """Return the configuration of what is left for some tasks."""
        return SeparateTrunksConfig(self.backbone, self.neck, self.channels, self.deformable,
                                    tuple(name for name in self.own if name in tasks))


class SeparateTrunks(nn.ModuleDict):
    """
    Trunks, each by the name of its task, and one for all other tasks.

    :param config: what each is made of, and which tasks have one of their own.
    :param tasks: names of the tasks of the network.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: SeparateTrunksConfig, tasks: Sequence[str]) -> None:
        self.config = config
        stream = TrunkConfig(config.backbone, config.neck, config.channels, config.deformable)
        super().__init__({name: SharedTrunk(stream) for name in self._names(tasks)})

    def _name(self, task: str) -> str:
        return task if task in self.config.own else SHARED

    def _names(self, tasks: Sequence[str]) -> list[str]:
        """Return the names of the trunks that some tasks need, each once."""
        return list(dict.fromkeys(map(self._name, tasks)))

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features of a task."""
        return self[self._name(task)].shapes(task)

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """Compute the features of some tasks, by their trunks alone; see :class:`SharedTrunk`."""
        features = {}
        for name in self._names(tasks):
            its_tasks = [task for task in tasks if self._name(task) == name]
            features |= self[name](images, its_tasks, checkpoint)
        return {task: features[task] for task in tasks}

    def backbones(self) -> list[Backbone]:
        """Return the backbones of all."""
        return [trunk.backbone for trunk in self.values()]

    def streams(self) -> dict[str, nn.Module]:
        """Return the trunks."""
        return dict(self.items())

    def start_from(self, other: nn.Module, streams: Sequence[str]) -> dict[str, str]:
        """Take over weights of the trunks of the same names, or of the shared one."""
        return start_streams(self.streams(), other.streams(), streams)

    def owner_of(self, parameter: str) -> str:
        """Return the task whose trunk a parameter is of, or that none owns it."""
        name = parameter.partition('.')[0]
        return name if name in self.config.own else TRUNK

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether a key is of the trunk of one of some tasks."""
        return key.partition('.')[0] in self._names(tasks)
