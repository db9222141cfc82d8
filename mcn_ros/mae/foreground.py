# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which communities of patches are foreground: those that the border of the image is not of."""

import numpy as np

ON_BORDER = 0.6  # share of the patches of a community at the border that make it background
LARGEST = 0.8  # share of the image above which a foreground is none


def foreground(labels: np.ndarray) -> np.ndarray | None:
    """
    Tell foreground from background.

    Background is the community with most patches at the border of the image (of equal ones, that
    of the smallest label), and each one with at least 60 % of its own there.

    :param labels: (rows, columns) int, the community of each patch.
    :return: (rows, columns) bool, or None where it cannot be decided: nothing is left, or more
        than 80 % of the image.
    """
    border = np.ones(labels.shape, bool)
    border[1:-1, 1:-1] = False
    names, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    outside = np.bincount(index.ravel()[border.ravel()], minlength=len(names))
    background = outside >= ON_BORDER * sizes
    background[outside.argmax()] = True
    found = ~background[index].reshape(labels.shape)
    return found if 0 < found.mean() <= LARGEST else None
