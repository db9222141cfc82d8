# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What every backbone is: stages in a row, each of which gives one map."""

from typing import Iterable, Mapping, Sequence

from torch import nn, Tensor
from torchvision.models import WeightsEnum

from mcn_ros.network.blocks import ReorderedConv
from mcn_ros.network.recompute import recomputed


class Backbone(nn.Module):
    """
    Stages that run one after another.

    They are open to the outside, so that trunks can run several backbones stage by stage.

    :param stages: the input of each is the output of the one before, that of the first the image.
    :param channels: channels of the output of each stage.
    :param strides: input pixels per cell of the output of each stage.
    :param public_names: names of public checkpoints -> names here, both as prefixes that end at
        a dot or with the name; ``None`` for what public checkpoints have and no backbone needs.
    :param imagenet: where torchvision keeps weights from ImageNet, if it does.
    """

    def __init__(self, stages: Sequence[nn.Module], channels: tuple[int, ...],
                 strides: tuple[int, ...], public_names: Mapping[str, str | None],
                 imagenet: WeightsEnum | None = None) -> None:
        super().__init__()
        assert len(stages) == len(channels) == len(strides)
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        self.strides = strides
        self.public_names = public_names
        self.imagenet = imagenet

    def reverse_colours(self) -> None:
        """Take images whose channels are in the reverse order of those of the weights."""
        name = next(name for name, module in self.named_modules() if isinstance(module, nn.Conv2d))
        conv = self.get_submodule(name)
        self.set_submodule(name, ReorderedConv(conv, range(conv.in_channels)[::-1]))

    def cut(self, count: int) -> None:
        """Keep the first stages only; public checkpoints may go on having the others."""
        self.public_names = {
            public: own if own is None or int(own.split('.')[1]) < count else None
            for public, own in self.public_names.items()}
        self.stages = self.stages[:count]
        self.channels, self.strides = self.channels[:count], self.strides[:count]

    def forward(self, x: Tensor, checkpoint: bool = False) -> list[Tensor]:
        """
        Run all stages.

        :param x: (B, 3, H, W) float, normalised images.
        :param checkpoint: recompute in backward what is within the stages.
        :return: one (B, channels, H / stride, W / stride) per stage.
        """
        return run_stages(self.stages, x, checkpoint)


def run_stages(stages: Iterable[nn.Module], x: Tensor, checkpoint: bool = False) -> list[Tensor]:
    """Run stages one after another; return the output of each, see :class:`Backbone`."""
    outputs = []
    for stage in stages:
        x = recomputed(stage, x) if checkpoint else stage(x)
        outputs.append(x)
    return outputs
