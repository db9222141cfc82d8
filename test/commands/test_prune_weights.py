# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights of a narrower network, from the command line."""

import re

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.commands.prune_weights import main
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import load_model, save_model

TASKS = {'pose': {'kind': 'window_pose', 'head': {'layout': 'separable', 'width': 8}}}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'wide.safetensors'
    save_model(MultiTaskNet(ModelConfig(
        TASKS, TrunkConfig('mobilenet_v2_x1_5_same', 'movenet', 24), (64, 96))), path)
    return path


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{index}.png'), pixels)
    return folder


def test_a_narrower_network(weights, images, tmp_path, capsys):
    out = tmp_path / 'slim.safetensors'
    main([str(weights), str(out), '--backbone', 'mobilenet_v2_x1_5_slim', '--images', str(images),
          '--count', '3', '--size', '64', '64'])
    model = load_model(out)
    assert model.config.trunk.backbone == 'mobilenet_v2_x1_5_slim'
    assert model.config.input_size == (64, 96)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert capsys.readouterr().out.startswith(f'{out}: {count:,} parameters for ')


@pytest.mark.parametrize('changed, message', [
    ({'--backbone': 'resnet18'}, 'has not the blocks of resnet18'),
    ({'--images': 'nowhere'}, "--images: 'nowhere' does not exist"),
    ({'--size': ('50', '64')}, '--size: .*multiples of 32'),
    ({'--count': '0'}, '--count: 0 is not positive')])
def test_bad_input_is_one_clear_error(weights, images, tmp_path, capsys, changed, message):
    out = tmp_path / 'slim.safetensors'
    options = {'--backbone': 'mobilenet_v2_x1_5_slim', '--images': str(images), **changed}
    with pytest.raises(SystemExit) as stopped:
        main([str(weights), str(out), *(word for name, values in options.items() for word in (
            name, *([values] if isinstance(values, str) else values)))])
    assert stopped.value.code not in (0, None)
    text = capsys.readouterr().err + str(stopped.value.code)
    assert re.search(message, text)
    assert not out.exists()
