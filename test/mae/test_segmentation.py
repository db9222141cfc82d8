# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From relations to communities and foreground."""

import numpy as np
import pytest

from mcn_ros.mae.growth import Merge
from mcn_ros.mae.segmentation import segment, SegmentationConfig

TRUTH = np.zeros((6, 6), int)
TRUTH[1:3, 1:4] = 1
TRUTH[3:5, 3:5] = 2


def relation(between=-0.3):
    """Return relations as of a scene: within segments, and ``between`` of the two shapes."""
    table = np.array([[.6, -.4, -.4], [-.4, .8, between], [-.4, between, .7]])
    found = table[np.ix_(TRUTH.ravel(), TRUTH.ravel())]
    np.fill_diagonal(found, 0)
    return found


def same(first, second):
    return len(set(zip(first.ravel(), second.ravel()))) == len(set(first.ravel()))


def test_segments_are_communities():
    found = segment(relation(), (6, 6))
    assert same(found.labels, TRUTH) and same(TRUTH, found.labels)
    np.testing.assert_array_equal(found.foreground, TRUTH > 0)
    assert found.film[0].ravel().tolist() == list(range(36))
    assert (found.confidence == 1).all() and found.agreement == 1


def test_growth_joins_what_is_related():
    # At this resolution, the ground falls to pieces.
    apart = segment(relation(.6), (6, 6), SegmentationConfig(2.0))
    assert len(np.unique(apart.labels)) > 10
    grown = segment(relation(.6), (6, 6), SegmentationConfig(2.0, 'relations'))
    assert same(grown.labels, (TRUTH > 0) * 1)
    assert len(grown.film) > len(apart.film)


def test_growth_may_ask_what_communities_reveal():
    asked = []

    def reveal(labels, ratio):
        asked.append(ratio)
        return [Merge(*np.unique(labels)[:2].tolist(), 1.0)]

    config = SegmentationConfig(growth='revealed', ratio=0.7)
    found = segment(relation(), (6, 6), config, reveal)
    assert asked == [0.7] and len(np.unique(found.labels)) == 2


def test_what_is_far_is_no_edge_and_still_joined():
    # Two halves of a row; of each, windows of 4 patches see parts.
    half = np.arange(12) // 6
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    values = np.where(half[:, None] == half, .8, -.4)
    values[apart > 3] = np.nan
    np.fill_diagonal(values, 0)
    found = segment(values, (1, 12), SegmentationConfig(0.1, 'relations'))
    assert same(found.labels, half[None]) and same(half[None], found.labels)


def test_edges_have_a_reach():
    # Far patches of the ground mislead about each other, as far ones of a texture do.
    values = relation()
    places = np.stack(np.indices((6, 6)), axis=-1).reshape(-1, 2)
    far = np.linalg.norm(places[:, None] - places, axis=2) > 2.3
    values[far] = -1
    assert not same(TRUTH, segment(values, (6, 6)).labels)
    found = segment(values, (6, 6), SegmentationConfig(0.1, reach=2.3))
    assert same(found.labels, TRUTH) and same(TRUTH, found.labels)
    values[far] = 9
    again = segment(values, (6, 6), SegmentationConfig(0.1, reach=2.3))
    assert np.array_equal(again.labels, found.labels)
    everything = segment(relation(), (6, 6), SegmentationConfig(reach=8))
    assert np.array_equal(everything.labels, segment(relation(), (6, 6)).labels)


@pytest.mark.parametrize('fields, words', [
    ({'reach': 0.5}, 'reach: 0.5 is not 1 patch'), ({'reach': float('nan')}, 'reach: nan'),
    ({'growth': 'slow'}, "growth: 'slow' is not one of none, relations, revealed"),
    ({'resolution': 0.0}, 'resolution: 0.0'), ({'ratio': -1.0}, 'ratio: -1.0')])
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        SegmentationConfig(**fields)
