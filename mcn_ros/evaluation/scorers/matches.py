# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How well a single image was understood; average precision says little about one image."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.evaluation.scorers.scorer import Figure
from mcn_ros.structures import area_rows, crowd_rows, Instances, Poses, select

OVERLAP = 0.5  # IoU of boxes, or OKS of poses, from which on a prediction is right


@dataclass(frozen=True)
class Matches:
    """
    Predictions of an image against its annotations.

    :param found: annotations with a right prediction.
    :param missed: annotations without.
    :param false: predictions that are right for none.
    """

    found: int
    missed: int
    false: int

    @property
    def f1(self) -> float | None:
        """Return the harmonic mean of precision and recall; None where there is nothing."""
        errors = self.missed + self.false
        return self.found / (self.found + errors / 2) if self.found or errors else None

    @property
    def figure(self) -> Figure:
        """Return the figure of the image."""
        text = f'{self.found} found, {self.missed} missed, {self.false} false'
        return Figure(self.f1, text, self.found, self.missed + self.false)


def match_boxes(predictions: Instances, annotation: Instances) -> Matches:
    """
    Match objects of the same class, as COCO does at one threshold of IoU.

    What lies in a crowd is neither right nor false, nor is a class that is not labelled.

    :param predictions: in camera pixels; those of ``SCORE_THRESHOLD`` or more count.
    """
    predictions = select(predictions, predictions.scores >= SCORE_THRESHOLD)
    if annotation.labelled_classes is not None:
        known = np.asarray(annotation.labelled_classes)[predictions.classes]
        predictions = select(predictions, known)
    crowd = crowd_rows(annotation)
    overlap = _box_overlap(predictions.boxes, annotation.boxes, crowd)
    overlap[predictions.classes[:, None] != annotation.classes] = 0
    return _match(predictions.scores, overlap, crowd)


def match_poses(predictions: Poses, annotation: Poses) -> Matches:
    """
    Match people by the similarity of their joints.

    Crowds, and people of whom no joint is labelled, are neither to be found nor false.

    :param predictions: in camera pixels; those of ``SCORE_THRESHOLD`` or more count.
    """
    predictions = select(predictions, predictions.scores >= SCORE_THRESHOLD)
    crowd = crowd_rows(annotation)
    unknown = crowd | ~(annotation.keypoint_scores > 0).any(axis=1)
    overlap = np.where(unknown, _box_overlap(predictions.boxes, annotation.boxes, crowd),
                       _joint_similarity(predictions, annotation))
    return _match(predictions.scores, overlap, unknown)


def _match(scores: np.ndarray, overlap: np.ndarray, optional: np.ndarray) -> Matches:
    """
    Give each prediction, the surest first, the annotation that it overlaps most.

    :param overlap: (predictions, annotations).
    :param optional: (annotations,) bool: may be hit any number of times, or not at all.
    """
    hits = false = 0
    open_ = overlap * ~optional
    for row in np.argsort(-scores, kind='stable'):
        best = open_[row].argmax() if open_.shape[1] else None
        if best is not None and open_[row, best] >= OVERLAP:
            hits += 1
            open_[:, best] = 0
        elif not (overlap[row, optional] >= OVERLAP).any():
            false += 1
    return Matches(hits, int((~optional).sum()) - hits, false)


def _box_overlap(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return (boxes, others): IoU, or for crowds which share of the box lies in it."""
    if not len(boxes) or not len(others):
        return np.zeros((len(boxes), len(others)))
    xywh = [np.hstack([b[:, :2], b[:, 2:] - b[:, :2]]).astype(float) for b in (boxes, others)]
    return coco_mask.iou(*xywh, crowd.astype(np.uint8).tolist())


def _joint_similarity(predictions: Poses, annotation: Poses) -> np.ndarray:
    """Return (predictions, annotations) object keypoint similarity; an absent joint earns 0."""
    scale = 2 * (area_rows(annotation)[:, None] + np.spacing(1))
    variance = (2 * np.array(annotation.skeleton.sigmas)) ** 2
    apart = predictions.keypoints[:, None] - annotation.keypoints
    similarity = np.exp(-(apart ** 2).sum(axis=-1) / (scale * variance))
    labelled = annotation.keypoint_scores > 0
    total = np.where(labelled, np.nan_to_num(similarity), 0).sum(axis=-1)
    return total / np.maximum(labelled.sum(axis=-1), 1)
