# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Small constants on a device, and orders of channels.

Neither copies anything from the host, as a list of Python numbers would: a CUDA graph that is
being recorded refuses such a copy.
"""

from typing import Sequence

import torch
from torch import Tensor


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """Return numbers as (N,) float32, where a tensor is."""
    return torch.cat([torch.full((1,), value, device=like.device) for value in values])


def whole_numbers(values: Sequence[int], like: Tensor) -> Tensor:
    """Return whole numbers as (N,) int64, where a tensor is; best where many follow each other."""
    runs: list[range] = []
    for value in values:
        if runs and value == runs[-1].stop:
            runs[-1] = range(runs[-1].start, value + 1)
        else:
            runs.append(range(value, value + 1))
    return torch.cat([torch.arange(run.start, run.stop, device=like.device) for run in runs])


def permute_channels(maps: Tensor, order: Sequence[int]) -> Tensor:
    """Return maps (B, C, ...) whose channel i is that of number ``order[i]``."""
    return torch.stack([maps[:, index] for index in order], dim=1)
