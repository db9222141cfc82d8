# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The settings of a training without labels."""

import pytest

from mcn_ros.config import from_dict, to_dict
from mcn_ros.mae.config import PretrainConfig
from mcn_ros.mae.convolutional import SimMim, Spark
from mcn_ros.mae.model import MaskedAutoencoder

BASE = {'images': ['x'], 'run': 'y'}
CONVOLUTIONAL = {'backbone': 'shufflenet_v2_x0_5', 'width': 16}


@pytest.mark.parametrize('values, kind', [
    ({}, MaskedAutoencoder), ({'model': {'backbone': 'vit_toy_p8'}}, MaskedAutoencoder),
    ({'method': 'spark', 'model': CONVOLUTIONAL}, Spark),
    ({'method': 'simmim', 'model': {'backbone': 'shufflenet_v2_x0_5'}}, SimMim)])
def test_the_method_says_what_is_built(values, kind):
    config = from_dict(PretrainConfig, {**BASE, **values})
    assert from_dict(PretrainConfig, to_dict(config)) == config
    assert type(config.build()) is kind


@pytest.mark.parametrize('changes, words', [
    ({'batch': 0}, 'batch: 0'), ({'warmup_steps': -1}, 'warmup_steps: -1'),
    ({'least_crop': 0.0}, 'least_crop'), ({'images': ()}, 'images: no folder'),
    ({'method': 'spark'}, "'vit_tiny_p16' is not one of dla34, .* method spark is for"),
    ({'model': CONVOLUTIONAL}, "x0_5' is not one of vit_toy_p8, .* method mae is for"),
    ({'method': 'simmim', 'model': {'backbone': 'resnet'}}, 'not one of dla34'),
    ({'method': 'spark', 'model': CONVOLUTIONAL, 'batch': 1}, 'batch norms need 2 images'),
    ({'method': 'dino'}, "'dino' is not one of mae, spark, simmim")])
def test_settings_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        from_dict(PretrainConfig, {**BASE, **changes})
