# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several trunks side by side, each for some of the tasks: the streams of a network."""

from dataclasses import dataclass, field, replace
from typing import Iterable, Literal, Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.geometry import STRIDE
from mcn_ros.network.backbones import Backbone
from mcn_ros.network.colours import ChannelOrder, Colours, Triple
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks.shared import (
    SHARED, SharedTrunk, start_streams, TRUNK, TrunkConfig)
from mcn_ros.network.trunks.skip import SkipTrunk, SkipTrunkConfig

# A stream sees images at no less than half their size: up to there, bilinear interpolation looks
# at every pixel.
LARGEST_STRIDE = 2 * STRIDE


@dataclass(frozen=True)
class StreamConfig:
    """
    A trunk of some tasks, perhaps with weights for other colours than those of the model.

    :param tasks: names of its tasks.
    :param backbone: of its trunk, and so are neck, channels and deformable, see
        :class:`TrunkConfig`.
    :param channel_order: that its weights are for; None: that of the model.
    :param mean: per channel, of values in 0..1, in its order; None: that of the model, which is
        brought into its order.
    :param std: as the mean.
    :param scales: of a trunk of kind skip in place of one with a neck, see
        :class:`SkipTrunkConfig`; (): no such.
    :param output_stride: of such a trunk.
    :param stride: input pixels per grid cell, 4 to 8. With more than 4 the trunk sees the image
        reduced, to 4 / stride of its sides, and costs so much less; its tasks need to know the
        stride, too.
    """

    tasks: tuple[str, ...]
    backbone: str = TrunkConfig.backbone
    neck: str = TrunkConfig.neck
    channels: int = TrunkConfig.channels
    deformable: bool = TrunkConfig.deformable
    channel_order: ChannelOrder | None = None
    mean: Triple | None = None
    std: Triple | None = None
    scales: tuple[int, ...] = ()
    output_stride: int | None = None
    stride: int = STRIDE

    def trunk(self) -> TrunkConfig | SkipTrunkConfig:
        """
        Return what its trunk is made of.

        :raises ValueError: if there are no such parts.
        """
        if not STRIDE <= self.stride <= LARGEST_STRIDE:
            raise ValueError(f'stride: {self.stride} is not in {STRIDE}..{LARGEST_STRIDE}')
        if self.scales and self.stride != STRIDE:
            raise ValueError(f'stride: {self.stride}, but a stream with scales has {STRIDE}')
        if self.scales:
            return SkipTrunkConfig(self.backbone, self.scales, self.output_stride)
        if self.output_stride is not None:
            raise ValueError('output_stride: only with scales')
        return TrunkConfig(self.backbone, self.neck, self.channels, self.deformable)

    def colours(self, default: Colours) -> Colours:
        """
        Return what its weights are for.

        :param default: what those of the model are for.
        :raises ValueError: for a normalisation that makes no sense.
        """
        default = default.ordered(self.channel_order or default.channel_order)
        return replace(default, mean=self.mean or default.mean, std=self.std or default.std)


@dataclass(frozen=True)
class SeparateTrunksConfig:
    """
    Trunks side by side, of any architectures; each costs as much as a network.

    :param streams: name -> trunk; every task of the network is in one of them.
    :raises ValueError: for bad streams, and for a task in two of them.
    """

    streams: dict[str, StreamConfig]
    kind: Literal['separate'] = field(default='separate', kw_only=True)

    def __post_init__(self) -> None:
        check_streams(self.streams)

    def build(self, tasks: Sequence[str], colours: Colours) -> 'SeparateTrunks':
        """
        Build the trunks.

        :raises ValueError: for a task in none of them, and for tasks that are not there.
        """
        check_tasks(self.streams, tasks)
        return SeparateTrunks(self.streams, colours)

    def of_tasks(self, tasks: Sequence[str]) -> 'SeparateTrunksConfig':
        """Return the configuration of the streams that some tasks need."""
        streams = with_tasks(self.streams, tasks)
        return SeparateTrunksConfig({name: s for name, s in streams.items() if s.tasks})


def check_streams(streams: Mapping[str, StreamConfig], idle: bool = False) -> None:
    """
    Raise ValueError for streams that cannot be.

    :param idle: there may be some without tasks.
    """
    if not streams:
        raise ValueError('trunk.streams: none given')
    for name, stream in streams.items():
        if not name or '.' in name or name.startswith('_') or hasattr(nn.ModuleDict(), name):
            raise ValueError(f'trunk.streams: {name!r} cannot be the name of a stream')
        if not stream.tasks and not idle:
            raise ValueError(f'trunk.streams.{name}.tasks: none given')
        try:
            stream.trunk(), stream.colours(Colours())
        except ValueError as error:
            raise ValueError(f'trunk.streams.{name}.{error}') from error
    for task, names in _streams_by_task(streams).items():
        if len(names) > 1:
            raise ValueError(f'trunk.streams: {task} is in {" and in ".join(names)}, but has one '
                             'stream')


def check_backbones(streams: Mapping[str, StreamConfig], kind: str) -> None:
    """Raise ValueError for streams that have nothing to share or exchange with each other."""
    if len(streams) < 2:
        raise ValueError(f'trunk.streams: {kind} is of two or more, not of '
                         f'{", ".join(streams) or "none"} alone')
    backbones = {name: stream.backbone for name, stream in streams.items()}
    reduced = [name for name, stream in streams.items() if stream.stride != STRIDE]
    if reduced:
        raise ValueError(f'trunk.streams: {kind} is of streams of stride {STRIDE}, not of '
                         f'{", ".join(reduced)}')
    pyramids = [name for name, stream in streams.items() if stream.scales]
    if pyramids:
        raise ValueError(f'trunk.streams: {kind} is of streams without scales, not of '
                         f'{", ".join(pyramids)}')
    if len(set(backbones.values())) > 1:
        each = ', '.join(f'{name}: {backbone}' for name, backbone in backbones.items())
        raise ValueError(f'trunk.streams: {kind} is of streams with the same backbone, not {each}')


def check_tasks(streams: Mapping[str, StreamConfig], tasks: Sequence[str]) -> None:
    """Raise ValueError for a task in no stream, and for tasks that are not there."""
    for name, stream in streams.items():
        unknown = [task for task in stream.tasks if task not in tasks]
        if unknown:
            raise ValueError(f'trunk.streams.{name}.tasks: unknown {", ".join(unknown)} '
                             f'(known: {", ".join(tasks)})')
    missing = [task for task in tasks if task not in _streams_by_task(streams)]
    if missing:
        raise ValueError(f'trunk.streams: {", ".join(missing)} in none of {", ".join(streams)}')


def with_tasks(streams: Mapping[str, StreamConfig], tasks: Sequence[str],
               ) -> dict[str, StreamConfig]:
    """Return all streams, each with some of its tasks or none."""
    return {name: replace(stream, tasks=tuple(task for task in stream.tasks if task in tasks))
            for name, stream in streams.items()}


def _streams_by_task(streams: Mapping[str, StreamConfig]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, stream in streams.items():
        for task in stream.tasks:
            names.setdefault(task, []).append(name)
    return names


@dataclass(frozen=True)
class OwnTrunksConfig(TrunkConfig):
    """
    Trunks of one architecture: one for each of some tasks, and one for all others.

    :param own: names of the tasks that have a trunk of their own.
    """

    own: tuple[str, ...] = ()
    kind: Literal['separate'] = field(default='separate', kw_only=True)

    def separate(self, tasks: Sequence[str]) -> SeparateTrunksConfig:
        """
        Return it as streams: each by the name of its task, that of the others 'shared'.

        :param tasks: names of the tasks of the network.
        :raises ValueError: if a task of ``own`` is not there.
        """
        unknown = [name for name in self.own if name not in tasks]
        if unknown:
            raise ValueError(f'trunk.own: unknown {", ".join(unknown)} '
                             f'(known: {", ".join(tasks)})')
        streams: dict[str, tuple[str, ...]] = {}
        for task in tasks:
            name = task if task in self.own else SHARED
            streams[name] = *streams.get(name, ()), task
        return SeparateTrunksConfig({
            name: StreamConfig(members, self.backbone, self.neck, self.channels, self.deformable)
            for name, members in streams.items()})


class Stream(SharedTrunk):
    """
    A trunk that may be for other colours than the model, and may see a smaller image.

    :param config: what it is made of and what it is for.
    :param colours: those that the images of the model are normalised for.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: StreamConfig, colours: Colours) -> None:
        super().__init__(config.trunk(), config.colours(colours))
        self.stride = config.stride
        theirs, mine = colours.ordered('rgb'), self.colours.ordered('rgb')
        self._converts = mine != theirs
        if self._converts:
            mean, std, own_mean, own_std = (
                torch.tensor(values, dtype=torch.float64)
                for values in (theirs.mean, theirs.std, mine.mean, mine.std))
            # As mean and deviation of the model, they are in the configuration already.
            self.register_buffer('scale', (std / own_std).float(), persistent=False)
            self.register_buffer('shift', ((mean - own_mean) / own_std).float(), persistent=False)

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features, with strides of the whole image."""
        return {name: replace(shape, stride=shape.stride * self.stride // STRIDE)
                for name, shape in super().shapes(task).items()}

    @property
    def multiple(self) -> int:
        """Return what the sides of images are multiples of."""
        return super().multiple * self.stride // STRIDE

    def prepare(self, images: Tensor) -> Tensor:
        """Return images, normalised for the model, as the first stage takes them."""
        images = super().prepare(images)
        if self.stride != STRIDE:
            size = [side * STRIDE // self.stride for side in images.shape[-2:]]
            images = functional.interpolate(images, size, mode='bilinear', align_corners=False)
        if not self._converts:
            return images
        # As in MultiTaskNet.normalise: to a compiler, the order of dimensions then changes once.
        width = images.shape[3]
        rows = images.permute(0, 2, 3, 1).flatten(2)
        rows = rows * self.scale.repeat(width) + self.shift.repeat(width)
        return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)


class SkipStream(Stream, SkipTrunk):
    """A stream with scales."""


class SeparateTrunks(nn.ModuleDict):
    """
    Streams by name.

    :param streams: name -> what it is made of, and what it is for.
    :param colours: those that the images of the model are normalised for.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, streams: Mapping[str, StreamConfig], colours: Colours) -> None:
        super().__init__({name: (SkipStream if stream.scales else Stream)(stream, colours)
                          for name, stream in streams.items()})
        self._tasks = {name: stream.tasks for name, stream in streams.items()}
        self._names = {task: name for name, tasks in self._tasks.items() for task in tasks}

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features of a task."""
        return self[self.stream_of(task)].shapes(task)

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """Compute the features of some tasks, by their streams alone; see :class:`SharedTrunk`."""
        features = {}
        for name in self.names(tasks):
            its_tasks = [task for task in tasks if self.stream_of(task) == name]
            features |= self[name](images, its_tasks, checkpoint)
        return {task: features[task] for task in tasks}

    def names(self, tasks: Iterable[str]) -> list[str]:
        """Return the names of the streams of some tasks."""
        return list(dict.fromkeys(map(self.stream_of, tasks)))

    def backbones(self) -> list[Backbone]:
        """Return the backbones of all."""
        return [stream.backbone for stream in self.values()]

    def streams(self) -> dict[str, nn.Module]:
        """Return the streams."""
        return dict(self.items())

    def stream_of(self, task: str) -> str:
        """Return the name of the stream of a task."""
        return self._names[task]

    def start_from(self, other: nn.Module, streams: Sequence[str]) -> dict[str, str]:
        """Take over weights of the streams of the same names, or of others that fit."""
        return start_streams(self.streams(), other.streams(), streams)

    def owner_of(self, parameter: str) -> str:
        """Return the only task of the stream that a parameter is of, or that none owns it."""
        tasks = self._tasks[parameter.partition('.')[0]]
        return tasks[0] if len(tasks) == 1 else TRUNK

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether a key is of the stream of one of some tasks."""
        return key.partition('.')[0] in self.names(tasks)
