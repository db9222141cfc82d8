# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MultiTask-CenterNet: one trunk, one head per task.

Source: F. Heuer et al., "MultiTask-CenterNet (MCN): Efficient and Diverse Multitask Learning using
an Anchor Free Approach", figure 2.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Mapping, Sequence

import torch
from torch import nn, Tensor

from mcn_ros.network.colours import ChannelOrder, Colours, Triple
from mcn_ros.network.features import take
from mcn_ros.network.trunks import build_trunk_config, TrunkConfig, TrunkKind
from mcn_ros.tasks import build_tasks, describe_tasks, Objects, Task

LARGEST_SIDE = 8192  # input pixels; what is larger hardly is an input that anybody means


@dataclass(frozen=True)
class ModelConfig:
    """
    Everything that is needed to build a network.

    :param tasks: name -> fields of the task, for example {'detection': {'classes': [...]}}, see
        :func:`mcn_ros.tasks.build_tasks`.
    :param trunk: what is common to the tasks; also as {field: value}, see
        :func:`mcn_ros.network.trunks.build_trunk_config`.
    :param input_size: (height, width) in input pixels that the weights are meant for; multiples
        of 32.
    :param channel_order: order of the colours that the weights of the backbone are for. Images
        always come in as RGB; public CenterNet weights expect BGR.
    :param mean: per channel, of values in 0..1, in ``channel_order``.
    :param std: per channel, of values in 0..1, in ``channel_order``.
    :param preprocessing: how the pixels of the input are made from those of a camera: 'mcn', or
        'centernet' as the public CenterNet weights were trained.
    :raises ValueError: for a task or trunk that is unknown or wrongly described, and for bad
        values.
    """

    tasks: dict[str, Any]
    trunk: Any = field(default_factory=TrunkConfig)
    input_size: tuple[int, int] = (512, 512)
    channel_order: ChannelOrder = Colours.channel_order
    mean: Triple = Colours.mean
    std: Triple = Colours.std
    preprocessing: Literal['mcn', 'centernet'] = 'mcn'

    def __post_init__(self):
        if any(side <= 0 or side % 32 for side in self.input_size):
            raise ValueError(f'input_size: {self.input_size} are no positive multiples of 32')
        if max(self.input_size) > LARGEST_SIDE:
            raise ValueError(f'input_size: {self.input_size} are not all up to {LARGEST_SIDE}')
        Colours(self.channel_order, self.mean, self.std)  # raises where they make no sense
        trunk: TrunkKind = build_trunk_config(self.trunk, list(build_tasks(self.tasks)))
        object.__setattr__(self, 'trunk', trunk)

    @property
    def colours(self) -> Colours:
        """Return what the weights of the trunk are for, as far as it does not know better."""
        return Colours(self.channel_order, self.mean, self.std)

    def of_tasks(self, names: Sequence[str]) -> 'ModelConfig':
        """Return the configuration of the network with only some of its tasks."""
        return replace(self, trunk=self.trunk.of_tasks(names), tasks={
            name: fields for name, fields in self.tasks.items() if name in names})


class MultiTaskNet(nn.Module):
    """
    A trunk, and one head per task.

    :raises ValueError: for parts of a trunk, or a task and its features, that do not fit together.
    :ivar config: the :class:`ModelConfig`.
    :ivar tasks: task name -> task, in the order of TASKS.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tasks = build_tasks(config.tasks)
        # Every field is written out, so that stored weights keep their meaning when a default of
        # the package changes.
        self.config = replace(config, tasks=describe_tasks(self.tasks))
        self.trunk = config.trunk.build(list(self.tasks), config.colours)
        self.heads = nn.ModuleDict({name: self._build_head(name, task)
                                    for name, task in self.tasks.items()})
        # Buffers, so that they move with the model and are part of exported graphs; they are in
        # the configuration already, so they are not stored a second time.
        colours = config.colours.ordered('rgb')
        for name in ('mean', 'std'):
            value = 255 * torch.tensor(getattr(colours, name))
            self.register_buffer(name, value, persistent=False)

    def _build_head(self, name: str, task: Task) -> nn.Module:
        try:
            return task.build_head(self.trunk.shapes(name))
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return whether the network of only some of the tasks has this key of its state."""
        part, _, rest = key.partition('.')
        if part == 'trunk':
            return self.trunk.needs(rest, tasks)
        return part != 'heads' or rest.partition('.')[0] in tasks

    def normalise(self, images: Tensor) -> Tensor:
        """
        Prepare images for the trunk.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB.
        :return: (B, 3, H, W) float, RGB.
        """
        width = images.shape[3]
        # Colours are innermost in memory. With a whole row at once there is more to do in one go.
        rows = images.permute(0, 2, 3, 1).flatten(2).to(self.mean.dtype)
        rows = (rows - self.mean.repeat(width)) / self.std.repeat(width)
        return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)

    def features(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                 ) -> dict[str, dict[str, Tensor]]:
        """
        Run the trunk alone.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB; H and W multiples of 32.
        :param tasks: names of the tasks.
        :param checkpoint: keep little for backward, recompute the rest.
        :return: task -> name -> (B, channels, H / stride, W / stride); tasks may share tensors.
        """
        return self.trunk(self.normalise(images), tasks, checkpoint)

    def forward(self, images: Tensor, rows: Mapping[str, Tensor] | None = None,
                ) -> dict[str, dict[str, Tensor]]:
        """
        Run the trunk once and each head on its rows.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB; H and W multiples of 32.
        :param rows: task name -> (b,) int64 images that the head is run on; a task that is not
            named is not run (lazy evaluation of UberNet, section 3). None: all tasks, all images.
        :return: task name -> {map name: (b, C, H / stride, W / stride) logits}.
        """
        names = list(self.heads) if rows is None else [n for n in self.heads if n in rows]
        features = self.features(images, names)
        if rows is not None:
            features = {name: take(features[name], rows[name]) for name in names}
        return {name: self.heads[name](features[name]) for name in names}

    def decode(self, outputs: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
        """Return task name -> batched predictions in input pixels, not thresholded."""
        found = {name: self.tasks[name].decode(maps) for name, maps in outputs.items()}

        def objects(name: str) -> Objects | None:
            return self.tasks[name].objects(found[name]) if name in found else None

        # The last ones first: poses are read on boxes as they are detected, and boxes of people
        # count by what is known of their joints then.
        for name in [name for name in reversed(self.tasks) if name in found]:
            found[name] = self.tasks[name].refine(found[name], outputs[name], objects)
        return found
