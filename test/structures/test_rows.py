# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Structures as rows."""

import numpy as np
import torch

from mcn_ros.structures import ClassMap, Instances, Poses, select, to_numpy
from mcn_ros.vocabulary import COCO_SKELETON


def test_select_indexes_rows_only():
    rng = np.random.default_rng(0)
    annotation = Poses(rng.random((4, 4)), np.ones(4), rng.random((4, 17, 2)), np.ones((4, 17)))
    chosen = select(annotation, np.array([True, False, False, True]))
    np.testing.assert_array_equal(chosen.keypoints, annotation.keypoints[[0, 3]])
    assert len(chosen) == 2 and chosen.skeleton is annotation.skeleton
    assert select(Instances(annotation.boxes, np.arange(4), np.ones(4)), [1]).crowd is None
    objects = Instances(annotation.boxes, np.arange(4), np.ones(4),
                        labelled_classes=np.array([True, False]))
    assert select(objects, [0]).labelled_classes is objects.labelled_classes


def test_select_takes_an_image_of_a_batch():
    batch = Instances(torch.rand(2, 5, 4), torch.zeros(2, 5).long(), torch.rand(2, 5))
    one = select(batch, 1)
    assert len(one) == 5 and torch.equal(one.scores, batch.scores[1])
    maps = ClassMap(torch.zeros(2, 3, 4, dtype=torch.uint8), stride=4)
    assert select(maps, 0).labels.shape == (3, 4) and select(maps, 0).stride == 4


def test_to_numpy_copies_every_tensor():
    batch = Poses(torch.rand(2, 4, requires_grad=True), torch.rand(2), torch.rand(2, 17, 2),
                  torch.rand(2, 17))
    host = to_numpy(batch)
    assert all(isinstance(getattr(host, name), np.ndarray) for name in Poses.ROWS[:4])
    assert host.crowd is None and host.skeleton is COCO_SKELETON
    np.testing.assert_array_equal(host.keypoints, batch.keypoints.numpy())
    again = to_numpy(host)
    assert all(getattr(again, name) is getattr(host, name) for name in vars(host))
