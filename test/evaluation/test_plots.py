# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Plots of scores: what is drawn can be seen, and anything can be drawn."""

import cv2
import numpy as np
import pytest

from mcn_ros.colors import OKABE_ITO
from mcn_ros.evaluation import plots

BLUE, RED, GREEN, ORANGE = (OKABE_ITO[i] for i in (3, 4, 1, 6))
FLAT = {'.50': [0.9] * 101, '.75': [0.5] * 101, 'mean': [0.3] * 101}
LOW = {name: [value / 2 for value in values] for name, values in FLAT.items()}


def decode(png):
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


def count(image, color, tolerance=2):
    return int((np.abs(image.astype(int) - color).max(axis=2) <= tolerance).sum())


def test_there_is_a_panel_for_each_name_with_curves():
    one = decode(plots.precision_plot({'person': FLAT}, {}, ('all', 'person'), 'IoU'))
    two = decode(plots.precision_plot({'person': FLAT, 'all': LOW}, {}, ('all', 'person'), 'IoU'))
    assert two.shape[1] == 2 * one.shape[1]
    assert all(count(one, color) > 100 for color in (BLUE, GREEN, RED))


def test_a_higher_precision_is_drawn_higher():
    def row(curves):
        image = decode(plots.precision_plot({'all': curves}, {}, ('all',), 'IoU'))
        rows = np.nonzero((np.abs(image.astype(int) - BLUE).max(axis=2) < 3))[0]
        return np.bincount(rows).argmax()  # the legend's is short
    assert row(FLAT) < row(LOW) - 50


def test_another_run_is_drawn_too():
    args = {'all': FLAT}, ('all',), 'IoU'
    alone, both = (decode(plots.precision_plot(args[0], other, *args[1:]))
                   for other in ({}, {'all': LOW}))
    assert count(both, BLUE) > count(alone, BLUE) + 100
    for draw in (lambda other: plots.class_plot({'a': 0.2, 'b': 0.4}, other, 'AP'),
                 lambda other: plots.similarity_plot([0, 5], list(other.values()))):
        alone, both = decode(draw({})), decode(draw({'a': 0.3, 'b': 0.1}))
        assert (alone != both).any()


def test_who_listens_to_whom_has_a_panel_for_each_network():
    lines = {'a to b': {1: 0.1, 2: 0.3}, 'b to a': {1: 0.2}}
    one, two = (decode(plots.listening_plot(dict.fromkeys(titles, lines)))
                for titles in ('A', 'AB'))
    assert two.shape[1] == pytest.approx(2 * one.shape[1], abs=2)
    assert count(one, BLUE) > 100 and count(one, RED) > 20


def test_bars_are_as_many_and_as_high_as_the_classes():
    one, two = (decode(plots.class_plot(values, {}, 'AP'))
                for values in ({'a': 0.5}, {'a': 0.5, 'b': 0.25}))
    blue = np.abs(two.astype(int) - BLUE).max(axis=2) <= 2
    heights = blue.sum(axis=0)
    assert heights.max() == pytest.approx(2 * heights[heights > 5].min(), rel=0.05)
    assert count(one, BLUE) > 500
    wide = decode(plots.class_plot({str(i): i / 80 for i in range(80)}, {}, 'AP'))
    assert wide.shape[1] == round(plots.MOST_WIDTH * plots.DPI)


def test_percentiles_are_where_they_are():
    image = decode(plots.histogram(list(range(101)), (), 'latency (ms)')).astype(int)
    middle = image[len(image) // 2 + 40]  # below the legend
    left, right = (np.flatnonzero(np.abs(middle - color).max(axis=1) < 25).mean()
                   for color in (GREEN, RED))
    assert (left, right) == (pytest.approx(len(middle) * 0.52, rel=0.06), pytest.approx(
        len(middle) * 0.97, rel=0.05))


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('draw', [
    lambda: plots.histogram([5.0], [], 'x'), lambda: plots.histogram([5.0] * 3, [7.0], 'x'),
    lambda: plots.histogram([0.0, 1e9], [1.0], 'x'),
    lambda: plots.class_plot({'a': 0.0}, {'b': 1}, 'AP'),
    lambda: plots.similarity_plot([1] + [0] * 19, [0] * 20)])
def test_odd_numbers_can_be_drawn(draw):
    assert decode(draw()).ndim == 3
