# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams that exchange: what they are at first, who needs whom, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from mcn_ros.network.colours import Colours
from mcn_ros.network.trunks import (
    build_trunk_config, CrossConnectedConfig, CrossStitchConfig, SeparateTrunksConfig, SharedTrunk,
    StreamConfig)

TASKS = 'detection', 'pose', 'segmentation'
COLOURS = Colours()
SMALL = {'backbone': 'shufflenet_v2_x0_5', 'channels': 8}
STREAMS = {'boxes': StreamConfig(('detection',), **SMALL),
           'people': StreamConfig(('pose',), **SMALL, channel_order='bgr', std=(0.5, 0.6, 0.7)),
           'areas': StreamConfig(('segmentation',), **{**SMALL, 'channels': 16})}
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.manual_seed(3))
KINDS = [CrossConnectedConfig(STREAMS, start=start, connect=connect, bottleneck=narrow)
         for start, connect, narrow in (('linear', None, False), ('gate', (2, 3), True))]


def with_statistics(trunk, tasks=TASKS):
    with torch.no_grad():
        trunk.train()(IMAGES, tasks)
    return trunk.eval()


def run(trunk, tasks=TASKS):
    with torch.no_grad():
        return trunk(IMAGES, tasks)


@pytest.fixture(scope='module')
def separate():
    torch.manual_seed(0)
    return with_statistics(SeparateTrunksConfig(STREAMS).build(TASKS, COLOURS))


@pytest.mark.parametrize('config', KINDS, ids=['linear', 'gate'])
def test_it_begins_as_the_networks_that_it_joins(separate, config):
    trunk = config.build(TASKS, COLOURS).eval()
    assert trunk.start_from(separate, list(STREAMS)) == {name: name for name in STREAMS}
    assert_close(run(trunk), run(separate), rtol=0, atol=0)


@pytest.mark.parametrize('config, steps', list(zip(KINDS, (1, 2))), ids=['linear', 'gate'])
def test_every_connection_learns(config, steps):
    torch.manual_seed(0)
    trunk = with_statistics(config.build(TASKS, COLOURS))
    optimizer = torch.optim.SGD(trunk.parameters(), 0.01)
    for _ in range(steps + 1):
        optimizer.zero_grad()
        maps = trunk(IMAGES, TASKS)
        sum(maps[task]['features'].square().mean() for task in TASKS).backward()
        optimizer.step()
    for name, value in trunk.exchanges.named_parameters():
        assert value.grad.any(), name


def test_what_comes_of_all_streams_is_computed_before_any_is_changed():
    """By the equations, stage by stage, for two streams in both orders."""
    config = CrossConnectedConfig({name: STREAMS[name] for name in ('boxes', 'areas')})
    trunk = config.build(('detection', 'segmentation'), COLOURS).eval()
    for value in trunk.exchanges.parameters():
        torch.nn.init.normal_(value, 0, 0.2)
    boxes, areas = trunk.members['boxes'], trunk.members['areas']
    x, y, stages = IMAGES, IMAGES, {'detection': [], 'segmentation': []}
    with torch.no_grad():
        for number in range(4):
            x, y = boxes.backbone.stages[number](x), areas.backbone.stages[number](y)
            exchange = trunk.exchanges[str(number + 1)]
            x, y = (x + exchange['boxes']['areas'].conv(y).relu(),
                    y + exchange['areas']['boxes'].conv(x).relu())
            stages['detection'].append(x)
            stages['segmentation'].append(y)
        expected = {'detection': boxes.neck(stages['detection']),
                    'segmentation': areas.neck(stages['segmentation'])}
    assert_close(run(trunk, ['detection', 'segmentation']), expected, rtol=0, atol=0)


def test_streams_without_a_wanted_task_run_as_far_as_somebody_listens():
    trunk, calls = KINDS[1].build(TASKS, COLOURS), []
    for name, member in trunk.members.items():
        for number, stage in enumerate(member.backbone.stages, 1):
            stage.register_forward_hook(lambda *_, key=(name, number): calls.append(key))
        member.neck.register_forward_hook(lambda *_, key=(name, 'neck'): calls.append(key))
    run(trunk, ['pose'])
    expected = {(name, number) for name in STREAMS for number in (1, 2, 3)}
    assert set(calls) == expected | {('people', 4), ('people', 'neck')}
    assert len(calls) == len(set(calls))


def test_of_a_stream_that_is_only_listened_to_there_is_no_more_than_that():
    config = KINDS[1].of_tasks(['pose'])
    trunk = config.build(['pose'], COLOURS)
    assert len(trunk.members['boxes'].backbone.stages) == 3
    assert trunk.members['boxes'].neck is None and trunk.members['people'].neck is not None
    names = {name.rpartition('.conv')[0] for name, _ in trunk.exchanges.named_parameters()}
    assert {name for name in names if name.startswith('3.')} == {'3.people.boxes',
                                                                 '3.people.areas'}
    assert len({name for name in names if name.startswith('2.')}) == 6
    # It starts from a network with more, but none with more starts from it.
    whole = KINDS[1].build(TASKS, COLOURS)
    assert trunk.start_from(whole, list(STREAMS))['exchanges'] == 'exchanges'
    with pytest.raises(ValueError, match='^no more than the first stages of it'):
        whole.start_from(trunk, ['boxes'])


def test_exchanges_are_taken_over_where_all_is_the_same():
    one, other = (KINDS[0].build(TASKS, COLOURS) for _ in range(2))
    for value in other.exchanges.parameters():
        torch.nn.init.normal_(value)
    assert 'exchanges' not in one.start_from(other, ['boxes', 'people'])
    assert not any(value.any() for value in one.exchanges.parameters())
    near = replace(KINDS[0], start='near_zero').build(TASKS, COLOURS)
    assert 'exchanges' not in near.start_from(other, list(STREAMS))
    assert 'exchanges' in one.start_from(other, list(STREAMS))
    assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_names_of_parameters_are_stable():
    trunk = CrossConnectedConfig(STREAMS, start='gate', bottleneck=True).build(TASKS, COLOURS)
    names = {name for name, _ in trunk.named_parameters()}
    assert {'exchanges.1.boxes.people.gate.values', 'exchanges.4.areas.boxes.conv.1.weight',
            'members.boxes.backbone.stages.1.0.branch1.0.weight',
            'members.areas.neck.lateral.0.0.weight'} <= names
    stitches = CrossStitchConfig(STREAMS).build(TASKS, COLOURS)
    assert {name for name, _ in stitches.exchanges.named_parameters()} == {
        f'{stage}.{name}.values' for stage in (1, 2, 3, 4) for name in STREAMS}


def test_streams_start_from_networks_alone():
    trunk = KINDS[0].build(TASKS, COLOURS)
    alone = SharedTrunk(STREAMS['areas'].trunk())
    assert trunk.start_from(alone, ['areas']) == {'areas': 'shared'}
    assert_close(trunk.members['areas'].state_dict(), alone.state_dict(), rtol=0, atol=0)


ONE = {**SMALL, 'tasks': ['detection', 'pose']}


@pytest.mark.parametrize('kind, change, words', [
    ('cross_connected', {'connect': [0, 1]}, r'connect: \(0, 1\) are not all stages of the backb'),
    ('cross_stitch', {'connect': [5]}, r'connect: \(5,\) are not all stages of .* are 1 to 4'),
    ('cross_stitch', {'connect': [2, 1]}, r'connect: \(2, 1\) are no rising numbers of stages'),
    ('cross_stitch', {'connect': []}, r'connect: \(\) are no rising numbers'),
    ('cross_stitch', {'start': 1.5}, 'start: 1.5 is not in 0..1'),
    ('cross_connected', {'start': 'zero'}, "start: 'zero' is not one of near_zero, linear, gate"),
    ('cross_connected', {'streams': {'a': {**ONE, 'tasks': list(TASKS)}}},
     'streams: cross_connected is of two or more, not of a alone'),
    ('cross_connected', {'streams': {'a': ONE, 'b': {'tasks': ['segmentation'],
                                                     'backbone': 'resnet18'}}},
     'streams: cross_connected is of streams with the same backbone, not a: shufflenet_v2_x0_5, '
     'b: resnet18'),
    ('cross_stitch', {'streams': {'a': ONE, 'b': {**SMALL, 'tasks': []}}},
     'streams: segmentation in none of a, b')])
def test_bad_exchanges(kind, change, words):
    values = {'kind': kind, 'streams': {'a': ONE, 'b': {**SMALL, 'tasks': ['segmentation']}}}
    with pytest.raises(ValueError, match=f'^trunk.{words}'):
        build_trunk_config({**values, **change}, TASKS).build(TASKS, COLOURS)
