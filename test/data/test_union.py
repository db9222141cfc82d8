# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Unions of data sets and the sequence of draws: shares, order, repetition, resumption."""

from functools import partial
from itertools import islice
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mcn_ros.data.augment import AugmentConfig
from mcn_ros.data.batch import collate
from mcn_ros.data.union import Draw, Draws, TrainingSet, Union
from mcn_ros.structures import Instances, Sample
from mcn_ros.tasks import build_tasks


class Pictures:
    """Samples with an image of noise; a module-level class, so that it can be pickled."""

    def __init__(self, name, count):
        self.name, self.count = name, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = np.random.default_rng(index).integers(0, 256, (40, 48, 3)).astype(np.uint8)
        boxes = np.array([[5, 5, 30, 30]], np.float32)
        objects = Instances(boxes, np.zeros(1, np.int64), np.ones(1, np.float32))
        return Sample(image, {'detection': objects}, f'{self.name}{index}')


def union(weights=None, sizes=(30, 10)):
    return Union([Pictures(chr(97 + i), n) for i, n in enumerate(sizes)], weights)


def test_a_union_counts_through_its_data_sets():
    both = union(sizes=(2, 1, 3))
    assert len(both) == 6
    assert [both[i].id for i in range(6)] == ['a0', 'a1', 'b0', 'c0', 'c1', 'c2']
    for index in (-1, 6):
        with pytest.raises(IndexError):
            both[index]


def test_by_default_every_sample_comes_once_an_epoch():
    draws = Draws(union(), seed=0)
    for epoch in range(3):
        assert sorted(draws.epoch(epoch)) == list(range(40))
    assert draws.epoch(0).tolist() != draws.epoch(1).tolist()


@pytest.mark.parametrize('weights, expected', [((1, 1), 20), ((0, 1), 0), ((3, 1), 30),
                                               ((1, 0), 40)])
def test_weights_are_shares_of_the_draws(weights, expected):
    draws = Draws(union(weights), seed=1)
    for epoch in range(3):
        indices = draws.epoch(epoch)
        assert len(indices) == 40 and (indices < 30).sum() == expected


def test_a_data_set_is_gone_through_before_it_repeats():
    draws = Draws(union((1, 3)), seed=2)
    # 30 draws of 10 samples in each epoch, 10 draws of 30 samples.
    small = draws.epoch(0)[draws.epoch(0) >= 30]
    assert (np.bincount(small - 30) == 3).all()
    large = np.concatenate([draws.epoch(e)[draws.epoch(e) < 30] for e in range(3)])
    assert sorted(large) == list(range(30))


def test_the_order_depends_on_the_seed_only():
    one, two, other = (list(Draws(union(), seed, stop=100)) for seed in (5, 5, 6))
    assert one == two and one != other


@pytest.mark.parametrize('start', [0, 1, 39, 40, 41, 97])
def test_a_sequence_can_be_taken_up_anywhere(start):
    whole = list(Draws(union((1, 2)), seed=3, stop=120))
    assert list(Draws(union((1, 2)), seed=3, start=start, stop=120)) == whole[start:]
    assert len(Draws(union(), seed=3, start=start, stop=120)) == 120 - start


def test_draws_know_their_time():
    draws = list(Draws(union(), seed=0, start=38, stop=42))
    assert [(d.epoch, d.position) for d in draws] == [(0, 38), (0, 39), (1, 0), (1, 1)]


def test_a_sequence_without_an_end():
    draws = Draws(union(), seed=0)
    assert len(list(islice(draws, 95))) == 95
    with pytest.raises(TypeError):
        len(draws)


def test_draws_can_be_pickled():
    draws = Draws(union(), seed=0, stop=50)
    assert list(pickle.loads(pickle.dumps(draws))) == list(draws)


@pytest.mark.parametrize('weights, sizes, message', [
    ((1,), (2, 3), 'expected 2 shares'), ((1, -1), (2, 3), 'shares'),
    ((0, 0), (2, 3), 'not all 0'), (None, (2, 0), 'empty'), (None, (), 'empty')])
def test_impossible_unions_are_refused(weights, sizes, message):
    with pytest.raises(ValueError, match=message):
        union(weights, sizes)


def test_a_view_is_a_function_of_seed_and_draw():
    training = TrainingSet(union(), (32, 32), AugmentConfig(), seed=4)
    first, again = training[Draw(0, 7, 3)], training[Draw(0, 7, 3)]
    np.testing.assert_array_equal(first.image, again.image)
    assert first.id == 'a3' and first.image.shape == (32, 32, 3)
    for other in (Draw(1, 7, 3), Draw(0, 8, 3)):
        assert (training[other].image != first.image).any()
    reseeded = TrainingSet(union(), (32, 32), AugmentConfig(), seed=5)
    assert (reseeded[Draw(0, 7, 3)].image != first.image).any()


def test_the_number_of_workers_changes_nothing():
    tasks = build_tasks({'detection': {'classes': ('person',)}})
    results = []
    for workers in (0, 2):
        loader = DataLoader(
            TrainingSet(union(), (32, 32), AugmentConfig(), seed=4), batch_size=5,
            sampler=Draws(union(), seed=4, stop=20), num_workers=workers,
            collate_fn=partial(collate, tasks=tasks))
        results.append(list(loader))
    assert len(results[0]) == len(results[1]) == 4
    for one, two in zip(*results):
        assert one.ids == two.ids and torch.equal(one.images, two.images)
        for name, target in one.targets['detection'].items():
            assert torch.equal(target, two.targets['detection'][name])
