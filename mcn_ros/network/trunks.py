# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trunks: an image to the features of every task."""

from dataclasses import dataclass
from typing import Sequence

from torch import nn, Tensor

from mcn_ros.geometry import STRIDE
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.nanodet import READINGS, STRIDES
from mcn_ros.network.necks import NECKS
from mcn_ros.network.recompute import recomputed

SHARED = 'shared'  # the trunk of all tasks that have none of their own


@dataclass(frozen=True)
class TrunkConfig:
    """
    What a trunk is made of.

    :param backbone: a key of ``BACKBONES``.
    :param neck: a key of ``NECKS``.
    :param channels: number of channels of the features.
    :param deformable: use deformable convolutions in the neck.
    :param readers: names of the tasks whose features are what the detector in the neck says,
        :data:`mcn_ros.network.nanodet.READINGS` channels of stride 8, and nothing else. If there
        are any, the features of all other tasks are without it.
    :param own: names of the tasks that have a trunk of their own, of the same kind, where the
        network has them; all others share one. Each trunk costs as much as a network.
    :raises ValueError: for an unknown backbone or neck, no channels, or readers where there is no
        detector.
    """

    backbone: str = 'shufflenet_v2_x1_0'
    neck: str = 'top_down'
    channels: int = 64
    deformable: bool = False
    readers: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f'backbone: {self.backbone!r} is not one of {", ".join(BACKBONES)}')
        if self.neck not in NECKS:
            raise ValueError(f'neck: {self.neck!r} is not one of {", ".join(NECKS)}')
        if self.channels < 1:
            raise ValueError(f'channels: {self.channels} is not positive')
        if self.readers and self.neck != 'nanodet':
            raise ValueError(f'readers: there is no detector in the neck {self.neck}, only in '
                             'nanodet')


class SharedTrunk(nn.Module):
    """
    One backbone and one neck for all tasks (the MCN paper, section 3).

    :param config: what it is made of.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = STRIDE
        self.channels = config.channels
        self.backbone = BACKBONES[config.backbone]()
        options = {'apart': True} if config.readers else {}
        self.neck = NECKS[config.neck](self.backbone.channels, self.backbone.strides,
                                       config.channels, config.deformable, **options)

    def channels_of(self, task: str) -> int:
        """Return the number of channels of the features of a task."""
        return READINGS if task in self.config.readers else self.channels

    def stride_of(self, task: str) -> int:
        """Return how many input pixels a cell of the features of a task is wide."""
        return STRIDES[0] if task in self.config.readers else self.stride

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, Tensor]:
        """
        Compute the features of some tasks.

        :param images: (B, 3, H, W) float, normalised; H and W multiples of the coarsest stride.
        :param tasks: names of the tasks.
        :param checkpoint: keep what leaves the stages and the neck only; backward recomputes all
            that is within.
        :return: task -> (B, channels, H / stride, W / stride), the same tensor for every task but
            the readers, for which see :meth:`channels_of` and :meth:`stride_of`.
        :raises ValueError: for images of a size that the stages cannot halve.
        """
        height, width = images.shape[-2:]
        coarsest = self.backbone.strides[-1]
        if height % coarsest or width % coarsest:
            raise ValueError(f'images of {height}x{width}: not multiples of {coarsest}')
        stages = self.backbone(images, checkpoint)
        features = recomputed(self.neck, stages) if checkpoint else self.neck(stages)
        readers = self.config.readers
        features, readings = features if readers else (features, None)
        return {task: readings if task in readers else features for task in tasks}

    @property
    def members(self) -> dict[str, 'SharedTrunk']:
        """Return the trunks that this one is made of, by name: itself."""
        return {SHARED: self}


class SeparateTrunks(nn.ModuleDict):
    """
    Trunks of the same kind, one for each of some tasks and one for all others.

    :param config: what each is made of, and which tasks have one of their own.
    :param tasks: names of the tasks that there are; no trunk is built without a task.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: TrunkConfig, tasks: Sequence[str]) -> None:
        super().__init__({name: SharedTrunk(config) for name in trunk_names(config, tasks)})
        self.config = config

    @property
    def members(self) -> dict[str, SharedTrunk]:
        """Return the trunks that this one is made of, by name."""
        return dict(self.items())

    def channels_of(self, task: str) -> int:
        """Return the number of channels of the features of a task."""
        return self[_trunk_name(self.config, task)].channels_of(task)

    def stride_of(self, task: str) -> int:
        """Return how many input pixels a cell of the features of a task is wide."""
        return self[_trunk_name(self.config, task)].stride_of(task)

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, Tensor]:
        """Compute the features of some tasks, by their trunks alone; see :class:`SharedTrunk`."""
        features = {}
        for name in trunk_names(self.config, tasks):
            its_tasks = [task for task in tasks if _trunk_name(self.config, task) == name]
            features |= self[name](images, its_tasks, checkpoint)
        return {task: features[task] for task in tasks}


def build_trunk(config: TrunkConfig, tasks: Sequence[str]) -> SharedTrunk | SeparateTrunks:
    """
    Build the trunk, or the trunks, of a network.

    :param tasks: names of its tasks.
    :raises ValueError: if the parts do not fit together.
    """
    return SeparateTrunks(config, tasks) if config.own else SharedTrunk(config)


def trunk_names(config: TrunkConfig, tasks: Sequence[str]) -> list[str]:
    """Return the names of the trunks that some tasks need, each once."""
    return list(dict.fromkeys(_trunk_name(config, task) for task in tasks))


def _trunk_name(config: TrunkConfig, task: str) -> str:
    return task if task in config.own else SHARED
