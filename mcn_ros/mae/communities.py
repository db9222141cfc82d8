# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The graph of patches, and its communities.

Source: V. Blondel et al., "Fast unfolding of communities in large networks", J. Stat. Mech. 2008,
which is the method of Louvain. What it finds depends on an order, so seeds are fixed.
"""

from importlib import import_module
from itertools import combinations
from types import ModuleType
from typing import Any

import numpy as np

from mcn_ros.mae.partitions import adjusted_rand_index

RESOLUTION = 0.5  # below 1, communities are larger; a scene has few segments
SEEDS = range(10)


def edges(relation: np.ndarray) -> np.ndarray:
    """
    Return the weights of the edges between all patches: what is above the mean relation.

    The mean is subtracted, as with little contrast everything tells a little of everything.

    :param relation: (N, N) float, symmetric; the diagonal is not looked at. NaN where it is not
        known: there is no edge.
    :return: (N, N) float64, not negative, with a diagonal of 0.
    """
    count = len(relation)
    if count < 2:
        return np.zeros((count, count))
    pairs = relation[np.triu_indices(count, 1)]
    mean = pairs.mean(where=~np.isnan(pairs))
    weights = np.nan_to_num(np.maximum(relation - mean, 0))
    np.fill_diagonal(weights, 0)
    return weights


def levels(weights: np.ndarray, resolution: float = RESOLUTION, seed: int = 0,
           ) -> list[np.ndarray]:
    """
    Find communities by the method of Louvain, and those that they are made of.

    :param weights: (N, N) float, of edges: symmetric, finite and not negative; 0 for none.
    :param resolution: of the modularity; with a larger one, communities are smaller.
    :param seed: of the order in which patches are looked at.
    :return: for each level, (N,) int64 labels 0, 1, ... by first patch; each level joins
        communities of the one before.
    :raises ValueError: for other weights.
    """
    partitions = library().community.louvain_partitions(
        _graph(weights), weight='weight', resolution=resolution, seed=seed)
    return [_labels(partition, len(weights)) for partition in partitions]


def communities(weights: np.ndarray, resolution: float = RESOLUTION, seed: int = 0) -> np.ndarray:
    """Return the last of the :func:`levels`, (N,) int64 labels."""
    return levels(weights, resolution, seed)[-1]


def modularity(weights: np.ndarray, labels: np.ndarray, resolution: float = 1.0) -> float:
    """
    Return by how much more of the edges is within communities than by chance.

    :param weights: as for :func:`levels`.
    :param labels: (N,) int, the community of each patch.
    :raises ValueError: for other weights, and if there is no edge.
    """
    if not weights.any():
        raise ValueError('a graph without edges has no modularity')
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return library().community.modularity(_graph(weights), groups, weight='weight',
                                          resolution=resolution)


def stability(weights: np.ndarray, labels: np.ndarray, resolution: float = RESOLUTION,
              ) -> tuple[np.ndarray, float]:
    """
    Say how sure communities are, by those that other seeds find.

    :param weights: as for :func:`levels`.
    :param labels: (N,) int, the community of each patch.
    :return: (N,) float64, for each patch how often it is together with one of its community,
        itself included; and the mean adjusted Rand index of two seeds.
    """
    runs = [communities(weights, resolution, seed) for seed in SEEDS]
    together = np.mean([run[:, None] == run for run in runs], axis=0)
    same = labels[:, None] == labels
    confidence = (together * same).sum(axis=1) / same.sum(axis=1)
    agreement = np.mean([adjusted_rand_index(*pair) for pair in combinations(runs, 2)])
    return confidence, float(agreement)


def library() -> ModuleType:
    """Return networkx; ValueError where it is missing."""
    try:
        return import_module('networkx')
    except ModuleNotFoundError as error:
        raise ValueError('communities are found by networkx, which is not installed: '
                         'pip install networkx, or the package python3-networkx') from error


def _graph(weights: np.ndarray) -> Any:
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError('weights of edges have to be finite and not negative')
    if not np.array_equal(weights, weights.T):
        raise ValueError('weights of edges have to be the same in both directions')
    graph = library().Graph()
    graph.add_nodes_from(range(len(weights)))  # also those that have no edge
    rows, columns = np.nonzero(np.triu(weights))
    graph.add_weighted_edges_from(
        zip(rows.tolist(), columns.tolist(), weights[rows, columns].tolist()))
    return graph


def _labels(partition: list[set[int]], count: int) -> np.ndarray:
    labels = np.empty(count, np.int64)
    for label, members in enumerate(sorted(partition, key=min)):
        labels[list(members)] = label
    return labels
