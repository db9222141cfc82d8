# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which channels a layer can do without, and what the layer that reads them is then.

Source: Y. He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017: the
channels that are kept, and the weights of the layer behind them, are those that give its outputs
with the least squared error. Here channels are taken away one by one, each time the one whose loss
costs least, as B. Hassibi et al., "Optimal Brain Surgeon", 1993, do with single weights.
"""

import torch
from torch import Tensor

RIDGE = 1e-4  # of the mean variance of the channels, added to that of each


class Moments:
    """Sums over samples of inputs (P, N) and targets (P, M), added up in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: tuple[Tensor, ...] = ()

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Add samples."""
        inputs, targets = inputs.double(), targets.double()
        sums = (inputs.sum(dim=0), targets.sum(dim=0), inputs.T @ inputs, targets.T @ inputs)
        self.sums = tuple(map(torch.add, self.sums, sums)) if self.sums else sums
        self.count += len(inputs)

    @property
    def means(self) -> tuple[Tensor, Tensor]:
        """Return those of the inputs (N,) and of the targets (M,)."""
        return self.sums[0] / self.count, self.sums[1] / self.count

    @property
    def covariance(self) -> Tensor:
        """Return that of the inputs (N, N), with the ridge."""
        mean, _ = self.means
        covariance = self.sums[2] / self.count - mean[:, None] * mean
        return covariance + RIDGE * covariance.diagonal().mean() * torch.eye(len(mean))

    @property
    def cross(self) -> Tensor:
        """Return the covariance of targets and inputs (M, N)."""
        mean, target = self.means
        return self.sums[3] / self.count - target[:, None] * mean


def select(covariance: Tensor, cross: Tensor, keep: int) -> Tensor:
    """
    Choose inputs that give the targets with little squared error.

    :param covariance: (N, N) of the inputs.
    :param cross: (M, N) of targets and inputs.
    :param keep: how many.
    :return: (keep,) int64, ascending.
    """
    inverse = covariance.inverse()
    weights = cross @ inverse
    kept = torch.ones(len(covariance), dtype=torch.bool)
    for _ in range(len(covariance) - keep):
        # What the error grows by without each, when the weights of the others make up for it.
        cost = weights.square().sum(dim=0) / inverse.diagonal()
        out = int(cost.masked_fill(~kept, torch.inf).argmin())
        kept[out] = False
        row = inverse[out] / inverse[out, out]
        weights = weights - weights[:, out, None] * row
        inverse = inverse - inverse[:, out, None] * row
    return kept.nonzero().flatten()


def fit(moments: Moments, kept: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return the weights (M, K) and the bias (M,) that give the targets from some of the inputs.

    :param kept: (K,) int64 inputs.
    """
    mean, target = moments.means
    covariance = moments.covariance[kept][:, kept]
    weights = torch.linalg.solve(covariance, moments.cross[:, kept].T).T
    return weights, target - weights @ mean[kept]


def factorise(weights: Tensor, covariance: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """
    Split a linear layer in two with few channels between them.

    :param weights: (M, N).
    :param covariance: (N, N) of what it sees.
    :param rank: channels between.
    :return: (rank, N) and (M, rank), whose product gives its outputs with the least squared error
        but for a constant.
    """
    values, vectors = torch.linalg.eigh(weights @ covariance @ weights.T)
    largest = vectors[:, values.argsort(descending=True)[:rank]]
    return largest.T @ weights, largest
