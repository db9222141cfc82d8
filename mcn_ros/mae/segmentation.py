# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From how patches are related to communities, step by step, and to what is foreground."""

from dataclasses import dataclass
from typing import Callable, get_args, Literal

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.mae.communities import edges, levels, RESOLUTION, stability
from mcn_ros.mae.foreground import foreground
from mcn_ros.mae.growth import apply_merges, grow, Merge, RATIO

Growth = Literal['none', 'relations', 'revealed']


@dataclass(frozen=True)
class SegmentationConfig:
    """
    How communities are made of relations.

    :param resolution: of the modularity; with a larger one, communities are smaller.
    :param growth: what joins communities that Louvain's method leaves apart: nothing, the
        relations of their patches, or what each tells of the others when it is seen as a whole.
    :param ratio: least relation of a merge.
    :param seed: of the order in which patches are looked at.
    :param reach: length of the longest edge of the graph, in patches; None for any. With short
        ones, the resolution has to be lower.
    :raises ValueError: for values that make no sense.
    """

    resolution: float = RESOLUTION
    growth: Growth = 'none'
    ratio: float = RATIO
    seed: int = 0
    reach: float | None = None

    def __post_init__(self) -> None:
        if self.growth not in get_args(Growth):
            raise ValueError(f'growth: {self.growth!r} is not one of '
                             f'{", ".join(get_args(Growth))}')
        for name in ('resolution', 'ratio'):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        if self.reach is not None and not self.reach >= 1:
            raise ValueError(f'reach: {self.reach} is not 1 patch at least')


@dataclass(frozen=True)
class Segmentation:
    """
    The communities of an image, in patches.

    :param film: (rows, columns) int64 labels each: patches alone, the levels of Louvain's method,
        and after each merge.
    :param confidence: (rows, columns) float64: how often, with other seeds, a patch is together
        with one of its community.
    :param agreement: mean adjusted Rand index of two seeds.
    :param foreground: (rows, columns) bool, None where it cannot be decided.
    """

    film: list[np.ndarray]
    confidence: np.ndarray
    agreement: float
    foreground: np.ndarray | None

    @property
    def labels(self) -> np.ndarray:
        """Return the final communities, (rows, columns) int64."""
        return self.film[-1]


def segment(relation: np.ndarray, grid: Size, config: SegmentationConfig = SegmentationConfig(),
            reveal: Callable[[np.ndarray, float], list[Merge]] | None = None) -> Segmentation:
    """
    Find the communities of an image.

    :param relation: (N, N) float, symmetric; NaN where it is not known.
    :param grid: rows and columns of patches.
    :param config: how.
    :param reveal: for growth 'revealed': takes labels (N,) and the least relation of a merge, and
        returns the merges, as :func:`mcn_ros.mae.reveal.grow_revealed` does for an image.
    """
    if config.reach is not None:
        relation = near(relation, grid, config.reach)
    weights = edges(relation)
    film = [np.arange(len(relation)), *levels(weights, config.resolution, config.seed)]
    if config.growth != 'none':
        by = reveal if config.growth == 'revealed' else lambda *last: grow(relation, *last)
        assert by is not None
        film += apply_merges(film[-1], by(film[-1], config.ratio))[1:]
    confidence, agreement = stability(weights, film[-1], config.resolution)
    film = [labels.reshape(grid) for labels in film]
    return Segmentation(film, confidence.reshape(grid), agreement, foreground(film[-1]))


def near(relation: np.ndarray, grid: Size, reach: float) -> np.ndarray:
    """Return the relation of patches no further apart than so many, (N, N); NaN for others."""
    places = np.stack(np.indices(grid), axis=-1).reshape(-1, 2)
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    return np.where(distances <= reach, relation, np.nan)
