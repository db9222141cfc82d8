# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Relations of patches: worked cases, and that every estimator finds a relation that is there."""

import numpy as np
import pytest
import torch

from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.mae.relations import (difference_relation, ESTIMATORS, least, left_out_relation,
                                   reconstruction_errors, relate, RelationConfig,
                                   ridge_relation, single_relation, symmetric)

WORKED = np.array([[0, .2, .9, 1], [.3, 0, 1, .8], [1, .9, 0, .1], [.9, 1, .2, 0]])


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


def image(seed=0):
    return torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def test_one_in_as_by_hand():
    # What patches are compared with: .7333, .7, .7, .6333, the means of columns but the diagonal.
    relation = single_relation(np.eye(4, dtype=bool), WORKED, 0)
    assert relation[0, 1] == pytest.approx(1 - .2 / .7)
    assert relation[1, 0] == pytest.approx(1 - .3 / .73333, abs=1e-4)
    found = symmetric(relation)
    assert found[0, 1] == pytest.approx(.6526, abs=5e-5)
    assert found[2, 3] == pytest.approx(.7782, abs=5e-5)
    across = found[:2, 2:]
    assert across.min() == pytest.approx(-.4031, abs=5e-5)
    assert across.max() == pytest.approx(-.3247, abs=5e-5)
    assert np.array_equal(found, found.T) and not found.diagonal().any()


def test_one_out_as_by_hand():
    # Three patches: all but 0, all but 1, all but 2; all but 0 and 1, 0 and 2, 1 and 2.
    hidden = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    seen = np.array([[patch not in each for patch in range(3)] for each in hidden])
    errors = np.full((6, 3), 99.0)
    errors[[0, 1, 2], [0, 1, 2]] = .2, .4, .3
    errors[3, :2] = .8, .5  # each without the other
    errors[4, [0, 2]] = .2, .6
    errors[5, 1:] = .4, .1
    expected = [[0, 1 - .4 / .5, 1 - .3 / .6], [1 - .2 / .8, 0, 1 - .3 / .1], [0, 0, 0]]
    assert left_out_relation(seen, errors, 0) == pytest.approx(np.array(expected))


def test_flat_patches_are_not_compared_with_their_noise():
    errors = WORKED.copy()
    errors[:, 3] *= 1e-6
    relation = single_relation(np.eye(4, dtype=bool), errors, 0)
    # All are as good as perfect; by their mean, they would be those of the worked case.
    assert relation[:3, 3] == pytest.approx(1, abs=1e-4)


def masks(count=6, shown=2, rows=400, seed=0):
    random = np.random.default_rng(seed)
    return random.random((rows, count)).argsort(axis=1).argsort(axis=1) < shown


# As many patches are visible in each mask, so a linear model tells by how much one is better than
# the mean of all five.
@pytest.mark.parametrize('estimator, share', [(ridge_relation, 4 / 5), (difference_relation, 1)])
def test_what_helps_is_found(estimator, share):
    seen = masks()
    errors = np.ones(seen.shape)
    errors[:, 1] -= 0.5 * seen[:, 0]  # 0 tells half of 1, and 5 misleads about 2
    errors[:, 2] += 0.4 * seen[:, 5]
    errors[seen] = 99  # of what is visible, nothing is looked at
    relation = estimator(seen, errors, 3.0)
    scale = [errors[~seen[:, patch], patch].mean() for patch in (1, 2)]
    assert relation[0, 1] == pytest.approx(share * 0.5 / scale[0], rel=0.05)
    assert relation[5, 2] == pytest.approx(-share * 0.4 / scale[1], rel=0.05)
    assert not relation[:, [0, 3, 4, 5]].any()  # of these, nothing tells anything
    assert not relation.diagonal().any()


def test_ridge_is_that_of_the_normal_equations():
    seen, errors = masks(4, 1, 50), np.random.default_rng(1).random((50, 4))
    rows = ~seen[:, 2]
    x, y = np.delete(seen[rows], 2, axis=1) * 1.0, errors[rows, 2]
    # A penalty is rows more, of its root and an answer of 0.
    x, y = x - x.mean(axis=0), y - y.mean()
    stacked = np.vstack([x, np.sqrt(3) * np.eye(3)])
    expected = np.linalg.lstsq(stacked, np.append(y, np.zeros(3)), rcond=None)[0]
    found = ridge_relation(seen, errors, 3.0)[[0, 1, 3], 2]
    assert found == pytest.approx(-expected / errors[rows, 2].mean())


def test_pairs_that_no_mask_tells_of_are_not_related():
    seen = np.array([[True, False, False], [True, False, False], [False, True, False]])
    relation = difference_relation(seen, np.arange(9.0).reshape(3, 3) + 1, 0)
    assert relation[2].tolist() == [0, 0, 0]  # never seen
    # Patch 2 by patch 0: 9 without it, 3 and 6 with it.
    assert relation[0, 2] == pytest.approx((9 - 4.5) / 6)


def test_a_relation_does_not_depend_on_the_scale_of_errors():
    seen, errors = masks(), np.random.default_rng(0).random((400, 6))
    for estimator in (ridge_relation, difference_relation):
        found, expected = estimator(seen, 7 * errors, 3.0), estimator(seen, errors, 3.0)
        assert found == pytest.approx(expected)


def test_errors_are_those_of_the_model(toy):
    keep = torch.arange(36)[:, None]
    errors = reconstruction_errors(toy, image(), keep)
    assert errors.shape == (36, 36) and errors.dtype == np.float64
    with torch.no_grad():
        expected = toy.errors(image(), keep[4:5])[0].numpy()
    assert errors[4] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('estimator', ESTIMATORS)
def test_relations_are_the_same_each_time(toy, estimator):
    config = RelationConfig(estimator, masks=4)
    found = relate(toy, image(), config)
    assert found.shape == (36, 36)
    assert np.isfinite(found).all() and found.any() and found.max() <= 1
    assert np.array_equal(found, found.T) and not found.diagonal().any()
    assert np.array_equal(found, relate(toy, image(), config))


def test_the_seed_is_that_of_the_masks(toy):
    first, second = (relate(toy, image(), RelationConfig(masks=2, seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_lesser_direction_tells_a_small_segment_from_a_large_one():
    # By a linear model: of 12 patches 10 are of one segment, and errors fall where others of it
    # are seen.
    segments = np.arange(12) >= 10
    seen = masks(12, 2, 3000)
    errors = 2 - np.stack([(seen * (segments == of)).sum(axis=1) for of in segments], axis=1) / 2.0
    relation = ridge_relation(seen, errors, 3.0)
    across, within = segments[:, None] != segments, np.triu(~segments[:, None] & ~segments, 1)
    gaps = [found[within].min() - found[across].max()
            for found in (symmetric(relation), least(relation))]
    assert gaps[1] > 1.3 * gaps[0] > 0
    found = least(relation)
    assert np.array_equal(found, found.T) and not found.diagonal().any()
    assert (found <= symmetric(relation)).all()


@pytest.mark.parametrize('chosen, combined', [(False, symmetric), (True, least)])
def test_directions_are_combined_as_chosen(toy, chosen, combined, monkeypatch):
    given = np.random.default_rng(0).normal(size=(36, 36))
    monkeypatch.setitem(ESTIMATORS, 'few_in', lambda *_: given)
    found = relate(toy, image(), RelationConfig(masks=1, least=chosen))
    assert np.array_equal(found, combined(given))


@pytest.mark.parametrize('fields, words', [
    ({'estimator': 'all_in'}, "'all_in' is not one of few_in, one_in, one_out, difference"),
    ({'visible': 1.0}, 'visible: 1.0'), ({'masks': 0}, 'masks: 0'),
    ({'penalty': 0.0}, 'penalty: 0.0')])
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        RelationConfig(**fields)
