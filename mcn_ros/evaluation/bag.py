# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of a predictor on the images of a bag, against annotations that are found by stamp.

Every annotated frame counts: one that the bag does not have was missed. Only of a damaged bag,
where it cannot be known whether a frame was recorded, the frames that are not there are left out.
"""

from dataclasses import dataclass, field
from itertools import islice
import time
from typing import Any, Callable, Collection, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from mcn_ros.data.bags import Bag
from mcn_ros.data.each import Each
from mcn_ros.data.frames import bag_frames, Frame, IMAGE_TYPES
from mcn_ros.data.results import IMAGE_TYPE, SCORE_THRESHOLD
from mcn_ros.evaluation.bag_depth import BagDepth, depth_topic
from mcn_ros.evaluation.positions import (
    lift_shown, Lifted, PositionScores, read_positions)
from mcn_ros.evaluation.stamped import (
    Evaluation, FrameCallback, percentiles, rate_hz, SPATIAL, StampedScores, StampedTruth)
from mcn_ros.geometry import Size
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.structures import Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking import Tracker


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


def evaluate_offline(predictor: Predictor, bag: Bag, topics: Sequence[str],
                     truth: StampedTruth | None = None, limit: int = 0, progress: bool = True,
                     watch: FrameCallback | None = None,
                     tracker: Callable[[Mapping[str, Task]], Any] = Tracker,
                     true_objects: bool = False) -> Evaluation:
    """
    Predict on every image of some topics, and score what is annotated.

    :param truth: annotations for the tasks of the predictor; None to count only.
    :param limit: number of frames to look at, 0 for all; later ones do not count as missed.
    :param progress: show a progress bar, if standard error is a terminal.
    :param watch: called with each frame, its predictions and its annotations (None if it has
        none), for pictures.
    :param tracker: tasks -> what gives objects their ids, a :class:`Tracker` or the like; each
        topic has its own.
    :param true_objects: look at what is annotated in place of what is predicted, to judge ids and
        places by themselves.
    :return: the results have the fields of :class:`BagSummary` as 'bag'.
    :raises ValueError: for an image that is not of the annotated size, and if no frame has the
        stamp of an annotated one.
    """
    return look(predictor, bag, topics, truth, limit, progress, watch, tracker,
                true_objects=true_objects).result()


def look(predictor: Predictor, bag: Bag, topics: Sequence[str], truth: StampedTruth | None = None,
         limit: int = 0, progress: bool = True, watch: FrameCallback | None = None,
         tracker: Callable[[Mapping[str, Task]], Any] = Tracker, each: Each = map,
         true_objects: bool = False) -> 'OfflineEvaluation':
    """
    Do the work of :func:`evaluate_offline`, all but its end.

    :param each: shares the frames with other processes, which read the bag, too.
    """
    total = bag.count(topics, IMAGE_TYPES)
    offline = OfflineEvaluation(predictor, bag, topics, truth, watch, tracker,
                                not limit or limit >= total, true_objects)
    frames = islice(bag_frames(bag, topics), limit or None)
    for seen in tqdm(each(offline.look, frames), unit='image', total=min(total, limit or total),
                     disable=None if progress else True):
        offline.add(seen)
    return offline


@dataclass(frozen=True)
class _Seen:
    """
    What was seen in one frame.

    :param unreadable: why it could not be decoded, '' if it could.
    :param image_id: of the annotated image with its stamp, None without.
    :param measured: what the scores need of it, if it is annotated.
    :param objects: task -> its prediction, of tasks whose objects are to get ids.
    :param found: task -> number of objects or people that are certain enough to be shown.
    :param ground: task -> where on the ground its objects are, where there is depth; see
        :meth:`mcn_ros.tracking.Tracker.update`.
    :param errors: class -> metres from the true positions, see :class:`PositionScores`.
    """

    topic: str
    stamp_ns: int
    unreadable: str = ''
    time_ms: float = 0.0
    image_id: int | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Structure] = field(default_factory=dict)
    found: Mapping[str, int] = field(default_factory=dict)
    ground: Mapping[str, np.ndarray] = field(default_factory=dict)
    errors: Mapping[str, list[float]] = field(default_factory=dict)


class OfflineEvaluation:
    """
    The evaluation of one bag.

    :param complete: whether the bag is read to its end.
    :param true_objects: see :func:`evaluate_offline`.
    """

    def __init__(self, predictor: Predictor, bag: Bag, topics: Sequence[str],
                 truth: StampedTruth | None, watch: FrameCallback | None,
                 tracker: Callable[[Mapping[str, Task]], Any] = Tracker, complete: bool = True,
                 true_objects: bool = False):
        self.predictor, self.bag, self.watch, self.complete = predictor, bag, watch, complete
        self.true_objects = true_objects
        self.trackers = {topic: tracker(predictor.tasks) for topic in topics}
        self.scores = StampedScores(truth, predictor.tasks, topics)
        self.summary = BagSummary(str(bag.path), list(topics), notes=self.scores.notes)
        self.stamps: list[int] = []
        self.times_ms: list[float] = []
        self.positions = PositionScores(predictor.tasks)
        self._depths = {topic: BagDepth(bag, depth_topic(topic)) for topic in topics
                        if truth and bag.count([depth_topic(topic)], [IMAGE_TYPE])}
        self._placed = read_positions(truth.source) if (
            self._depths and isinstance(truth, StampedTruth)) else {}

    def look(self, frame: Frame) -> _Seen:
        """Predict on one frame, and measure it if it is annotated."""
        try:
            image = frame.image
        except ValueError as error:
            return _Seen(frame.topic, frame.stamp_ns,
                         f'frame {frame.name} cannot be decoded: {error}')
        image_id = self.scores.find(frame.topic, frame.stamp_ns)
        start = time.perf_counter()
        predictions = self._predict(image, image_id)
        time_ms = 1000 * (time.perf_counter() - start)
        found = {name: int((prediction.scores >= SCORE_THRESHOLD).sum())
                 for name, prediction in predictions.items() if 'scores' in prediction.ROWS}
        lifted = self._lift(frame, predictions, image.shape[:2])
        annotations, measured, errors = None, {}, {}
        if image_id is not None and image_id not in self.scores.scored:
            annotations, measured = self.scores.measure(image_id, predictions, frame.name,
                                                        {image.shape[:2]})
            if frame.topic in self._depths and image_id in self._placed:
                errors = self.positions.measure(self._placed[image_id], lifted)
        if self.watch is not None:
            self.watch(frame, predictions, annotations)
        objects = {name: prediction for name, prediction in predictions.items()
                   if 'ids' in prediction.ROWS}
        ground = {name: objects.ground for name, objects in lifted.items()}
        return _Seen(frame.topic, frame.stamp_ns, '', time_ms, image_id, measured, objects, found,
                     ground, errors)

    def _predict(self, image: np.ndarray, image_id: int | None) -> dict[str, Structure]:
        if not self.true_objects:
            return dict(self.predictor(image))  # all of it, so that all of it is timed
        return {} if image_id is None else dict(self.scores.truth.annotations[image_id])

    def _lift(self, frame: Frame, predictions: Mapping[str, Structure],
              size: Size) -> Mapping[str, Lifted]:
        """Return head -> its objects in space, {} without depth."""
        surface = (self._depths[frame.topic].find(frame.stamp_ns)
                   if frame.topic in self._depths else None)
        return {} if surface is None else lift_shown(
            self.predictor.tasks, predictions, surface, size)

    def add(self, seen: _Seen) -> None:
        """Count what was seen in a frame; of frames with the same stamp, the first is scored."""
        self.summary.frames += 1
        self.stamps.append(seen.stamp_ns)
        if seen.unreadable:
            self.summary.unreadable += 1
            if self.summary.unreadable == 1:
                self.summary.notes.append(seen.unreadable)
            return
        self.times_ms.append(seen.time_ms)
        objects = self.trackers[seen.topic].update(seen.stamp_ns, seen.objects,
                                                   places=seen.ground)
        for name, count in seen.found.items():
            self.summary.found[name] = self.summary.found.get(name, 0) + count
        if seen.image_id in self.scores.scored:
            self.summary.repeated += 1
        elif seen.image_id is not None:
            self.scores.accumulate(seen.image_id, seen.measured, objects)
            self.positions.accumulate(seen.errors)

    def result(self) -> Evaluation:
        """Return the outcome."""
        summary = self.summary
        if self.scores.truth is not None:
            self._add_missed()
        summary.scored = len(self.scores.scored)
        summary.rate_hz = rate_hz(self.stamps)
        summary.predictor_ms = percentiles(self.times_ms)
        summary.notes[:0] = self.bag.problems
        outcome = self.scores.evaluation('bag', summary, {'predictor (ms)': self.times_ms})
        if spatial := self.positions.result():
            outcome.results[SPATIAL] = spatial
        return outcome

    def _add_missed(self) -> None:
        """Add the annotated frames that were not there."""
        expected, scored = self.scores.stamps, self.scores.scored
        if not scored:
            raise ValueError(
                f'{self.scores.truth.name}: no frame of the bag that can be read has the stamp of '
                f'an annotated image (annotations: {_span(expected.values())}; bag: '
                f'{_span(self.stamps)})')
        last = max(self.stamps)
        missing = [image_id for image_id, stamp in expected.items()
                   if image_id not in scored and (self.complete or stamp <= last)]
        if self.bag.problems:
            self.summary.left_out = len(missing)
        else:
            self.summary.missed = self.scores.add_missed(missing)
            for image_id in self._placed.keys() & set(missing):
                self.positions.accumulate(self.positions.measure(self._placed[image_id], {}))


def _span(stamps: Collection[int]) -> str:
    return f'{min(stamps)} to {max(stamps)} ns' if stamps else 'none'
