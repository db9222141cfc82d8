# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batches: a task sees the images that are labelled for it, and no others."""

from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import collate, stack
from mcn_ros.geometry import Grid
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'detection': {'classes': ('person', 'car')}, 'pose': {},
                     'segmentation': {'classes': ('person',)}})


def make_sample(number, labelled):
    box = np.array([[4, 4, 20 + number, 24]], np.float32)
    one = np.ones(1, np.float32)
    known = {
        'detection': Instances(box, np.zeros(1, np.int64), one),
        'pose': Poses(box, one, np.full((1, 17, 2), 9, np.float32), np.ones((1, 17), np.float32)),
        'segmentation': ClassMap(np.full((32, 48), number % 2, np.uint8))}
    return Sample(np.full((32, 48, 3), number, np.uint8), {k: known[k] for k in labelled},
                  f'image {number}')


def tensors_of(batch):
    return [batch.images, *(tensor for task in batch.targets.values() for tensor in task.values()),
            *batch.rows.values()]


def test_rows_are_the_labelled_images():
    samples = [make_sample(0, ['detection']), make_sample(1, ['detection', 'segmentation']),
               make_sample(2, []), make_sample(3, ['segmentation', 'detection'])]
    batch = collate(samples, TASKS)
    assert batch.ids == ('image 0', 'image 1', 'image 2', 'image 3')
    assert batch.images.shape == (4, 3, 32, 48) and batch.images.dtype == torch.uint8
    # As the pictures are, and as the convolutions want them: nothing is rearranged on the way.
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert {task: rows.tolist() for task, rows in batch.rows.items()} == {
        'detection': [0, 1, 3], 'segmentation': [1, 3]}
    assert set(batch.targets) == set(batch.rows)
    assert batch.targets['segmentation']['labels'].shape == (2, 8, 12)


def test_each_row_is_the_encoding_of_its_image():
    samples = [make_sample(0, []), make_sample(3, ['detection', 'pose'])]
    batch = collate(samples, TASKS)
    for name in ('detection', 'pose'):
        alone = TASKS[name].encode(samples[1].annotations[name], Grid.of_input((32, 48)))
        assert set(batch.targets[name]) == set(alone)
        for key, value in alone.items():
            assert torch.equal(batch.targets[name][key][0], value)


def test_lists_are_filled_up_to_the_longest():
    targets = stack([{'list': torch.ones(length, 2), 'number': torch.tensor(length)}
                     for length in (1, 3, 0)])
    assert targets['list'].tolist() == [[[1, 1], [0, 0], [0, 0]], [[1, 1]] * 3, [[0, 0]] * 3]
    assert targets['number'].tolist() == [1, 3, 0]


def test_a_batch_with_nothing_labelled_has_images_only():
    batch = collate([make_sample(0, [])], TASKS)
    assert batch.targets == {} and batch.rows == {}


def test_a_batch_moves_as_a_whole():
    batch = collate([make_sample(1, ['detection'])], TASKS)
    batch = replace(batch, unreadable=('2.jpg: no such image',)).to('meta')
    tensors = [batch.images, *batch.targets['detection'].values(), *batch.rows.values()]
    assert {tensor.device.type for tensor in tensors} == {'meta'}
    assert batch.ids == ('image 1',) and batch.unreadable == ('2.jpg: no such image',)


@pytest.mark.parametrize('labelled', [['detection', 'pose', 'segmentation'], []])
@pytest.mark.parametrize('colors', [None, np.full((3, 4), 0.5, np.float32)])
def test_a_batch_travels_in_one_block(labelled, colors):
    samples = [replace(make_sample(1, labelled), colors=colors), make_sample(2, labelled[:1])]
    batch = collate(samples, TASKS)
    shared = batch.share_memory()
    assert shared.block.is_shared() and shared.num_bytes == batch.num_bytes
    sent = []
    for reduced in (shared, ForkingPickler.loads(ForkingPickler.dumps(shared)), replace(batch)):
        moved = reduced.to('cpu')
        sent.append([reduced.block, *tensors_of(reduced)])
        for one, other in zip(tensors_of(moved), tensors_of(batch.to('cpu')), strict=True):
            assert torch.equal(one, other) and one.dtype == other.dtype
            assert one.stride() == other.stride()
    for block, *tensors in sent[:2]:
        assert {tensor.untyped_storage().data_ptr() for tensor in tensors} == {
            block.untyped_storage().data_ptr()}
    copies = []
    shared._map(lambda tensor: copies.append(tensor) or tensor.clone())
    assert len(copies) == 1


def test_what_is_sent_is_one_tensor(monkeypatch):
    batch = collate([make_sample(1, ['detection', 'pose'])], TASKS).share_memory()
    reduced, reduce_tensor = [], ForkingPickler._extra_reducers[torch.Tensor]
    monkeypatch.setitem(ForkingPickler._extra_reducers, torch.Tensor,
                        lambda tensor: reduced.append(tensor) or reduce_tensor(tensor))
    ForkingPickler.dumps(batch)
    assert len(reduced) == 1


def test_an_input_that_does_not_fit_the_grid_is_refused():
    with pytest.raises(ValueError, match='not a multiple of the stride 5'):
        collate([make_sample(0, ['detection'])], TASKS, stride=5)
