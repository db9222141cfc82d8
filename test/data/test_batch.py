# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batches: a task sees the images that are labelled for it, and no others."""

from dataclasses import replace

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


def test_an_input_that_does_not_fit_the_grid_is_refused():
    with pytest.raises(ValueError, match='not a multiple of the stride 5'):
        collate([make_sample(0, ['detection'])], TASKS, stride=5)
