# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Growth: what becomes one, in which order, and what does not."""

import numpy as np
import pytest

from mcn_ros.mae.communities import communities, edges
from mcn_ros.mae.foreground import foreground
from mcn_ros.mae.growth import apply_merges, grow, Merge


def blocks(within, between, labels):
    """Return relations of communities: ``between`` of each two, and ``within`` each."""
    relation = np.array(between, float)
    np.fill_diagonal(relation, within)
    relation = relation[np.ix_(labels, labels)]
    np.fill_diagonal(relation, 0)
    return relation


LABELS = np.array([0, 0, 1, 1, 2, 2, 2])


def test_the_most_related_become_one_first():
    relation = blocks([1, .8, .5], [[0, .7, .1], [.7, 0, .1], [.1, .1, 0]], LABELS)
    merges = grow(relation, LABELS)
    assert merges == [Merge(0, 1, pytest.approx(.7 / .8))]
    # The third one has .1 to both, and .5 within; what has grown has more.
    assert grow(relation, LABELS, ratio=.19)[1] == Merge(0, 2, pytest.approx(.1 / .5))
    assert len(grow(relation, LABELS, ratio=.21)) == 1


def test_what_has_grown_is_compared_as_a_whole():
    # 2 is close to 1 alone, and half as close to both.
    relation = blocks([1, 1, 1], [[0, .9, 0], [.9, 0, .8], [0, .8, 0]], LABELS)
    assert grow(relation, LABELS) == [Merge(0, 1, pytest.approx(.9))]
    second = grow(relation, LABELS, ratio=0.3)[1]
    within = (2 * 1 + 4 * .9) / 6  # of the pairs of 0 and 1 together
    assert second.ratio == pytest.approx(.4 / within)


def test_negative_relations_count_as_none():
    relation = blocks([1, 1, 1], [[0, .6, -5], [.6, 0, -5], [-5, -5, 0]], LABELS)
    relation[0, 2] = relation[2, 0] = -9  # three of the four pairs are left
    assert grow(relation, LABELS, ratio=.44) == [Merge(0, 1, pytest.approx(.45))]


def test_single_patches():
    relation = np.array([[0, .2, .5], [.2, 0, 0], [.5, 0, 0.]])
    # Two that are related are as one, the most related ones first; the third is .1 of .5 then.
    assert grow(relation, np.arange(3)) == [Merge(0, 2, 1.0)]
    # With a larger community, that within this one counts.
    relation = np.array([[0, 1, .7], [1, 0, .7], [.7, .7, 0]])
    assert grow(relation, np.array([0, 0, 1])) == [Merge(0, 1, pytest.approx(.7))]
    assert grow(relation, np.array([0, 0, 1]), ratio=.71) == []
    assert grow(np.zeros((3, 3)), np.arange(3)) == []


def test_it_ends_at_a_number_of_communities():
    relation = np.ones((5, 5))
    assert len(grow(relation, np.arange(5))) == 4
    assert len(grow(relation, np.arange(5), fewest=2)) == 3


def test_the_film_shows_every_merge():
    labels = np.array([0, 1, 2, 1])
    film = apply_merges(labels, [Merge(1, 2, 1.0), Merge(0, 1, .7)])
    assert [frame.tolist() for frame in film] == [[0, 1, 2, 1], [0, 1, 1, 1], [0, 0, 0, 0]]
    assert labels.tolist() == [0, 1, 2, 1]


def scene(rows=6, columns=6):
    """Return where an object of 2x2 is, (rows, columns) int."""
    labels = np.zeros((rows, columns), int)
    labels[2:4, 2:4] = 1
    return labels


def test_an_object_is_found_from_relations():
    truth = scene()
    relation = blocks([.6, .8], [[0, -.3], [-.3, 0]], truth.ravel())
    labels = communities(edges(relation))
    film = apply_merges(labels, grow(relation, labels))
    assert np.array_equal(film[-1].reshape(6, 6), truth)
    assert np.array_equal(foreground(film[-1].reshape(6, 6)), truth == 1)


def test_background_alone_is_one_and_not_decided():
    noise = np.random.default_rng(0).normal(0, .02, (36, 36))
    relation = .5 + (noise + noise.T)
    labels = communities(edges(relation), resolution=1.0)
    assert len(set(labels)) > 1
    final = apply_merges(labels, grow(relation, labels))[-1]
    assert not final.any()
    assert foreground(final.reshape(6, 6)) is None
