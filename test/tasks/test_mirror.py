# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What every task knows about mirror images, on random maps."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from mcn_ros.network.features import pyramid, single
from mcn_ros.structures import select, to_numpy
from mcn_ros.tasks import KINDS

SIZE = (64, 128)  # every stride of a pyramid divides the width
MIRRORING = np.array([[-1.0, 0.0, SIZE[1]], [0.0, 1.0, 0.0]])


def variants():
    """Yield every task as it is by default and with each of its switches thrown."""
    for name, cls in KINDS.items():
        yield pytest.param(cls(), id=name)
        for field in fields(cls):
            if isinstance(field.default, bool):
                thrown = replace(cls(), **{field.name: not field.default})
                yield pytest.param(thrown, id=f'{name}-{field.name}')


@pytest.fixture(params=variants())
def task(request):
    return request.param


@pytest.fixture
def maps(task):
    """Return random maps: few peaks, lengths of cells."""
    generator = torch.manual_seed(0)
    with torch.no_grad():
        shapes = {**single(8), **pyramid(8)}
        outputs = task.build_head(shapes)({
            name: torch.rand(2, 8, SIZE[0] // shape.stride, SIZE[1] // shape.stride,
                             generator=generator) for name, shape in shapes.items()})
        return {name: 2 * torch.randn(values.shape, generator=generator) - 1
                for name, values in outputs.items()}


def test_the_mirror_of_a_mirror_is_the_same(task, maps):
    again = task.mirror(task.mirror(maps))
    assert again.keys() == maps.keys()
    for name, values in maps.items():
        torch.testing.assert_close(again[name], values, rtol=1e-4, atol=1e-4)
        assert (task.mirror(maps)[name] != values).any()


def test_mirrored_maps_say_where_things_are_in_the_mirror(task, maps):
    seen, mirrored = (to_numpy(task.decode(each)) for each in (maps, task.mirror(maps)))
    for row in range(2):
        found = select(mirrored, row).warp(np.eye(2, 3), SIZE)
        expected = select(seen, row).warp(MIRRORING, SIZE)
        if hasattr(found, 'scores'):  # what is no peak comes in any order
            found, expected = (select(each, each.scores > 0) for each in (found, expected))
            assert len(found) > 10
        # CenterNet's code regresses joints a cell beside where they are in the mirror.
        exact = type(task) is KINDS['centernet_pose']
        beside = {'keypoints', 'keypoint_scores'} if exact else set()
        for name in (set(found.ROWS) - beside
                     - {name for name in found.ROWS if getattr(found, name) is None}):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name),
                                       rtol=1e-4, atol=1e-3)
