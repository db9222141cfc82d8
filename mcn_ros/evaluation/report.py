# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The report of an evaluation: a page to look at, alone or beside another run.

A folder holds ``index.html``, which needs no other file and no network, the plots as PNG files,
and ``scores.json``, by which a later report can be compared with this one.
"""

from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from mcn_ros.evaluation import page, plots
from mcn_ros.evaluation.gallery import Picture, RANKED, ranking
from mcn_ros.evaluation.page import Cell
from mcn_ros.evaluation.scorers import Plot, Scorer, scorer_of, SCORERS
from mcn_ros.tasks import Task

PAGE_FILE, SCORES_FILE = 'index.html', 'scores.json'
# What the file of scores has of a report.
STORED_FIELDS = 'title', 'facts', 'scores', 'details', 'measures', 'distributions', 'notes'

WATCHED = 'person'  # the class that is looked at first


@dataclass(frozen=True)
class Report:
    """
    What is known of a run.

    :param title: heading of the page.
    :param facts: label -> text, such as the weights and the data that were used.
    :param tasks: task name -> task, of those that are scored; nothing of it is kept.
    :param scores: as :meth:`mcn_ros.evaluation.scorers.Scorers.result` gives them.
    :param details: as :meth:`mcn_ros.evaluation.scorers.Scorers.details` gives them.
    :param measures: heading -> name with its unit -> number, text, or None for unknown.
    :param distributions: name with its unit -> values, drawn as a histogram.
    :param notes: warnings, a line each.
    :param pictures: heading -> pictures.
    :param scorers: the table that the scorers are of; nothing of it is kept.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    distributions: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    scorers: Mapping[type | str, type[Scorer]] = field(default_factory=lambda: SCORERS)


def read_report(folder: Path | str) -> Report:
    """
    Read what a report says, but for its pictures.

    :param folder: where :func:`write_report` has written it.
    :raises ValueError: if there is no report.
    """
    path = Path(folder) / SCORES_FILE
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror}); '
                         'a folder that a report was written to has this file') from error
    except ValueError as error:
        raise ValueError(f'{path}: not a JSON file ({error})') from error
    if not isinstance(content, dict) or set(content) != set(STORED_FIELDS):
        raise ValueError(f'{path}: not the scores of a report, which are '
                         f'{", ".join(STORED_FIELDS)}')
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
    content = {name: getattr(report, name) for name in STORED_FIELDS}
    (folder / SCORES_FILE).write_text(json.dumps(content, allow_nan=False) + '\n')
    plots_by_task = draw_plots(report, against)
    for name, task_plots in plots_by_task.items():
        for short, plot in task_plots.items():
            (folder / f'{name}_{short}.png').write_bytes(plot.png)
    path = folder / PAGE_FILE
    parts = _parts(report, against, plots_by_task)
    path.write_text(page.page(report.title, parts), encoding='utf-8')
    return path


def draw_plots(report: Report, against: Report | None = None) -> dict[str, dict[str, Plot]]:
    """Return task, or 'distribution', -> short name -> plot, of all that there are numbers for."""
    other, pictures = against or Report(''), {}
    for name, scorer in _scorers(report).items():
        pictures[name] = scorer.plots(report.details.get(name, {}), other.details.get(name, {}))
        if values := _classes(report, name):
            pictures[name]['classes'] = Plot(plots.class_plot(
                values, _classes(other, name), scorer.CLASS_SCORE), 'score of each class')
    pictures['distribution'] = {
        str(number): Plot(plots.histogram(values, other.distributions.get(name, ()), name),
                          f'histogram: {name}')
        for number, (name, values) in enumerate(report.distributions.items(), 1) if values}
    return pictures


def _scorers(report: Report) -> dict[str, type[Scorer]]:
    return {name: scorer_of(task, report.scorers) for name, task in report.tasks.items()
            if name in report.scores}


def _parts(report: Report, against: Report | None,
           plots_by_task: Mapping[str, Mapping[str, Plot]]) -> Iterator[str]:
    yield from (page.paragraph(note, 'note') for note in report.notes)
    yield _facts(report, against)
    yield from _headlines(report, against)
    for heading, values in report.measures.items():
        yield page.heading(heading)
        yield _numbers(values, against and against.measures.get(heading, {}))
    yield from (page.plot(plot.png, plot.text) for plot in plots_by_task['distribution'].values())
    for name, scorer in _scorers(report).items():
        yield page.heading(name.replace('_', ' ').capitalize())
        values = {key: v for key, v in report.scores[name].items() if key != 'per_class'}
        yield _numbers(values, against and against.scores.get(name, {}), scorer)
        yield from (page.plot(plot.png, plot.text) for plot in plots_by_task[name].values())
        yield from [page.paragraph(scorer.NOTE)] * bool(scorer.NOTE)
    if any(_classes(report, name) for name in report.tasks):
        yield page.heading('Classes')
        yield _class_table(report, against)
    for heading, pictures in report.pictures.items():
        yield page.heading(heading)
        if heading in RANKED:
            yield page.paragraph(ranking(report.tasks.values()))
        yield from (page.pair(p.images.items(), p.title, p.caption) for p in pictures)


def _facts(report: Report, against: Report | None) -> str:
    names = dict.fromkeys([*report.facts, *(against.facts if against else ())])
    runs = [report, against] if against else [report]
    header = [Cell(''), Cell('this run'), Cell('other run')] if against else [Cell('')] * 2
    return page.table(header, ([Cell(name), *(Cell(run.facts.get(name, '-')) for run in runs)]
                               for name in names))


def _headlines(report: Report, against: Report | None) -> Iterator[str]:
    entries = []
    for name, task in report.tasks.items():
        scores, others = (r.scores.get(name, {}) if r else {} for r in (report, against))
        if task.figure in scores:
            gain = -1 if task.figure in scorer_of(task, report.scorers).ERRORS else 1
            entries.append((f'{name} {task.figure}', scores[task.figure],
                            others.get(task.figure), gain))
        if WATCHED in scores.get('per_class', {}):
            entries.append((f'{name} {scorer_of(task, report.scorers).CLASS_SCORE} of {WATCHED}',
                            scores['per_class'][WATCHED],
                            others.get('per_class', {}).get(WATCHED), 1))
    cards = [(label, _text(value), None if None in (value, other) else _change(value, other, gain))
             for label, value, other, gain in entries]
    if 'images' in report.scores:
        cards.append(('images', str(report.scores['images']), None))
    if cards:
        yield page.cards(cards)


def _numbers(values: Mapping[str, Any], others: Mapping[str, Any] | None,
             scorer: type[Scorer] | None = None) -> str:
    """Return a table of values, beside those of another run if any; scores have meanings."""
    rows = []
    for name in values:
        gain = 0 if scorer is None else -1 if name in scorer.ERRORS else 1
        meaning = [] if scorer is None else [Cell(scorer.MEANINGS.get(name, ''))]
        rows.append([Cell(name), *_cells(name, values, others, gain), *meaning])
    header = [] if others is None else [Cell(''), *_header('this run', True)]
    return page.table(header if scorer is None or not header else [*header, Cell('')], rows)


def _header(name: str, compared: bool) -> list[Cell]:
    names = [name, 'other run', 'difference'] if compared else [name]
    return [Cell(text, number=True) for text in names]


def _cells(name: str, values: Mapping[str, Any], others: Mapping[str, Any] | None,
           gain: int) -> list[Cell]:
    """
    Return a value; if runs are compared, also that of the other run and the difference.

    :param gain: 1 for a score in 0..1, -1 for an error, 0 for what is neither good nor bad.
    """
    value = values.get(name)
    cells = [Cell(_text(value), True, value if gain > 0 else None)]
    if others is not None:
        other = others.get(name)
        both = all(isinstance(number, (int, float)) for number in (value, other))
        cells += [Cell(_text(other), True),
                  _change(value, other, gain) if both else Cell('', True)]
    return cells


def _change(value: float, other: float, gain: int) -> Cell:
    """Return a difference; of scores and errors with its tone."""
    text = _text(value - other)
    if not float(text):
        return Cell(text.lstrip('-'), True)
    tone = ('better' if gain * (value - other) > 0 else 'worse') if gain else ''
    return Cell(text if value < other else f'+{text}', True, tone=tone)


def _class_table(report: Report, against: Report | None) -> str:
    columns = []  # (title, class -> value, those of the other run or None if not compared, gain)
    amounts = []
    for name, scorer in _scorers(report).items():
        if scores := _classes(report, name):
            amounts.append(report.details.get(name, {}).get(scorer.AMOUNT, {}))
            texts = {key: f'{100 * value:.1f}%' if isinstance(value, float) else value
                     for key, value in amounts[-1].items()}
            columns += [(scorer.AMOUNT, texts, None, 0),
                        (f'{name} {scorer.CLASS_SCORE}', scores,
                         against and _classes(against, name), 1)]
    # The person, whom this package is mostly about, comes first, then what there is most of.
    names = sorted({name for _, values, _, gain in columns if gain for name in values},
                   key=lambda name: (name != WATCHED, *(-known.get(name, 0) for known in amounts),
                                     name))
    return page.table(
        [Cell('class'), *(cell for title, _, others, _ in columns
                          for cell in _header(title, others is not None))],
        ([Cell(name), *(cell for _, values, others, gain in columns
                        for cell in _cells(name, values, others, gain))] for name in names))


def _classes(report: Report, name: str) -> Mapping[str, float]:
    """Return class -> score of a task, {} without."""
    return report.scores.get(name, {}).get('per_class', {})


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.3f}' if abs(value) < 10 else f'{value:.1f}'
    return str(value)
