# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looking twice: at an image and at its mirror image ("Objects as Points", section 5)."""

from typing import Any, Mapping

from torch import nn, Tensor

from mcn_ros.model import MultiTaskNet


class MirrorAveraged(nn.Module):
    """
    A network whose maps are means over an image and its mirror image.

    :param model: the network.
    """

    def __init__(self, model: MultiTaskNet):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return the maps of all heads, see :class:`mcn_ros.model.MultiTaskNet`."""
        plain, mirrored = self.model(images), self.model(images.flip(3))
        return {name: task.mean(plain[name], task.mirror(mirrored[name]))
                for name, task in self.model.tasks.items()}

    def decode(self, outputs: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
        """Return predictions as the network itself does."""
        return self.model.decode(outputs)
