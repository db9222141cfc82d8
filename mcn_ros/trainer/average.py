# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The running average of the weights of a network, which is what a training gives."""

from copy import deepcopy
from typing import Any, Mapping

import torch
from torch import nn


class RunningAverage:
    """
    An exponential average that forgets the first, random weights quickly.

    All tensors are updated at once, in a few kernels, and nothing waits for the device: how often
    it was updated is known on the host.

    :param model: whose parameters and buffers are averaged; numbers that are whole are taken over.
    :param decay: share of the old average; after n updates no more than (1 + n) / (10 + n).
    :ivar module: a copy of the network that has the average.
    :ivar count: number of updates; the first one takes over the weights as they are.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.module = deepcopy(model)
        self.count = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the weights of the network into the average."""
        new = 1 - min(self._decay, (1 + self.count) / (10 + self.count)) if self.count else 1
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        blended = [pair for pair in pairs if pair[0].is_floating_point() and new < 1]
        copied = [pair for pair in pairs if not (pair[0].is_floating_point() and new < 1)]
        if blended:
            torch._foreach_lerp_(*zip(*blended), new)
        if copied:
            torch._foreach_copy_(*zip(*copied))
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state, in the form of PyTorch's own average."""
        return {'n_averaged': torch.tensor(self.count),
                **{f'module.{name}': value for name, value in self.module.state_dict().items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; RuntimeError for that of another network."""
        self.module.load_state_dict({name.removeprefix('module.'): value
                                     for name, value in state.items() if name != 'n_averaged'})
        self.count = int(state['n_averaged'])


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
