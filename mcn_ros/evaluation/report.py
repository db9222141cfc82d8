# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The report of an evaluation: a page to look at, alone or beside another run.

A folder holds ``index.html``, which needs no other file and no network, the plots as PNG files,
and ``scores.json``, by which a later report can be compared with this one.
"""

from dataclasses import dataclass, field
import functools
import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from mcn_ros.evaluation import page, plots
from mcn_ros.evaluation.gallery import Picture, RANKED, RANKING
from mcn_ros.evaluation.page import Cell

PAGE, SCORES = 'index.html', 'scores.json'
# What scores.json keeps of a report.
KEPT = 'title', 'facts', 'scores', 'details', 'measures', 'distributions', 'notes'

HEADINGS = {'detection': 'Detection', 'pose': 'Pose', 'segmentation': 'Segmentation'}
HEADLINES = {
    'detection.AP': 'box AP', 'detection.per_class.person': 'box AP of people',
    'pose.AP': 'keypoint AP', 'segmentation.mIoU': 'mean IoU',
    'segmentation.per_class.person': 'IoU of people'}
MEANINGS = {
    'AP': 'average precision, mean over overlaps .50 to .95',
    'AP50': 'at overlap .50', 'AP75': 'at overlap .75',
    'APs': 'small ones, area below 32 x 32 pixels',
    'APm': 'medium ones', 'APl': 'large ones, area above 96 x 96 pixels',
    'AR1': 'average recall with one prediction per image and class',
    'AR10': 'with ten predictions', 'AR': 'average recall with all predictions',
    'AR50': 'at overlap .50', 'AR75': 'at overlap .75', 'ARs': 'small ones', 'ARm': 'medium ones',
    'ARl': 'large ones', 'mIoU': 'intersection over union, mean over the classes that occur',
    'background': 'IoU of the background',
    'pixel_accuracy': 'share of right pixels, background included'}
CURVES = {'detection': ('IoU', ('all', 'person')), 'pose': ('OKS', ('person',))}
OKS_TEXT = ('How similar the predicted joints of each annotated person are to the true ones; '
            'people who were not found have 0.')


@dataclass(frozen=True)
class Report:
    """
    What is known of a run.

    :param title: heading of the page.
    :param facts: label -> text, such as the weights and the data that were used.
    :param scores: as :meth:`mcn_ros.evaluation.scorers.Scorers.result` gives them.
    :param details: as :meth:`mcn_ros.evaluation.scorers.Scorers.details` gives them.
    :param measures: heading -> name with its unit -> number, text, or None for unknown.
    :param distributions: name with its unit -> values, drawn as a histogram.
    :param notes: warnings, a line each.
    :param pictures: heading -> pictures.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    distributions: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)


def read_report(folder: Path | str) -> Report:
    """
    Read what a report says, but for its pictures.

    :param folder: where :func:`write_report` has written it.
    :raises ValueError: if there is no report.
    """
    path = Path(folder) / SCORES
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror}); '
                         'a folder that a report was written to has this file') from error
    except ValueError as error:
        raise ValueError(f'{path}: not a JSON file ({error})') from error
    if not isinstance(content, dict) or set(content) != set(KEPT):
        raise ValueError(f'{path}: not the scores of a report, which are {", ".join(KEPT)}')
    return Report(**content)


def write_report(folder: Path | str, report: Report, against: Report | None = None) -> Path:
    """
    Write a report; a previous one in the folder is replaced.

    :param folder: it is made where it is missing.
    :param against: another run, shown beside this one.
    :return: path of the page.
    :raises OSError: if it cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = {name: getattr(report, name) for name in KEPT}
    (folder / SCORES).write_text(json.dumps(content, allow_nan=False) + '\n')
    drawn = draw_plots(report, against)
    for name, png in drawn.items():
        (folder / f'{name}.png').write_bytes(png)
    path = folder / PAGE
    path.write_text(page.page(report.title, _parts(report, against, drawn)), encoding='utf-8')
    return path


def draw_plots(report: Report, against: Report | None = None) -> dict[str, bytes]:
    """Return name -> PNG of all plots that the report has numbers for."""
    other, drawn = against or Report(''), {}
    for task, (overlap, names) in CURVES.items():
        curves, others = (r.details.get(task, {}).get('precision', {}) for r in (report, other))
        if any(name in curves for name in names):
            drawn[f'{task}_precision'] = plots.precision_plot(curves, others, names, overlap)
    similar, others = (r.details.get('pose', {}).get('oks', ()) for r in (report, other))
    if sum(similar):
        drawn['pose_similarity'] = plots.similarity_plot(similar, others)
    for task, name in (('detection', 'AP'), ('segmentation', 'IoU')):
        values, others = (r.scores.get(task, {}).get('per_class') for r in (report, other))
        if values:
            drawn[f'{task}_classes'] = plots.class_plot(values, others or {}, name)
    for number, (name, values) in enumerate(report.distributions.items(), 1):
        if values:
            others = other.distributions.get(name, ())
            drawn[f'distribution_{number}'] = plots.histogram(values, others, name)
    return drawn


def _parts(report: Report, against: Report | None, drawn: Mapping[str, bytes]) -> Iterator[str]:
    yield from (page.paragraph(note, 'note') for note in report.notes)
    yield _facts(report, against)
    yield from _headlines(report, against)
    for heading, values in report.measures.items():
        yield page.heading(heading)
        yield _numbers(values, against and against.measures.get(heading, {}))
    for number, name in enumerate(report.distributions, 1):
        if report.distributions[name]:
            yield page.plot(drawn[f'distribution_{number}'], f'histogram: {name}')
    for task, heading in HEADINGS.items():
        if task in report.scores:
            yield page.heading(heading)
            yield from _task(task, report, against, drawn)
    if any(_classes(report, task) for task in HEADINGS):
        yield page.heading('Classes')
        yield _class_table(report, against)
    for heading, pictures in report.pictures.items():
        yield page.heading(heading)
        if heading in RANKED:
            yield page.paragraph(RANKING)
        yield from (page.pair(p.images.items(), p.title, p.caption) for p in pictures)


def _facts(report: Report, against: Report | None) -> str:
    names = dict.fromkeys([*report.facts, *(against.facts if against else ())])
    runs = [report, against] if against else [report]
    header = [Cell(''), Cell('this run'), Cell('other run')] if against else [Cell('')] * 2
    return page.table(header, ([Cell(name), *(Cell(run.facts.get(name, '-')) for run in runs)]
                               for name in names))


def _headlines(report: Report, against: Report | None) -> Iterator[str]:
    entries = []
    for path, label in HEADLINES.items():
        *parents, name = path.split('.')
        scores = functools.reduce(lambda found, key: found.get(key, {}), parents, report.scores)
        if name in scores:
            value, other = scores[name], _look_up(against.scores, path) if against else None
            entries.append((label, _text(value),
                            None if None in (value, other) else _change(value, other)))
    if 'images' in report.scores:
        entries.append(('images', str(report.scores['images']), None))
    if entries:
        yield page.cards(entries)


def _task(task: str, report: Report, against: Report | None, drawn: Mapping[str, bytes],
          ) -> Iterator[str]:
    values = {name: value for name, value in report.scores[task].items() if name != 'per_class'}
    yield _numbers(values, against and against.scores.get(task, {}), MEANINGS)
    for name, text in ((f'{task}_precision', 'precision over recall'),
                       (f'{task}_similarity', OKS_TEXT),
                       (f'{task}_classes', 'score of each class')):
        if name in drawn:
            yield page.plot(drawn[name], text)
    if f'{task}_similarity' in drawn:
        yield page.paragraph(OKS_TEXT)


def _numbers(values: Mapping[str, Any], others: Mapping[str, Any] | None,
             meanings: Mapping[str, str] | None = None) -> str:
    """Return a table of values, beside those of another run if any; scores have meanings."""
    rows = [[Cell(name), *_cells(name, values, others, meanings is not None),
             *([] if meanings is None else [Cell(meanings.get(name, ''))])] for name in values]
    header = [] if others is None else [Cell(''), *_header('this run', True)]
    return page.table(header if meanings is None or not header else [*header, Cell('')], rows)


def _header(name: str, compared: bool) -> list[Cell]:
    names = [name, 'other run', 'difference'] if compared else [name]
    return [Cell(text, number=True) for text in names]


def _cells(name: str, values: Mapping[str, Any], others: Mapping[str, Any] | None,
           scores: bool) -> list[Cell]:
    """Return a value; if runs are compared, also that of the other run and the difference."""
    value = values.get(name)
    cells = [Cell(_text(value), True, value if scores else None)]
    if others is not None:
        other = others.get(name)
        both = all(isinstance(number, (int, float)) for number in (value, other))
        cells += [Cell(_text(other), True),
                  _change(value, other, scores) if both else Cell('', True)]
    return cells


def _change(value: float, other: float, scores: bool = True) -> Cell:
    """Return a difference; of scores, where more is better, with its tone."""
    text = _text(value - other)
    if not float(text):
        return Cell(text.lstrip('-'), True)
    tone = ('better' if value > other else 'worse') if scores else ''
    return Cell(text if value < other else f'+{text}', True, tone=tone)


def _class_table(report: Report, against: Report | None) -> str:
    boxes, areas = _classes(report, 'detection'), _classes(report, 'segmentation')
    objects = report.details.get('detection', {}).get('objects', {})
    pixels = report.details.get('segmentation', {}).get('pixels', {})
    columns = []  # (title, class -> value, those of the other run or None if not compared, scores)
    if boxes:
        columns += [('objects', objects, None, False),
                    ('box AP', boxes, against and _classes(against, 'detection'), True)]
    if areas:
        shares = {name: f'{100 * share:.1f}%' for name, share in pixels.items()}
        columns += [('pixels', shares, None, False),
                    ('IoU', areas, against and _classes(against, 'segmentation'), True)]
    # The person, whom this package is mostly about, comes first, then what there is most of.
    names = sorted(boxes.keys() | areas.keys(), key=lambda name: (
        name != 'person', -objects.get(name, 0), -pixels.get(name, 0), name))
    return page.table(
        [Cell('class'), *(cell for title, _, others, _ in columns
                          for cell in _header(title, others is not None))],
        ([Cell(name), *(cell for _, values, others, scores in columns
                        for cell in _cells(name, values, others, scores))] for name in names))


def _classes(report: Report, task: str) -> Mapping[str, float]:
    return report.scores.get(task, {}).get('per_class', {})


def _look_up(scores: Mapping[str, Any], path: str) -> float | None:
    value: Any = scores
    for key in path.split('.'):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.3f}' if abs(value) < 10 else f'{value:.1f}'
    return str(value)
