# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision of poses, by object keypoint similarity (OKS)."""

from typing import Any, ClassVar, Iterator, Mapping

import numpy as np

from mcn_ros.evaluation.plots import similarity_plot
from mcn_ros.evaluation.scorers.average_precision import (
    AveragePrecision, curves, Entries, precision_plot)
from mcn_ros.evaluation.scorers.matches import match_poses, OVERLAP
from mcn_ros.evaluation.scorers.scorer import Figure, Plot, Scorer
from mcn_ros.structures import area_rows, crowd_rows, Poses
from mcn_ros.tasks import Task

PERSON = ('person',)
BINS = np.linspace(0, 1, 21)  # of similarity

# Where an absent joint is written: COCOeval needs finite numbers, and from here the similarity to
# any labelled joint is exactly 0. (At the box centre or at 0, 0 it could earn something.)
ABSENT_JOINT = -1e6


class PosesScorer(Scorer):
    """
    Keypoint AP over the images that are added.

    :param task: task whose joints the people have; their sigmas enter the similarity.
    """

    MEANINGS: ClassVar[Mapping[str, str]] = {
        'AP': 'average precision, mean over overlaps .50 to .95',
        'AP50': 'at overlap .50', 'AP75': 'at overlap .75', 'APm': 'medium ones',
        'APl': 'large ones, area above 96 x 96 pixels',
        'AR': 'average recall with all predictions', 'AR50': 'at overlap .50',
        'AR75': 'at overlap .75', 'ARm': 'medium ones', 'ARl': 'large ones'}
    PRECISION: ClassVar[type[AveragePrecision]] = AveragePrecision
    IMAGE_FIGURE: ClassVar[str] = (
        f'the F1 score of its poses (right are those with an OKS of {OVERLAP} or more)')
    NOTE: ClassVar[str] = (
        'Similarity: how similar the predicted joints of each annotated person are to the true '
        'ones; people who were not found have 0.')

    def __init__(self, task: Task):
        super().__init__(task)
        self._precision = self.PRECISION('keypoints', len(PERSON), task.joints.sigmas)

    def measure(self, annotation: Poses, prediction: Poses) -> Entries:
        """
        Return the annotated and the predicted people of one image.

        :param prediction: N people in camera pixels. A NaN joint earns nothing, and a person
            with no joint at all is left out: it says nothing about a pose.
        """
        return list(self._annotations(annotation)), list(self._predictions(prediction))

    def accumulate(self, measured: Entries) -> None:
        """Add one image."""
        self._precision.add(*measured)

    def _annotations(self, annotation: Poses) -> Iterator[dict[str, Any]]:
        labelled = annotation.keypoint_scores > 0
        joints = np.dstack([np.where(labelled[..., None], annotation.keypoints, 0), labelled])
        boxes = self._precision.boxes(annotation.boxes)
        for box, keypoints, area, crowd in zip(boxes, joints.astype(float), area_rows(annotation),
                                               crowd_rows(annotation)):
            yield {'category_id': 1, 'bbox': box, 'area': float(area), 'iscrowd': int(crowd),
                   'keypoints': keypoints.ravel().tolist(),
                   'num_keypoints': int(keypoints[:, 2].sum())}

    def _predictions(self, prediction: Poses) -> Iterator[dict[str, Any]]:
        joints = np.dstack([prediction.keypoints, prediction.keypoint_scores]).astype(float)
        boxes = self._precision.boxes(prediction.boxes)
        scores = self._precision.numbers(prediction.scores)
        for box, score, keypoints in zip(boxes, scores, joints):
            absent = np.isnan(keypoints[:, :2]).any(axis=1)
            if absent.all():
                continue
            box = self._extent(box, keypoints[~absent, :2])
            keypoints = np.where(absent[:, None], [ABSENT_JOINT, ABSENT_JOINT, 0.0], keypoints)
            yield {'category_id': 1, 'score': score, 'bbox': box, 'area': box[2] * box[3],
                   'keypoints': self._precision.numbers(keypoints.ravel())}

    def _extent(self, box: list[float], joints: np.ndarray) -> list[float]:
        """Return what the size of a person is that of: as in pycocotools, the joints (N, 2)."""
        low, high = joints.min(axis=0), joints.max(axis=0)
        return [*low.tolist(), *(high - low).tolist()]

    def result(self) -> dict[str, float | None]:
        """Return the scores."""
        return self._precision.scores(self.MEANINGS)

    def details(self) -> dict[str, Any]:
        """
        Return what is behind the scores.

        :return: 'precision': 'person' -> similarity -> precision, as for boxes; 'oks': how many
            annotated people have a similarity in each of 20 equal parts of 0..1, where every
            person has at most one prediction and the most similar pairs come first;
            'objects': 'person' -> how many are annotated, with joints.
        """
        evaluation, oks = self._precision.evaluation, []
        for image in self._precision.images:
            counts = [not person['ignore'] for person in evaluation.cocoGt.imgToAnns[image]]
            if any(counts):
                # (predictions, people), but an empty list where there is no prediction
                similarity = evaluation.ious[image, 1]
                oks += _assign(np.reshape(similarity, (-1, len(counts)))[:, counts])
        precision = self._precision.precision(PERSON) if oks else {}
        return {'precision': {name: curves(values) for name, values in precision.items()},
                'oks': np.histogram(oks, BINS)[0].tolist(), 'objects': {'person': len(oks)}}

    @classmethod
    def plots(cls, details: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Plot]:
        """Draw precision over recall, and the similarities."""
        figures, similar = precision_plot(details, others, 'OKS'), details.get('oks', ())
        if sum(similar):
            figures['similarity'] = Plot(similarity_plot(similar, others.get('oks', ())), cls.NOTE)
        return figures

    def figure(self, annotation: Poses, prediction: Poses) -> Figure:
        """Return the F1 score of one image."""
        return match_poses(prediction, annotation).figure


def _assign(similarity: np.ndarray) -> list[float]:
    """Give each column at most one row, the largest numbers first; return a number each."""
    similarity, best = similarity.copy(), [0.0] * similarity.shape[1]
    for _ in range(min(similarity.shape)):
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        best[column] = max(0.0, float(similarity[row, column]))
        similarity[row], similarity[:, column] = -1, -1
    return best
