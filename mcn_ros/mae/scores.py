# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How good relations and communities are where the segments of an image are known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from mcn_ros.evaluation.scorers.matching import match
from mcn_ros.geometry import Size
from mcn_ros.mae.partitions import adjusted_rand_index, best_match_iou, contingency, IGNORED
from mcn_ros.mae.pixels import enlarge
from mcn_ros.structures import RegionMap, UNKNOWN_REGION

PURE = 0.8  # share of a patch that one segment has at least, for the patch to be of it
TOLERANCE = 0.0075  # of the diagonal: how far contours may be off
MEANINGS = {
    'AUC': 'of the relation: the chance that it is larger for two patches of one segment than for '
           'two of different ones',
    'ARI': 'adjusted Rand index of communities and segments, over pure patches',
    'best_match': 'IoU of each segment with the community that fits best, mean',
    'boundary_F': 'F of the contours of communities, half a patch of tolerance',
    'foreground_IoU': 'of all pixels of all images',
    'foreground_IoU_image': 'mean of the images',
    'decided': 'share of the images whose foreground was decided'}


def patch_truth(segments: np.ndarray, grid: Size) -> tuple[np.ndarray, np.ndarray]:
    """
    Tell which segment most of each patch is of.

    :param segments: (H, W) int, 255 where not known.
    :param grid: rows and columns of patches.
    :return: (rows, columns) int labels, and bool: whether the patch is of one segment but for a
        fifth, and known.
    """
    index = enlarge(np.arange(grid[0] * grid[1]).reshape(grid), segments.shape)
    counts = contingency(index, segments)
    labels = np.unique(segments)[counts.argmax(axis=1)]
    pure = (counts.max(axis=1) > PURE * counts.sum(axis=1)) & (labels != IGNORED)
    return labels.reshape(grid), pure.reshape(grid)


def relation_auc(relation: np.ndarray, labels: np.ndarray, pure: np.ndarray) -> float | None:
    """
    Return the area under the ROC of a relation, as one that tells patches of the same segment.

    :param relation: (N, N) float, symmetric; NaN where it is not known.
    :param labels: the segment of each patch, N in all.
    :param pure: which patches count.
    :return: None where all pairs are alike.
    """
    first, second = (index.ravel() for index in np.triu_indices(pure.sum(), 1))
    values = relation[np.ix_(pure.ravel(), pure.ravel())][first, second]
    names = labels[pure]
    same = (names[first] == names[second])[~np.isnan(values)]
    positive, negative = same.sum(), (~same).sum()
    if not positive or not negative:
        return None
    ranks = rankdata(values[~np.isnan(values)])
    return float((ranks[same].sum() - positive * (positive + 1) / 2) / (positive * negative))


def boundary_f(segments: np.ndarray, labels: np.ndarray, patch: float) -> float | None:
    """
    Return F of the contours of communities, each pixel matched with one of the truth.

    :param segments: (H, W) int, 255 where not known.
    :param labels: (H, W) int.
    :param patch: side of a patch in these pixels.
    :return: None where the truth has no contour.
    """
    known = segments != IGNORED
    truth, found = (_contours(np.where(known, values, UNKNOWN_REGION))
                    for values in (segments, labels))
    if not truth.any() or not found.any():
        return 0.0 if truth.any() else None
    radius = max(TOLERANCE * np.hypot(*segments.shape), patch / 2)
    recall, precision = (mask.sum() / of.sum() for mask, of in
                         zip(match(truth, found, radius), (truth, found)))
    return float(2 * recall * precision / (recall + precision)) if recall + precision else 0.0


def _contours(labels: np.ndarray) -> np.ndarray:
    """Return where known segments end, (H, W) bool."""
    return RegionMap(labels.astype(np.uint16), np.zeros(0, int)).contours().values == 1


def overlap(segments: np.ndarray, foreground: np.ndarray | None) -> dict[str, Any]:
    """
    Compare a foreground with all segments but the ground.

    :param segments: (H, W) int: 0 the ground, 255 not known.
    :param foreground: (H, W) bool; None, not decided, counts as none.
    :return: 'inside' and 'any': how many known pixels both have, and either has; 'decided'.
    """
    known = segments != IGNORED
    truth = (segments > 0) & known
    found = known & (foreground if foreground is not None else np.zeros_like(truth))
    return {'inside': int((truth & found).sum()), 'any': int((truth | found).sum()),
            'decided': foreground is not None}


def measure(segments: np.ndarray, patches: np.ndarray, pixels: np.ndarray,
            foreground: np.ndarray | None, relation: np.ndarray | None = None) -> dict[str, Any]:
    """
    Measure one image.

    :param segments: (H, W) int: 0 the ground, 1, 2, ... things, 255 not known.
    :param patches: (rows, columns) int, the communities.
    :param pixels: (H, W) int, the same for pixels.
    :param foreground: (H, W) bool; None for not decided.
    :param relation: (N, N) float, of which they were made.
    :return: for :func:`summary`.
    """
    labels, pure = patch_truth(segments, patches.shape)
    patch = segments.shape[0] / patches.shape[0]
    return {
        'AUC': None if relation is None else relation_auc(relation, labels, pure),
        'ARI': adjusted_rand_index(labels[pure], patches[pure]) if pure.any() else None,
        'best_match': best_match_iou(segments, pixels),
        'boundary_F': boundary_f(segments, pixels, patch),
        **overlap(segments, foreground)}


def summary(images: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the scores of images that were measured, see ``MEANINGS``; None for what is none."""
    scores: dict[str, float | None] = {
        name: mean([image.get(name) for image in images])
        for name in ('AUC', 'ARI', 'best_match', 'boundary_F')}
    inside, some = (sum(image[name] for image in images) for name in ('inside', 'any'))
    return {**scores, 'foreground_IoU': inside / some if some else None,
            'foreground_IoU_image': mean([image['inside'] / image['any'] if image['any'] else None
                                          for image in images]),
            'decided': mean([float(image['decided']) for image in images])}


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of what there is, None for nothing."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
