# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Learn something new without forgetting what a network already knew.

Source: Z. Li, D. Hoiem, "Learning without Forgetting", ECCV 2016: what the network said before it
began to learn the new task is the target of the old one, on the images of the new one. No labels
of the old task are needed.

What another network knows can be kept in the same way: a smaller one learns to answer what a
larger one does (A. Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015).
"""

from copy import deepcopy
from typing import Any, Iterable, Mapping, Sequence

import torch
from torch import nn, Tensor

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.blocks import Comparable
from mcn_ros.weights_file import load_model


class RetentionLoss:
    """
    The distance of what parts of a trunk answer from what they answered before the training.

    :param model: with the weights it starts from; its parts are observed in each forward pass.
    :param parts: name of a :class:`Comparable` module in the trunk -> weight of its loss.
    :param path: weights file of a network whose parts answer in place of those of the model before
        the training; None for these.
    :ivar weights: 'keep/part' -> weight.
    :raises ValueError: for a part that does not exist or is not comparable, and for a file that
        cannot be read, or whose network has no such part or other features.
    """

    def __init__(self, model: MultiTaskNet, parts: Mapping[str, float], path: str | None = None):
        known = [f'trunk.{name}' for name, part in model.trunk.named_modules()
                 if isinstance(part, Comparable)]
        unknown = [name for name in parts if name not in known]
        if unknown:
            raise ValueError(f'keep: {", ".join(unknown)}: no part of this network that can be '
                             f'kept (known: {", ".join(known) or "none"})')
        self.weights = {f'keep/{name}': weight for name, weight in parts.items()}
        self._model = model
        origin = _load(path, model, parts) if path else model
        self._normalise = origin.normalise
        self._before = deepcopy(origin.trunk).eval().requires_grad_(False)
        self._answers: dict[tuple[str, bool], Any] = {}
        for name in parts:
            self._observe(name, model.get_submodule(name), True)
            self._observe(name, self._before.get_submodule(name.removeprefix('trunk.')), False)

    def _observe(self, name: str, part: nn.Module, learns: bool) -> None:
        part.register_forward_hook(
            lambda _, __, answer: self._answers.update({(name, learns): answer}))

    def losses(self, images: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """
        Compare with what was answered at first; call right after the forward pass of the model.

        :param images: (B, 3, H, W) uint8, those that the model has just seen.
        :param tasks: those that it has looked at them for.
        :return: 'keep/part' -> scalar; without parts that these tasks do not need.
        """
        with torch.no_grad():
            self._before(self._normalise(images), tasks)
        losses = {}
        for loss in self.weights:
            name = loss.removeprefix('keep/')
            if (name, True) in self._answers:
                losses[loss] = self._model.get_submodule(name).distance(
                    self._answers[name, True], self._answers[name, False])
        self._answers.clear()
        return losses

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of the beginning."""
        return self._before.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights that the whole run began with."""
        self._before.load_state_dict(state)


def _load(path: str, model: MultiTaskNet, parts: Iterable[str]) -> MultiTaskNet:
    """Load a network whose parts are of the same kind and give the same maps."""
    origin = load_model(path, model.tasks)
    mine, theirs = dict(model.named_modules()), dict(origin.named_modules())
    for part in parts:
        if type(theirs.get(part)) is not type(mine[part]):
            raise ValueError(f'keep_of: {path} has no {part} of the same kind')
    if any(model.trunk.shapes(task) != origin.trunk.shapes(task) for task in model.tasks):
        raise ValueError(f'keep_of: the trunk of {path} gives features of other shapes')
    parameter = next(model.parameters())
    return origin.to(parameter.device, memory_format=torch.channels_last)
