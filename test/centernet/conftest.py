# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Random checkpoints of CenterNet."""

import pytest
import torch

from mcn_ros.centernet import centernet_state
from mcn_ros.centernet.names import ARCHITECTURES
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.vocabulary import COCO_CLASSES

FIELDS = {'detection': {'classes': COCO_CLASSES}, 'pose': {}}
SMALL = 'resdcn_18'


def network(architecture=SMALL, task='detection', width=8, seed=0, calibrated=False, **fields):
    """Return a network whose parameters and statistics all have values of their own."""
    torch.manual_seed(seed)
    fields = {**FIELDS[task], 'head': {'width': width}, **fields}
    model = MultiTaskNet(ModelConfig({task: fields}, ARCHITECTURES[architecture].trunk))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, DeformableConv):
                module.sampling.weight.normal_(std=0.003)
                module.sampling.bias.normal_()
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.2)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 1.5)
                module.momentum = 0.9
        if calibrated:  # or numbers would fade away from layer to layer
            model.train()(torch.randint(0, 256, (2, 3, 64, 64)).float())
    return model.eval()


@pytest.fixture(scope='session')
def random_state():
    """Return a function: a state dict as CenterNet saves it, with what no network needs."""
    def make(*args, **kwargs):
        model = network(*args, **kwargs)
        task, = model.tasks
        state = centernet_state(model, task)
        if any(name.startswith('base.') for name in state):
            state |= {'base.fc.weight': torch.randn(10, 512, 1, 1),
                      'base.fc.bias': torch.randn(10),
                      'base.level3.project.0.weight': torch.randn(128, 64, 1, 1),
                      'base.level4.project.1.num_batches_tracked': torch.tensor(3)}
        return state
    return make


@pytest.fixture(scope='session')
def save():
    """Return a function that writes a checkpoint, and returns its path."""
    def write(path, state, prefix='', **others):
        state = {f'{prefix}{name}': value for name, value in state.items()}
        torch.save({'epoch': 140, 'state_dict': state, **others}, path)
        return path
    return write


@pytest.fixture(scope='module')
def state(random_state):
    return random_state()


@pytest.fixture(scope='module')
def pose_state(random_state):
    return random_state(task='pose', seed=1)
