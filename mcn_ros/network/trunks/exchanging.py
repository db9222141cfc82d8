# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of one backbone that exchange what they see, stage by stage."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Mapping, Sequence

from torch import nn, Tensor

from mcn_ros.network.backbones import Backbone
from mcn_ros.network.backbones.backbone import run_stages
from mcn_ros.network.colours import Colours
from mcn_ros.network.exchanges import CrossConnections, CrossStitches, Start
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.separate import (
    check_backbones, check_streams, check_tasks, SeparateTrunks, StreamConfig, with_tasks)
from mcn_ros.network.trunks.shared import TRUNK

EXCHANGES = 'exchanges'


@dataclass(frozen=True)
class ExchangingTrunkConfig(ABC):
    """
    What all kinds of exchange have in common.

    :param streams: name -> stream, two or more of the same backbone. One without tasks is there
        for the others: it has no neck, and no stages that nobody listens to.
    :param connect: numbers of the stages, from 1, after which streams exchange; None: all.
    :raises ValueError: for bad streams and stages.
    """

    streams: dict[str, StreamConfig]
    connect: tuple[int, ...] | None = None
    kind: str = field(kw_only=True)

    def __post_init__(self) -> None:
        check_streams(self.streams, idle=True)
        check_backbones(self.streams, self.kind)
        if self.connect is not None and (
                not self.connect or list(self.connect) != sorted({*self.connect})):
            raise ValueError(f'trunk.connect: {self.connect} are no rising numbers of stages')

    def build(self, tasks: Sequence[str], colours: Colours) -> 'ExchangingTrunk':
        """
        Build the trunk.

        :raises ValueError: for a task in none of the streams, for tasks that are not there, and
            for stages that the backbone does not have.
        """
        check_tasks(self.streams, tasks)
        return ExchangingTrunk(self, colours)

    def of_tasks(self, tasks: Sequence[str]) -> 'ExchangingTrunkConfig':
        """Return the configuration for some tasks, which need all streams."""
        return replace(self, streams=with_tasks(self.streams, tasks))

    @abstractmethod
    def exchange(self, listeners: Sequence[str], channels: int) -> nn.Module:
        """Build what is between the streams after a stage of so many channels."""


@dataclass(frozen=True)
class CrossConnectedConfig(ExchangingTrunkConfig):
    """
    Streams that are given something of each other, by a convolution.

    :param start: what a connection begins with, see :class:`mcn_ros.network.exchanges.Connection`.
    :param bottleneck: halve its cost by way of a quarter of the channels.
    :param mean: of three streams or more, give each the mean of the others, not the sum.
    """

    start: Start = 'near_zero'
    bottleneck: bool = False
    mean: bool = False
    kind: Literal['cross_connected'] = field(default='cross_connected', kw_only=True)

    def exchange(self, listeners: Sequence[str], channels: int) -> CrossConnections:
        """Build the connections after a stage."""
        return CrossConnections(list(self.streams), listeners, channels, self.start,
                                self.bottleneck, self.mean)


@dataclass(frozen=True)
class CrossStitchConfig(ExchangingTrunkConfig):
    """
    Streams that become weighted sums of each other, channel by channel.

    Channels have something to do with each other only if all streams begin with the same weights.

    :param start: weight of a stream in itself at first; the others share what is left to 1.
    :raises ValueError: for a weight that is not in 0..1.
    """

    start: float = 0.9
    kind: Literal['cross_stitch'] = field(default='cross_stitch', kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.start <= 1:
            raise ValueError(f'trunk.start: {self.start} is not in 0..1')

    def exchange(self, listeners: Sequence[str], channels: int) -> CrossStitches:
        """Build the units after a stage."""
        return CrossStitches(list(self.streams), listeners, channels, self.start)


class ExchangingTrunk(nn.Module):
    """
    Streams, and what is between them.

    All run stage by stage, up to the last one after which they exchange; from there on, only the
    streams of the tasks that are asked for.

    :param config: what it is made of.
    :param colours: those that the images of the model are normalised for.
    :ivar members: the streams, by name.
    :ivar exchanges: number of the stage, as text -> what is after it.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: ExchangingTrunkConfig, colours: Colours) -> None:
        super().__init__()
        self.config = config
        self.members = SeparateTrunks(config.streams, colours)
        channels = self.members.backbones()[0].channels
        connected = config.connect or tuple(range(1, len(channels) + 1))
        if not 1 <= min(connected) <= max(connected) <= len(channels):
            raise ValueError(f'trunk.connect: {connected} are not all stages of the backbone, '
                             f'which are 1 to {len(channels)}')
        self.last = max(connected)
        heard = [name for name, stream in config.streams.items() if stream.tasks]
        self.exchanges = nn.ModuleDict({str(number): config.exchange(
            heard if number == self.last else list(config.streams), channels[number - 1])
            for number in connected})
        for name in self.members.keys() - set(heard):
            self.members[name].backbone.cut(self.last)
            self.members[name].neck = None

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features of a task, those of its stream."""
        return self.members.shapes(task)

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """Compute the features of some tasks; see :class:`mcn_ros.network.trunks.Trunk`."""
        wanted = self.members.names(tasks)
        maps = {name: stream.prepare(images) for name, stream in self.members.items()}
        outputs: dict[str, list[Tensor]] = {name: [] for name in self.members}
        for number in range(self.last):
            for name, stream in self.members.items():
                maps[name], = run_stages([stream.backbone.stages[number]], maps[name], checkpoint)
            if str(number + 1) in self.exchanges:
                listeners = wanted if number + 1 == self.last else list(self.members)
                maps = self.exchanges[str(number + 1)](maps, listeners)
            for name, values in maps.items():
                outputs[name].append(values)
        features = {}
        for name in wanted:
            stages = self.members[name].backbone.stages[self.last:]
            outputs[name] += run_stages(stages, maps[name], checkpoint)
            features[name] = self.members[name].join(outputs[name], checkpoint)
        return {task: features[self.stream_of(task)] for task in tasks}

    def backbones(self) -> list[Backbone]:
        """Return the backbones of all streams."""
        return self.members.backbones()

    def streams(self) -> dict[str, nn.Module]:
        """Return the streams."""
        return self.members.streams()

    def stream_of(self, task: str) -> str:
        """Return the name of the stream of a task."""
        return self.members.stream_of(task)

    def start_from(self, other: nn.Module, streams: Sequence[str]) -> dict[str, str]:
        """
        Take over weights of the streams of the same names, or of others that fit.

        If all streams come from their namesakes in a trunk of this kind, so do the exchanges.
        """
        origins = self.members.start_from(other, streams)
        whole = origins == {name: name for name in self.members}
        if whole and isinstance(other, ExchangingTrunk) and _settings(self) == _settings(other):
            theirs = other.exchanges.state_dict()
            mine = self.exchanges.state_dict()
            if mine.keys() <= theirs.keys():
                self.exchanges.load_state_dict({key: theirs[key] for key in mine})
                origins[EXCHANGES] = EXCHANGES
        return origins

    def owner_of(self, parameter: str) -> str:
        """Return that no single task owns it: the loss of each reaches all streams."""
        return TRUNK

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether a key is of a stream of some tasks, or of what these listen to."""
        wanted = self.members.names(tasks)
        part, name, *rest = key.split('.')
        if part == EXCHANGES:  # number of the stage, who listens
            return int(name) < self.last or rest[0] in wanted
        return name in wanted or rest[:2] == ['backbone', 'stages'] and int(rest[2]) < self.last


def _settings(trunk: ExchangingTrunk) -> list[object]:
    """Return what a trunk is, but for its streams."""
    return [getattr(trunk.config, each.name) for each in fields(trunk.config)
            if each.name != 'streams']
