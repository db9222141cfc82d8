# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores of a recording of the node: how good, how fast, and what was lost on the way.

An image that the node dropped is one whose objects were all missed, as they would be on a robot.
"""

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

from tqdm import tqdm

from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import bag_frames, image_topics
from mcn_ros.evaluation.agreement import Agreement
from mcn_ros.evaluation.in_step import InStep
from mcn_ros.evaluation.recording import Answer, CAUSES, Recording
from mcn_ros.evaluation.stamped import (
    Evaluation, FrameCallback, percentiles, rate_hz, StampedScores, StampedTruth)
from mcn_ros.runtime.predictor import Predictor


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
                       progress: bool = True, watch: FrameCallback | None = None) -> Evaluation:
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
    evaluation = _RecordingEvaluation(recording, truth)
    frames = None if source is None else InStep(
        bag_frames(source, image_topics(source, [recording.topic] if recording.topic else ())),
        lambda frame: frame.stamp_ns)
    agreement = None if predictor is None or frames is None else Agreement()
    threshold = recording.notes.get('thresholds', {}).get('score')
    answers = tqdm(recording.answers(), unit='image', disable=None if progress else True,
                   total=None if recording.sent is None else len(recording.sent))
    for answer in answers:
        annotations = evaluation.add(answer)
        frame = None if frames is None else frames.find(answer.stamp_ns)
        if frame is None:
            continue
        if agreement is not None:
            agreement.add(answer.predictions, predictor(frame.image), threshold)
        if watch is not None:
            watch(frame, answer.predictions, annotations)
    return evaluation.result(agreement)


class _RecordingEvaluation:
    """The evaluation of one recording."""

    def __init__(self, recording: Recording, truth: StampedTruth | None):
        self.recording = recording
        self.scores = StampedScores(truth, recording.tasks, [recording.topic])
        self.summary = ReplaySummary(str(recording.bag.path), notes=self.scores.notes)
        self.latencies_ms: list[float] = []
        self.received_ns: list[int] = []

    def add(self, answer: Answer) -> Mapping[str, Any] | None:
        """Score an answer; return the annotations of the image, None if it has none."""
        if len(answer.predictions) == len(self.recording.tasks):
            self.summary.frames_processed += 1
            latency_ns = (answer.received_ns - answer.sent_ns) / self.recording.pace
            self.latencies_ms.append(latency_ns / 1e6)
            self.received_ns.append(answer.received_ns)
        else:
            self.summary.incomplete += 1
        image_id = self.scores.find(self.recording.topic, answer.stamp_ns)
        if image_id is None or image_id in self.scores.scored:  # the bag was played in a loop
            return None
        # Objects do not tell the size of their image.
        sizes = {prediction.size for prediction in answer.predictions.values()}
        return self.scores.add(image_id, answer.predictions, str(answer.stamp_ns), sizes)

    def result(self, agreement: Agreement | None) -> Evaluation:
        summary, recording = self.summary, self.recording
        if self.scores.truth is not None:
            self._add_missed()
        summary.scored = len(self.scores.scored)
        if self.latencies_ms:
            summary.latency_ms = {**percentiles(self.latencies_ms), 'max': max(self.latencies_ms)}
        summary.rate_hz = rate_hz(self.received_ns, recording.pace)
        if recording.sent is not None:
            summary.frames_sent = len(recording.sent)
            summary.sent_rate_hz = rate_hz(list(recording.sent), recording.pace)
        summary.drops = dict(self._drops())
        summary.agreement = None if agreement is None else agreement.result()
        summary.notes[:0] = [*recording.notes.get('problems', ()), *recording.bag.problems]
        return self.scores.evaluation(
            'replay', summary, {'latency (ms)': self.latencies_ms} if self.latencies_ms else {})

    def _add_missed(self) -> None:
        """Add the annotated images that the node has not answered."""
        expected, notes = self.scores.stamps, self.recording.notes
        missing = {image_id: stamp for image_id, stamp in expected.items()
                   if image_id not in self.scores.scored}
        sent = set((self.recording.sent or {}).values())
        if len(missing) == len(expected) and not sent & set(missing.values()):
            raise ValueError(f'{self.scores.truth.name}: no image that was played has the stamp '
                             'of an annotated one')
        if sent and notes.get('frames'):  # only the first ones were played
            missing = {i: stamp for i, stamp in missing.items() if stamp <= max(sent)}
        # What is damaged in a bag was not played.
        known = [i for i, stamp in missing.items() if not notes.get('problems') or stamp in sent]
        self.summary.left_out = len(missing) - len(known)
        self.summary.missed = self.scores.add_missed(known)

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
