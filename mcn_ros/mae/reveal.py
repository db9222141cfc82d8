# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Growth by looking again: what communities tell of each other as a whole.

It needs a pass of the network for each community, and again after each merge, where growth by
relations of patches needs none.
"""

import numpy as np
import torch
from torch import Tensor

from mcn_ros.mae.growth import Merge
from mcn_ros.mae.model import MaskedAutoencoder
from mcn_ros.mae.relations import mean_errors, reconstruction_errors, symmetric

SHARE = 0.6  # of the error of a community that another one takes from it, from which they are one
FEWEST = 2  # communities that are left


def group_relation(errors: np.ndarray, usual: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """
    Relate communities by what each, seen as a whole, does to the errors of the others.

    :param errors: (C, N) float, of all patches where community 0, 1, ... is all that is seen.
    :param usual: (N,) float, the errors that they are compared with.
    :param labels: (N,) int in 0..C-1, the community of each patch.
    :return: (C, C) float64: at c, d the share by which the error of d is smaller where c is seen;
        not symmetric, and 0 on the diagonal.
    """
    members = labels == np.arange(len(errors))[:, None]
    relation = 1 - (errors @ members.T) / (members @ usual)
    np.fill_diagonal(relation, 0)
    return relation


def grow_revealed(model: MaskedAutoencoder, image: Tensor, labels: np.ndarray,
                  share: float = SHARE, fewest: int = FEWEST) -> list[Merge]:
    """
    Merge the two communities that tell most of each other, again and again.

    :param model: see :func:`mcn_ros.mae.relations.relate`.
    :param image: (1, 3, H, W) float, normalised, of the size that the network knows.
    :param labels: (N,) int, the community of each patch.
    :param share: least relation of a merge, see :func:`group_relation`.
    :param fewest: number of communities at which it ends at the latest.
    :return: the merges in order; :func:`mcn_ros.mae.growth.apply_merges` makes them.
    """
    usual, merges, labels = mean_errors(model, image), [], labels.copy()
    while len(names := np.unique(labels)) > max(fewest, 1):
        seen = [torch.from_numpy(np.flatnonzero(labels == name))[None] for name in names]
        errors = np.concatenate([reconstruction_errors(model, image, keep) for keep in seen])
        relation = symmetric(group_relation(errors, usual, np.searchsorted(names, labels)))
        np.fill_diagonal(relation, -np.inf)
        first, second = sorted(np.unravel_index(relation.argmax(), relation.shape))
        if not relation[first, second] >= share:
            break
        kept, joined = int(names[first]), int(names[second])
        merges.append(Merge(kept, joined, float(relation[first, second])))
        labels[labels == joined] = kept
    return merges
