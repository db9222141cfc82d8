# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Class maps, at stride 4 and at input size, fully and partially labelled."""

from dataclasses import replace

from hypothesis import given, strategies
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mcn_ros.geometry import Grid
from mcn_ros.network.heads import HeadConfig, UpsampledHead
from mcn_ros.structures import ClassMap, IGNORE, select, to_numpy
from mcn_ros.tasks.segmentation import SegmentationTask

GRID = Grid(8, 12, 4)
TASK = SegmentationTask(('a', 'b', 'c'))
FINE = replace(TASK, full_resolution=True)


def class_map(seed, labelled=None, values=(0, 1, 2, 3, IGNORE)):
    """Return labels in blocks of a cell, so that stride 4 can hold them."""
    cells = np.random.default_rng(seed).choice(np.array(values, np.uint8), (8, 12))
    labels = cells.repeat(4, axis=0).repeat(4, axis=1)
    return ClassMap(labels, None if labelled is None else np.array(labelled))


def targets_of(task, *annotations):
    encoded = [task.encode(annotation, GRID) for annotation in annotations]
    return {name: torch.stack([one[name] for one in encoded]) for name in encoded[0]}


def random_logits(task=TASK, batch=1, seed=0):
    factor = 4 if task.full_resolution else 1
    return torch.randn(batch, 4, 8 * factor, 12 * factor,
                       generator=torch.manual_seed(seed)).requires_grad_()


def loss_of(task, logits, targets):
    losses = task.loss({'logits': logits}, targets)
    assert losses.keys() == {'cross_entropy'}
    return losses['cross_entropy']


@given(strategies.integers(0, 2 ** 32 - 1), strategies.booleans())
def test_perfect_maps_by_hand(seed, fine):
    task = FINE if fine else TASK
    annotation = class_map(seed)
    targets = targets_of(task, annotation)
    labels = targets['labels'].long()
    logits = 20 * functional.one_hot(labels * (labels != IGNORE), 4).permute(0, 3, 1, 2).float()
    logits.requires_grad_()
    loss = loss_of(task, logits, targets)
    assert loss < 1e-7
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-7
    found = to_numpy(select(task.decode({'logits': logits}), 0)).warp(np.eye(2, 3), (32, 48))
    known = annotation.labels != IGNORE
    np.testing.assert_array_equal(found.labels[known], annotation.labels[known])
    assert found.labels.dtype == np.uint8 and found.labels.max() < 4


@pytest.mark.parametrize('task', [TASK, FINE])
def test_fully_labelled_it_is_the_plain_cross_entropy(task):
    targets = targets_of(task, class_map(0), class_map(1))
    logits = random_logits(task, 2)
    expected = functional.cross_entropy(logits, targets['labels'].long(), ignore_index=IGNORE)
    torch.testing.assert_close(loss_of(task, logits, targets), expected)


def test_background_stands_for_every_class_that_is_not_labelled():
    targets = targets_of(TASK, class_map(0, [True, False, False], (0, 1)))
    logits = random_logits()
    probability = logits.softmax(dim=1)
    rest = probability[:, [0, 2, 3]].sum(dim=1)
    likelihood = torch.where(targets['labels'] == 1, probability[:, 1], rest)
    loss = loss_of(TASK, logits, targets)
    torch.testing.assert_close(loss, -likelihood.log().mean())

    gradient, = torch.autograd.grad(loss, logits)
    # Nothing is pushed between background and the unlabelled classes: by their gradients, all of
    # them gain or lose the same share of their probability.
    share = (gradient / probability)[:, [0, 2, 3]]
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    assert (gradient[:, 1] != 0).all()


def test_partial_labels_equal_full_ones_where_the_labelled_class_is():
    logits = random_logits()
    everything = class_map(0, None, (1,))
    partly = replace(everything, labelled_classes=np.array([True, False, False]))
    torch.testing.assert_close(loss_of(TASK, logits, targets_of(TASK, partly)),
                               loss_of(TASK, logits, targets_of(TASK, everything)))


def test_nothing_labelled_teaches_nothing():
    logits = random_logits(batch=2)
    targets = targets_of(TASK, class_map(0, [False] * 3, (0,)), class_map(0, None, (IGNORE,)))
    loss = loss_of(TASK, logits, targets)
    assert abs(loss) < 1e-6
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-6


def test_unknown_pixels_have_no_gradient_and_do_not_count():
    logits = random_logits()
    targets = targets_of(TASK, class_map(5))
    gradient, = torch.autograd.grad(loss_of(TASK, logits, targets), logits)
    known = targets['labels'] != IGNORE
    assert not gradient.permute(0, 2, 3, 1)[~known].any()
    assert gradient.permute(0, 2, 3, 1)[known].all()


@pytest.mark.parametrize('labelled', [None, [True, False, True]])
def test_finite_for_any_logits(labelled):
    logits = (1e4 * random_logits().detach()).requires_grad_()
    loss = loss_of(TASK, logits, targets_of(TASK, class_map(0, labelled)))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_labels_at_stride_4_are_those_in_the_middle_of_the_cells():
    labels = np.arange(32 * 48).reshape(32, 48) % 199
    encoded = TASK.encode(ClassMap(labels.astype(np.uint8)), GRID)['labels']
    assert encoded.shape == (8, 12)
    for row, column in np.ndindex(8, 12):
        middle = labels[4 * row + 1:4 * row + 3, 4 * column + 1:4 * column + 3]
        assert encoded[row, column] in middle
    assert FINE.encode(ClassMap(labels.astype(np.uint8)), GRID)['labels'].shape == (32, 48)


def test_upsampled_logits_are_interpolated_between_cell_centres():
    head = nn.Identity()
    head.forward = lambda features: {'logits': features['features']}
    columns = torch.arange(12.0).expand(1, 1, 8, 12)
    fine = UpsampledHead(head)({'features': columns})['logits']
    assert fine.shape == (1, 1, 32, 48)
    expected = ((torch.arange(48) + 0.5) / 4 - 0.5).clamp(0, 11)
    torch.testing.assert_close(fine[0, 0, 5], expected)


@pytest.mark.parametrize('classes, message', [
    ((), 'segmentation.classes: none given'), (('a', 'a'), 'segmentation.classes: a given twice'),
    (tuple(map(str, range(255))), 'segmentation.classes: 255 given, at most 254 fit')])
def test_bad_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        SegmentationTask(classes)


def test_the_last_label_is_not_taken_for_unknown():
    task = SegmentationTask(tuple(map(str, range(254))))
    targets = task.encode(ClassMap(np.full((32, 48), 254, np.uint8)), GRID)
    logits = torch.zeros(1, 255, 8, 12)
    logits[:, 254] = 30
    assert (task.decode({'logits': logits}).labels == 254).all()
    loss = task.loss({'logits': logits}, {name: value[None] for name, value in targets.items()})
    assert loss['cross_entropy'] < 1e-6
    logits[:, 254] = -30
    loss = task.loss({'logits': logits}, {name: value[None] for name, value in targets.items()})
    assert loss['cross_entropy'] > 30


@pytest.mark.parametrize('fields, named', [
    ({'reads': 'nonsense'},
     "segmentation.reads: 'nonsense' is not one of features, dense, pyramid"),
    ({'reads': 'pyramid'}, 'segmentation.head: on a pyramid its layout is shared, and not direct'),
    ({'reads': 'pyramid', 'head': HeadConfig(8, 'shared', direct=True)}, 'segmentation.head: ')])
def test_what_it_cannot_read(fields, named):
    with pytest.raises(ValueError, match=f'^{named}'):
        SegmentationTask(**fields)
