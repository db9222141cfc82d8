# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What streams give each other, at first and after they have learned, and what it costs."""

import pytest
import torch
from torch.testing import assert_close

from mcn_ros.network.exchanges import Connection, CrossConnections, CrossStitches

NAMES = 'one', 'two', 'three'
MAPS = {name: torch.rand(2, 8, 4, 6, generator=torch.manual_seed(seed))
        for seed, name in enumerate(NAMES)}
STARTS = 'near_zero', 'linear', 'gate'


def learn(exchange):
    """Make a step towards other maps."""
    optimizer = torch.optim.SGD(exchange.parameters(), 0.1)
    found = exchange(MAPS, NAMES)
    sum((found[name] - 2 * MAPS[name].flip(1)).square().mean() for name in NAMES).backward()
    reached = {name for name, value in exchange.named_parameters()
               if value.grad is not None and value.grad.any()}
    optimizer.step()
    optimizer.zero_grad()
    return reached


@pytest.mark.parametrize('bottleneck', [False, True])
@pytest.mark.parametrize('start', STARTS)
def test_connections_begin_with_little_or_nothing(start, bottleneck):
    torch.manual_seed(0)
    found = CrossConnections(NAMES, NAMES, 8, start, bottleneck)(MAPS, NAMES)
    for name in NAMES:
        if start == 'near_zero':
            given = (found[name] - MAPS[name]).square().mean().sqrt()
            assert 1e-4 < given / MAPS[name].square().mean().sqrt() < 1e-2
        else:
            assert torch.equal(found[name], MAPS[name])


@pytest.mark.parametrize('bottleneck', [False, True])
@pytest.mark.parametrize('start, steps', [('near_zero', 1), ('linear', 1), ('gate', 2)])
def test_every_connection_learns(start, steps, bottleneck):
    torch.manual_seed(0)
    exchange = CrossConnections(NAMES, NAMES, 8, start, bottleneck)
    reached = [learn(exchange) for _ in range(steps + 1)]
    everything = {name for name, _ in exchange.named_parameters()}
    assert reached[-1] == everything
    if start == 'gate':  # gates first, then what is behind them
        assert reached[0] == {name for name in everything if name.endswith('gate.values')}


def test_with_zeros_a_relu_would_never_learn():
    """The reason for the starts that there are."""
    exchange = CrossConnections(NAMES, NAMES, 8, 'near_zero')
    with torch.no_grad():
        for value in exchange.parameters():
            value.zero_()
    assert learn(exchange) == set()


def test_the_sum_and_the_mean_of_all_others():
    connections = CrossConnections(NAMES, NAMES, 8, 'gate')
    for connection in connections['two'].values():
        torch.nn.init.ones_(connection.gate.values)
    given = [connections['two'][name](MAPS[name]) for name in ('one', 'three')]
    assert all(value.min() == 0 < value.max() for value in given)
    assert_close(connections(MAPS, ['two'])['two'], MAPS['two'] + sum(given))
    mean = CrossConnections(NAMES, NAMES, 8, 'gate', mean=True)
    mean.load_state_dict(connections.state_dict())
    found = mean(MAPS, ['two', 'one'])
    assert list(found) == ['two', 'one'] and torch.equal(found['one'], MAPS['one'])
    assert_close(found['two'], MAPS['two'] + sum(given) / 2)


@pytest.mark.parametrize('bottleneck, expected', [(False, 64 ** 2 + 64), (True, 64 ** 2 / 2 + 64)])
def test_a_bottleneck_halves_what_a_connection_costs(bottleneck, expected):
    connection = Connection(64, 'linear', bottleneck)
    assert sum(value.numel() for value in connection.parameters()) == expected


def test_stitches_begin_with_nine_tenths_of_the_own():
    stitches = CrossStitches(NAMES, NAMES, 8, 0.9)
    found = stitches(MAPS, ['three'])
    assert_close(found, {'three': 0.05 * MAPS['one'] + 0.05 * MAPS['two'] + 0.9 * MAPS['three']})
    assert sum(value.numel() for value in stitches.parameters()) == 3 ** 2 * 8
    assert stitches.multiplications(found) == 3 * 2 * 8 * 4 * 6
    assert learn(stitches) == {f'{name}.values' for name in NAMES}


def test_each_channel_has_a_weight_of_its_own():
    stitches = CrossStitches(NAMES, ['one'], 8, 0.9)
    weights = torch.rand(3, 8, 1, 1)
    stitches['one'].values.data = weights
    expected = sum(weight * MAPS[name] for weight, name in zip(weights, NAMES))
    assert_close(stitches(MAPS, ['one'])['one'], expected)


@pytest.mark.parametrize('exchange', [CrossConnections(NAMES, NAMES, 8, 'gate'),
                                      CrossStitches(NAMES, NAMES, 8, 0.9)])
def test_maps_keep_their_precision(exchange):
    halves = {name: values.bfloat16() for name, values in MAPS.items()}
    for connection in exchange.modules():
        if isinstance(connection, torch.nn.Conv2d):
            connection.bfloat16()
    assert {values.dtype for values in exchange(halves, NAMES).values()} == {torch.bfloat16}
