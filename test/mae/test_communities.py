# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Communities of graphs whose communities are known."""

import networkx
import numpy as np
import pytest

from mcn_ros.mae.communities import communities, edges, levels, modularity, stability
from mcn_ros.mae.partitions import adjusted_rand_index
from mcn_ros.mae.relations import single_relation, symmetric

# Two cliques of 4, and one edge between them.
CLIQUES = np.kron(np.eye(2), np.ones((4, 4))) - np.eye(8)
CLIQUES[3, 4] = CLIQUES[4, 3] = 1


def ring(cliques=30, size=5):
    """Return cliques in a ring, one edge from each to the next."""
    return networkx.to_numpy_array(networkx.ring_of_cliques(cliques, size))


@pytest.mark.parametrize('resolution', [0.5, 1.0])
def test_cliques_are_communities(resolution):
    labels = communities(CLIQUES, resolution)
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert modularity(CLIQUES, labels) == pytest.approx(2 * (6 / 13 - 1 / 4))  # .423077


def test_the_karate_club_falls_apart_as_it_did():
    weights = networkx.to_numpy_array(networkx.karate_club_graph(), weight=None)
    for seed in range(5):
        assert modularity(weights, communities(weights, 1.0, seed)) >= 0.41  # the best is .4198


def test_the_resolution_decides_how_large_communities_are():
    weights, truth = ring(), np.repeat(np.arange(30), 5)
    merged = communities(weights, 1.0)
    assert len(set(merged)) < 30
    assert modularity(weights, truth) == pytest.approx(.8758, abs=1e-4)
    assert modularity(weights, merged) > modularity(weights, truth)
    assert adjusted_rand_index(communities(weights, 2.0), truth) == 1


def test_without_edges_every_patch_is_alone():
    assert communities(np.zeros((5, 5))).tolist() == [0, 1, 2, 3, 4]
    assert communities(np.zeros((1, 1))).tolist() == [0]
    with pytest.raises(ValueError, match='without edges'):
        modularity(np.zeros((5, 5)), np.arange(5))


def test_patches_without_edges_stay():
    weights = np.zeros((10, 10))
    weights[1:9, 1:9] = CLIQUES
    assert communities(weights).tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_the_order_of_patches_does_not_matter():
    order = np.random.default_rng(0).permutation(8)
    found = communities(CLIQUES[np.ix_(order, order)])
    assert adjusted_rand_index(found, communities(CLIQUES)[order]) == 1


def test_levels_join_what_was_found_before():
    found = levels(ring(), 1.0)
    assert len(found) > 1
    for finer, coarser in zip(found, found[1:]):
        assert len(set(zip(finer, coarser))) == len(set(finer)) > len(set(coarser))


def test_the_same_seed_gives_the_same_communities():
    weights = edges(symmetric(np.random.default_rng(0).random((40, 40))))
    assert np.array_equal(communities(weights, seed=3), communities(weights, seed=3))


@pytest.mark.parametrize('spoil, words', [
    ({(0, 1): -1, (1, 0): -1}, 'not negative'), ({(0, 1): np.nan, (1, 0): np.nan}, 'finite'),
    ({(0, 1): 2}, 'both directions')])
def test_other_weights_are_refused(spoil, words):
    weights = CLIQUES.copy()
    for place, value in spoil.items():
        weights[place] = value
    with pytest.raises(ValueError, match=words):
        communities(weights)


def test_edges_are_what_is_above_the_mean():
    relation = np.array([[9, 1, 2], [1, 9, 6], [2, 6, 9.]])
    assert edges(relation).tolist() == [[0, 0, 0], [0, 0, 3], [0, 3, 0]]
    assert not edges(np.ones((4, 4))).any()
    assert edges(np.ones((1, 1))).tolist() == [[0]]
    relation[0, 1] = relation[1, 0] = np.nan  # no edge, and not part of the mean
    assert edges(relation).tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 0]]


def test_the_worked_case_from_errors_to_communities():
    errors = np.array([[0, .2, .9, 1], [.3, 0, 1, .8], [1, .9, 0, .1], [.9, 1, .2, 0]])
    relation = symmetric(single_relation(np.eye(4, dtype=bool), errors, 0))
    assert communities(edges(relation)).tolist() == [0, 0, 1, 1]
    positive = np.maximum(relation, 0)
    assert communities(positive, 1.0).tolist() == [0, 0, 1, 1]
    assert modularity(positive, np.array([0, 0, 1, 1])) == pytest.approx(.496147, abs=5e-7)


def test_clear_communities_are_stable():
    confidence, agreement = stability(CLIQUES, communities(CLIQUES))
    assert confidence.tolist() == [1] * 8
    assert agreement == 1
    # Where half of a community is another one in truth, half of it stays together.
    confidence, _ = stability(CLIQUES, np.zeros(8, int))
    assert confidence.tolist() == [0.5] * 8
