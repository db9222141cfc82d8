# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looking twice: at an image and at its mirror image ("Objects as Points", section 5)."""

from typing import Any, Mapping

import torch
from torch import nn, Tensor

from mcn_ros.model import MultiTaskNet

# Maps of probabilities, and maps that CenterNet takes of the image alone.
HEATMAPS = ('heatmap', 'joint_heatmap')
OFFSETS = ('offset', 'joint_offset')


class MirrorAveraged(nn.Module):
    """
    A network whose maps are means over an image and its mirror image.

    Those of a task with ``reference`` are averaged as CenterNet's code does it, see
    :func:`reference_mean`.

    :param model: the network.
    """

    def __init__(self, model: MultiTaskNet):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return the maps of all heads, see :class:`mcn_ros.model.MultiTaskNet`."""
        seen, mirrored = self.model(images), self.model(images.flip(3))
        averaged = {}
        for name, maps in seen.items():
            task = self.model.tasks[name]
            again = task.mirror(mirrored[name])
            mean = reference_mean if getattr(task, 'reference', False) else _mean
            averaged[name] = {key: mean(key, values, again[key]) for key, values in maps.items()}
        return averaged

    def decode(self, outputs: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
        """Return predictions as the network itself does."""
        return self.model.decode(outputs)


def reference_mean(name: str, seen: Tensor, again: Tensor) -> Tensor:
    """
    Average a map as CenterNet does: probabilities rather than logits, and no offsets.

    :param name: of the map.
    :param seen: of the image.
    :param again: of the mirror image, mirrored.
    :return: a map of the same kind: logits of the mean probabilities.
    """
    if name in OFFSETS:
        return seen
    if name not in HEATMAPS:
        return (seen + again) / 2
    seen, again = seen.float(), again.float()
    # The odds of the mean; from both sides, so that none is rounded to certainty.
    yes = torch.sigmoid(seen) + torch.sigmoid(again)
    no = torch.sigmoid(-seen) + torch.sigmoid(-again)
    return yes.log() - no.log()


def _mean(name: str, seen: Tensor, again: Tensor) -> Tensor:
    """Average a map of any name."""
    return (seen + again) / 2
