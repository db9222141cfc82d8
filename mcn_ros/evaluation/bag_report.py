# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What there is to say and to show of an evaluation on a bag."""

import math
from pathlib import Path
from typing import Any, Mapping

from mcn_ros.data.frames import Frame
from mcn_ros.data.results import SCORE_THRESHOLD
from mcn_ros.evaluation.gallery import draw_picture, Gallery, Picture
from mcn_ros.evaluation.positions import FAR, NEAR
from mcn_ros.evaluation.report import Report, write_report
from mcn_ros.evaluation.stamped import Evaluation, SPATIAL, TRACKING
from mcn_ros.tasks import Task

NUM_PICTURES = 12
SUMMARIES = ('bag', 'replay')
NO_TASKS = (*SUMMARIES, TRACKING, SPATIAL)  # entries of results that are no scores of tasks

# Field of a summary -> what it is called; fields of counts that are 0 go without saying.
FRAMES = {
    'frames': 'looked at', 'frames_sent': 'sent', 'frames_processed': 'processed',
    'incomplete': 'processed in part', 'scored': 'scored', 'missed': 'missed',
    'left_out': 'left out', 'unreadable': 'not decodable', 'repeated': 'repeated'}
RATES = {'sent_rate_hz': 'sent (Hz)', 'rate_hz': 'achieved (Hz)'}
TIMES = {'predictor_ms': 'predictor', 'latency_ms': 'latency from stamp to result'}

# Count -> what it means for the scores.
WARNINGS = {
    'unreadable': 'frames cannot be decoded',
    'missed': 'annotated frames have no results: all in them counts as missed',
    'left_out': 'annotated frames are not in the part of the bag that can be read: they are not '
                'scored',
    'repeated': 'frames repeat the stamp of an earlier one: they are not scored',
}


class BagPictures:
    """
    Pictures of some frames: the best and the worst of those that are annotated, else a selection.

    :param tasks: task name -> task.
    :param total: about how many frames there are.
    """

    def __init__(self, tasks: Mapping[str, Task], total: int):
        self.tasks, self._every = tasks, max(1, math.ceil(total / NUM_PICTURES))
        self._gallery, self._annotated = Gallery(tasks), False
        self._frames, self._pictures = 0, []

    def add(self, frame: Frame, predictions: Mapping[str, Any],
            annotations: Mapping[str, Any] | None) -> None:
        """Consider a frame; see ``watch`` of :func:`evaluate_offline`."""
        if annotations is not None:
            self._annotated = True
            self._gallery.add(frame.name, frame.image, predictions, annotations)
        elif self._frames % self._every == 0 and len(self._pictures) < NUM_PICTURES:
            self._pictures.append(
                draw_picture(frame.name, frame.image, predictions, self.tasks))
        self._frames += 1

    def sections(self) -> dict[str, tuple[Picture, ...]]:
        """Return heading -> pictures."""
        if self._annotated:
            return self._gallery.sections()
        return {'Frames': tuple(self._pictures)} if self._pictures else {}


def measures(outcome: Evaluation) -> dict[str, dict[str, Any]]:
    """Return heading -> {name and unit: figure} of what is not a score."""
    summary = _summary(outcome)
    headings = {f'tracking of {name}': dict(scores)
                for name, scores in outcome.results.get(TRACKING, {}).items()}
    for name, scores in outcome.results.get(SPATIAL, {}).items():
        errors = {f'error {part} (m)': value for part, value in scores['position_error_m'].items()}
        headings[f'position of {name}, {NEAR:g} to {FAR:g} m away'] = {
            **errors, 'found': scores['found'], 'objects': scores['objects']}
    headings['frames'] = {name: summary[key] for key, name in FRAMES.items() if summary.get(key)}
    if summary.get('drops'):
        headings['dropped frames'] = dict(summary['drops'])
    if summary.get('found'):
        heading = f'found with a score of at least {SCORE_THRESHOLD}'
        headings[heading] = dict(summary['found'])
    # Offline, frames do not arrive: the rate is that of the recording.
    headings['rate'] = {name: summary[key] for key, name in RATES.items()} if (
        'replay' in outcome.results) else {'of the bag (Hz)': summary['rate_hz']}
    for key, name in TIMES.items():
        if summary.get(key):
            headings[name] = {f'{part} (ms)': value for part, value in summary[key].items()}
    if summary.get('agreement'):
        agreement = dict(summary['agreement'])
        unequal = agreement.pop('unequal')
        headings['agreement with the network by itself'] = {
            **agreement, **{f'unequal {task}': number for task, number in unequal.items()}}
    return headings


def notes(outcome: Evaluation) -> list[str]:
    """Return a line for everything that the results lack, or that is odd."""
    summary = _summary(outcome)
    return [*summary['notes'], *(f'{summary[key]} {meaning}' for key, meaning in WARNINGS.items()
                                 if summary.get(key))]


def write_bag_report(folder: Path, outcome: Evaluation, facts: Mapping[str, str],
                     pictures: BagPictures, against: Report | None = None) -> Path:
    """
    Write a report; see :func:`mcn_ros.evaluation.report.write_report`.

    :param facts: label -> text, beside those of the summary.
    :return: the page.
    """
    summary, mode = _summary(outcome), 'replay' if 'replay' in outcome.results else 'offline'
    source = summary.get('path') or summary['recording']
    facts = {'bag': source, 'mode': mode, **facts}
    if summary.get('topics'):
        facts['topics'] = ', '.join(summary['topics'])
    scores = {name: value for name, value in outcome.results.items() if name not in NO_TASKS}
    report = Report(title=f'{Path(source).name}: {mode}', facts=facts, tasks=pictures.tasks,
                    scores=scores, details=outcome.details, measures=measures(outcome),
                    distributions=outcome.distributions, notes=notes(outcome),
                    pictures=pictures.sections())
    return write_report(folder, report, against)


def _summary(outcome: Evaluation) -> dict[str, Any]:
    return next(outcome.results[name] for name in SUMMARIES if name in outcome.results)
