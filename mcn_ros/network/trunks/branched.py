# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams that have their first stages in common: hard sharing, to a depth."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal, Mapping, Sequence

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones import Backbone
from mcn_ros.network.backbones.backbone import run_stages
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.separate import (
    check_backbones, check_streams, check_tasks, SeparateTrunks, Stream, StreamConfig, with_tasks)
from mcn_ros.network.trunks.shared import start_streams, TRUNK


@dataclass(frozen=True)
class BranchedTrunkConfig:
    """
    Streams of the same backbone, whose first stages are the same for all.

    :param streams: name -> stream; every task of the network is in one of them. They are for the
        same colours.
    :param shared_stages: how many stages are common, from 1; with all, streams differ by their
        necks.
    :raises ValueError: for bad streams.
    """

    streams: dict[str, StreamConfig]
    shared_stages: int = 1
    kind: Literal['branched'] = field(default='branched', kw_only=True)

    def __post_init__(self) -> None:
        check_streams(self.streams)
        if len(self.streams) > 1:  # of some tasks alone, one may be what is left
            check_backbones(self.streams, self.kind)

    def build(self, tasks: Sequence[str], colours: Colours) -> 'BranchedTrunk':
        """
        Build the trunk.

        :raises ValueError: for a task in none of the streams, for tasks that are not there, for
            streams of different colours, and for more stages than the backbone has.
        """
        check_tasks(self.streams, tasks)
        first, *others = self.streams
        for name in others:
            if self.streams[name].colours(colours) != self.streams[first].colours(colours):
                raise ValueError(f'trunk.streams: {name} is for other colours than {first}, but '
                                 'their first stages are the same')
        return BranchedTrunk(self, colours)

    def of_tasks(self, tasks: Sequence[str]) -> 'BranchedTrunkConfig':
        """Return the configuration of the streams that some tasks need."""
        streams = with_tasks(self.streams, tasks)
        return BranchedTrunkConfig({name: s for name, s in streams.items() if s.tasks},
                                   self.shared_stages)


class BranchedTrunk(nn.Module):
    """
    Common stages, then one stream for some tasks each.

    :param config: what it is made of.
    :param colours: those that the images of the model are normalised for.
    :ivar stages: what is common.
    :ivar members: the streams, by name; nothing is in the place of the common stages.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: BranchedTrunkConfig, colours: Colours) -> None:
        super().__init__()
        self.config, self.colours = config, colours
        self.members = SeparateTrunks(config.streams, colours)
        backbones, count = self.members.backbones(), config.shared_stages
        if not 1 <= count <= len(backbones[0].stages):
            raise ValueError(f'trunk.shared_stages: {count} is not in 1 to '
                             f'{len(backbones[0].stages)}, which the backbone has')
        self.stages = backbones[0].stages[:count]
        for backbone in backbones:
            for number in range(count):
                backbone.stages[number] = nn.Identity()

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features of a task, those of its stream."""
        return self.members.shapes(task)

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """Compute the features of some tasks; see :class:`mcn_ros.network.trunks.Trunk`."""
        first = next(iter(self.members.values()))
        common = run_stages(self.stages, first.prepare(images), checkpoint)
        features = {}
        for name in self.members.names(tasks):
            stream = self.members[name]
            own = run_stages(stream.backbone.stages[len(common):], common[-1], checkpoint)
            features[name] = stream.join([*common, *own], checkpoint)
        return {task: features[self.stream_of(task)] for task in tasks}

    def backbones(self) -> list[Backbone]:
        """Return the backbones of all, with the common stages in each."""
        return [stream.backbone for stream in self.streams().values()]

    def streams(self) -> dict[str, nn.Module]:
        """Return whole streams, with the common stages in each."""
        wholes = {}
        for name, stream in self.members.items():
            with torch.device('meta'):  # all that has weights is replaced
                wholes[name] = Stream(self.config.streams[name], self.colours)
            wholes[name].backbone.stages = nn.ModuleList(
                [*self.stages, *stream.backbone.stages[len(self.stages):]])
            wholes[name].neck = stream.neck
        return wholes

    def stream_of(self, task: str) -> str:
        """Return the name of the stream of a task."""
        return self.members.stream_of(task)

    def start_from(self, other: nn.Module, streams: Sequence[str]) -> dict[str, str]:
        """Take over weights of streams; those of the common stages are of the first stream."""
        common, first = deepcopy(self.stages.state_dict()), next(iter(self.members))
        in_turn = sorted(streams, key=lambda name: name == first)  # what comes last remains
        origins = start_streams(self.streams(), other.streams(), in_turn)
        if first not in streams:
            self.stages.load_state_dict(common)
        return {name: origins[name] for name in streams}

    def owner_of(self, parameter: str) -> str:
        """Return the only task of the stream that a parameter is of, or that none owns it."""
        part, _, rest = parameter.partition('.')
        return self.members.owner_of(rest) if part == 'members' else TRUNK

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether a key is common, or of the stream of one of some tasks."""
        part, _, rest = key.partition('.')
        return part != 'members' or self.members.needs(rest, tasks)
