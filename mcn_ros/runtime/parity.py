# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How far the predictions of two ways to run a network are apart.

Which of two equally likely objects comes first may differ between them, so objects are compared
with the nearest of their class, not by rank.
"""

from dataclasses import dataclass, field
from typing import Any, Mapping

import numpy as np

from mcn_ros.structures import ClassMap, select


@dataclass(frozen=True)
class Difference:
    """
    Differences of the predictions of a task; N objects, those more likely than the median one.

    :param scores: (N,) of each object.
    :param boxes_px: (N,) of each object, the largest of the four coordinates; infinite where its
        class was not found at all.
    :param joints_px: (N, J) distances; (N, 0) of tasks without joints.
    :param labels: share of the labels of a class map that differ.
    """

    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    boxes_px: np.ndarray = field(default_factory=lambda: np.zeros(0))
    joints_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    labels: float = 0.0


def compare(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Difference]:
    """
    Compare the predictions of a batch.

    :param found: task name -> batched prediction.
    :param expected: the same of what ought to be found.
    :return: task name -> how far they are apart.
    """
    differences = {}
    for name, wanted in expected.items():
        if isinstance(wanted, ClassMap):
            share = float((found[name].labels != wanted.labels).mean())
            differences[name] = Difference(labels=share)
            continue
        pairs = [_match(select(found[name], row), select(wanted, row))
                 for row in range(len(wanted.scores))]
        differences[name] = Difference(*map(np.concatenate, zip(*pairs)))
    return differences


def _match(found: Any, expected: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return differences of scores, boxes and joints of the likelier half of the objects."""
    half = len(expected.scores) // 2
    expected = select(expected, np.flatnonzero(expected.scores[:half] > 0))
    apart = np.abs(expected.boxes[:, None] - found.boxes).max(axis=2)  # (N, M)
    if hasattr(expected, 'classes'):
        apart[expected.classes[:, None] != found.classes] = np.inf
    apart[:, found.scores <= 0] = np.inf  # no peaks, and duplicates that were sorted out
    nearest = apart.argmin(axis=1)
    joints = np.zeros((len(apart), 0))
    if hasattr(expected, 'keypoints'):
        joints = np.linalg.norm(expected.keypoints - found.keypoints[nearest], axis=2)
    return np.abs(expected.scores - found.scores[nearest]), apart.min(axis=1), joints
