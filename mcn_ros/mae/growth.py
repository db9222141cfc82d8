# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Growth: communities that are related to each other as their own patches are become one."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RATIO = 0.6  # relation between two communities, by that within, from which on they are one


@dataclass(frozen=True)
class Merge:
    """
    Two communities that became one.

    :param kept: label of both from then on, the smaller one.
    :param joined: label that is no more.
    :param ratio: of the relation between them to that within.
    """

    kept: int
    joined: int
    ratio: float


def grow(relation: np.ndarray, labels: np.ndarray, ratio: float = RATIO, fewest: int = 1,
         ) -> list[Merge]:
    """
    Merge the two communities that are related most, again and again.

    The relation of two communities is the mean over their pairs of patches, negative ones as 0.
    It is compared with that within the one that holds together less. A single patch has none: that
    of the other one counts, and two single patches that are related are so as if within one.

    :param relation: (N, N) float, symmetric; the diagonal is not looked at. NaN where it is not
        known: such pairs do not count.
    :param labels: (N,) int, the community of each patch.
    :param ratio: least one of a merge.
    :param fewest: number of communities at which it ends at the latest.
    :return: the merges in order; :func:`apply_merges` makes them.
    """
    names = np.unique(labels)
    members = (labels == names[:, None]).astype(np.float64)
    positive, known = np.maximum(np.nan_to_num(relation), 0), ~np.isnan(relation) * 1.0
    np.fill_diagonal(positive, 0)
    np.fill_diagonal(known, 0)
    sums, counts = (members @ values @ members.T for values in (positive, known))
    merges = []
    while len(names) > max(fewest, 1):
        first, second, best = _closest(sums, counts)
        if not best >= ratio:
            break
        merges.append(Merge(int(names[first]), int(names[second]), best))
        sums, counts = (_joined(values, first, second) for values in (sums, counts))
        names = np.delete(names, second)
    return merges


def _joined(values: np.ndarray, first: int, second: int) -> np.ndarray:
    """Return sums over pairs of communities, (C, C), where the first one has the second one's."""
    values = values.copy()
    values[first] += values[second]
    values[:, first] += values[:, second]
    return np.delete(np.delete(values, second, axis=0), second, axis=1)


def apply_merges(labels: np.ndarray, merges: Iterable[Merge]) -> list[np.ndarray]:
    """Return (N,) labels before the first merge and after each: the film of the growth."""
    film = [labels]
    for merge in merges:
        film.append(np.where(film[-1] == merge.joined, merge.kept, film[-1]))
    return film


def _closest(sums: np.ndarray, counts: np.ndarray) -> tuple[int, int, float]:
    """
    Find the pair with the largest ratio; of equal ones, that with the largest relation.

    :param sums: (C, C) float, of the relations of patches of each two communities; within one,
        every pair counts twice.
    :param counts: (C, C) float, of the pairs that are known, as those of the sums.
    :return: indices of the first and the second one, and their ratio.
    """
    between = sums / np.maximum(counts, 1)
    within = np.where(np.diag(counts) == 0, np.inf, np.diag(between))  # a single patch has none
    weaker = np.minimum.outer(within, within)
    weaker = np.where(np.isinf(weaker), between, weaker)  # two single patches
    # Communities that are not held together at all are one with whatever they are related to.
    ratios = np.divide(between, weaker, where=weaker > 0,
                       out=np.where(between > 0, np.inf, 0.0))
    rows, columns = np.triu_indices(len(sums), 1)
    order = np.lexsort((between[rows, columns], ratios[rows, columns]))
    row, column = rows[order[-1]], columns[order[-1]]
    return row, column, float(ratios[row, column])
