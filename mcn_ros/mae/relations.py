# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How much each patch of an image tells of each other one, by errors of reconstruction.

The relation of i to j is the share by which the error of j is smaller where i is seen. It is 1
where i tells all of j, 0 where it tells no more than others, and negative where it misleads.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Callable, Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mcn_ros.mae.model import MaskedAutoencoder, visible_patches

ROWS = 256  # ways to look at an image that go through the network at once
# Flat patches are reconstructed so well that what remains is noise: so much of the median error
# of all patches is the least that an error is compared with.
FLOOR = 0.05

Estimator = Literal['few_in', 'one_in', 'one_out', 'difference']


def ridge_relation(seen: np.ndarray, errors: np.ndarray, penalty: float) -> np.ndarray:
    """
    Relate patches by a linear model of the error of each, of which patches are visible.

    :param seen: (K, N) bool, which patches each mask shows.
    :param errors: (K, N) float, of all patches; those of visible ones are not looked at.
    :param penalty: of squared coefficients.
    :return: (N, N) float64: at i, j how much i tells of j, not symmetric.
    """
    count = seen.shape[1]
    scale = _scale(seen, errors)
    relation = np.zeros((count, count))
    for patch in range(count):
        rows = ~seen[:, patch]
        x, y = seen[rows].astype(np.float64), errors[rows, patch]
        x, y = x - x.mean(axis=0), y - y.mean()
        coefficients = np.linalg.solve(x.T @ x + penalty * np.eye(count), x.T @ y)
        relation[:, patch] = -coefficients / scale[patch]
    np.fill_diagonal(relation, 0)
    return relation


def difference_relation(seen: np.ndarray, errors: np.ndarray, penalty: float) -> np.ndarray:
    """
    Relate patches by mean errors with and without each; see :func:`ridge_relation`.

    :param penalty: not used.
    :return: (N, N) float64; 0 for pairs of which no mask tells.
    """
    shown, hidden = seen.astype(np.float64), (~seen).astype(np.float64)
    known = hidden * errors
    with_counts, without_counts = shown.T @ hidden, hidden.T @ hidden
    with_sums, without_sums = shown.T @ known, hidden.T @ known
    told = (with_counts > 0) & (without_counts > 0)
    difference = (without_sums / np.where(told, without_counts, 1)
                  - with_sums / np.where(told, with_counts, 1))
    relation = np.where(told, difference, 0) / _scale(seen, errors)
    np.fill_diagonal(relation, 0)
    return relation


def single_relation(seen: np.ndarray, errors: np.ndarray, penalty: float) -> np.ndarray:
    """
    Relate patches by the error of each where one other is visible; see :func:`ridge_relation`.

    :param seen: (N, N) bool, the identity: each patch alone, in order.
    :param errors: (N, N) float: at i, j that of j by i.
    :param penalty: not used.
    """
    assert np.array_equal(seen, np.eye(len(seen), dtype=bool))
    relation = 1 - errors / _scale(seen, errors)
    np.fill_diagonal(relation, 0)
    return relation


def left_out_relation(seen: np.ndarray, errors: np.ndarray, penalty: float) -> np.ndarray:
    """
    Relate patches by the error of each where one other is hidden, too.

    :param seen: (N + N (N - 1) / 2, N) bool: all but each patch, then all but each pair, in order.
    :param errors: of the same shape, see :func:`ridge_relation`.
    :param penalty: not used.
    """
    count = seen.shape[1]
    first, second = np.triu_indices(count, 1)
    assert not seen[count:][np.arange(len(first)), first].any() and len(seen) > len(first)
    alone, pairs = errors[:count].diagonal(), errors[count:]
    least_error = max(FLOOR * np.median(alone), np.finfo(np.float64).tiny)
    relation = np.zeros((count, count))
    for of, to in ((first, second), (second, first)):
        both = np.maximum(pairs[np.arange(len(of)), to], least_error)
        relation[of, to] = 1 - alone[to] / both
    return relation


ESTIMATORS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    'few_in': ridge_relation,
    'one_in': single_relation,
    'one_out': left_out_relation,
    'difference': difference_relation,
}


@dataclass(frozen=True)
class RelationConfig:
    """
    How relations are measured.

    :param estimator: a key of ``ESTIMATORS``. 'few_in': random masks, and by ridge regression
        what each visible patch does to the error of each hidden one. 'difference': the same
        masks, and the mean error with and without the patch. 'one_in': each patch seen alone,
        the cheapest, which learns of colour most. 'one_out': all patches but one and
        each other one, the dearest, for comparison.
    :param visible: share of the patches that a random mask shows.
    :param masks: number of random masks per patch of the image.
    :param penalty: of the ridge regression.
    :param seed: of the masks.
    :param least: relate two patches by the lesser of what each tells of the other one, see
        :func:`least`, rather than by the mean.
    :raises ValueError: for values that make no sense.
    """

    estimator: Estimator = 'few_in'
    visible: float = 0.08
    masks: int = 20
    penalty: float = 3.0
    seed: int = 0
    least: bool = False

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f'estimator: {self.estimator!r} is not one of '
                             f'{", ".join(ESTIMATORS)}')
        if not 0 < self.visible < 1:
            raise ValueError(f'visible: {self.visible} is not between 0 and 1')
        if self.masks < 1:
            raise ValueError(f'masks: {self.masks} is not positive')
        if not 0 < self.penalty < np.inf:
            raise ValueError(f'penalty: {self.penalty} is not positive')


def relate(model: MaskedAutoencoder, image: Tensor,
           config: RelationConfig = RelationConfig(), progress: bool = False) -> np.ndarray:
    """
    Measure how the patches of an image are related.

    :param model: on any device, in evaluation mode.
    :param image: (1, 3, H, W) float, normalised; sides are multiples of the patch.
    :param config: how.
    :param progress: show a progress bar.
    :return: (N, N) float64, symmetric, with a diagonal of 0.
    """
    count = image.shape[2] * image.shape[3] // model.encoder.patch ** 2
    parts = _visible_sets(config, count)
    errors = np.concatenate([reconstruction_errors(model, image, keep, progress)
                             for keep in parts])
    seen = torch.cat([torch.zeros(len(keep), count).scatter(1, keep, 1) for keep in parts])
    seen = seen.bool().numpy()
    relation = ESTIMATORS[config.estimator](seen, errors, config.penalty)
    return least(relation) if config.least else symmetric(relation)


def _visible_sets(config: RelationConfig, count: int) -> list[Tensor]:
    """Return (K, V) int64 each: the patches that are seen at a time, the same number in each."""
    if config.estimator == 'one_in':
        return [torch.arange(count)[:, None]]
    if config.estimator == 'one_out':
        every = torch.arange(count)
        return [torch.tensor(np.stack([np.setdiff1d(every, hidden) for hidden in
                                       combinations(range(count), number)]))
                for number in (1, 2)]
    generator = torch.Generator().manual_seed(config.seed)
    return [visible_patches(config.masks * count, count, 1 - config.visible, generator)]


@torch.no_grad()
def reconstruction_errors(model: MaskedAutoencoder, image: Tensor, keep: Tensor,
                          progress: bool = False) -> np.ndarray:
    """
    Reconstruct an image from each of many sets of patches.

    :param keep: (K, V) int64, the visible patches of each.
    :return: (K, N) float64, see :meth:`mcn_ros.mae.model.MaskedAutoencoder.errors`.
    """
    assert not model.training
    parts = tqdm(keep.split(ROWS), unit='pass', disable=not progress, dynamic_ncols=True)
    errors = [model.errors(image, part.to(image.device)).cpu() for part in parts]
    return torch.cat(errors).double().numpy()


def mean_errors(model: MaskedAutoencoder, image: Tensor) -> np.ndarray:
    """Return the mean error of each patch where any one other is all that is seen, (N,)."""
    count = image.shape[2] * image.shape[3] // model.encoder.patch ** 2
    errors = reconstruction_errors(model, image, torch.arange(count)[:, None])
    return _scale(np.eye(count, dtype=bool), errors)


def symmetric(relation: np.ndarray) -> np.ndarray:
    """Return what patches tell of each other, (N, N), from what each tells of the other one."""
    mean = (relation + relation.T) / 2
    np.fill_diagonal(mean, 0)
    return mean


def least(relation: np.ndarray) -> np.ndarray:
    """
    Return the lesser of what each of two patches tells of the other one, (N, N).

    Of a linear model, relations to a patch add up to nothing nearly: where most patches are of its
    segment, they help little, and others mislead much; where few are, it is the other way round.
    So between segments one direction misleads clearly, and the mean of both does not.
    """
    lesser = np.minimum(relation, relation.T)
    np.fill_diagonal(lesser, 0)
    return lesser


def _scale(seen: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the mean error of each patch where it is hidden, (N,), and not too little."""
    hidden = ~seen
    counts = hidden.sum(axis=0)
    mean = (hidden * errors).sum(axis=0) / np.maximum(counts, 1)
    return np.maximum(mean, max(FLOOR * np.median(mean), np.finfo(np.float64).tiny))
