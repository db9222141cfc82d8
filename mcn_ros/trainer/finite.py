# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Losses and gradients that are not finite: which end a training, and when that is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.amp import GradScaler


class FiniteWatch:
    """
    Refuses numbers that are not finite.

    A look at a number waits for the device, so on a GPU those of several batches are looked at
    together. With scaled losses, the gradients of a batch that overflows are dropped and the scale
    is halved, so one is no error; a scale below 1 says that they all do.

    :param scaler: of the losses.
    :param patience: how many additions are looked at together.
    :ivar images: ids of the images that what is added comes from.
    """

    def __init__(self, scaler: GradScaler, patience: int = 1):
        self.images: Sequence[str] = ()
        self._scaler, self._patience = scaler, patience
        self._waiting: list[tuple[str, Mapping[str, Tensor], Sequence[str]]] = []

    def add(self, what: str, values: Mapping[str, Tensor]) -> None:
        """
        Take note of numbers.

        :param what: how an error begins: 'loss is' or 'gradients are'.
        :param values: name -> scalar.
        :raises FloatingPointError: see :meth:`check`; only if it is time to look.
        """
        self._waiting.append((what, values, self.images))
        if len(self._waiting) >= self._patience:
            self.check()

    def check(self) -> None:
        """Raise FloatingPointError if a number is not finite: names the first, and its images."""
        waiting, self._waiting = self._waiting, []
        numbers = [value.detach() for _, values, _ in waiting for value in values.values()]
        if not numbers or torch.stack([number.isfinite() for number in numbers]).all():
            return
        if self._scaler.is_enabled() and self._scaler.get_scale() >= 1:
            return
        for what, values, images in waiting:
            bad = [name for name, value in values.items() if not value.isfinite()]
            if bad:
                raise FloatingPointError(
                    f'{what} not finite: {", ".join(bad)}; images {", ".join(images)}')


@contextmanager
def finite_statistics(model: nn.Module) -> Iterator[None]:
    """Leave running statistics as they are where a batch would make them infinite for ever."""
    buffers = [value for name, value in model.named_buffers()
               if name.endswith(('running_mean', 'running_var'))]
    before = [value.clone() for value in buffers]
    try:
        yield
    finally:
        for value, old in zip(buffers, before):
            value.copy_(torch.where(value.isfinite(), value, old))
