# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Differences of predictions between two ways to run a network.

Which of two equally likely objects comes first may differ between them, so objects are compared
with the nearest of their class, not by rank.
"""

from dataclasses import dataclass, field
from typing import Mapping

import numpy as np

from mcn_ros.structures import select, Structure


@dataclass(frozen=True)
class Difference:
    """
    Differences of the predictions of a task; N objects, those more likely than the median one.

    :param scores: (N,) absolute differences of each object, or of each number of a map.
    :param boxes_px: (N,) of each object, the largest of the four coordinates; infinite where the
        other prediction has no object of its class.
    :param joints_px: (N, J) distances; (N, 0) of tasks without joints.
    :param labels: share of the labels of a map that differ.
    """

    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    boxes_px: np.ndarray = field(default_factory=lambda: np.zeros(0))
    joints_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    labels: float = 0.0


def compare(actual: Mapping[str, Structure], expected: Mapping[str, Structure],
            ) -> dict[str, Difference]:
    """
    Compare the predictions of a batch.

    :param actual: task name -> batched prediction.
    :param expected: the same of the reference.
    :return: task name -> difference.
    """
    return {name: (_objects if 'boxes' in reference.ROWS else _maps)(actual[name], reference)
            for name, reference in expected.items()}


def _maps(actual: Structure, expected: Structure) -> Difference:
    """Compare maps: numbers by absolute difference, labels by the share that is not the same."""
    pairs = [(getattr(actual, name), getattr(expected, name)) for name in expected.ROWS]
    numbers = [np.abs(one - other).ravel() for one, other in pairs if other.dtype.kind == 'f']
    others = [(one != other).mean() for one, other in pairs if other.dtype.kind != 'f']
    return Difference(scores=np.concatenate([np.zeros(0), *numbers]),
                      labels=float(max(others, default=0.0)))


def _objects(actual: Structure, expected: Structure) -> Difference:
    pairs = [_match(select(actual, row), select(expected, row))
             for row in range(len(expected.scores))]
    return Difference(*map(np.concatenate, zip(*pairs)))


def _match(actual: Structure, expected: Structure,
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return differences of scores, boxes and joints of the likelier half of the objects."""
    half = len(expected.scores) // 2
    expected = select(expected, np.flatnonzero(expected.scores[:half] > 0))
    apart = np.abs(expected.boxes[:, None] - actual.boxes).max(axis=2)  # (N, M)
    if 'classes' in expected.ROWS:
        apart[expected.classes[:, None] != actual.classes] = np.inf
    apart[:, actual.scores <= 0] = np.inf  # no peaks, and duplicates that were sorted out
    nearest = apart.argmin(axis=1)
    joints = np.zeros((len(apart), 0))
    if 'keypoints' in expected.ROWS:
        joints = np.linalg.norm(expected.keypoints - actual.keypoints[nearest], axis=2)
    return np.abs(expected.scores - actual.scores[nearest]), apart.min(axis=1), joints
