# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boundaries, of anything and of classes: what is learned of regions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.geometry import crop, Grid
from mcn_ros.structures import IGNORE, RegionMap, UNKNOWN_REGION
from mcn_ros.tasks.boundaries import BoundariesTask
from mcn_ros.tasks.semantic_boundaries import SemanticBoundariesTask

GRID = Grid(4, 5, 4)
SIZE = 16, 20
BOUNDARIES, SEMANTIC = BoundariesTask(), SemanticBoundariesTask(('a', 'b'))


def square():
    """Return a square of class 1 in an image, of which a corner is unknown."""
    labels = np.zeros(SIZE, np.uint16)
    labels[4:12, 4:12] = 1
    labels[12:, 16:] = UNKNOWN_REGION
    return RegionMap(labels, np.array([1]))


def test_a_cell_is_on_a_contour_if_any_pixel_is():
    values = BOUNDARIES.encode(square(), GRID)['values'][0].tolist()
    # The lines are at rows and columns 3 and 11.
    assert values == [[0, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 1, 0, IGNORE],
                      [0, 0, 0, IGNORE, IGNORE]]
    fine = replace(BOUNDARIES, full_resolution=True).encode(square(), GRID)['values'][0]
    assert fine.shape == SIZE and (fine == 1).sum() == 4 * 8 - 1
    assert torch.equal(torch.from_numpy(square().contours().values), fine)


def test_half_of_the_annotators_have_to_agree():
    stack = np.zeros((3, 2, 8), np.uint16)  # one contour of each, two of which are in one cell
    for labels, column in zip(stack, (2, 1, 6)):
        labels[:, column:] = 1
    stack[2, :, 7] = UNKNOWN_REGION
    regions = RegionMap(stack[0], np.array([-1]), others=stack[1:])
    for stride, expected in ((1, [IGNORE, IGNORE, 0, 0, 0, IGNORE, 0, 0]),):
        task = replace(BOUNDARIES, full_resolution=stride == 1)
        assert task.encode(regions, GRID)['values'][0, 0].tolist() == expected
    tall = replace(regions, labels=stack[0].repeat(2, axis=0), others=stack[1:].repeat(2, axis=1))
    assert BOUNDARIES.encode(tall, GRID)['values'].tolist() == [[[1, IGNORE]]]


def test_only_bags_need_directions():
    for criterion, names in (('fixed', {'values'}), ('balanced', {'values'}),
                             ('instances', {'values', 'across'})):
        for task in (BOUNDARIES, SEMANTIC):
            assert replace(task, criterion=criterion).encode(square(), GRID).keys() == names


def test_classes_have_the_contours_of_their_regions():
    values = SEMANTIC.encode(square(), GRID)['values']
    assert torch.equal(values[1:], BOUNDARIES.encode(square(), GRID)['values'])
    assert (values[0] != 1).all() and ((values[0] == IGNORE) == (values[1] == IGNORE)).all()
    unlabelled = replace(square(), labelled_classes=np.array([True, False]))
    assert (SEMANTIC.encode(unlabelled, GRID)['values'][1] == IGNORE).all()


def test_contours_are_those_of_the_mirrored_regions():
    """Contours that were mirrored themselves would be a pixel beside."""
    affine = crop((10, 8), 1, SIZE, flip=True)
    fine = replace(BOUNDARIES, full_resolution=True)
    values = fine.encode(square().warp(affine, SIZE), GRID)['values'][0].numpy()
    assert np.flatnonzero(values[6] == 1).tolist() == [7, 15]


def loss(task, logits, annotation):
    targets = {name: value[None] for name, value in task.encode(annotation, GRID).items()}
    return task.loss({'logits': logits}, targets)['cross_entropy']


def empty():
    return RegionMap(np.zeros(SIZE, np.uint16), np.zeros(0, np.int64))


def test_false_alarms_in_an_image_without_contours():
    """They are free with the balance of HED, so that it is not what is usual."""
    logits = torch.full((1, 1, 4, 5), 3.0)
    assert loss(replace(BOUNDARIES, criterion='balanced'), logits, empty()) == 0
    assert loss(BOUNDARIES, logits, empty()).item() == pytest.approx(0.05 * 3.048587, rel=1e-5)


def test_a_new_head_expects_few_contours():
    shapes = {'features': type('Shape', (), {'channels': 8, 'stride': 4})}
    for task in (BOUNDARIES, SEMANTIC):
        for full in (False, True):
            logits = replace(task, full_resolution=full).build_head(shapes)(
                {'features': torch.zeros(1, 8, 4, 5)})['logits']
            assert logits.shape == (1, len(task.classes) or 1, *(SIZE if full else (4, 5)))
            assert logits.mean().sigmoid().item() == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize('task', [BOUNDARIES, SEMANTIC], ids=lambda task: type(task).__name__)
def test_wrong_settings_are_named(task):
    name = {BOUNDARIES: 'boundaries', SEMANTIC: 'semantic_boundaries'}[task]
    with pytest.raises(ValueError, match=rf"^{name}.criterion: 'hed' is not one of fixed, "):
        replace(task, criterion='hed')
    with pytest.raises(ValueError, match=rf'^{name}.positive_weight: 1.0 is not between'):
        replace(task, positive_weight=1.0)


def test_weights_beside_those_of_other_dense_tasks():
    assert BOUNDARIES.losses == SEMANTIC.losses == {'cross_entropy': 50.0}
