# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The watch over what waits for a GPU: what it refuses, and what it lets go on."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mcn_ros.gpu.watch import GraphWatch, NotRecordable
from mcn_ros.network import deformable


@pytest.fixture(autouse=True)
def side_stream(monkeypatch):
    """Be in the stream of a recording."""
    monkeypatch.setattr(deformable, 'on_default_stream', lambda device: device.type != 'cuda')


@pytest.mark.parametrize('bad', [
    lambda x: x[:, [1, 0]], lambda x: x[:, torch.tensor([1, 0])], lambda x: x.cpu(),
    lambda x: x * torch.tensor([1.0, 2.0], device='cuda'), lambda x: x.sum().item(),
    lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: x.tolist(), lambda x: bool(x.any()),
    lambda x: x.new_tensor([1.0, 2.0]), lambda x: x[0, 0].copy_(torch.ones(2)),
    lambda x: torch.where(x > 0), lambda x: x.masked_select(x > 0),
    lambda x: deformable.operator_conv(x.expand(1, 3, 2, 2), x.expand(1, 18, 2, 2),
                                       x.expand(1, 9, 2, 2), x.new_ones(1, 3, 3, 3), None)])
def test_the_watch_sees_what_cannot_be_recorded(bad):
    with FakeTensorMode(), torch.no_grad():
        x = torch.empty(1, 2, 2, device='cuda')
        with pytest.raises(NotRecordable), GraphWatch():
            bad(x[0, None] if bad.__code__.co_names[:1] == ('deformable',) else x)


@pytest.mark.parametrize('good', [
    lambda x: x * 2.0, lambda x: x[0, 1], lambda x: x.new_zeros(3), lambda x: x.flip(1),
    lambda x: x.gather(1, x.long()), lambda x: x * torch.tensor(2.0), lambda x: x.half()])
def test_the_watch_lets_the_rest_pass(good):
    with FakeTensorMode(), torch.no_grad(), GraphWatch():
        good(torch.zeros(1, 2, 2, device='cuda'))
