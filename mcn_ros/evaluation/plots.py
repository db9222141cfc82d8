# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Scores as pictures, each a PNG file in memory.

Where another run is given it is drawn, too: dashed, or as black marks.
"""

import io
import itertools
from typing import Any, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
import numpy as np

from mcn_ros.colors import OKABE_ITO

PANEL = 4.8, 3.2  # inches
MOST_WIDTH = 11.0
DPI = 110
NUM_BINS = 40  # of a histogram
PERCENTILES = 50, 95, 99
# The ones of the palette that are dark enough for a line on white.
BLUE, RED, GREEN, ORANGE = (tuple(value / 255 for value in OKABE_ITO[i]) for i in (3, 4, 1, 6))
OTHER = 'black'


def precision_plot(curves: Mapping[str, Mapping[str, Sequence[float]]],
                   against: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str],
                   overlap: str) -> bytes:
    """
    Draw precision over recall, a panel for each name that has curves.

    :param curves: name -> overlap -> precision at recall 0, 0.01 .. 1, see the scorers.
    :param against: the same of another run, or nothing.
    :param names: what to draw.
    :param overlap: what the overlap is called: IoU or OKS.
    """
    panel_names = [name for name in names if name in curves]
    figure, panels = _figure(len(panel_names))
    for axes, name in zip(panels, panel_names):
        for color, (threshold, precision) in zip((BLUE, GREEN, RED), curves[name].items()):
            _precision(axes, precision, color, f'{overlap} {threshold}: {np.mean(precision):.3f}')
            other = against.get(name, {}).get(threshold)
            if other:
                _precision(axes, other, color, f'other run: {np.mean(other):.3f}', linestyle='--')
        axes.set_title('all classes' if name == 'all' else name, fontsize='medium')
        axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(fontsize='small', loc='upper right', framealpha=0.7)
    return _png(figure)


def _precision(axes: Axes, precision: Sequence[float], color: Any, label: str,
               linestyle: str = '-') -> None:
    recall = np.linspace(0, 1, len(precision))
    axes.plot(recall, precision, color=color, linestyle=linestyle, label=label)


def miss_rate_plot(curve: Mapping[str, Any], against: Mapping[str, Any]) -> bytes:
    """
    Draw the miss rate over false positives per image, both logarithmic.

    :param curve: 'false' and 'rate', the curve; 'points', where its 'mean' is taken of.
    :param against: the same of another run, or nothing.
    """
    figure, (axes,) = _figure(1)
    for values, style, name in ((curve, '-', 'mean'), (against, '--', 'other run')):
        if values:
            axes.loglog(values['false'], np.maximum(values['rate'], 1e-3), style,
                        color=BLUE if style == '-' else OTHER,
                        label=f'{name}: {values["mean"]:.3f}')
    points = np.array(curve['points'])
    rates = np.interp(np.log(points), np.log(curve['false']), curve['rate'])
    axes.plot(points, np.maximum(rates, 1e-3), 'o', color=BLUE, markersize=3)
    axes.set(xlabel='false positives per image', ylabel='miss rate', ylim=(None, 1.1))
    axes.legend(fontsize='small', loc='lower left', framealpha=0.7)
    return _png(figure)


def class_plot(values: Mapping[str, float], against: Mapping[str, float], name: str) -> bytes:
    """
    Draw a bar for each class, the best first.

    :param values: class -> value in 0..1.
    :param against: the same of another run, or nothing.
    :param name: of the value.
    """
    classes = sorted(values, key=values.get, reverse=True)
    figure, (axes,) = _figure(1, min(MOST_WIDTH, 1.5 + 0.3 * len(classes)))
    axes.bar(classes, [values[c] for c in classes], color=BLUE, width=0.8)
    known = [c for c in classes if c in against]
    if known:
        axes.plot(known, [against[c] for c in known], 'D', color=OTHER, markersize=3,
                  label='other run')
        axes.legend(fontsize='small', loc='upper right')
    axes.set_ylabel(name)
    axes.set_ylim(0, max(0.1, 1.05 * max([*values.values(), *(against[c] for c in known)])))
    axes.margins(x=0.01)
    axes.tick_params(axis='x', rotation=90, labelsize=8 if len(classes) < 40 else 7)
    axes.grid(axis='x', visible=False)
    return _png(figure)


def similarity_plot(counts: Sequence[int], against: Sequence[int]) -> bytes:
    """
    Draw how similar predicted poses are to the annotated ones.

    :param counts: number of people in equal parts of OKS 0..1, see the scorer.
    :param against: the same of another run, or nothing.
    """
    figure, (axes,) = _figure(1)
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.stairs(np.divide(counts, sum(counts)), edges, fill=True, color=BLUE)
    if sum(against):
        edges = np.linspace(0, 1, len(against) + 1)
        axes.stairs(np.divide(against, sum(against)), edges, color=OTHER, linestyle='--',
                    label='other run')
        axes.legend(fontsize='small', loc='upper right')
    axes.set(xlabel='similarity of the joints (OKS)', ylabel='annotated people', xlim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return _png(figure)


def histogram(values: Sequence[float], against: Sequence[float], name: str) -> bytes:
    """
    Draw the distribution of a quantity, with its median, 95th and 99th percentile.

    :param values: at least one.
    :param against: those of another run, or nothing.
    :param name: of the quantity, with its unit.
    """
    figure, (axes,) = _figure(1, 1.5 * PANEL[0])
    edges = np.histogram_bin_edges([*values, *against], NUM_BINS)
    for data, options in ((values, {'fill': True, 'color': BLUE, 'alpha': 0.8}),
                          (against, {'color': OTHER, 'linestyle': '--', 'label': 'other run'})):
        if len(data):
            axes.stairs(np.histogram(data, edges)[0] / len(data), edges, **options)
    for percent, color in zip(PERCENTILES, (GREEN, ORANGE, RED)):
        value = np.percentile(values, percent)
        axes.axvline(value, color=color, label=f'p{percent}: {value:.4g}')
    axes.legend(fontsize='small', loc='upper right')
    axes.set_xlabel(name)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return _png(figure)


def listening_plot(panels: Mapping[str, Mapping[str, Mapping[int, float]]]) -> bytes:
    """
    Draw who listens to whom, stage by stage.

    :param panels: title -> label of a line -> stage -> share of what is given.
    """
    figure, axes_of = _figure(len(panels), 0.6 * PANEL[0])
    axes_of[0].set_ylabel('given, of what is there')
    for axes, (title, lines) in zip(axes_of, panels.items()):
        colors = itertools.cycle((BLUE, RED, GREEN, ORANGE))
        for (label, values), color in zip(lines.items(), colors):
            axes.plot(list(values), list(values.values()), 'o-', color=color, label=label)
        axes.set_title(title, fontsize='small')
        axes.set(xlabel='stage', ylim=(0, None), xticks=sorted({
            stage for values in lines.values() for stage in values}))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.legend(fontsize='x-small')
    return _png(figure)


def _figure(num_panels: int, width: float = PANEL[0]) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width * num_panels, PANEL[1]), layout='constrained')
    FigureCanvasAgg(figure)  # a picture, wherever this runs: no window, no global state
    panels = figure.subplots(1, num_panels, squeeze=False)[0]
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize='small')
        axes.spines[['top', 'right']].set_visible(False)
    return figure, panels


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=DPI)
    return file.getvalue()
