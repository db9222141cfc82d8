# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Detection on a pyramid: which level learns what, what is not learned, and what is decoded."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.geometry import Grid
from mcn_ros.network.features import PYRAMID
from mcn_ros.structures import Instances
from mcn_ros.tasks.assignment import assign, MOST, quality_focal
from mcn_ros.tasks.distance_detection import DistanceDetectionTask
from mcn_ros.tasks.distances import (
    BINS, distribution_focal, FIRST, flatten, mirror_bins, places, read_distances, SIDES, to_boxes,
    to_distances)

SIZE = (512, 512)
GRID = Grid.of_input(SIZE)
TASK = DistanceDetectionTask(('dog', 'cat', 'person'))
FAR = -50.0


def maps(scores=-5.0, size=SIZE):
    """Return maps that answer the same everywhere; any distance is as likely as any other."""
    found = {}
    for level, stride in PYRAMID.items():
        cells = size[0] // stride, size[1] // stride
        found[f'scores_{level}'] = torch.full((1, len(TASK.classes), *cells), scores)
        found[f'distances_{level}'] = torch.zeros(1, SIDES * BINS, *cells)
    return found


def instances(boxes, classes, **more):
    return Instances(np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64),
                     np.ones(len(classes), np.float32), **more)


def encode(annotation, task=TASK):
    return {name: values[None] for name, values in task.encode(annotation, GRID).items()}


def gradients(outputs, targets):
    outputs = {name: values.clone().requires_grad_() for name, values in outputs.items()}
    total = sum(TASK.loss(outputs, targets).values())
    return dict(zip(outputs, torch.autograd.grad(total, outputs.values())))


def say(outputs, level, row, column, distances, kind, logit):
    """Let a cell answer a box at whole bins, and the score of a class."""
    outputs[f'scores_{level}'][0, kind, row, column] = logit
    bins = outputs[f'distances_{level}'][0, :, row, column].view(SIDES, BINS)
    bins[:] = FAR
    bins[range(SIDES), [int(distance - FIRST) for distance in distances]] = 0


@pytest.mark.parametrize('level, stride', PYRAMID.items())
def test_a_box_is_learned_on_the_level_that_is_made_for_it(level, stride):
    # Where all distances are as likely as any other, they are 3.5 strides in the mean.
    half = 3.5 * stride
    middle = 3.5 * stride if level == 'p6' else (SIZE[0] // 2 // stride + 0.5) * stride
    box = [middle - half, middle - half, middle + half, middle + half]
    found = gradients(maps(), encode(instances([box], [1])))
    assert [name for name in found if name.startswith('distances') and found[name].any()] == [
        f'distances_{level}']
    pull = found[f'scores_{level}'][0]
    assert (pull[1] < 0).any() and (pull[[0, 2]] > 0).all()


def test_boxes_are_measured_from_the_middles_of_cells():
    outputs = maps()
    say(outputs, 'p4', 3, 5, (1.5, 0.5, 2.5, 3.5), 2, 4.0)
    found = TASK.decode(outputs)
    middle = np.array([5.5 * 16, 3.5 * 16])
    np.testing.assert_allclose(found.boxes[0, 0], [*(middle - [24, 8]), *(middle + [40, 56])],
                               rtol=1e-5)
    assert found.classes[0, 0] == 2
    assert found.scores[0, 0] == pytest.approx(torch.sigmoid(torch.tensor(4.0)).item())


def test_every_class_of_a_cell_counts():
    outputs = maps()
    for kind, logit in ((0, 2.0), (2, 3.0)):
        say(outputs, 'p3', 8, 8, (2.5, 2.5, 2.5, 2.5), kind, logit)
    found = TASK.decode(outputs)
    assert found.classes[0, :2].tolist() == [2, 0]
    assert torch.equal(found.boxes[0, 0], found.boxes[0, 1])


@pytest.mark.parametrize('max_overlap, kept', [(0.6, 1), (1.0, 2)])
def test_duplicates_of_a_class_are_left_out(max_overlap, kept):
    outputs = maps(FAR)
    say(outputs, 'p3', 8, 8, (2.5, 2.5, 2.5, 2.5), 1, 3.0)
    say(outputs, 'p3', 8, 9, (3.5, 2.5, 1.5, 2.5), 1, 2.0)
    found = replace(TASK, max_overlap=max_overlap).decode(outputs)
    assert (found.scores > 0.5).sum() == kept
    assert found.scores.shape == (1, TASK.max_predictions)


def test_sides_that_pass_each_other_leave_an_empty_box():
    outputs = maps(FAR)
    say(outputs, 'p3', 8, 8, (-0.5, -0.5, -0.5, -0.5), 1, 3.0)
    box = TASK.decode(outputs).boxes[0, 0]
    assert torch.equal(box[:2], box[2:])


def test_crowds_and_what_is_one_object_too_many_teach_no_background():
    boxes = [[0, 0, 64, 64], [128, 128, 192, 192], [256, 256, 320, 320], [384, 384, 448, 448]]
    annotation = instances(boxes, [1, 1, 1, 1], crowd=np.array([True, False, False, False]))
    targets = encode(annotation, replace(TASK, max_objects=2))
    assert targets['exists'].sum() == 2 and targets['unknown_exists'].sum() == 2
    pull = gradients(maps(), targets)['scores_p3'][0]
    unknown = [*targets['unknown_boxes'][0], *targets['boxes'][0]]
    for box in unknown[:2]:
        left, top, right, bottom = (box / 8).long()
        assert not pull[1, top:bottom, left:right].any()  # of this class nothing is known
        assert (pull[[0, 2], top:bottom, left:right] > 0).all()
    assert (pull[1, 9:15] > 0).any()


def test_a_class_that_is_not_labelled_is_not_taught_to_be_absent():
    annotation = instances([[128, 128, 192, 192]], [2],
                           labelled_classes=np.array([False, True, True]))
    found = gradients(maps(), encode(annotation))
    for level in PYRAMID:
        assert not found[f'scores_{level}'][:, 0].any()
        assert found[f'scores_{level}'][:, 1].all()


def test_an_object_counts_the_same_whatever_the_number_of_its_places():
    outputs = maps()
    one, other = ([128, 128, 184, 184], 1), ([300, 300, 316, 316], 2)
    both = TASK.loss(outputs, encode(instances([one[0], other[0]], [1, 2])))
    each = [TASK.loss(outputs, encode(instances([box], [kind]))) for box, kind in (one, other)]
    # Nor does it matter how sure all of them are.
    surer = TASK.loss(maps(-4.9), encode(instances([one[0], other[0]], [1, 2])))
    for name in ('iou', 'distribution_focal'):
        torch.testing.assert_close(both[name], (each[0][name] + each[1][name]) / 2)
        torch.testing.assert_close(both[name], surer[name])


def test_places_that_answer_an_object_best_learn_it():
    points = torch.tensor([[4.0, 4.0], [12.0, 4.0], [20.0, 4.0], [90.0, 90.0]])
    objects = torch.tensor([[[0.0, 0.0, 24.0, 8.0], [8.0, 0.0, 16.0, 8.0]]])
    boxes = torch.stack([objects[0, 0], objects[0, 1], objects[0, 0], objects[0, 0]])[None]
    logits = torch.zeros(1, 4, 2)
    found = assign(logits, boxes, points, objects, torch.tensor([[0, 1]]),
                   torch.ones(1, 2, dtype=torch.bool))
    assert found.positive.tolist() == [[True, True, True, False]]
    assert found.owner[0, :3].tolist() == [0, 1, 0]
    assert found.overlap.tolist() == [[1, 1, 1, 0]]


def test_no_object_has_more_places_than_most():
    points = places([torch.zeros(1, 1, 16, 16)])[:, :2]
    objects = torch.tensor([[[0.0, 0.0, 128.0, 128.0]]])
    found = assign(torch.zeros(1, 256, 1), objects.expand(1, 256, 4), points, objects,
                   torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool))
    assert found.positive.sum() == MOST


def test_a_score_costs_nothing_where_it_is_the_quality():
    quality = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(quality_focal(torch.logit(quality), quality), torch.zeros(3))
    assert (quality_focal(torch.logit(quality) + 1, quality) > 0).all()


def test_distances_and_boxes():
    where = places([torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 2, 1)])
    assert where.tolist() == [[4, 4, 8], [12, 4, 8], [4, 12, 8], [12, 12, 8], [4, 20, 8],
                              [12, 20, 8], [8, 8, 16], [8, 24, 16]]
    boxes = torch.rand(8, 4) * 100
    torch.testing.assert_close(to_boxes(to_distances(boxes, where), where), boxes)


def test_the_order_of_cells_is_that_of_places():
    where = [torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 2, 1)]
    numbered = [torch.arange(6.0).view(1, 1, 3, 2), torch.arange(6.0, 8).view(1, 1, 2, 1)]
    assert flatten(numbered)[0, :, 0].tolist() == list(range(len(places(where))))


def test_the_distribution_focal_loss_is_least_at_the_distance():
    distances = torch.tensor([[-0.5, 0.2, 3.0, 7.4]])
    bins = torch.zeros(1, SIDES * BINS, requires_grad=True)
    optimizer = torch.optim.Adam([bins], lr=0.3)
    for _ in range(200):
        optimizer.zero_grad()
        loss = distribution_focal(bins, distances).sum()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3
    torch.testing.assert_close(read_distances(bins), distances, atol=0.02, rtol=0)


def test_in_a_mirror_left_is_right():
    bins = torch.randn(1, SIDES * BINS, 2, 3)
    left, top, right, bottom = read_distances(bins.movedim(1, 3)).flip(2).unbind(3)
    found = read_distances(mirror_bins(bins).movedim(1, 3)).unbind(3)
    for one, other in zip(found, (right, top, left, bottom)):
        torch.testing.assert_close(one, other)


def test_a_network_can_learn_from_the_maps_of_another():
    theirs = maps()
    say(theirs, 'p4', 8, 8, (2.5, 1.5, 2.5, 1.5), 1, 3.0)
    assert TASK.distance(theirs, theirs) == pytest.approx(0, abs=1e-5)
    mine = {name: values.clone().requires_grad_() for name, values in maps().items()}
    TASK.distance(mine, theirs).backward()
    # Scores are learned everywhere, boxes where the other is sure of one.
    assert mine['scores_p4'].grad[0, 1, 8, 8] < 0
    pull = mine['distances_p4'].grad.abs().sum(dim=1)
    assert pull[0, 8, 8] > 100 * pull[0, 8, 9]


@pytest.mark.parametrize('values, named', [
    ({'max_overlap': 0.0}, 'max_overlap: 0.0 is not in 0..1'), ({'width': 0}, 'width: 0'),
    ({'max_predictions': 0}, 'max_predictions: 0'), ({'classes': ()}, 'classes')])
def test_bad_values(values, named):
    with pytest.raises(ValueError, match=f'^distance_detection.{named}'):
        DistanceDetectionTask(**values)
