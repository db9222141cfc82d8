# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images that are matched with their annotations by stamp, and scored once each."""

from collections.abc import Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from mcn_ros.data.coco import CocoAnnotations
from mcn_ros.data.frames import Frame
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.evaluation.tracking import TrackingScores
from mcn_ros.geometry import Size
from mcn_ros.tasks import Task

TRACKING = 'tracking'  # what results call the scores of ids, ...
SPATIAL = 'spatial'  # ... and those of positions

FrameCallback = Callable[[Frame, Mapping[str, Any], Mapping[str, Any] | None], None]


class StampedTruth:
    """
    COCO annotations whose images carry ``stamp`` (integer nanoseconds) and perhaps ``topic``.

    :param source: path of the annotation file, or its content.
    :param tasks: task name -> task.
    :raises ValueError: for a malformed file, and for an image without a stamp.
    """

    def __init__(self, source: Path | str | Mapping[str, Any], tasks: Mapping[str, Task]):
        self.source = source
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
        ids: dict[int, int] = {}
        for named, stamp, image_id in self._stamps:
            if named in ('', topic) or topic not in self.topics:
                if stamp in ids:
                    raise ValueError(
                        f'{self.name}: images {ids[stamp]} and {image_id} have the same stamp '
                        f'{stamp}, and topic {topic} is not among theirs: {self.topics}')
                ids[stamp] = image_id
        return ids


@dataclass(frozen=True)
class Evaluation:
    """
    The outcome of an evaluation.

    :param results: scores as :meth:`Scorers.result` gives them, nothing of them without
        annotations; where these have ids, as 'tracking' those of
        :class:`mcn_ros.evaluation.tracking.TrackingScores`; where they have positions and there
        is depth, as 'spatial' those of :class:`mcn_ros.evaluation.positions.PositionScores`;
        beside them a summary of the run.
    :param details: see :meth:`Scorers.details`; {} without annotations.
    :param distributions: title and unit -> values, of which the summary has the percentiles.
    :param measured: what was measured of each image that counts, in their order, for the scores
        of several runs together; see :meth:`Scorers.accumulate`.
    """

    results: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, list[float]] = field(default_factory=dict)
    measured: list[Mapping[str, Any]] = field(default_factory=list)


class StampedScores:
    """
    The scores of images that are matched with annotations by stamp.

    :param truth: annotations, see :class:`StampedTruth`; None to score nothing.
    :param tasks: task name -> task whose predictions are scored.
    :param topics: of the images.
    :ivar stamps: image id -> stamp, of the annotated images.
    :ivar scored: ids of the images that were scored.
    :ivar measured: what was measured of each image that counts, see :class:`Scorers`.
    :ivar notes: a line for each topic that the annotations do not name.
    """

    def __init__(self, truth: StampedTruth | None, tasks: Mapping[str, Task],
                 topics: Sequence[str]):
        self.truth = truth
        self._ids = {topic: truth.ids(topic) if truth else {} for topic in topics}
        self.stamps = {image_id: stamp for ids in self._ids.values()
                       for stamp, image_id in ids.items()}
        self._topics = {image_id: topic for topic, ids in self._ids.items()
                        for image_id in ids.values()}
        self.scored: set[int] = set()
        self.measured: list[Mapping[str, Any]] = []
        self._scorers = Scorers(tasks)
        self._tracking = TrackingScores(tasks)
        self.notes = [
            f'topic {topic or "(unknown)"} is not one of the annotations '
            f'({", ".join(truth.topics)}): matched by stamp only' for topic in topics
            if truth and truth.topics and topic not in truth.topics]

    def find(self, topic: str, stamp_ns: int) -> int | None:
        """Return the id of the annotated image with a stamp, None without."""
        return self._ids[topic].get(stamp_ns)

    def measure(self, image_id: int, predictions: Mapping[str, Any], name: str,
                sizes: Set[Size | None]) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """
        Return the annotations of an image, and what the scores need of it.

        :param name: of the image.
        :param sizes: (height, width) of the image, where it is known.
        :raises ValueError: if that is not the annotated size.
        """
        expected = self.truth.sizes.get(image_id)
        for size in sizes - {None, expected}:
            if expected:
                raise ValueError(f'frame {name}: (height, width) is {size}, but {self.truth.name} '
                                 f'says {expected} of image {image_id}')
        annotations = self.truth.annotations[image_id]
        return annotations, self._scorers.measure(predictions, annotations)

    def add(self, image_id: int, predictions: Mapping[str, Any], name: str,
            sizes: Set[Size | None]) -> Mapping[str, Any]:
        """Score an image; return its annotations. See :meth:`measure`."""
        annotations, measured = self.measure(image_id, predictions, name, sizes)
        self.accumulate(image_id, measured, predictions)
        return annotations

    def accumulate(self, image_id: int, measured: Mapping[str, Any],
                   predictions: Mapping[str, Any]) -> None:
        """
        Score an image.

        :param measured: what :meth:`measure` returned of it.
        :param predictions: those with ids, after those of all earlier frames of its topic.
        """
        self.scored.add(image_id)
        self._accumulate(image_id, measured, predictions)

    def _accumulate(self, image_id: int, measured: Mapping[str, Any],
                    predictions: Mapping[str, Any]) -> None:
        self._scorers.accumulate(measured)
        self.measured.append(measured)
        self._tracking.add(self._topics[image_id], self.stamps[image_id], predictions,
                           self.truth.annotations[image_id])

    def add_missed(self, image_ids: Iterable[int]) -> int:
        """Score annotated images without predictions; return their number."""
        missed = list(image_ids)
        for image_id in missed:
            measured = self._scorers.measure(None, self.truth.annotations[image_id])
            self._accumulate(image_id, measured, {})
        return len(missed)

    def evaluation(self, kind: str, summary: Any, distributions: dict[str, list[float]],
                   ) -> Evaluation:
        """
        Return the outcome.

        :param kind: what the results call the summary.
        :param summary: a dataclass.
        """
        scores = {} if self.truth is None else self._scorers.result()
        if tracking := self._tracking.result():
            scores[TRACKING] = tracking
        return Evaluation({**scores, kind: asdict(summary)}, self._scorers.details(),
                          distributions, self.measured)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return 'p50', 'p95' and 'p99', {} of nothing."""
    if not values:
        return {}
    return dict(zip(('p50', 'p95', 'p99'), np.percentile(values, (50, 95, 99)).tolist()))


def rate_hz(times_ns: Sequence[int], pace: float = 1.0) -> float | None:
    """Return how many per second there were from the first to the last, None for less than two."""
    span = max(times_ns) - min(times_ns) if times_ns else 0
    return (len(times_ns) - 1) * 1e9 * pace / span if span else None
