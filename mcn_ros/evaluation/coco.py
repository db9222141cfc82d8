# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Average precision of boxes and of poses, as COCO defines them, by pycocotools.

A scorer reads the ground truth from a COCO file (it needs the areas, which annotations do not
carry), accumulates predictions in camera pixels, image by image, and scores the images that were
added. Scores keep their full precision: rounding them makes ties, and ties change the ranking.
CenterNet's published AP is of files with two decimals; with ``reference`` it is so here.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the COCO
detection and keypoint evaluation (object keypoint similarity).
"""

from collections import Counter
import contextlib
import io
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mcn_ros.evaluation.ground_truth import index_coco, Truth
from mcn_ros.structures import Instances, Poses
from mcn_ros.vocabulary import COCO_SKELETON, Skeleton

BOX_SCORES = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR', 'ARs', 'ARm', 'ARl')
THRESHOLDS = {'.50': 0, '.75': 5, 'mean': slice(None)}  # overlap -> where COCOeval has it
OKS_BINS = np.linspace(0, 1, 21)

POSE_SCORES = ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl')

# Where an absent joint is written: COCOeval needs finite numbers, and from here the similarity to
# any labelled joint is exactly 0. (At the box centre or at 0, 0 it could earn something.)
ABSENT_JOINT = -1e6


class BoxScorer:
    """
    Box AP over the images that are added.

    :param ground_truth: path or content of a COCO annotation file.
    :param classes: class names of the predictions, by index; those that are not among the
        categories of the file are not scored.
    :param reference: round boxes and scores to two decimals.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any], classes: Sequence[str],
                 reference: bool = False):
        self._truth, self._reference = Truth(ground_truth), reference
        self._classes = tuple(classes)
        self._categories = [self._truth.categories.get(name) for name in classes]
        self._results: list[dict[str, Any]] = []
        self._evaluation: COCOeval | None = None  # of what has been added

    def add(self, image_id: int, predictions: Instances,
            labelled_classes: np.ndarray | None = None):
        """
        Add the predictions of one image.

        :param image_id: id of the image in the annotation file.
        :param predictions: N objects in camera pixels, any number of them, in any order.
        :param labelled_classes: (C,) bool or None for all; where False neither annotations nor
            predictions of the class count on this image.
        :raises ValueError: if the image is not in the file, or was added before.
        """
        labelled = np.array([category is not None for category in self._categories])
        if labelled_classes is not None:
            labelled &= labelled_classes
        self._truth.add(image_id, {c for c, ok in zip(self._categories, labelled) if ok})
        self._evaluation = None
        boxes = _left_top_width_height(predictions.boxes, self._reference)
        scores = _written(predictions.scores, self._reference)
        for box, index, score in zip(boxes, predictions.classes, scores):
            if labelled[index]:
                self._results.append({
                    'image_id': image_id, 'category_id': self._categories[index],
                    'bbox': box, 'area': box[2] * box[3], 'score': score})

    def result(self) -> dict[str, Any]:
        """
        Return the scores, 0..1.

        :return: the names of ``BOX_SCORES`` -> mean over the classes, None where the images have
            no such object; 'per_class': class -> AP, without the classes that have no object.
        """
        evaluation = self._evaluate()
        scores = _scores(evaluation, BOX_SCORES)
        per_class = {}
        for name, category in zip(self._classes, self._categories):
            if scores['AP'] is not None and category is not None:
                precision = _precision(evaluation, category)
                if (precision > -1).any():
                    per_class[name] = float(precision[precision > -1].mean())
        return {**scores, 'per_class': per_class}

    def details(self) -> dict[str, Any]:
        """
        Return what is behind the scores.

        :return: 'precision': 'all' (mean over the classes) and each class with objects -> overlap
            ('.50', '.75', 'mean' over .50 to .95) -> precision at recall 0, 0.01 .. 1;
            'objects': class -> how many are annotated, crowds aside.
        """
        evaluation = self._evaluate()
        found = {name: _precision(evaluation, category)
                 for name, category in zip(self._classes, self._categories)
                 if evaluation.eval and category is not None}
        found = {name: precision for name, precision in found.items() if (precision > -1).any()}
        if found:
            found = {'all': np.mean(list(found.values()), axis=0), **found}
        objects = Counter(a['category_id'] for a in evaluation.cocoGt.anns.values()
                          if not a['iscrowd'])
        return {'precision': {name: _curves(precision) for name, precision in found.items()},
                'objects': {name: objects[category] for name, category
                            in zip(self._classes, self._categories) if objects[category]}}

    def _evaluate(self) -> COCOeval:
        if self._evaluation is None:
            self._evaluation = COCOeval(self._truth.coco(), _results_coco(self._results), 'bbox')
            _run(self._evaluation, sorted({c for c in self._categories if c is not None}),
                 self._truth.image_ids)
        return self._evaluation


class PoseScorer:
    """
    Keypoint AP by object keypoint similarity (OKS) over the images that are added.

    :param ground_truth: path or content of a COCO annotation file with the category 'person'.
    :param skeleton: what the joints are; its sigmas enter the similarity.
    :param reference: round joints and scores to two decimals, and let the box of a person decide
        about its size, as in CenterNet's files, rather than the extent of its joints.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any],
                 skeleton: Skeleton = COCO_SKELETON, reference: bool = False):
        self._truth, self._reference = Truth(ground_truth), reference
        self._skeleton = skeleton
        self._person = self._truth.categories.get('person')
        self._results: list[dict[str, Any]] = []
        self._evaluation: COCOeval | None = None  # of what has been added

    def add(self, image_id: int, predictions: Poses):
        """
        Add the predictions of one image that is labelled for pose.

        :param image_id: id of the image in the annotation file.
        :param predictions: N people in camera pixels. A NaN joint earns nothing, and a person
            with no joint at all is left out: it says nothing about a pose.
        :raises ValueError: if the image is not in the file, or was added before.
        """
        self._truth.add(image_id, {self._person})
        self._evaluation = None
        joints = np.dstack([predictions.keypoints, predictions.keypoint_scores]).astype(float)
        boxes = _left_top_width_height(predictions.boxes, self._reference)
        scores = _written(predictions.scores, self._reference)
        for box, score, keypoints in zip(boxes, scores, joints):
            absent = np.isnan(keypoints[:, :2]).any(axis=1)
            if absent.all():
                continue
            if not self._reference:
                # As pycocotools does it where it is told of no box: the extent of the joints.
                low, high = keypoints[~absent, :2].min(axis=0), keypoints[~absent, :2].max(axis=0)
                box = [*low.tolist(), *(high - low).tolist()]
            keypoints = np.where(absent[:, None], [ABSENT_JOINT, ABSENT_JOINT, 0.0], keypoints)
            self._results.append({
                'image_id': image_id, 'category_id': self._person, 'score': score, 'bbox': box,
                'area': box[2] * box[3],
                'keypoints': _written(keypoints.ravel(), self._reference)})

    def result(self) -> dict[str, float | None]:
        """Return the names of ``POSE_SCORES`` -> 0..1, None where there is no such person."""
        return _scores(self._evaluate(), POSE_SCORES)

    def details(self) -> dict[str, Any]:
        """
        Return what is behind the scores.

        :return: 'precision': 'person' -> similarity -> precision, as for boxes; 'oks': how many
            annotated people have a similarity in each of 20 equal parts of 0..1, where every
            person has at most one prediction and the most similar pairs come first;
            'objects': 'person' -> how many are annotated, with joints.
        """
        evaluation, oks = self._evaluate(), []
        for image_id in self._truth.image_ids if evaluation.eval else ():
            counts = [not person['ignore'] for person in evaluation.cocoGt.imgToAnns[image_id]]
            if any(counts):
                # (predictions, people), but an empty list where there is no prediction
                similarity = evaluation.ious[image_id, self._person]
                oks += _assign(np.reshape(similarity, (-1, len(counts)))[:, counts])
        curves = {}
        if evaluation.eval and oks:
            curves['person'] = _curves(_precision(evaluation, self._person))
        return {'precision': curves, 'oks': np.histogram(oks, OKS_BINS)[0].tolist(),
                'objects': {'person': len(oks)}}

    def _evaluate(self) -> COCOeval:
        if self._evaluation is None:
            truth = self._truth.coco(joints=self._skeleton.keypoint_names)
            self._evaluation = COCOeval(truth, _results_coco(self._results), 'keypoints')
            self._evaluation.params.kpt_oks_sigmas = np.array(self._skeleton.sigmas)
            _run(self._evaluation, [] if self._person is None else [self._person],
                 self._truth.image_ids)
        return self._evaluation


def _written(values: np.ndarray, rounded: bool) -> list[float]:
    """Return numbers for a file, rounded to two decimals or in full."""
    values = np.asarray(values, float).tolist()
    # Through text, which is how CenterNet does it: halves can go another way by arithmetic.
    return [float(f'{value:.2f}') for value in values] if rounded else values


def _left_top_width_height(boxes: np.ndarray, rounded: bool) -> list[list[float]]:
    """Return (N, 4) xyxy boxes as COCO has them in files."""
    # In float32 before rounding, for the sake of the same numbers.
    boxes = np.asarray(boxes, np.float32 if rounded else float)
    boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    return [_written(box, rounded) for box in boxes]


def _results_coco(results: Sequence[Mapping[str, Any]]) -> COCO:
    # COCO.loadRes does this from a file, but fails when there is no result.
    return index_coco({'images': [], 'categories': [], 'annotations': [
        {**result, 'id': i + 1, 'iscrowd': 0} for i, result in enumerate(results)]})


def _run(evaluation: COCOeval, categories: Sequence[int], images: Sequence[int]) -> None:
    """Compare results and truth, unless there is nothing to compare."""
    evaluation.params.catIds, evaluation.params.imgIds = categories, images
    if categories and images:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()


def _scores(evaluation: COCOeval, names: Sequence[str]) -> dict[str, float | None]:
    """Return the summary numbers of COCOeval, whose -1 ("nothing to find") becomes None."""
    if not evaluation.eval:
        return dict.fromkeys(names)
    return {name: None if value < 0 else float(value)
            for name, value in zip(names, evaluation.stats, strict=True)}


def _precision(evaluation: COCOeval, category: int) -> np.ndarray:
    """Return (overlap threshold, recall) precision of a class; -1 where it has no object."""
    # (overlap threshold, recall, class, size, number of detections)
    index = evaluation.params.catIds.index(category)
    return evaluation.eval['precision'][:, :, index, 0, -1]


def _curves(precision: np.ndarray) -> dict[str, list[float]]:
    """Return curves over recall from (overlap threshold, recall) precision, to four digits."""
    return {name: np.atleast_2d(precision[rows]).mean(axis=0).round(4).tolist()
            for name, rows in THRESHOLDS.items()}


def _assign(similarity: np.ndarray) -> list[float]:
    """Give each column at most one row, the largest numbers first; return a number each."""
    similarity, best = similarity.copy(), [0.0] * similarity.shape[1]
    for _ in range(min(similarity.shape)):
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        best[column] = max(0.0, float(similarity[row, column]))
        similarity[row], similarity[:, column] = -1, -1
    return best
