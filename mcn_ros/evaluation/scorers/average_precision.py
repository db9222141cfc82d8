# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Average precision as COCO defines it, by pycocotools.

Scores keep their full precision: rounding them makes ties, and ties change the ranking.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and the COCO
detection and keypoint evaluation (object keypoint similarity).
"""

import contextlib
import io
from typing import Any, ClassVar, Iterable, Mapping, Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mcn_ros.evaluation import plots
from mcn_ros.evaluation.scorers.scorer import Plot

THRESHOLDS = {'.50': 0, '.75': 5, 'mean': slice(None)}  # overlap -> where COCOeval has it
SHOWN = 'all', 'person'  # classes whose curves are drawn

# The annotated and the predicted objects of an image, each as in a COCO file, but for the ids.
Entries = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class AveragePrecision:
    """
    An evaluation by COCOeval over the images that are added.

    :cvar DTYPE: in which the sides of boxes are computed.
    :param kind: 'bbox' or 'keypoints'.
    :param num_classes: number of classes; their ids are 1 to this.
    :param sigmas: those of the joints.
    """

    DTYPE: ClassVar[type] = float

    def __init__(self, kind: str, num_classes: int, sigmas: Sequence[float] = ()):
        self._kind, self._sigmas = kind, np.array(sigmas)
        self._classes = range(1, num_classes + 1)
        self._annotations: list[dict[str, Any]] = []
        self._predictions: list[dict[str, Any]] = []
        self._evaluation: COCOeval | None = None  # of what has been added
        self.images = range(1, 1)

    def numbers(self, values: np.ndarray) -> list[float]:
        """Return numbers as :meth:`add` wants them."""
        return np.asarray(values, float).tolist()

    def boxes(self, boxes: np.ndarray) -> list[list[float]]:
        """Return (N, 4) xyxy boxes as :meth:`add` wants them: left, top, width and height."""
        boxes = np.asarray(boxes, self.DTYPE)
        boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        return [self.numbers(box) for box in boxes]

    def add(self, annotations: Iterable[Mapping[str, Any]],
            predictions: Iterable[Mapping[str, Any]]) -> None:
        """Add one image, each object as in a COCO file, but for the ids."""
        self._evaluation = None
        self.images = range(1, self.images.stop + 1)
        for known, added in ((self._annotations, annotations), (self._predictions, predictions)):
            known += ({'iscrowd': 0, **entry, 'id': number, 'image_id': self.images[-1]}
                      for number, entry in enumerate(added, len(known) + 1))

    @property
    def evaluation(self) -> COCOeval:
        """Return the evaluation; without images its ``eval`` is empty."""
        if self._evaluation is None:
            evaluation = COCOeval(_index(self._annotations), _index(self._predictions), self._kind)
            evaluation.params.catIds = list(self._classes)
            evaluation.params.imgIds = list(self.images)
            if len(self._sigmas):
                evaluation.params.kpt_oks_sigmas = self._sigmas
            if self.images:
                with contextlib.redirect_stdout(io.StringIO()):
                    evaluation.evaluate()
                    evaluation.accumulate()
                    evaluation.summarize()
            self._evaluation = evaluation
        return self._evaluation

    def scores(self, names: Iterable[str]) -> dict[str, float | None]:
        """Return the summary of COCOeval, whose -1 ("nothing to find") becomes None."""
        if not self.images:
            return dict.fromkeys(names)
        return {name: None if value < 0 else float(value)
                for name, value in zip(names, self.evaluation.stats, strict=True)}

    def precision(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return class -> (overlap threshold, recall) precision, of classes with objects."""
        if not self.images:
            return {}
        # (overlap threshold, recall, class, size, number of detections)
        values = self.evaluation.eval['precision'][:, :, :, 0, -1]
        return {name: values[:, :, index] for index, name in enumerate(names)
                if (values[:, :, index] > -1).any()}

    def objects(self, names: Sequence[str]) -> dict[str, int]:
        """Return class -> number of annotated objects, crowds aside, of classes with objects."""
        counts = np.bincount([entry['category_id'] - 1 for entry in self._annotations
                              if not entry['iscrowd']], minlength=len(names)).tolist()
        return {name: count for name, count in zip(names, counts) if count}


def curves(precision: np.ndarray) -> dict[str, list[float]]:
    """Return curves over recall from (overlap threshold, recall) precision, to four digits."""
    return {name: np.atleast_2d(precision[rows]).mean(axis=0).round(4).tolist()
            for name, rows in THRESHOLDS.items()}


def precision_plot(details: Mapping[str, Any], others: Mapping[str, Any], overlap: str,
                   ) -> dict[str, Plot]:
    """Return the plot of the curves in details; ``overlap`` is what the overlap is called."""
    precision = details.get('precision', {})
    if not set(SHOWN) & precision.keys():
        return {}
    png = plots.precision_plot(precision, others.get('precision', {}), SHOWN, overlap)
    return {'precision': Plot(png, 'precision over recall')}


def _index(entries: list[dict[str, Any]]) -> COCO:
    """Return objects as pycocotools wants them; its own way from a file fails without any."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {'images': [], 'categories': [], 'annotations': entries}
        coco.createIndex()
    return coco
