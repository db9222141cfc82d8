# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What boxes share: duplicates, and losses that are those of torchvision."""

from hypothesis import given, strategies
import numpy as np
import pytest
import torch
from torchvision import ops

from mcn_ros.tasks.overlap import distance_iou_loss, duplicates, generalized_iou_loss


@given(strategies.integers(0, 1000))
def test_duplicates_overlap_a_more_certain_box_of_their_class(seed):
    rng = np.random.default_rng(seed)
    corners = torch.from_numpy(rng.uniform(0, 8, (2, 12, 2)).astype(np.float32))
    sizes = torch.from_numpy(rng.uniform(0.1, 8, (2, 12, 2)).astype(np.float32))
    boxes, classes = torch.cat([corners, corners + sizes], 2), torch.from_numpy(
        rng.integers(0, 2, (2, 12)))
    for image, found in enumerate(duplicates(boxes, classes, 0.4)):
        overlaps = ops.box_iou(boxes[image], boxes[image])
        same = classes[image][:, None] == classes[image]
        assert found.tolist() == [bool(((overlaps[:i, i] > 0.4) & same[:i, i]).any())
                                  for i in range(12)]


def test_boxes_without_an_area_are_no_duplicates():
    boxes = torch.tensor([[[1., 2, 1, 2], [1, 2, 1, 2], [1, 2, 1, 5], [1, 2, 1, 5]]])
    assert not duplicates(boxes, torch.zeros(1, 4), 0.5).any()


@pytest.mark.parametrize('mine, theirs', [
    (generalized_iou_loss, ops.generalized_box_iou_loss),
    (distance_iou_loss, ops.distance_box_iou_loss)])
def test_losses_and_their_gradients_are_those_of_torchvision(mine, theirs):
    generator = torch.manual_seed(0)
    # Among them are many that share nothing, that touch, and that have no or a negative area.
    boxes, others = torch.randint(0, 6, (2, 3, 999, 4), generator=generator).float()
    boxes += 0.3 * torch.randint(0, 2, boxes.shape, generator=generator)
    found = []
    for loss in (mine, theirs):
        leaf = boxes.clone().requires_grad_()
        values = loss(leaf, others)
        gradient, = torch.autograd.grad(values.sum(), leaf)
        found.append((values.detach(), gradient))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)
