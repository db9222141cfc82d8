# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The report of experiments: networks that differ in one thing, each trained with several seeds.

Everything that is said about results comes from the metrics.json files of the runs; questions
and conclusions are a person's, and stand in the report as they are given.
"""

from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import cv2
from matplotlib.figure import Figure
import numpy as np

from mcn_ros.tables import markdown
from mcn_ros.trainer.experiments import Experiments, Network, Study

# A difference of more standard errors than this is called larger than the spread.
CLEAR = 2.0

OVERLAY_WIDTH = 900
MINUS = ' - '  # between two figures

READING = f"""\
Figures are points (100 AP, 100 IoU) of the last validation: the mean and the standard deviation
over seeds. A difference is to the first network of its table, followed by its standard error;
for that, the deviations over seeds of all networks of the table are taken as one. It is larger
than the spread if it is more than {CLEAR:g} standard errors."""
PAPER = 'The last columns are what the paper reports, where it does.'

CLAIMS = 'What the paper says, as differences to the first network of the study:'

HEADER = ['network', '{}', 'difference', 'larger than the spread', 'paper', 'difference']

# Network -> seed -> scores as `evaluate` gives them.
Results = Mapping[str, Mapping[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Row:
    """
    A network in a table.

    :param title: of the network.
    :param values: one per seed for which the figure exists, in points.
    :param difference: of the means, to the first row that has values; None there and where there
        are none.
    :param error: standard error of the difference; None where no network has several seeds.
    :param paper: the paper's figure, in points, if it has one.
    :param paper_difference: to that of the first row, if both have one.
    """

    title: str
    values: tuple[float, ...]
    difference: float | None = None
    error: float | None = None
    paper: float | None = None
    paper_difference: float | None = None

    @property
    def clear(self) -> bool:
        """Return whether the difference is larger than the spread."""
        return self.error is not None and abs(self.difference) > CLEAR * self.error


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the metrics.json of a run; nothing if it has none yet."""
    path = folder / 'metrics.json'
    return json.loads(path.read_text()) if path.is_file() else []


def compare(figure: str, networks: Sequence[str], known: Mapping[str, Network], results: Results,
            ) -> list[Row]:
    """
    Return the rows of a table: the networks that are scored by the figure, in the order given.

    One for which it does not exist, as there was nothing to score, has a row without values.
    """
    scored = {name: [points for seed in sorted(results.get(name, {}))
                     for points in _points(results[name][seed], figure)] for name in networks}
    values = {name: [value for value in points if value is not None]
              for name, points in scored.items()}
    names = [name for name in networks if values[name]]
    # The same for all: two or three seeds alone tell little about a deviation.
    freedom = sum(len(values[name]) - 1 for name in names)
    squares = sum(np.var(values[name]) * len(values[name]) for name in names)
    rows = []
    for name in [name for name in networks if scored[name]]:
        paper, first = _paper(known[name], figure), (
            _paper(known[names[0]], figure) if names else None)
        row = Row(known[name].title, tuple(values[name]), paper=paper)
        if values[name] and name != names[0]:
            mine, others = values[name], values[names[0]]
            row = Row(row.title, row.values, float(np.mean(mine) - np.mean(others)),
                      math.sqrt(squares / freedom * (1 / len(mine) + 1 / len(others)))
                      if freedom else None,
                      paper, None if paper is None or first is None else paper - first)
        rows.append(row)
    return rows


def _points(scores: Mapping[str, Any], figure: str) -> Iterator[float | None]:
    """Look up a figure such as 'detection.AP', or 'A - B'; yield nothing where it is not there."""
    if MINUS in figure:
        values = [value for part in figure.split(MINUS) for value in _points(scores, part)]
        if len(values) == 2:
            yield None if None in values else values[0] - values[1]
        return
    key, _, rest = figure.partition('.')
    if isinstance(scores.get(key), Mapping):
        yield from _points(scores[key], rest)
    elif figure in scores:  # all of it: a name such as below_11.25 has a dot
        value = scores[figure]
        yield None if value is None else 100 * value


def _paper(network: Network, figure: str) -> float | None:
    """Return what the paper has for a figure, in points."""
    values = [network.paper.get(part) for part in figure.split(MINUS)]
    return None if None in values else values[0] - sum(values[1:])


def mean_text(figure: str, scores: Sequence[Mapping[str, Any]]) -> str:
    """Return the mean of a figure over seeds, and its spread, as text."""
    return _mean([value for each in scores for value in _points(each, figure)
                  if value is not None])


def write_comparison(path: Path, experiments: Experiments, results: Results,
                     folders: Mapping[str, Path], origin: str, sections: Sequence[str] = (),
                     ) -> None:
    """
    Write a Markdown file, with its pictures in a folder of the same name beside it.

    :param results: of what is finished.
    :param folders: network -> a run of it, whose last overlay is shown.
    :param origin: Markdown that says where the figures come from.
    :param sections: further ones, Markdown, after the studies.
    """
    pictures = path.with_suffix('')
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [f'# {experiments.title}', experiments.conclusions, '## How to read this',
             origin, READING,
             PAPER if any(network.paper for network in experiments.networks.values()) else '']
    for number, study in enumerate(experiments.studies, 1):
        tables = {heading: compare(figure, study.networks, experiments.networks, results)
                  for figure, heading in study.figures.items()}
        tables = {heading: rows for heading, rows in tables.items() if rows}
        parts += [f'## {study.title}', study.text]
        if tables:
            picture = pictures / f'study_{number}.png'
            _plot(tables, picture)
            parts += [_table(heading, rows) for heading, rows in tables.items()]
            parts.append(f'![{study.title}]({pictures.name}/{picture.name})')
        if study.claims:
            parts += [CLAIMS, _claims(study, experiments.networks, results)]
    overlays = [*_overlays(experiments, folders, pictures)]
    parts += [*sections, *(['## What the networks see', *overlays] if overlays else [])]
    path.write_text('\n\n'.join(part.strip() for part in parts if part.strip()) + '\n')


def _table(heading: str, rows: Sequence[Row]) -> str:
    header = [cell.format(heading) for cell in HEADER]
    cells = []
    for row in rows:
        cells.append([
            row.title, _mean(row.values),
            '' if row.difference is None else _with(f'{row.difference:+.2f}', row.error),
            '' if row.difference is None else 'not known' if row.error is None else
            'yes' if row.clear else 'no',
            '' if row.paper is None else f'{row.paper:.1f}',
            '' if row.paper_difference is None else f'{row.paper_difference:+.1f}'])
    # Those of the paper are left out where it says nothing.
    kept = [column for column in range(len(HEADER))
            if column < HEADER.index('paper') or any(line[column] for line in cells)]
    header, *cells = [[line[column] for column in kept] for line in (header, *cells)]
    return markdown(header, cells, words=len(header))


def _claims(study: Study, known: Mapping[str, Network], results: Results) -> str:
    """Return what a paper says beside what is found here."""
    header, lines = ['claim', 'figure', 'paper', 'here', 'is'], []
    for claim in study.claims:
        rows = compare(claim.figure, study.networks, known, results)
        row = next((row for row in rows if row.title == known[claim.network].title), None)
        cells = ['-', 'not known yet']
        if row and row.difference is not None:
            cells = [_with(f'{row.difference:+.2f}', row.error), _verdict(row)]
        first = _paper(known[study.networks[0]], claim.figure)
        paper = _paper(known[claim.network], claim.figure)
        lines.append([claim.text, study.figures.get(claim.figure, claim.figure),
                      '' if None in (first, paper) else f'{paper - first:+.1f}', *cells])
    return markdown(header, lines, words=len(header))


def _verdict(row: Row) -> str:
    """Return in words how a difference compares with the paper's."""
    if row.error is None:
        return 'not known: there is no spread'
    agrees = '' if row.paper_difference is None else (
        'the same sign' if row.difference * row.paper_difference > 0 else 'the opposite sign')
    if not row.clear:
        return f'a null result, within the spread{f" ({agrees})" if agrees else ""}'
    return f'{agrees}, larger than the spread'.removeprefix(', ')


def _mean(values: Sequence[float]) -> str:
    """Return the mean over seeds as text, '-' where the figure does not exist."""
    if not values:
        return '-'
    seeds = '1 seed' if len(values) == 1 else f'{len(values)} seeds'
    return _with(f'{np.mean(values):.2f}', _spread(values)) + f' ({seeds})'


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _with(text: str, error: float | None) -> str:
    return text if error is None else f'{text} ± {error:.2f}'


def _plot(tables: Mapping[str, Sequence[Row]], path: Path) -> None:
    """Draw each table: networks below each other, seeds as dots, mean and deviation as a bar."""
    titles = list(dict.fromkeys(row.title for rows in tables.values() for row in rows))
    figure = Figure((2.2 + 2.2 * len(tables), 1.0 + 0.32 * len(titles)), layout='constrained')
    for axes, (heading, rows) in zip(
            figure.subplots(1, len(tables), sharey=True, squeeze=False)[0], tables.items()):
        for row in rows:
            place = titles.index(row.title)
            if not row.values:
                continue
            axes.errorbar(np.mean(row.values), place, xerr=_spread(row.values) or 0, fmt='s',
                          color='tab:blue', capsize=4)
            axes.plot(row.values, [place] * len(row.values), '.', color='tab:orange')
        axes.set_title(heading, fontsize='medium')
        axes.set_yticks(range(len(titles)), titles)
        axes.set_ylim(len(titles) - 0.5, -0.5)
        axes.grid(axis='x', alpha=0.4)
    figure.savefig(path, dpi=80)


def _overlays(experiments: Experiments, folders: Mapping[str, Path], pictures: Path,
              ) -> Iterator[str]:
    """Copy the last overlay of each network, made smaller; yield the Markdown that shows it."""
    for name, folder in folders.items():
        paths = sorted((folder / 'overlays').glob('*.jpg'))
        image = cv2.imread(str(paths[-1])) if paths else None
        if image is None:
            continue
        scale = min(1.0, OVERLAY_WIDTH / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(pictures / f'{name}.jpg'), small, (cv2.IMWRITE_JPEG_QUALITY, 80))
        title = experiments.networks[name].title
        yield f'{title}:\n\n![{title}]({pictures.name}/{name}.jpg)'
