# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Unions of data sets and the sequence of draws: shares, order, repetition, resumption."""

from itertools import islice
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mcn_ros.data.augment import AugmentConfig
from mcn_ros.data.batch import collate
from mcn_ros.data.union import Draw, RankBatchSampler, Sampler, TrainingSet, Union
from mcn_ros.geometry import BORDER, RESAMPLINGS
from mcn_ros.structures import Instances, Sample
from mcn_ros.tasks import build_tasks


TASKS = build_tasks({'detection': {'classes': ('person',)}})


class Pictures:
    """Samples with an image of noise; a module-level class, so that it can be pickled."""

    def __init__(self, name, count, unreadable=()):
        self.name, self.count, self.unreadable = name, count, unreadable

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index in self.unreadable:
            raise ValueError(f'{self.name}{index}: no such image')
        image = np.random.default_rng(index).integers(0, 256, (40, 48, 3)).astype(np.uint8)
        boxes = np.array([[5, 5, 30, 30]], np.float32)
        objects = Instances(boxes, np.zeros(1, np.int64), np.ones(1, np.float32))
        return Sample(image, {'detection': objects}, f'{self.name}{index}')


def union(weights=None, sizes=(30, 10)):
    return Union([Pictures(chr(97 + i), n) for i, n in enumerate(sizes)], weights)


def collate_views(views):
    return collate([view.sample for view in views], TASKS)


def test_a_union_counts_through_its_data_sets():
    both = union(sizes=(2, 1, 3))
    assert len(both) == 6
    assert [both[i].id for i in range(6)] == ['a0', 'a1', 'b0', 'c0', 'c1', 'c2']
    for index in (-1, 6):
        with pytest.raises(IndexError):
            both[index]


def test_by_default_every_sample_comes_once_an_epoch():
    draws = Sampler(union(), seed=0)
    for epoch in range(3):
        assert sorted(draws.epoch(epoch)) == list(range(40))
    assert draws.epoch(0).tolist() != draws.epoch(1).tolist()


@pytest.mark.parametrize('weights, expected', [((1, 1), 20), ((0, 1), 0), ((3, 1), 30),
                                               ((1, 0), 40)])
def test_weights_are_shares_of_the_draws(weights, expected):
    draws = Sampler(union(weights), seed=1)
    for epoch in range(3):
        indices = draws.epoch(epoch)
        assert len(indices) == 40 and (indices < 30).sum() == expected


def test_a_data_set_is_gone_through_before_it_repeats():
    draws = Sampler(union((1, 3)), seed=2)
    # 30 draws of 10 samples in each epoch, 10 draws of 30 samples.
    small = draws.epoch(0)[draws.epoch(0) >= 30]
    assert (np.bincount(small - 30) == 3).all()
    large = np.concatenate([draws.epoch(e)[draws.epoch(e) < 30] for e in range(3)])
    assert sorted(large) == list(range(30))


def test_the_order_depends_on_the_seed_only():
    one, two, other = (list(Sampler(union(), seed, stop=100)) for seed in (5, 5, 6))
    assert one == two and one != other


@pytest.mark.parametrize('start', [0, 1, 39, 40, 41, 97])
def test_a_sequence_can_be_taken_up_anywhere(start):
    whole = list(Sampler(union((1, 2)), seed=3, stop=120))
    assert list(Sampler(union((1, 2)), seed=3, start=start, stop=120)) == whole[start:]
    assert len(Sampler(union(), seed=3, start=start, stop=120)) == 120 - start


def test_draws_know_their_time():
    draws = list(Sampler(union(), seed=0, start=38, stop=42))
    assert [(d.epoch, d.position) for d in draws] == [(0, 38), (0, 39), (1, 0), (1, 1)]


def test_a_sequence_without_an_end():
    draws = Sampler(union(), seed=0)
    assert len(list(islice(draws, 95))) == 95
    with pytest.raises(TypeError):
        len(draws)


@pytest.mark.parametrize('turn', [1, 4, 7])
def test_data_sets_take_turns(turn):
    sizes = 5, 3, 11
    draws = list(Sampler(union((1, 2, 0), sizes), seed=0, stop=6 * 3 * turn, turn=turn))
    ends, seen = np.cumsum(sizes), [[], [], []]
    for number in range(0, len(draws), turn):
        sets = np.searchsorted(ends, [draw.index for draw in draws[number:][:turn]], 'right')
        assert set(sets) == {number // turn % 3}
        seen[sets[0]] += [draw.index for draw in draws[number:][:turn]]
    for which, size in enumerate(sizes):  # each is gone through before it repeats
        for first in range(0, len(seen[which]) - size + 1, size):
            assert len(set(seen[which][first:][:size])) == size
    assert [(draw.epoch, draw.position) for draw in draws] == [
        divmod(number, 19) for number in range(len(draws))]
    for start in (1, 18, 19, 20):
        assert list(Sampler(union(None, sizes), seed=0, start=start, stop=60, turn=turn)) == list(
            Sampler(union(None, sizes), seed=0, stop=60, turn=turn))[start:]


def test_draws_can_be_pickled():
    draws = Sampler(union(), seed=0, stop=50)
    assert list(pickle.loads(pickle.dumps(draws))) == list(draws)


@pytest.mark.parametrize('weights, sizes, message', [
    ((1,), (2, 3), 'expected 2 shares'), ((1, -1), (2, 3), 'shares'),
    ((0, 0), (2, 3), 'not all 0'), (None, (2, 0), 'empty'), (None, (), 'empty')])
def test_impossible_unions_are_refused(weights, sizes, message):
    with pytest.raises(ValueError, match=message):
        union(weights, sizes)


@pytest.mark.parametrize('world', [1, 2, 3])
def test_processes_share_each_batch(world):
    draws = list(Sampler(union(), seed=3, stop=60))
    shares = [RankBatchSampler(Sampler(union(), seed=3, stop=60), 6, rank, world)
              for rank in range(world)]
    parts = [list(share) for share in shares]
    assert [len(share) for share in shares] == [10] * world == [len(part) for part in parts]
    for number, together in enumerate(zip(*parts)):
        assert {len(part) for part in together} == {6 // world}
        assert [draw for part in together for draw in part] == draws[6 * number:][:6]


def test_a_batch_must_be_shared_evenly():
    with pytest.raises(ValueError, match='batch_size: 6 images .* evenly by 4 processes'):
        RankBatchSampler(Sampler(union(), seed=3, stop=60), 6, 0, 4)


def test_a_view_is_a_function_of_seed_and_draw():
    training = TrainingSet(union(), (32, 32), AugmentConfig(), seed=4)
    first, again = training[Draw(0, 7, 3)].sample, training[Draw(0, 7, 3)].sample
    np.testing.assert_array_equal(first.image, again.image)
    assert first.id == 'a3' and first.image.shape == (32, 32, 3)
    for other in (Draw(1, 7, 3), Draw(0, 8, 3)):
        assert (training[other].sample.image != first.image).any()
    reseeded = TrainingSet(union(), (32, 32), AugmentConfig(), seed=5)
    assert (reseeded[Draw(0, 7, 3)].sample.image != first.image).any()


def test_a_view_has_the_border_of_inference():
    config = AugmentConfig(scale=(0.5, 0.5), brightness=0.0)
    for name, level in (('mcn', BORDER), ('centernet', 0)):
        training = TrainingSet(union(), (32, 32), config, 4, RESAMPLINGS[name])
        image = training[Draw(0, 7, 3)].sample.image
        assert max((image == level).all(axis=axes).sum() for axes in ((0, 2), (1, 2))) >= 14


def test_the_next_sample_is_in_the_place_of_one_that_cannot_be_read():
    broken = Union([Pictures('a', 3, {1, 2}), Pictures('b', 2, {1})])
    whole, training = (TrainingSet(data, (32, 32), AugmentConfig(), seed=4)
                       for data in (union(sizes=(3, 2)), broken))
    sample, unreadable = training[Draw(0, 7, 1)]
    assert unreadable == ('a1: no such image', 'a2: no such image')
    # It looks as if it had been drawn itself, so a training can be repeated.
    assert sample.id == 'b0'
    np.testing.assert_array_equal(sample.image, whole[Draw(0, 7, 3)].sample.image)
    assert training[Draw(0, 7, 3)].unreadable == ()
    assert training[Draw(0, 7, 4)].sample.id == 'a0'


def test_there_must_be_something_to_read():
    broken = Union([Pictures('a', 3, {0, 1, 2})])
    training = TrainingSet(broken, (32, 32), AugmentConfig(), seed=4)
    with pytest.raises(ValueError, match='none of 3 samples can be read, the first: a1: no such'):
        training[Draw(0, 0, 1)]


def test_siblings_are_of_the_same_data_set():
    both = union(sizes=(2, 1, 3))
    assert [list(both.siblings(i)) for i in range(6)] == [[0, 1]] * 2 + [[2]] + [[3, 4, 5]] * 3


def test_a_mosaic_shows_four_samples_of_one_data_set():
    training = TrainingSet(union(sizes=(30, 4)), (32, 32), AugmentConfig(mosaic=1.0), seed=4)
    for position, index in enumerate((3, 31, 33)):
        sample = training[Draw(0, position, index)].sample
        names = sample.id.split(' + ')
        first = training.dataset[index].id
        assert names[0] == first and {name[0] for name in names} == {first[0]}
        assert len(names) == 4 and sample.image.shape == (32, 32, 3)


def test_a_mosaic_tells_of_each_image_that_cannot_be_read():
    training = TrainingSet(Union([Pictures('a', 2, {1})]), (32, 32), AugmentConfig(mosaic=1.0),
                           seed=4)
    sample, unreadable = training[Draw(0, 0, 1)]
    assert sample.id == ' + '.join(['a0'] * 4)
    assert 1 <= len(unreadable) <= 4 and set(unreadable) == {'a1: no such image'}


def test_some_views_are_mosaics():
    training = TrainingSet(union(), (32, 32), AugmentConfig(mosaic=0.5), seed=4)
    count = sum('+' in training[Draw(0, i, 3)].sample.id for i in range(60))
    assert 18 < count < 42


def test_the_number_of_workers_changes_nothing():
    results = []
    for workers in (0, 2):
        loader = DataLoader(
            TrainingSet(union(), (32, 32), AugmentConfig(), seed=4), num_workers=workers,
            batch_sampler=RankBatchSampler(Sampler(union(), seed=4, stop=20), 5),
            collate_fn=collate_views)
        results.append(list(loader))
    assert len(results[0]) == len(results[1]) == 4
    for one, two in zip(*results):
        assert one.ids == two.ids and torch.equal(one.images, two.images)
        for name, target in one.targets['detection'].items():
            assert torch.equal(target, two.targets['detection'][name])
