# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of a recording of the node: how good, how fast, and what was lost on the way.

An image that the node dropped is one whose objects were all missed, as they would be on a robot.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Iterator, Mapping

import numpy as np
from tqdm import tqdm

from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import bag_frames, Frame, image_topics
from mcn_ros.evaluation.agreement import Agreement
from mcn_ros.evaluation.bag import Evaluation, StampedTruth, Watch
from mcn_ros.evaluation.recording import Answer, CAUSES, Recording
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.runtime.predictor import Predictor

PERCENTILES = (50, 95, 99)


@dataclass
class ReplaySummary:
    """
    What became of the images of a bag that was played through the node.

    :param recording: the recording.
    :param frames_sent: images sent; None if the recording does not tell.
    :param frames_processed: images for which all results came.
    :param incomplete: images for which some results came.
    :param drops: cause -> number of images without results. 'not received': a newer one was there
        before the node took it from the middleware, or it was lost; 'not recorded': processed, but
        the results were lost on their way back.
    :param latency_ms: p50, p95, p99 and max, from the stamp of an image to the receipt of the
        last of its results. Where images had the stamps of the bag, it is no finer than /clock.
    :param rate_hz: images processed per second; None for less than two.
    :param sent_rate_hz: images sent per second.
    :param scored: images with results that were compared with annotations.
    :param missed: annotated images without results, which count as missed.
    :param left_out: annotated images that may be in the lost part of a damaged bag.
    :param agreement: see :class:`mcn_ros.evaluation.agreement.Agreement`; None if not asked for.
    :param notes: a line for everything that is missing or odd.
    """

    recording: str
    frames_sent: int | None = None
    frames_processed: int = 0
    incomplete: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    latency_ms: dict[str, float] = field(default_factory=dict)
    rate_hz: float | None = None
    sent_rate_hz: float | None = None
    scored: int = 0
    missed: int = 0
    left_out: int = 0
    agreement: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)


def evaluate_recording(recording: Recording, truth: StampedTruth | None = None,
                       predictor: Predictor | None = None, source: Bag | None = None,
                       progress: bool = True, watch: Watch | None = None) -> Evaluation:
    """
    Score what a node said.

    :param truth: annotations for the tasks of the recording; None to count only.
    :param predictor: the same weights: what the node said is compared with what they say.
    :param source: the bag that was played; needed for ``predictor`` and ``watch``.
    :param progress: show a progress bar, if standard error is a terminal.
    :param watch: called with each frame that was processed, what the node said and its
        annotations (None if it has none), for pictures.
    :return: among its results 'replay': the fields of :class:`ReplaySummary`.
    :raises ValueError: if no image has the stamp of an annotated one, for an image that is not of
        the annotated size, and for annotations that have a stamp twice.
    """
    run = _Run(recording, truth)
    frames = None if source is None else _Frames(source, recording.topic)
    agreement = None if predictor is None or frames is None else Agreement()
    threshold = recording.notes.get('thresholds', {}).get('score')
    answers = tqdm(recording.answers(), unit='image', disable=None if progress else True,
                   total=None if recording.sent is None else len(recording.sent))
    for answer in answers:
        annotations = run.add(answer)
        frame = None if frames is None else frames.find(answer.stamp_ns)
        if frame is None:
            continue
        if agreement is not None:
            agreement.add(answer.predictions, predictor(frame.image), threshold)
        if watch is not None:
            watch(frame, answer.predictions, annotations)
    return run.result(agreement)


class _Frames:
    """The frames of a bag, found in the order in which they were played."""

    def __init__(self, bag: Bag, topic: str):
        self._frames = bag_frames(bag, image_topics(bag, [topic] if topic else ()))
        self._next = next(self._frames, None)

    def find(self, stamp_ns: int) -> Frame | None:
        """Return a frame; None if it came before the last one that was asked for."""
        while self._next is not None and self._next.stamp_ns < stamp_ns:
            self._next = next(self._frames, None)
        found = self._next is not None and self._next.stamp_ns == stamp_ns
        return self._next if found else None


class _Run:
    """The evaluation of one recording."""

    def __init__(self, recording: Recording, truth: StampedTruth | None):
        self.recording, self.truth = recording, truth
        self.summary = ReplaySummary(str(recording.bag.path))
        self.expected: dict[int, int] = {}
        self.scorers = None
        if truth is not None:
            self.expected = truth.ids(recording.topic)
            self.scorers = Scorers(recording.tasks)
            if truth.topics and recording.topic not in truth.topics:
                self.summary.notes.append(
                    f'topic {recording.topic or "(unknown)"} is not one of the annotations '
                    f'({", ".join(truth.topics)}): matched by stamp only')
        self.scored: set[int] = set()
        self.latencies: list[float] = []
        self.received: list[int] = []

    def add(self, answer: Answer) -> Mapping[str, Any] | None:
        """Score an answer; return the annotations of the image, None if it has none."""
        if len(answer.predictions) == len(self.recording.tasks):
            self.summary.frames_processed += 1
            latency_ns = (answer.received_ns - answer.sent_ns) / self.recording.pace
            self.latencies.append(latency_ns / 1e6)
            self.received.append(answer.received_ns)
        else:
            self.summary.incomplete += 1
        image_id = self.expected.get(answer.stamp_ns)
        if image_id is None or image_id in self.scored:  # of a bag that was played in a loop
            return None
        self._check_size(image_id, answer)
        self.scored.add(image_id)
        annotations = self.truth.annotations[image_id]
        self.scorers.add(answer.predictions, annotations)
        return annotations

    def _check_size(self, image_id: int, answer: Answer) -> None:
        """Compare the size of the image, where a map tells it, with that annotated."""
        expected = self.truth.sizes.get(image_id)
        for size in {found.size for found in answer.predictions.values()} - {None}:
            if expected and size != tuple(expected):
                raise ValueError(f'frame {answer.stamp_ns}: (height, width) is {size}, but '
                                 f'{self.truth.name} says {expected} of image {image_id}')

    def result(self, agreement: Agreement | None) -> Evaluation:
        summary = self.summary
        if self.truth is not None:
            self._add_missed()
        scores, details = {}, {}
        if self.scorers is not None:
            scores, details = self.scorers.result(), self.scorers.details()
        summary.scored = len(self.scored)
        if self.latencies:
            percentiles = np.percentile(self.latencies, PERCENTILES)
            summary.latency_ms = {f'p{p}': float(ms) for p, ms in zip(PERCENTILES, percentiles)}
            summary.latency_ms['max'] = max(self.latencies)
        summary.rate_hz = _rate(self.received, self.recording.pace)
        if self.recording.sent is not None:
            summary.frames_sent = len(self.recording.sent)
            summary.sent_rate_hz = _rate(list(self.recording.sent), self.recording.pace)
        summary.drops = dict(self._drops())
        summary.agreement = None if agreement is None else agreement.result()
        summary.notes[:0] = [*self.recording.notes.get('problems', ()),
                             *self.recording.bag.problems]
        return Evaluation({**scores, 'replay': asdict(summary)}, details,
                          {'latency (ms)': self.latencies} if self.latencies else {})

    def _add_missed(self) -> None:
        """Add the annotated images that the node said nothing about."""
        missing = {stamp: image_id for stamp, image_id in self.expected.items()
                   if image_id not in self.scored}
        sent = self.recording.sent and set(self.recording.sent.values())
        if len(missing) == len(self.expected) and not (sent and sent & missing.keys()):
            raise ValueError(f'{self.truth.name}: no image that was played has the stamp of an '
                             'annotated one')
        if sent and self.recording.notes.get('frames'):  # only the first ones were played
            missing = {stamp: i for stamp, i in missing.items() if stamp <= max(sent)}
        for stamp, image_id in missing.items():
            if self.recording.notes.get('problems') and not (sent and stamp in sent):
                self.summary.left_out += 1
                continue
            self.scorers.add(None, self.truth.annotations[image_id])
            self.summary.missed += 1

    def _drops(self) -> Iterator[tuple[str, int]]:
        """Yield cause and number; from the last report of the node, which may be old."""
        report, summary = self.recording.report, self.summary
        if not report:
            summary.notes.append('the node has not reported why images were dropped')
            return
        processed = int(report['frames processed'])
        counts = {cause: report[key] for cause, key in CAUSES.items()}
        if processed < summary.frames_processed:
            summary.notes.append('the last report of the node is older than its last results: '
                                 'some drops may be missing')
        elif summary.frames_sent is not None:
            # A middleware that does not number images leaves two causes that cannot be told apart.
            unknown = [cause for cause, count in counts.items() if count == 'unknown']
            counted = processed + sum(int(counts[cause]) for cause in counts.keys() - unknown)
            yield (' or '.join(['not received', *unknown]),
                   max(0, summary.frames_sent - counted))
        yield from ((cause, int(count)) for cause, count in counts.items() if count != 'unknown')
        yield 'not recorded', max(0, processed - summary.frames_processed - summary.incomplete)


def _rate(times_ns: list[int], pace: float) -> float | None:
    """Return how many per second there were from the first to the last."""
    span = max(times_ns) - min(times_ns) if times_ns else 0
    return (len(times_ns) - 1) * 1e9 * pace / span if span else None
