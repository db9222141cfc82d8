# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Layers of compiled networks: all of them, each in its part."""

import pytest
import torch

from mcn_ros.benchmark import layers
from mcn_ros.runtime.openvino_backend import openvino_obstacle

CPU = torch.device('cpu')
PARTS = {'normalisation', 'trunk.backbone', 'trunk.neck', 'heads.detection', 'heads.pose',
         'heads.segmentation', 'decoding'}


@pytest.fixture(scope='module')
def found(tiny):
    if why := openvino_obstacle(CPU, torch.float32):
        pytest.skip(f'OpenVINO: {why}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, 'WARM_UP_PASSES', 1)
        patch.setattr(layers, 'PASSES', 2)
        return layers.measure('some/tiny.safetensors', tiny, torch.float32)


def test_layers_are_in_their_parts_the_most_costly_first(found):
    assert (found['network'], found['precision']) == ('tiny', 'float32')
    parts = {layer['part'] for layer in found['layers']}
    # The first convolution may take the normalisation over.
    assert PARTS - {'normalisation'} <= parts <= PARTS
    times = [layer['ms'] for layer in found['layers']]
    assert times == sorted(times, reverse=True) and times[0] > 0 <= times[-1]
    convolutions = {layer['part'] for layer in found['layers'] if layer['kind'] == 'Convolution'}
    assert convolutions >= {'trunk.backbone', 'heads.pose'} and 'decoding' not in convolutions
    assert 'decoding' in {layer['part'] for layer in found['layers'] if layer['kind'] == 'TopK'}


def test_tables(found):
    shares = [line.split('|')[4:6] for line in layers.part_table([found]).splitlines()[2:]]
    assert sum(float(ms) for ms, _ in shares) == pytest.approx(
        sum(layer['ms'] for layer in found['layers']), abs=0.05)
    table = layers.layer_table(found).splitlines()
    assert len(table) == 2 + layers.MOST and '| ms |' in table[0]


def test_a_precision_that_cannot_be_had(tiny):
    with pytest.raises(ValueError, match='^layers: openvino cannot be used: '):
        layers.measure('tiny', tiny, torch.float16)
