# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Convolutions that batch normalisation has been folded into, as both again.

The normalisation does nothing but add the bias, so that it learns, or is kept, as any other.
"""

import torch
from torch import nn, Tensor


def unfold(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Return the weight of a convolution, and the state of the batch norm behind it.

    :param weight: (out, in / groups, h, w) of the folded convolution.
    :param bias: (out,) of the same.
    :param norm: of the network that they are for.
    """
    ones = torch.ones_like(bias)
    return weight, {
        'weight': ones, 'bias': bias, 'running_mean': torch.zeros_like(bias),
        # It is the root of this and epsilon that it divides by.
        'running_var': ones - norm.eps, 'num_batches_tracked': torch.tensor(0)}
