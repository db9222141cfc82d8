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
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.branched import BranchedTrunk, BranchedTrunkConfig
from mcn_ros.network.trunks.decoded import DecodedTrunkConfig
from mcn_ros.network.trunks.exchanging import (
    CrossConnectedConfig, CrossStitchConfig, ExchangingTrunk)
from mcn_ros.network.trunks.separate import (
    OwnTrunksConfig, SeparateTrunksConfig, StreamConfig)
from mcn_ros.network.trunks.shared import SHARED, SharedTrunk, TRUNK, TrunkConfig
from mcn_ros.network.trunks.skip import SkipTrunk, SkipTrunkConfig

__all__ = ['BranchedTrunk', 'BranchedTrunkConfig', 'build_trunk_config', 'CrossConnectedConfig',
           'CrossStitchConfig', 'DecodedTrunkConfig', 'ExchangingTrunk', 'OwnTrunksConfig',
           'SeparateTrunksConfig', 'SHARED', 'SharedTrunk', 'SkipTrunk', 'SkipTrunkConfig',
           'StreamConfig', 'Trunk', 'TRUNK', 'TrunkConfig', 'TrunkKind', 'TRUNKS']


class TrunkKind(Protocol):
    """The configuration of a trunk: a frozen dataclass whose field ``kind`` is its key."""

    kind: str

    def build(self, tasks: Sequence[str], colours: Colours) -> 'Trunk':
        """
        Build the trunk.

        :param tasks: names of the tasks of the network.
        :param colours: what its weights are for, if it does not know better. The images that it
            is given are normalised for them, but are RGB in any case.
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

        :param images: (B, 3, H, W) float, normalised, RGB.
        :param tasks: names of the tasks.
        :param checkpoint: keep little for backward, recompute the rest.
        :return: task -> name -> map, of :meth:`shapes`; tasks may share tensors.
        :raises ValueError: for images of a size that the trunk cannot have.
        """

    def backbones(self) -> list[Backbone]:
        """Return all its backbones, whose first layers see the images."""

    def streams(self) -> dict[str, nn.Module]:
        """Return the parts that can start from parts of another trunk, by name."""

    def stream_of(self, task: str) -> str:
        """Return the name of the stream that a task has its features from."""

    def start_from(self, other: 'Trunk', streams: Sequence[str]) -> dict[str, str]:
        """
        Take over weights of another trunk.

        :param streams: which of its own to fill.
        :return: stream -> the one of the other that it was taken from.
        :raises ValueError: if they are not of the same architecture, or for other colours;
            nothing is changed then.
        """

    def owner_of(self, parameter: str) -> str:
        """Return the task that a parameter, named from the trunk on, is of, or ``TRUNK``."""

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether the trunk of only some tasks has this key of its state."""


TRUNKS: dict[str, type[TrunkKind]] = {
    'shared': TrunkConfig,
    'separate': SeparateTrunksConfig,
    'branched': BranchedTrunkConfig,
    'cross_stitch': CrossStitchConfig,
    'cross_connected': CrossConnectedConfig,
    'skip': SkipTrunkConfig,
    'decoded': DecodedTrunkConfig,
}


def build_trunk_config(values: Any, tasks: Sequence[str]) -> TrunkKind:
    """
    Build the configuration of a trunk from {field: value}; ``kind`` is 'shared' by default.

    :param values: a mapping, or a configuration, which is returned.
    :param tasks: names of the tasks of the network.
    :raises ValueError: for an unknown kind or field, and for bad values.
    """
    if not isinstance(values, tuple(TRUNKS.values())):
        kind = values.get('kind', SHARED) if isinstance(values, Mapping) else SHARED
        if kind not in list(TRUNKS):  # perhaps not even hashable
            raise ValueError(f'trunk.kind: {brief(kind)} is not one of {", ".join(TRUNKS)}')
        own = kind == 'separate' and 'own' in values
        values = from_dict(OwnTrunksConfig if own else TRUNKS[kind], values, 'trunk')
    return values.separate(tasks) if isinstance(values, OwnTrunksConfig) else values
