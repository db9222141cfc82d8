# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams: who gets which features, for which colours, and which stream belongs to whom."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from mcn_ros.config import to_dict
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks import (
    build_trunk_config, CrossConnectedConfig, OwnTrunksConfig, SeparateTrunksConfig, SharedTrunk,
    SkipTrunkConfig, StreamConfig, TrunkConfig)

TASKS = 'detection', 'pose', 'segmentation'
COLOURS = Colours()
PEOPLE = Colours('bgr', (0.5, 0.4, 0.3), (0.5, 0.6, 0.7))
STREAMS = {
    'objects': StreamConfig(('detection', 'segmentation'), 'shufflenet_v2_x0_5', 'top_down', 16),
    'people': StreamConfig(('pose',), 'shufflenet_v2_x0_5', 'concatenation', 8,
                           channel_order='bgr', mean=PEOPLE.mean, std=PEOPLE.std)}
CONFIG = SeparateTrunksConfig(STREAMS)
OWN = OwnTrunksConfig('shufflenet_v2_x0_5', 'top_down', 16, own=('pose',))
SHARED = TrunkConfig('shufflenet_v2_x0_5', 'top_down', 16)


@pytest.fixture(scope='module')
def trunk():
    torch.manual_seed(0)
    return CONFIG.build(TASKS, COLOURS).eval()


def normalised(pixels, colours):
    """Return pixels in 0..1 as a network for these colours takes them, which is RGB."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (
        colours.ordered('rgb').mean, colours.ordered('rgb').std))
    return (pixels - mean) / std


def test_each_task_gets_the_features_of_its_stream(trunk):
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        found = trunk(images, ['segmentation', 'pose', 'detection'])
        assert list(found) == ['segmentation', 'pose', 'detection']
        assert found['segmentation'] is found['detection']
        for task, name, channels in (('pose', 'people', 8), ('detection', 'objects', 16)):
            expected = trunk[name](images, [task])[task]['features']
            assert torch.equal(found[task]['features'], expected)
            assert trunk.shapes(task) == {'features': MapShape(channels, 4)}
            assert trunk.stream_of(task) == name


def test_a_stream_sees_the_colours_that_its_weights_are_for(trunk):
    pixels = torch.rand(1, 3, 64, 96)
    alone = SharedTrunk(STREAMS['people'].trunk(), PEOPLE).eval()
    alone.load_state_dict(trunk['people'].state_dict())
    # Weights of their own are in their order of channels, whatever the images are in.
    for model, colours in ((trunk, COLOURS), (CONFIG.build(TASKS, PEOPLE).eval(), PEOPLE),
                           (CONFIG.build(TASKS, COLOURS.ordered('bgr')).eval(), COLOURS)):
        model['people'].load_state_dict(alone.state_dict())
        with torch.no_grad():
            found = model(normalised(pixels, colours), ['pose'])['pose']['features']
            expected = alone(normalised(pixels, PEOPLE), ['pose'])['pose']['features']
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert trunk['people'].colours == PEOPLE and trunk['objects'].colours == COLOURS


def test_the_change_of_colours_is_exact_to_rounding_and_not_stored(trunk):
    seen = []
    handle = trunk['people'].backbone.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    pixels = torch.rand(1, 3, 64, 64)
    trunk(normalised(pixels, COLOURS), ['pose'])
    handle.remove()
    torch.testing.assert_close(seen[0], normalised(pixels, PEOPLE), rtol=1e-5, atol=1e-6)
    assert {name.split('.')[1] for name in trunk.state_dict()} == {'backbone', 'neck'}
    assert not list(trunk['objects'].buffers(recurse=False))  # has those of the model


def test_colours_that_a_stream_does_not_name_are_those_of_the_model():
    model = Colours('rgb', (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    stream = StreamConfig(('pose',))
    assert stream.colours(model) == model
    turned = replace(stream, channel_order='bgr')
    assert turned.colours(model) == Colours('bgr', (0.3, 0.2, 0.1), (0.6, 0.5, 0.4))
    assert replace(turned, std=(1, 2, 3)).colours(model).std == (1, 2, 3)


def test_only_the_streams_that_are_needed_are_run():
    trunk, calls = CONFIG.build(TASKS, COLOURS), []
    for name, stream in trunk.streams().items():
        stream.register_forward_hook(lambda *_, name=name: calls.append(name))
    trunk(torch.randn(2, 3, 64, 64), ['pose'], checkpoint=True)
    assert calls == ['people']
    trunk(torch.randn(2, 3, 64, 64), ['detection'])
    assert calls == ['people', 'objects']


@pytest.mark.parametrize('tasks, names', [
    (['detection', 'pose'], ['objects', 'people']), (['pose'], ['people']),
    (['detection', 'segmentation'], ['objects'])])
def test_no_stream_is_without_a_task(trunk, tasks, names):
    part = CONFIG.of_tasks(tasks).build(tasks, COLOURS)
    assert list(part.streams()) == names
    assert part.backbones() == [stream.backbone for stream in part.values()]
    state = trunk.state_dict()
    assert {key for key in state if trunk.needs(key, tasks)} == part.state_dict().keys()


def test_the_stream_of_a_single_task_is_its_own(trunk):
    owners = {(name.partition('.')[0], trunk.owner_of(name))
              for name, _ in trunk.named_parameters()}
    assert owners == {('objects', 'trunk'), ('people', 'pose')}


@pytest.mark.parametrize('own, streams', [
    (('pose',), {'shared': ('detection', 'segmentation'), 'pose': ('pose',)}),
    (TASKS, {name: (name,) for name in TASKS}), ((), {'shared': TASKS})])
def test_trunks_of_one_architecture_are_streams(own, streams):
    values = {'kind': 'separate', **to_dict(SHARED), **to_dict(replace(OWN, own=own))}
    config = build_trunk_config(values, TASKS)
    assert config == build_trunk_config(replace(OWN, own=own), TASKS)
    assert {name: stream.tasks for name, stream in config.streams.items()} == streams
    trunk = config.build(TASKS, COLOURS.ordered('bgr'))
    assert {stream.config for stream in trunk.streams().values()} == {SHARED}
    assert build_trunk_config(to_dict(config), TASKS) == config


def test_each_starts_from_its_like():
    mine, theirs = (OWN.separate(['detection', 'pose']).build(['detection', 'pose'], COLOURS)
                    for _ in range(2))
    assert mine.start_from(theirs, ['pose']) == {'pose': 'pose'}
    same = [name for name, value in mine.state_dict().items()
            if torch.equal(value, theirs.state_dict()[name]) and name.endswith('conv.weight')]
    assert {name.partition('.')[0] for name in same} <= {'pose'}
    assert mine.start_from(SharedTrunk(SHARED), ['shared', 'pose']) == {
        'shared': 'shared', 'pose': 'shared'}
    only = OWN.separate(['pose']).build(['pose'], COLOURS)
    assert SharedTrunk(SHARED).start_from(only, ['shared']) == {'shared': 'pose'}


def test_it_starts_from_the_stream_that_fits(trunk):
    alone = SharedTrunk(STREAMS['people'].trunk(), PEOPLE)
    assert alone.start_from(trunk, ['shared']) == {'shared': 'people'}
    assert trunk.start_from(alone, ['people']) == {'people': 'shared'}
    with pytest.raises(ValueError, match='^another architecture: .*concatenation.*, not .*top_d'):
        trunk.start_from(alone, ['people', 'objects'])
    for change, words in (({'channel_order': 'rgb'}, 'channel_order: rgb, not bgr'),
                          ({'std': (1.0, 1.0, 1.0)}, r'std: \(1.0, 1.0, 1.0\), not \(0.5')):
        with pytest.raises(ValueError, match=f'^another {words}'):
            trunk.start_from(SharedTrunk(alone.config, replace(PEOPLE, **change)), ['people'])


def test_one_stream_may_have_scales_beside_one_with_a_neck():
    """It is as a trunk of kind skip, with the weights of one, for colours of its own."""
    skip = SkipTrunkConfig('shufflenet_v2_x0_5', (1, 2), 16)
    streams = {'objects': {'tasks': ['detection', 'pose'], 'backbone': skip.backbone},
               'areas': {'tasks': ['segmentation'], 'backbone': skip.backbone, 'scales': [1, 2],
                         'output_stride': 16, 'std': [0.2, 0.3, 0.4]}}
    config = build_trunk_config({'kind': 'separate', 'streams': streams}, TASKS)
    assert build_trunk_config(to_dict(config), TASKS) == config
    trunk = config.build(TASKS, COLOURS).eval()
    own = skip.build(['segmentation'], config.streams['areas'].colours(COLOURS)).eval()
    assert trunk.start_from(own, ['areas']) == {'areas': 'shared'}
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        found = trunk(images, TASKS)
        expected = own(trunk['areas'].prepare(images), ['segmentation'])
    assert list(found['pose']) == ['features']
    torch.testing.assert_close(found['segmentation'], expected['segmentation'])
    assert trunk.shapes('segmentation') == own.shapes('segmentation')
    with pytest.raises(ValueError, match='another architecture'):
        trunk.start_from(own, ['objects'])


def test_a_stream_may_see_a_smaller_image(trunk):
    """Its features are those of the reduced image, and know how large their cells are."""
    streams = {**STREAMS, 'people': replace(STREAMS['people'], stride=8)}
    reduced = SeparateTrunksConfig(streams).build(TASKS, COLOURS).eval()
    reduced.load_state_dict(trunk.state_dict())
    assert reduced.shapes('pose') == {'features': MapShape(8, 8)}
    assert reduced.shapes('detection') == trunk.shapes('detection')
    images = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        expected = trunk(functional.avg_pool2d(images, 2), ['pose'])['pose']['features']
        found = reduced(images, ['pose'])['pose']['features']
        assert found.shape == (1, 8, 8, 16)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match='images of 96x128: not multiples of 64'):
            reduced(torch.zeros(1, 3, 96, 128), ['pose'])
    # Weights are for any stride; what exchanges needs the same.
    assert reduced.start_from(trunk, ['people']) == {'people': 'people'}
    with pytest.raises(ValueError, match='streams of stride 4, not of people'):
        CrossConnectedConfig(streams)


STREAM = {'tasks': ['detection', 'pose']}


@pytest.mark.parametrize('streams, words', [
    ({}, 'trunk.streams: none given'),
    ({'a': {'tasks': []}}, 'trunk.streams.a.tasks: none given'),
    ({'a': STREAM, 'b': {'tasks': ['pose']}}, 'trunk.streams: pose is in a and in b'),
    ({'a': STREAM}, 'trunk.streams: segmentation in none of a'),
    ({'a': {'tasks': [*TASKS, 'depth']}},
     r'trunk.streams.a.tasks: unknown depth \(known: detection, pose, segmentation\)'),
    ({'a': {**STREAM, 'neckk': 'x'}}, "trunk.streams.a.neckk: unknown key; did you mean 'neck'"),
    ({'a': {'neck': 'top_down'}}, 'trunk.streams.a.tasks: missing'),
    ({'a': {**STREAM, 'backbone': 'vgg'}}, "trunk.streams.a.backbone: 'vgg' is not one of dla34"),
    ({'a': {**STREAM, 'mean': [1, 2]}}, 'trunk.streams.a.mean: expected 3 values'),
    ({'a': {**STREAM, 'std': [1, 0, 1]}}, r'trunk.streams.a.std: \(1.0, 0.0, 1.0\) are not all'),
    ({'a': {**STREAM, 'channel_order': 'gbr'}}, "trunk.streams.a.channel_order: 'gbr' is not one"),
    ({'a': {**STREAM, 'scales': [2]}}, r'trunk.streams.a.scales: \(2,\) do not rise'),
    ({'a': {**STREAM, 'stride': 3}}, 'trunk.streams.a.stride: 3 is not in 4..8'),
    ({'a': {**STREAM, 'stride': 8, 'scales': [1, 2]}},
     'trunk.streams.a.stride: 8, but a stream with scales has 4'),
    ({'a': {**STREAM, 'output_stride': 16}}, 'trunk.streams.a.output_stride: only with scales'),
    ({'a.b': STREAM}, "trunk.streams: 'a.b' cannot be the name of a stream"),
    ({'keys': STREAM}, "trunk.streams: 'keys' cannot be")])
def test_bad_streams(streams, words):
    with pytest.raises(ValueError, match=f'^{words}'):
        build_trunk_config({'kind': 'separate', 'streams': streams}, TASKS).build(TASKS, COLOURS)
