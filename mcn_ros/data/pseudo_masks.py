# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Semantic maps by a teacher, held to what boxes say of the same image.

A class is only where a box of it is, and outside of all boxes is background: so a weak teacher of
pixels is corrected by boxes of people, or of better teachers. What neither is sure of is unknown.
"""

from dataclasses import dataclass

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.structures import clip_boxes, IGNORE


@dataclass(frozen=True)
class MaskRule:
    """
    When a pixel gets a label.

    The numbers are chosen for the shipped default weights; docs/pseudo_labels.md has what each of
    them brings.

    :param evidence: that a box of a class lies over a pixel is worth so much, as a logarithm of
        odds: networks that see classes rarely name them too rarely.
    :param threshold: within boxes, a label of a lower probability is unknown.
    :param share: where a class fills less of its box, the background in it is unknown: the
        teacher has missed the object.
    """

    evidence: float = 1.5
    threshold: float = 0.6
    share: float = 0.2


def gated_labels(logits: np.ndarray, boxes: np.ndarray, rows: np.ndarray, sure: np.ndarray,
                 rule: MaskRule = MaskRule()) -> np.ndarray:
    """
    Return the labels of an image.

    :param logits: (K + 1, H, W) float32 of a teacher: background, and the K classes that have
        boxes, in camera pixels.
    :param boxes: (N, 4) xyxy, camera pixels.
    :param rows: (N,) int64 in 1..K, the class of each box as a row of the logits.
    :param sure: (N,) bool; within the others, what is no object is unknown.
    :param rule: when a pixel gets a label.
    :return: (H, W) uint8: 0 background, k a row of the logits, 255 unknown.
    """
    size = logits.shape[1:]
    regions = [_region(box, size) for box in boxes]
    allowed = np.zeros(logits.shape, bool)
    for row, region in zip(rows[sure], (r for r, s in zip(regions, sure) if s)):
        allowed[row][region] = True
    scores = np.where(allowed, logits + np.float32(rule.evidence), -np.inf)
    scores[0] = logits[0]
    labels = scores.argmax(axis=0).astype(np.uint8)
    # The probability of the best is one over the sum of all relative to it.
    doubt = np.exp(scores - scores.max(axis=0)).sum(axis=0) > 1 / rule.threshold
    unknown = doubt.copy()
    for row, region, certain in zip(rows, regions, sure):
        inside = labels[region]
        if not certain or (inside == row).mean() < rule.share:
            unknown[region] |= inside == 0
    labels[unknown] = IGNORE
    return labels


def _region(box: np.ndarray, size: Size) -> tuple[slice, slice]:
    """Return the pixels that a box touches, at least one."""
    left, top, right, bottom = clip_boxes(np.asarray(box, np.float64), size)
    top, left = min(int(top), size[0] - 1), min(int(left), size[1] - 1)
    return (slice(top, max(int(np.ceil(bottom)), top + 1)),
            slice(left, max(int(np.ceil(right)), left + 1)))
