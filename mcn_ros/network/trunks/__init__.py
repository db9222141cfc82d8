# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Trunks: an image to the features of every task; one kind per file.

A kind is a frozen dataclass: it is the configuration, is stored in the weights file, and builds
the trunk. To add one, write its file and name it in ``TRUNKS``.
"""

from typing import Any, Mapping, Protocol, Sequence

from torch import nn, Tensor

from mcn_ros.config import brief, from_dict
from mcn_ros.network.backbones import Backbone
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.separate import SeparateTrunksConfig
from mcn_ros.network.trunks.shared import SHARED, SharedTrunk, TRUNK, TrunkConfig

__all__ = ['build_trunk_config', 'SeparateTrunksConfig', 'SHARED', 'SharedTrunk', 'Trunk', 'TRUNK',
           'TrunkConfig', 'TrunkKind', 'TRUNKS']


class TrunkKind(Protocol):
    """The configuration of a trunk: a frozen dataclass whose field ``kind`` is its key."""

    kind: str

    def build(self, tasks: Sequence[str]) -> 'Trunk':
        """
        Build the trunk.

        :param tasks: names of the tasks of the network.
        :raises ValueError: if its parts do not fit together, or the tasks do not.
        """

    def of_tasks(self, tasks: Sequence[str]) -> 'TrunkKind':
        """Return the configuration of what is left of the trunk for only some of its tasks."""


class Trunk(Protocol):
    """What the package asks of a trunk, which is a :class:`torch.nn.Module`."""

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features of a task."""

    def __call__(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                 ) -> dict[str, dict[str, Tensor]]:
        """
        Compute the features of some tasks, and nothing that only others need.

        :param images: (B, 3, H, W) float, normalised.
        :param tasks: names of the tasks.
        :param checkpoint: keep little for backward, recompute the rest.
        :return: task -> name -> map, of :meth:`shapes`; tasks may share tensors.
        :raises ValueError: for images of a size that the trunk cannot have.
        """

    def backbones(self) -> list[Backbone]:
        """Return all its backbones, whose first layers see the images."""

    def streams(self) -> dict[str, nn.Module]:
        """Return the parts that can start from parts of another trunk, by name."""

    def start_from(self, other: 'Trunk', streams: Sequence[str]) -> dict[str, str]:
        """
        Take over weights of another trunk.

        :param streams: which of its own to fill.
        :return: stream -> the one of the other that it was taken from.
        :raises ValueError: if they are not of the same architecture; nothing is changed then.
        """

    def owner_of(self, parameter: str) -> str:
        """Return the task that a parameter, named from the trunk on, is of, or ``TRUNK``."""

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether the trunk of only some tasks has this key of its state."""


TRUNKS: dict[str, type[TrunkKind]] = {
    'shared': TrunkConfig,
    'separate': SeparateTrunksConfig,
}


def build_trunk_config(values: Any) -> TrunkKind:
    """
    Build the configuration of a trunk from {field: value}; ``kind`` is 'shared' by default.

    :param values: a mapping, or a configuration, which is returned.
    :raises ValueError: for an unknown kind or field, and for bad values.
    """
    if isinstance(values, tuple(TRUNKS.values())):
        return values
    kind = values.get('kind', SHARED) if isinstance(values, Mapping) else SHARED
    if kind not in list(TRUNKS):  # perhaps not even hashable
        raise ValueError(f'trunk.kind: {brief(kind)} is not one of {", ".join(TRUNKS)}')
    return from_dict(TRUNKS[kind], values, 'trunk')
