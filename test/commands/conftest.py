# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What tests of processes need: a network that sees something, and patience."""

from pathlib import Path
import time

import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.weights_file import save_model


@pytest.fixture
def is_alive():
    """Return a function: whether a process runs; one that has ended but was not waited for, no."""
    def check(pid):
        try:
            stat = Path(f'/proc/{pid}/stat').read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(')')[2].split()[0] != 'Z'
    return check


@pytest.fixture
def wait_for():
    """Return a function that waits until a condition holds."""
    def wait(condition, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert condition()
    return wait


@pytest.fixture(scope='session')
def seeing_weights(tmp_path_factory):
    """Write weights of a random network that sees something in every picture."""
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    tasks = {'detection': {'classes': ['person', 'dog']}, 'pose': {},
             'segmentation': {'classes': ['person']}}
    torch.manual_seed(0)
    model = MultiTaskNet(ModelConfig(tasks, input_size=(128, 160)))
    for name, parameter in model.heads.named_parameters():
        if 'heatmap' in name and name.endswith('bias'):
            parameter.data += 8.0
    save_model(model, path)
    return path
