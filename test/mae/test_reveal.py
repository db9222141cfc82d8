# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Growth by revealing communities as a whole."""

import numpy as np
import pytest
import torch
from torch import nn

from mcn_ros.mae.growth import Merge
from mcn_ros.mae.model import patches
from mcn_ros.mae.reveal import group_relation, grow_revealed


def test_the_relation_of_groups_by_hand():
    labels = np.array([0, 0, 1, 2])
    errors = np.array([[9, 9, .2, .9], [.4, .2, 9, .8], [.6, .8, .7, 9.]])
    usual = np.array([1, 1, .5, 1.])
    assert group_relation(errors, usual, labels) == pytest.approx(np.array([
        [0, 1 - .2 / .5, 1 - .9], [1 - .6 / 2, 0, 1 - .8], [1 - 1.4 / 2, 1 - .7 / .5, 0]]))


class Nearest(nn.Module):
    """Reconstructs each patch by the visible one whose colour is nearest."""

    class encoder:  # noqa: N801
        patch = 8

    def errors(self, images, keep):
        target = patches(images, 8).mean(dim=2)[0]
        distances = (target[:, None] - target[None]).square()
        return torch.stack([distances[:, row].min(dim=1).values for row in keep])


def image(values):
    return torch.tensor(values, dtype=torch.float32).repeat_interleave(8).expand(1, 3, 8, -1)


def test_what_tells_of_each_other_becomes_one():
    scene = image([0, 0.1, 0.05, 4, 4.1, 9])
    merges = grow_revealed(Nearest().eval(), scene, np.array([0, 0, 1, 2, 2, 3]))
    assert [(merge.kept, merge.joined) for merge in merges] == [(0, 1)]
    assert 0.9 < merges[0].ratio <= 1


def test_it_ends_at_two_or_at_one():
    scene, labels = image([1, 1.2, 1.1, 1.15]), np.array([0, 0, 1, 5])
    merges = grow_revealed(Nearest().eval(), scene, labels, share=-9.0)
    assert len(merges) == 1
    merges = grow_revealed(Nearest().eval(), scene, labels, share=-9.0, fewest=1)
    assert merges[-1] == Merge(0, merges[-1].joined, merges[-1].ratio) and len(merges) == 2
    assert labels.tolist() == [0, 0, 1, 5]
