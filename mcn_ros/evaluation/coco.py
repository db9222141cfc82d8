# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Average precision of boxes and of poses, as COCO defines them, by pycocotools.

A scorer reads the ground truth from a COCO file (it needs the areas, which annotations do not
carry), accumulates predictions in camera pixels, image by image, and scores the images that were
added. Scores keep their full precision: rounding them makes ties, and ties change the ranking.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the COCO
detection and keypoint evaluation (object keypoint similarity).
"""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mcn_ros.structures import Instances, Poses
from mcn_ros.vocabulary import COCO_SKELETON, Skeleton

BOX_SCORES = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR', 'ARs', 'ARm', 'ARl')
POSE_SCORES = ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl')

# Where an absent joint is written: COCOeval needs finite numbers, and from here the similarity to
# any labelled joint is exactly 0. (At the box centre or at 0, 0 it could earn something.)
ABSENT_JOINT = -1e6


def read_ground_truth(path: Path | str) -> dict[str, Any]:
    """
    Read a COCO annotation file.

    :return: its content, as the scorers take it.
    :raises ValueError: if it is not there, not JSON or not a COCO annotation file.
    """
    try:
        truth = json.loads(Path(path).read_text())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except ValueError as error:
        raise ValueError(f'{path}: not a JSON file ({error})') from error
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(truth, dict) or key not in truth:
            raise ValueError(f'{path}: not a COCO annotation file, {key!r} is missing')
    return truth


class BoxScorer:
    """
    Box AP over the images that are added.

    :param ground_truth: path or content of a COCO annotation file.
    :param classes: class names of the predictions, by index; those that are not among the
        categories of the file are not scored.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any], classes: Sequence[str]):
        self._truth = _Truth(ground_truth)
        self._classes = tuple(classes)
        self._categories = [self._truth.categories.get(name) for name in classes]
        self._results: list[dict[str, Any]] = []

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
        boxes = np.asarray(predictions.boxes, float)
        boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        for box, index, score in zip(boxes, predictions.classes, predictions.scores):
            if labelled[index]:
                self._results.append({
                    'image_id': image_id, 'category_id': self._categories[index],
                    'bbox': box.tolist(), 'area': float(box[2] * box[3]), 'score': float(score)})

    def result(self) -> dict[str, Any]:
        """
        Return the scores, 0..1.

        :return: the names of ``BOX_SCORES`` -> mean over the classes, None where the images have
            no such object; 'per_class': class -> AP, without the classes that have no object.
        """
        scored = sorted({c for c in self._categories if c is not None})
        evaluation = COCOeval(self._truth.coco(), _results_coco(self._results), 'bbox')
        evaluation.params.catIds = scored
        evaluation.params.imgIds = self._truth.image_ids
        scores = _run(evaluation, BOX_SCORES)
        per_class = {}
        for name, category in zip(self._classes, self._categories):
            if scores['AP'] is not None and category is not None:
                # (IoU threshold, recall, class, size, number of detections)
                precision = evaluation.eval['precision'][:, :, scored.index(category), 0, -1]
                if (precision > -1).any():
                    per_class[name] = float(precision[precision > -1].mean())
        return {**scores, 'per_class': per_class}


class PoseScorer:
    """
    Keypoint AP by object keypoint similarity (OKS) over the images that are added.

    :param ground_truth: path or content of a COCO annotation file with the category 'person'.
    :param skeleton: what the joints are; its sigmas enter the similarity.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any],
                 skeleton: Skeleton = COCO_SKELETON):
        self._truth = _Truth(ground_truth)
        self._skeleton = skeleton
        self._person = self._truth.categories.get('person')
        self._results: list[dict[str, Any]] = []

    def add(self, image_id: int, predictions: Poses):
        """
        Add the predictions of one image that is labelled for pose.

        :param image_id: id of the image in the annotation file.
        :param predictions: N people in camera pixels. A NaN joint earns nothing, and a person
            with no joint at all is left out: it says nothing about a pose.
        :raises ValueError: if the image is not in the file, or was added before.
        """
        self._truth.add(image_id, {self._person})
        joints = np.dstack([predictions.keypoints, predictions.keypoint_scores]).astype(float)
        for score, keypoints in zip(predictions.scores, joints):
            absent = np.isnan(keypoints[:, :2]).any(axis=1)
            if absent.all():
                continue
            # As pycocotools does it: the extent of the joints decides about the size of a person.
            low, high = keypoints[~absent, :2].min(axis=0), keypoints[~absent, :2].max(axis=0)
            keypoints = np.where(absent[:, None], [ABSENT_JOINT, ABSENT_JOINT, 0.0], keypoints)
            self._results.append({
                'image_id': image_id, 'category_id': self._person, 'score': float(score),
                'bbox': [*low.tolist(), *(high - low).tolist()],
                'area': float(np.prod(high - low)), 'keypoints': keypoints.ravel().tolist()})

    def result(self) -> dict[str, float | None]:
        """Return the names of ``POSE_SCORES`` -> 0..1, None where there is no such person."""
        truth = self._truth.coco(joints=self._skeleton.keypoint_names)
        evaluation = COCOeval(truth, _results_coco(self._results), 'keypoints')
        evaluation.params.catIds = [] if self._person is None else [self._person]
        evaluation.params.imgIds = self._truth.image_ids
        evaluation.params.kpt_oks_sigmas = np.array(self._skeleton.sigmas)
        return _run(evaluation, POSE_SCORES)


class _Truth:
    """A COCO file, and which categories count on which of its images."""

    def __init__(self, ground_truth: Path | str | Mapping[str, Any]):
        if not isinstance(ground_truth, Mapping):
            ground_truth = read_ground_truth(ground_truth)
        self.categories = {c['name']: c['id'] for c in ground_truth['categories']}
        self._content = ground_truth
        self._known = {image['id'] for image in ground_truth['images']}
        self._scored: dict[int, set[int]] = {}

    @property
    def image_ids(self) -> list[int]:
        return sorted(self._scored)

    def add(self, image_id: int, categories: set[int]):
        if image_id not in self._known:
            raise ValueError(f'image {image_id!r} is not in the annotation file')
        if image_id in self._scored:
            raise ValueError(f'image {image_id!r} was added before')
        self._scored[image_id] = categories

    def coco(self, joints: Sequence[str] = ()) -> COCO:
        """Return the annotations that count, with their keypoints in the order of ``joints``."""
        annotations = []
        for annotation in self._content['annotations']:
            if annotation['category_id'] in self._scored.get(annotation['image_id'], ()):
                width, height = annotation['bbox'][2:]
                # A copy: COCOeval writes into annotations.
                annotation = {'area': width * height, 'iscrowd': 0, **annotation}
                if joints:
                    annotation |= self._keypoints(annotation, joints)
                annotations.append(annotation)
        return _coco({'images': self._content['images'], 'annotations': annotations,
                      'categories': self._content['categories']})

    def _keypoints(self, annotation: Mapping[str, Any], joints: Sequence[str]) -> dict[str, Any]:
        category = next(c for c in self._content['categories']
                        if c['id'] == annotation['category_id'])
        values = np.zeros((len(joints), 3))
        if 'keypoints' in annotation:
            order = [category['keypoints'].index(name) for name in joints]
            values = np.reshape(annotation['keypoints'], (-1, 3))[order]
        return {'keypoints': values.ravel().tolist(),
                'num_keypoints': int((values[:, 2] > 0).sum())}


def _results_coco(results: Sequence[Mapping[str, Any]]) -> COCO:
    # COCO.loadRes does this from a file, but fails when there is no result.
    return _coco({'images': [], 'categories': [], 'annotations': [
        {**result, 'id': i + 1, 'iscrowd': 0} for i, result in enumerate(results)]})


def _coco(content: dict[str, Any]) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = content
        coco.createIndex()
    return coco


def _run(evaluation: COCOeval, names: Sequence[str]) -> dict[str, float | None]:
    """Return the summary numbers of COCOeval, whose -1 ("nothing to find") becomes None."""
    if not evaluation.params.catIds or not evaluation.params.imgIds:
        return dict.fromkeys(names)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: None if value < 0 else float(value)
            for name, value in zip(names, evaluation.stats, strict=True)}
