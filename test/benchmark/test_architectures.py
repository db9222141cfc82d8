# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which networks are compared, and that their weights are fit for it."""

import pytest
import torch
import yaml

from mcn_ros.benchmark import architectures
from mcn_ros.benchmark.architectures import (
    build_network, network_config, NETWORKS, noise)
from mcn_ros.config import to_dict
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import save_model

NAMES = 'detection', 'pose', 'segmentation'
HEAD = {'width': 8}
TINY = ModelConfig(
    {'detection': {'classes': ['person'], 'head': HEAD}, 'pose': {'head': HEAD},
     'segmentation': {'classes': ['person'], 'head': HEAD}},
    TrunkConfig('shufflenet_v2_x0_5', 'aggregation', 8, True), (64, 96))


@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_has_all_tasks_of_80_classes(name):
    config = network_config(name)
    assert set(config.tasks) == set(NAMES) and config.input_size == (512, 512)
    assert len(config.tasks['detection']['classes']) == 80
    for task in NAMES:
        with torch.device('meta'):
            assert list(MultiTaskNet(config.of_tasks([task])).heads) == [task]


def test_networks_come_from_weights_and_training_configurations(tmp_path):
    save_model(MultiTaskNet(TINY), tmp_path / 'tiny.safetensors')
    (tmp_path / 'tiny.yaml').write_text(yaml.safe_dump({'model': to_dict(TINY), 'run': 'x'}))
    from_weights = network_config(str(tmp_path / 'tiny.safetensors'))
    assert from_weights == network_config(str(tmp_path / 'tiny.yaml'))
    assert from_weights.trunk == TINY.trunk


def test_full_resolution_is_a_choice():
    assert not network_config('dla34').tasks['segmentation']['full_resolution']
    assert network_config('dla34', full_resolution=True).tasks['segmentation']['full_resolution']


@pytest.mark.parametrize('name', ['vgg', 'no/such.yaml', 'no/such.safetensors'])
def test_unknown_networks_are_refused(name):
    with pytest.raises(ValueError, match='neither one of default, shufflenet'):
        network_config(name)


def test_a_file_without_a_network_is_refused(tmp_path):
    (tmp_path / 'some.yaml').write_text('- 1')
    with pytest.raises(ValueError, match='no training configuration'):
        network_config(str(tmp_path / 'some.yaml'))


def test_random_weights_do_not_fade():
    model = build_network(TINY)
    images = torch.from_numpy(noise(2, TINY.input_size)).permute(0, 3, 1, 2)
    with torch.no_grad():
        features = model.features(images, list(model.tasks))['pose']['features']
        plain = MultiTaskNet(TINY).eval().features(images, ['pose'])['pose']['features']
    assert 0.05 < features.std() < 20 and features.std() > 3 * plain.std()
    assert not model.training


def test_deformable_taps_move():
    model = build_network(TINY)
    layers = [module for module in model.modules() if isinstance(module, DeformableConv)]
    assert layers and all(layer.sampling.weight.std() > 0 for layer in layers)


def test_the_same_network_is_built_each_time_and_chance_goes_on():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = build_network(TINY)
    assert torch.equal(torch.rand(3), expected)
    second = build_network(TINY)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(),
                                                 second.state_dict().values()))
    momenta = {module.momentum for module in first.modules()
               if isinstance(module, torch.nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_titles_are_names_of_files():
    assert architectures.title('config/train/light.yaml') == 'light'
    assert architectures.title('dla34') == 'dla34'
