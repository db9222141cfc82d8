# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The fuzz test itself: against a node that is right, and against nodes that are not."""

import json

import numpy as np
import pytest

from mcn_ros.structures import ClassMap, Instances
from mcn_ros.trials import fuzzer as fuzzer_module
from mcn_ros.trials.fuzzed_node import FuzzedNode
from mcn_ros.trials.fuzzer import Fuzzer, same


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_the_node_passes(fuzz, transport, capsys):
    summary = fuzz(60, own={'transport': transport}, image_transport=transport)
    assert summary['num_wrong'] == 0, summary['wrong']
    fates = [fate for found in summary['fates'].values() for fate in found]
    assert {'answered', 'refused', 'unseen'} == set(fates)
    assert sum(sum(found.values()) for found in summary['fates'].values()) == 60
    assert 0 < summary['memory']['settled'] <= summary['memory']['peak']
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == '{']
    assert told[-1] == {'sent': 60}


def test_a_wrong_answer_is_found(fuzz, world):
    good = []

    def corrupted(image):
        good.extend([1] * (image.shape[:2] == fuzzer_module.SIZE))
        found = type(world.predictor).predict(world.predictor, image)
        found['detection'].boxes[:] += 5.0 * (len(good) > 8)
        return found

    load = world.load
    world.monkeypatch.setattr(
        'mcn_ros.ros.node.mcn_node.load_predictor',
        lambda *a: (load(*a), setattr(world.predictor, 'predict', corrupted))[0])
    summary = fuzz()
    assert summary['num_wrong'] > 0 and 'detection of the good image' in summary['wrong'][0]


def test_a_message_that_is_swallowed_is_found(fuzz, world):
    world.monkeypatch.setattr(fuzzer_module, 'PATIENCE_S', 1.0)
    world.monkeypatch.setattr(Fuzzer._wait, '__defaults__', (1.0,))
    world.monkeypatch.setattr(FuzzedNode, 'on_dropped', lambda *_: None)
    with pytest.raises(TimeoutError, match='nothing came of'):
        fuzz()


def test_an_image_that_should_be_refused_is_found(fuzz, world):
    world.monkeypatch.setattr('mcn_ros.ros.node.camera.check_header', lambda header: None)
    summary = fuzz(count=40)
    assert any('was answered' in wrong for wrong in summary['wrong'])


def test_results_are_compared_by_what_they_say():
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    one = Instances(boxes, np.array([1]), np.array([0.5]))
    other = Instances(boxes, np.array([0]), np.array([0.5]))
    none = Instances(boxes[:0], np.zeros(0, int), np.zeros(0))
    assert same(one, one) and same(none, none)
    assert not same(one, other) and not same(none, one)
    area, sky = (ClassMap(np.full((2, 3), label, np.uint8)) for label in (0, 1))
    assert same(area, area) and not same(area, sky)
