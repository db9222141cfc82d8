# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Convolutions that batch normalisation has been folded into, as both again.

The normalisation does nothing but add the bias, so that it learns, or is kept, as any other.
"""

import torch
from torch import nn, Tensor


def identity_with_bias(bias: Tensor, norm: nn.BatchNorm2d) -> dict[str, Tensor]:
    """
    Return the state of the batch norm behind a convolution that has the weight of a folded one.

    :param bias: (out,) of the folded convolution.
    :param norm: of the network that it is for.
    """
    ones = torch.ones_like(bias)
    return {
        'weight': ones, 'bias': bias, 'running_mean': torch.zeros_like(bias),
        # It is the root of this and epsilon that it divides by.
        'running_var': ones - norm.eps, 'num_batches_tracked': torch.tensor(0)}
