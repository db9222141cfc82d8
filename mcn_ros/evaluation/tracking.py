# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of ids: CLEAR, identity and HOTA, each over the frames of all sequences.

Sources: K. Bernardin and R. Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The
CLEAR MOT Metrics", 2008; E. Ristani et al., "Performance Measures and a Data Set for Multi-Target,
Multi-Camera Tracking", ECCV Workshops 2016; J. Luiten et al., "HOTA: A Higher Order Metric for
Evaluating Multi-Object Tracking", IJCV 2021.
"""

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.structures import crowd_rows, id_rows, select, Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import assign, overlaps
from mcn_ros.vocabulary import PERSON

MATCH = 0.5  # overlap from which on an object is found, but for HOTA, ...
ALPHAS = np.arange(1, 20) / 20  # ... which is the mean over these
KEEP = 1e6  # in CLEAR, an object stays with its track as long as that overlaps it enough


@dataclass(frozen=True)
class Frame:
    """
    A frame; N objects of a class are annotated, and M are found.

    :param truth: (N,) int64, who is annotated, counted from 0 over all frames.
    :param found: (M,) int64, who is found, likewise.
    :param overlap: (N, M), of their boxes.
    """

    truth: np.ndarray
    found: np.ndarray
    overlap: np.ndarray


def clear(frames: Sequence[Frame]) -> dict[str, Any]:
    """Return 'MOTA', 'id_switches' and 'fragments', see :func:`score_ids`."""
    last: dict[int, int] = {}  # object -> the track that it had last
    before: dict[int, int] = {}  # the same, of the frame before only
    errors = switches = fragments = 0
    for frame in frames:
        same = np.array([before.get(who, -1) for who in frame.truth.tolist()])[:, None]
        rows, columns = assign(-frame.overlap - KEEP * (same == frame.found),
                               frame.overlap >= MATCH)
        pairs = dict(zip(frame.truth[rows].tolist(), frame.found[columns].tolist()))
        switches += sum(last.get(who, track) != track for who, track in pairs.items())
        fragments += sum(who in last and who not in before for who in pairs)
        errors += len(frame.truth) + len(frame.found) - 2 * len(pairs)
        last.update(pairs)
        before = pairs
    total = sum(len(frame.truth) for frame in frames)
    return {'MOTA': 1 - (errors + switches) / total, 'id_switches': switches,
            'fragments': fragments}


def identity(frames: Sequence[Frame]) -> dict[str, Any]:
    """Return 'IDF1': the F1 score if each object has one track only, and each track one object."""
    together = _together(frames, lambda overlap: overlap >= MATCH)
    rows, columns = assign(-together, together > 0)
    total = sum(len(frame.truth) + len(frame.found) for frame in frames)
    return {'IDF1': float(2 * together[rows, columns].sum() / total)}


def hota(frames: Sequence[Frame]) -> dict[str, Any]:
    """Return 'HOTA', 'DetA' and 'AssA'."""
    together = _together(frames, lambda overlap: overlap / np.maximum(
        overlap.sum(axis=0) + overlap.sum(axis=1, keepdims=True) - overlap, 1e-12))
    lengths = [np.bincount(np.concatenate([getattr(frame, name) for frame in frames]),
                           minlength=size)
               for name, size in zip(('truth', 'found'), together.shape)]
    both = lengths[0][:, None] + lengths[1]
    alike = together / np.maximum(both - together, 1e-12)
    matches = np.zeros((len(ALPHAS), *together.shape))
    for frame in frames:
        # Who is whom over the whole time decides, the boxes only among equals.
        score = alike[np.ix_(frame.truth, frame.found)] * frame.overlap
        rows, columns = assign(-score, score > 0)
        hits = frame.overlap[rows, columns] >= ALPHAS[:, None] - 1e-9
        matches[:, frame.truth[rows], frame.found[columns]] += hits
    hits = matches.sum(axis=(1, 2))
    detection = hits / np.maximum(sum(map(np.sum, lengths)) - hits, 1)
    association = (matches ** 2 / np.maximum(both - matches, 1)).sum(axis=(1, 2)) / np.maximum(
        hits, 1)
    return {'HOTA': float(np.sqrt(detection * association).mean()),
            'DetA': float(detection.mean()), 'AssA': float(association.mean())}


def _together(frames: Sequence[Frame], weight: Any) -> np.ndarray:
    """Return (objects, tracks), the sum of the weights of their boxes over the frames."""
    shape = [1 + max((int(getattr(frame, name).max(initial=-1)) for frame in frames), default=-1)
             for name in ('truth', 'found')]
    together = np.zeros(shape)
    for frame in frames:
        together[np.ix_(frame.truth, frame.found)] += weight(frame.overlap)
    return together


def score_ids(frames: Sequence[Frame]) -> dict[str, Any]:
    """
    Return the scores of the ids in some frames, in the order of time.

    :return: 'MOTA', 'IDF1', 'HOTA', 'DetA', 'AssA' (at most 1), 'id_switches' (an object has
        another track than when it was found last) and 'fragments' (an object is found again after
        it was missed).
    """
    scores = {**clear(frames), **identity(frames), **hota(frames)}
    order = ('MOTA', 'IDF1', 'HOTA', 'DetA', 'AssA', 'id_switches', 'fragments')
    return {name: scores[name] for name in order}


class TrackingScores:
    """
    The scores of ids by class, over the images that are added.

    Found is what has an id, and a score with which it is shown. Where several heads see a class,
    the first one that is annotated counts. What lies in a crowd, or is an object that is
    annotated without an id, is neither right nor false.

    :param tasks: task name -> task.
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self._tasks = {name: task for name, task in tasks.items()
                       if 'ids' in task.annotation.ROWS and 'ids' in task.prediction.ROWS}
        self._heads: dict[str, str] = {}  # class -> the head that counts
        self._images: dict[str, list[tuple[Any, ...]]] = {}

    def add(self, sequence: str, time_ns: int, predictions: Mapping[str, Structure],
            annotations: Mapping[str, Structure]) -> None:
        """
        Add an image, in any order.

        :param sequence: what it belongs to; an id means the same within one only.
        :param predictions: task name -> prediction; one that is missing has found nothing.
        """
        for name, task in self._tasks.items():
            annotation = annotations.get(name)
            if annotation is None or annotation.ids is None:
                continue
            prediction = predictions.get(name, annotation.nothing())
            prediction = select(prediction, (id_rows(prediction) != '')
                                & (prediction.scores >= SCORE_THRESHOLD))
            for index, label in enumerate(task.classes or (PERSON,)):
                if self._heads.setdefault(label, name) == name:
                    self._add(label, index, (sequence, time_ns), annotation, prediction)

    def _add(self, label: str, index: int, when: tuple[str, int], annotation: Structure,
             prediction: Structure) -> None:
        known = annotation.labelled_classes if 'classes' in annotation.ROWS else None
        if known is not None and not known[index]:
            return
        truth, found = (select(objects, objects.classes == index) if 'classes' in objects.ROWS
                        else objects for objects in (annotation, prediction))
        optional = crowd_rows(truth) | (truth.ids == '')
        wanted = select(truth, ~optional)
        found = select(found, ~_excused(found.boxes, wanted.boxes, truth.boxes[optional]))
        self._images.setdefault(label, []).append(
            (*when, wanted.ids.tolist(), id_rows(found).tolist(),
             overlaps(wanted.boxes, found.boxes)))

    def result(self) -> dict[str, dict[str, Any]]:
        """Return class -> scores, see :func:`score_ids`, of the classes that have ids."""
        found = {}
        for label, images in self._images.items():
            truth, tracks, frames = {}, {}, []
            for sequence, _, theirs, ours, overlap in sorted(images, key=lambda image: image[:2]):
                frames.append(Frame(_count(truth, sequence, theirs),
                                    _count(tracks, sequence, ours), overlap))
            if truth:
                found[label] = score_ids(frames)
        return found


def _count(known: dict[tuple[str, str], int], sequence: str, ids: Sequence[str]) -> np.ndarray:
    """Return the numbers (N,) of the ids of a sequence; new ones get the next."""
    return np.array([known.setdefault((sequence, text), len(known)) for text in ids], np.int64)


def _excused(boxes: np.ndarray, wanted: np.ndarray, optional: np.ndarray) -> np.ndarray:
    """Return which boxes (M,) are none of those wanted, and lie in one that is optional."""
    hit = np.zeros(len(boxes), bool)
    overlap = overlaps(boxes, wanted)
    hit[assign(-overlap, overlap >= MATCH)[0]] = True
    low = np.maximum(boxes[:, None, :2], optional[:, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], optional[:, 2:]) - low, 0)
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-12)
    inside = sides.prod(axis=2) / areas[:, None]
    return ~hit & (inside >= MATCH).any(axis=1)
