# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of a predictor on the images of a bag, against annotations that are found by stamp.

Every annotated frame counts: one that the bag does not have was missed. Only of a damaged bag,
where it cannot be known whether a frame was recorded, the frames that are not there are left out.
"""

from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
import time
from typing import Any, Callable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from mcn_ros.data.bags import Bag
from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.frames import bag_frames, Frame, IMAGE_TYPES
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.tasks import Task

PERCENTILES = (50, 95, 99)

Watch = Callable[[Frame, Mapping[str, Any], Mapping[str, Any] | None], None]


class StampedTruth:
    """
    COCO annotations whose images carry ``stamp`` (integer nanoseconds) and perhaps ``topic``.

    :param source: path of the annotation file, or its content.
    :param tasks: task name -> task.
    :raises ValueError: for a malformed file, and for an image without a stamp.
    """

    def __init__(self, source: Path | str | Mapping[str, Any], tasks: Mapping[str, Task]):
        self.annotations = CocoAnnotations(source, tasks)
        self.name = str(self.annotations.file.path)
        self.sizes = {record.image_id: record.size for record in self.annotations.file.records}
        self._stamps: list[tuple[str, int, int]] = []
        for record in self.annotations.file.records:
            stamp, topic = record.entry.get('stamp'), record.entry.get('topic', '')
            if not isinstance(stamp, int) or isinstance(stamp, bool):
                raise ValueError(f'{self.name}: image {record.image_id} has no stamp in integer '
                                 'nanoseconds (images_to_bag writes annotations that have)')
            if not isinstance(topic, str):
                raise ValueError(f'{self.name}: image {record.image_id}: the topic is no text')
            self._stamps.append((topic, stamp, record.image_id))
        self.topics = sorted({topic for topic, _, _ in self._stamps if topic})

    def ids(self, topic: str) -> dict[int, int]:
        """
        Return stamp -> id of the images that a topic should have.

        Those are the images that name the topic or none; of a topic that no image names, which
        was renamed, all images.

        :raises ValueError: if two of them have one stamp.
        """
        found: dict[int, int] = {}
        for named, stamp, image_id in self._stamps:
            if named in ('', topic) or topic not in self.topics:
                if stamp in found:
                    raise ValueError(
                        f'{self.name}: images {found[stamp]} and {image_id} have the same stamp '
                        f'{stamp}, and topic {topic} is not among theirs: {self.topics}')
                found[stamp] = image_id
        return found


@dataclass
class BagSummary:
    """
    What was done with the images of a bag.

    :param path: the bag.
    :param topics: topics that were looked at.
    :param frames: images looked at.
    :param unreadable: images that could not be decoded.
    :param scored: images that were compared with annotations.
    :param repeated: images with a stamp that came before; only the first is scored.
    :param missed: annotated frames that are not there, or not readable, and count as missed.
    :param left_out: annotated frames that may have been in the lost part of a damaged bag.
    :param found: task -> number of objects or people that are certain enough to be shown.
    :param rate_hz: frames per second by their stamps, None for less than two.
    :param predictor_ms: p50, p95 and p99 of the time that the predictor took for an image.
    :param notes: a line for everything that is missing or odd.
    """

    path: str
    topics: list[str]
    frames: int = 0
    unreadable: int = 0
    scored: int = 0
    repeated: int = 0
    missed: int = 0
    left_out: int = 0
    found: dict[str, int] = field(default_factory=dict)
    rate_hz: float | None = None
    predictor_ms: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evaluation:
    """
    The outcome of an evaluation.

    :param results: scores as :meth:`Scorers.result` gives them, nothing of them without
        annotations; beside them a summary of the run.
    :param details: see :meth:`Scorers.details`; {} without annotations.
    :param distributions: title and unit -> values, of which the summary has the percentiles.
    """

    results: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, list[float]] = field(default_factory=dict)


def evaluate_offline(predictor: Predictor, bag: Bag, topics: Sequence[str],
                     truth: StampedTruth | None = None, limit: int = 0, progress: bool = True,
                     watch: Watch | None = None) -> Evaluation:
    """
    Predict on every image of some topics, and score what is annotated.

    :param truth: annotations for the tasks of the predictor; None to count only.
    :param limit: number of frames to look at, 0 for all; later ones do not count as missed.
    :param progress: show a progress bar, if standard error is a terminal.
    :param watch: called with each frame, its predictions and its annotations (None if it has
        none), for pictures.
    :return: the results have the fields of :class:`BagSummary` as 'bag'.
    :raises ValueError: for an image that is not of the annotated size, and if no frame has the
        stamp of an annotated one.
    """
    run = _Run(predictor, bag, topics, truth, watch)
    total = bag.count(topics, IMAGE_TYPES)
    frames = islice(bag_frames(bag, topics), limit or None)
    for frame in tqdm(frames, unit='image', total=min(total, limit or total),
                      disable=None if progress else True):
        run.look(frame)
    return run.result(whole=not limit or limit >= total)


class _Run:
    """The evaluation of one bag."""

    def __init__(self, predictor: Predictor, bag: Bag, topics: Sequence[str],
                 truth: StampedTruth | None, watch: Watch | None):
        self.predictor, self.bag, self.truth, self.watch = predictor, bag, truth, watch
        self.summary = BagSummary(str(bag.path), list(topics))
        self.expected: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        self.scorers = None
        if truth is not None:
            self.expected = {topic: truth.ids(topic) for topic in topics}
            self.scorers = Scorers(predictor.tasks)
            self.summary.notes += [
                f'topic {topic} is not one of the annotations ({", ".join(truth.topics)}): '
                'matched by stamp only' for topic in topics
                if truth.topics and topic not in truth.topics]
        self.scored: set[int] = set()
        self.stamps: list[int] = []
        self.times_ms: list[float] = []

    def look(self, frame: Frame) -> None:
        """Predict on one frame, and score it if it is annotated."""
        self.summary.frames += 1
        self.stamps.append(frame.stamp_ns)
        try:
            image = frame.image
        except ValueError as error:
            self.summary.unreadable += 1
            if self.summary.unreadable == 1:
                self.summary.notes.append(f'frame {frame.name} cannot be decoded: {error}')
            return
        start = time.perf_counter()
        predictions = dict(self.predictor(image))  # all of it, so that all of it is timed
        self.times_ms.append(1000 * (time.perf_counter() - start))
        for name, prediction in predictions.items():
            if 'scores' in prediction.ROWS:
                count = int((prediction.scores >= SCORE_THRESHOLD).sum())
                self.summary.found[name] = self.summary.found.get(name, 0) + count
        annotations = self._score(frame, image.shape[:2], predictions)
        if self.watch is not None:
            self.watch(frame, predictions, annotations)

    def _score(self, frame: Frame, size: tuple[int, int],
               predictions: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the annotations of a frame, None if it has none or was scored before."""
        image_id = self.expected[frame.topic].get(frame.stamp_ns)
        if image_id is None:
            return None
        if image_id in self.scored:
            self.summary.repeated += 1
            return None
        if size != self.truth.sizes.get(image_id, size):
            raise ValueError(
                f'frame {frame.name}: (height, width) is {size}, but {self.truth.name} says '
                f'{self.truth.sizes[image_id]} of image {image_id}')
        self.scored.add(image_id)
        annotations = self.truth.annotations[image_id]
        self.scorers.add(predictions, annotations)
        return annotations

    def result(self, whole: bool) -> Evaluation:
        """
        Return the outcome.

        :param whole: the bag was looked at up to its end.
        """
        summary = self.summary
        if self.truth is not None:
            self._add_missed(whole)
        summary.scored = len(self.scored)
        span = max(self.stamps) - min(self.stamps) if self.stamps else 0
        summary.rate_hz = (len(self.stamps) - 1) * 1e9 / span if span else None
        if self.times_ms:
            times = np.percentile(self.times_ms, PERCENTILES)
            summary.predictor_ms = {f'p{p}': float(ms) for p, ms in zip(PERCENTILES, times)}
        summary.notes[:0] = self.bag.problems
        scores, details = {}, {}
        if self.scorers is not None:
            scores, details = self.scorers.result(), self.scorers.details()
        return Evaluation({**scores, 'bag': asdict(summary)}, details,
                          {'predictor (ms)': self.times_ms})

    def _add_missed(self, whole: bool) -> None:
        """Add the annotated frames that were not there."""
        expected = {image_id: stamp for ids in self.expected.values()
                    for stamp, image_id in ids.items()}
        if not self.scored:
            raise ValueError(self._no_match(list(expected.values())))
        last = max(self.stamps)
        missing = [image_id for image_id, stamp in expected.items()
                   if image_id not in self.scored and (whole or stamp <= last)]
        if self.bag.problems:
            self.summary.left_out = len(missing)
            return
        for image_id in missing:
            self.scorers.add(None, self.truth.annotations[image_id])
        self.summary.missed = len(missing)

    def _no_match(self, stamps: Sequence[int]) -> str:
        return (f'{self.truth.name}: no frame of the bag that can be read has the stamp of an '
                f'annotated image (annotations: {_span(stamps)}; bag: {_span(self.stamps)})')


def _span(stamps: Sequence[int]) -> str:
    return f'{min(stamps)} to {max(stamps)} ns' if stamps else 'none'
