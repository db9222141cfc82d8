# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which things of a picture stand out, by a rule.

A thing stands out the more, the larger it is and the nearer to the middle; one of which much is
hidden, or that is cut off at two sides of the picture, half as much. Those that stand out at least
half as much as the first of all do, but three at most and none that is tiny.
"""

import numpy as np

MOST = 3
LEAST_AREA = .01  # share of the picture
LEAST_VISIBLE = .6  # share of the box
LEAST_SCORE = .5  # share of the best score
SPREAD = .35  # standard deviation in half diagonals


def standing_out(numbers: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """
    Return the numbers of the things that stand out, in falling order.

    :param numbers: (H, W) number of the thing at each pixel, from 1 on; 0 for none.
    :param visible: (N,) which share of its box is seen of each thing.
    """
    size, count = np.array(numbers.shape), len(visible) + 1
    areas = np.bincount(numbers.reshape(-1), minlength=count)[1:]
    places = np.indices(numbers.shape) + .5
    middles = np.array([np.bincount(numbers.reshape(-1), along.reshape(-1), count)[1:]
                        for along in places]).T / np.maximum(areas, 1)[:, None]
    away = np.linalg.norm(middles - size / 2, axis=1) / np.linalg.norm(size / 2)
    shares = areas / numbers.size
    scores = np.sqrt(shares) * np.exp(-away ** 2 / (2 * SPREAD ** 2))
    borders = sum(np.isin(np.arange(1, count), border) for border in (
        numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]))
    scores[(visible < LEAST_VISIBLE) | (borders >= 2)] /= 2
    scores[shares < LEAST_AREA] = 0
    chosen = (scores > 0) & (scores >= LEAST_SCORE * scores.max(initial=0))
    order = np.argsort(-scores, kind='stable')
    return (order[chosen[order]] + 1)[:MOST]
