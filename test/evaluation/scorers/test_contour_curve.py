# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Curves of precision and recall of contours, against figures that are known."""

import numpy as np
import pytest

from mcn_ros.evaluation.scorers.contour_curve import (
    average_precision, best, best_column, count_matches, f_measure, narrow, recall_precision,
    thresholds)
from mcn_ros.structures import IGNORE, RegionMap

ALL = thresholds(99)


def columns(**values):
    """Return a map of vertical lines, for instance ``c50=0.9``."""
    found = np.zeros((100, 100), np.float32)
    for name, value in values.items():
        found[10:90, int(name[1:])] = value
    return found


def contour(*indices):
    return columns(**{f'c{index}': 1 for index in indices}).astype(np.uint8)


def figures(*images, levels=ALL, tolerance=0.0075):
    """Return ODS, OIS and AP of pairs of a map and the contours of its annotators."""
    counts = [count_matches(narrow(values), contours, tolerance, levels)
              for values, contours in images]
    curve = recall_precision(sum(counts))
    of_images = sum(best_column(each) for each in counts)[:, None]
    return (best(*curve, levels).f, f_measure(*recall_precision(of_images))[0],
            average_precision(*curve))


@pytest.mark.parametrize('lines, contours, counts', [
    ((51,), [(50,)], (80, 80, 80, 80)), ((52,), [(50,)], (0, 80, 0, 80)),
    # Two lines on both sides of one: a distance to the nearest would call both right.
    ((49, 51), [(50,)], (80, 80, 80, 160)),
    ((50,), [(50,), (20,)], (80, 160, 80, 80)),
    ((50, 80), [(50,), (50, 20)], (160, 240, 80, 160))])
def test_counts(lines, contours, counts):
    values = columns(**{f'c{index}': 1 for index in lines})
    found = count_matches(values, [contour(*each) for each in contours], 0.0075, thresholds(1))
    assert found[:, 0].tolist() == list(counts)


@pytest.mark.parametrize('counts, precision, recall, f', [
    ((80, 80, 80, 160), .5, 1, 2 / 3), ((79, 80, 79, 80), .9875, .9875, .9875),
    ((80, 160, 80, 80), 1, .5, 2 / 3), ((160, 240, 80, 160), .5, 2 / 3, .571429),
    ((0, 80, 0, 0), 0, 0, 0), ((0, 0, 0, 80), 0, 0, 0)])
def test_precision_recall_and_f(counts, precision, recall, f):
    found = recall_precision(np.array(counts)[:, None])
    assert [each[0] for each in found] == pytest.approx([recall, precision])
    assert f_measure(*found)[0] == pytest.approx(f, abs=1e-6)


SOFT = columns(c50=.9, c80=.6, c20=.3), [contour(50, 20)]
OTHER = columns(c50=.4, c80=.2), [contour(50)]


def test_soft_maps():
    assert figures(SOFT) == pytest.approx((.8, .8, .42), abs=1e-6)
    assert figures(SOFT, OTHER) == pytest.approx((.857143, .857143, .49187), abs=1e-5)


def test_a_perfect_map_of_one_recall_has_no_area():
    assert figures((columns(c50=1), [contour(50)])) == (1, 1, 0)


def test_a_curve_of_two_points():
    recall, precision, levels = np.array([.8, .4]), np.array([.5, 1]), np.array([.3, .6])
    found = best(recall, precision, levels)
    assert found.f == pytest.approx(.668736, abs=1e-6)
    assert (found.recall, found.precision) == pytest.approx((.634343, .707071), abs=1e-6)
    assert .3 < found.threshold < .6
    assert average_precision(recall, precision) == pytest.approx(.3075)


def test_of_equal_recalls_the_lowest_threshold_counts():
    recall, precision = np.array([1, 1, .5, .5]), np.array([.4, .8, .6, 1])
    assert average_precision(recall, precision) == pytest.approx(
        average_precision(np.array([1, .5]), np.array([.4, .6])))


def test_lines_of_any_width_are_narrowed():
    wide = columns(c48=.3, c49=.6, c50=.9, c51=.6, c52=.3)
    counts = count_matches(narrow(wide), [contour(50)], 0.0075, ALL)[:, 20]
    assert counts[:3].tolist() == [80, 80, 80]
    # Where a wide line ends at once, its end is a ridge, too: 4 pixels of it on each.
    assert counts[3] == 88


def test_a_slanted_contour_is_not_found_less_because_of_its_steps():
    row, column = np.indices((100, 100))
    stairs = np.pad((3 * row > 2 * column).astype(np.uint16), 1, mode='edge')
    steps = RegionMap(stairs, np.zeros(1, int)).contours().values
    found, of, right, all_found = count_matches(
        narrow(steps.astype(np.float32)), [steps], 0.0075, thresholds(1))[:, 0]
    assert right == all_found and of < 0.7 * steps.sum() and found > 0.9 * of  # not at the border


def test_of_what_is_unknown_nothing_is_false():
    unknown = contour(50)
    unknown[:, 70:] = IGNORE
    values = columns(c50=1, c60=1, c80=1)
    assert count_matches(values, [unknown], 0.0075, thresholds(1))[:, 0].tolist() == [
        80, 80, 80, 160]


def test_thresholds_are_those_of_the_reference():
    """85 of 255 is below the second of five, which is not quite a third."""
    assert len(ALL) == 99 and (ALL[0], ALL[-1]) == (0.01, 0.99)
    assert 85 / 255 < thresholds(5)[1]
