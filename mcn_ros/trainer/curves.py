# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The history of a run as curves."""

import math
from pathlib import Path
from typing import Any, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

# The classes of most data sets are too many to watch each; this one has a curve of its own.
WATCHED = 'person'
PANEL = 4.6, 3  # inches
SCORE_RANGE = 0.1  # of the axis at least, lest noise look like progress

Curves = dict[str, list[tuple[int, float]]]


def draw_curves(history: Sequence[Mapping[str, Any]], figures: Mapping[str, str],
                path: Path) -> None:
    """
    Draw the losses of each task above its scores, over the number of batches.

    :param history: what metrics.json holds: entries with step, losses and scores.
    :param figures: task -> the score that it is judged by.
    :param path: of the PNG file.
    :raises OSError: if it cannot be written.
    """
    losses = loss_curves(history)
    tasks = sorted(losses.keys() - {'total'})
    width, height = PANEL
    figure = Figure(figsize=(width * (len(tasks) + 1), height * 2), layout='constrained')
    FigureCanvasAgg(figure)  # a picture, wherever this runs: no window, no global state
    panels = figure.subplots(2, len(tasks) + 1, squeeze=False, sharex=True)
    for (upper, lower), task in zip(panels.T, tasks):
        _plot(upper, f'{task}: losses', losses[task])
        _plot(lower, f'{task}: scores', score_curves(history, task, figures.get(task)))
        lower.set_ylim(0, max(SCORE_RANGE, lower.get_ylim()[1]))
    _plot(panels[0, -1], 'total loss', losses.get('total', {}))
    _plot(panels[1, -1], 'learning rate', _rate(history))
    panels[1, -1].set_ylim(bottom=0)
    for upper, lower in panels.T:
        _scale_as_logarithm(upper)
        lower.set_xlabel('batches')
    figure.savefig(path, dpi=100)


def loss_curves(history: Sequence[Mapping[str, Any]]) -> dict[str, Curves]:
    """Return task -> loss -> [(step, mean since the step before), ...]; 'total' is a task, too."""
    curves: dict[str, Curves] = {}
    for entry in history:
        for name, value in entry['losses'].items():
            task, _, loss = name.partition('/')
            curve = curves.setdefault(task, {}).setdefault(loss or task, [])
            curve.append((entry['step'], value))
    return curves


def score_curves(history: Sequence[Mapping[str, Any]], task: str, figure: str | None) -> Curves:
    """Return the main score of a task and that of people, each as [(step, value), ...]."""
    curves: Curves = {}
    for entry in history:
        scores = entry['scores'].get(task, {})
        values = {figure: scores.get(figure)}
        classes = scores.get('per_class', {})
        if len(classes) > 1:  # else it would be drawn twice
            values[WATCHED] = classes.get(WATCHED)
        for name, value in values.items():
            if value is not None:
                curves.setdefault(name, []).append((entry['step'], value))
    return curves


def _rate(history: Sequence[Mapping[str, Any]]) -> Curves:
    curve = [(entry['step'], entry['rate']) for entry in history if 'rate' in entry]
    return {'rate': curve} if curve else {}


def _plot(axes: Axes, title: str, curves: Curves) -> None:
    axes.set_title(title, fontsize='medium')
    if not curves:
        axes.set_axis_off()
        return
    for name, curve in curves.items():
        axes.plot(*zip(*curve), marker='.', label=f'{name} {curve[-1][1]:.3g}')
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize='small')
    axes.legend(fontsize='small', loc='upper left', bbox_to_anchor=(1, 1.03), frameon=False,
                handlelength=1, borderpad=0)  # beside the curves, where it hides none


def _scale_as_logarithm(axes: Axes) -> None:
    """Losses differ by powers of ten, and so do they fall; the ticks are plain numbers."""
    if not math.isfinite(axes.dataLim.minposy):
        return  # nothing above zero
    axes.set_yscale('log')
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.3, high * 1.3)
    ticks = (1, 2, 5) if high > 30 * low else (1, 1.5, 2, 3, 5, 7)
    axes.yaxis.set_major_locator(LogLocator(subs=ticks))
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_locator(NullLocator())
