# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The networks that are compared, each as one for all tasks and as one per task.

Weights are random: they make no difference to the time. But the statistics of normalisation layers
are those of an image, as in a trained network: without them, numbers would fade away from layer to
layer, and processors are slow with the smallest ones.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mcn_ros.config import from_dict
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.blocks import DeformableConv
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.weights import weights_path
from mcn_ros.share import share_folders
from mcn_ros.weights_file import read_config

DEFAULT = 'default'  # the network of the default weights

# The paper's networks on CenterNet's trunks: 80 classes, heads of width 64, labels at stride 4
# (its speed setting); and one without deformable convolutions.
PAPER_TRUNKS = {
    'resnet18': TrunkConfig('resnet18', 'deconv', 64, True),
    'resnet18_plain': TrunkConfig('resnet18', 'deconv', 64, False),
    'dla34': TrunkConfig('dla34', 'aggregation', 64, True),
}
# Training configurations that come with the package, below config/train.
SHIPPED = ('shufflenet',)
NETWORKS = (DEFAULT, *SHIPPED, *PAPER_TRUNKS)
COMPARED = (DEFAULT, *SHIPPED, 'resnet18', 'dla34')
PAPER_TASKS = {'detection': {}, 'pose': {}, 'segmentation': {}}

# Least side of the images whose statistics are taken over, and how far deformable taps are moved
# about.
CALIBRATION_SIDE, OFFSET_SPREAD = 128, 0.02


def network_config(name: str, full_resolution: bool = False) -> ModelConfig:
    """
    Resolve the name of a network.

    :param name: one of NETWORKS, a weights file, or a training configuration (YAML).
    :param full_resolution: let tasks that can do so give labels at input size.
    :raises ValueError: for a name that is none of these.
    """
    if name in PAPER_TRUNKS:
        config = ModelConfig(PAPER_TASKS, PAPER_TRUNKS[name])
    elif name == DEFAULT:
        config = read_config(weights_path())
    elif name in SHIPPED:
        config = _read(next(path for folder in share_folders('config/train') if (
            path := folder / f'{name}.yaml').is_file()))
    elif Path(name).suffix in ('.yaml', '.yml') and Path(name).is_file():
        config = _read(Path(name))
    elif Path(name).is_file():
        config = read_config(name)
    else:
        raise ValueError(f'networks: {name!r} is neither one of {", ".join(NETWORKS)} nor a file '
                         'of weights or a training configuration')
    # Every field is written out, so that tasks can be told from each other.
    with torch.device('meta'):
        config = MultiTaskNet(config).config
    if full_resolution:
        config = replace(config, tasks={
            task: {**fields, 'full_resolution': True} if 'full_resolution' in fields else fields
            for task, fields in config.tasks.items()})
    return config


def _read(path: Path) -> ModelConfig:
    """Return the network of a training configuration."""
    # Machines that measure networks only need not have it.
    values = import_module('yaml').safe_load(path.read_text())
    if not isinstance(values, dict) or 'model' not in values:
        raise ValueError(f'{path}: no training configuration, it has no model')
    return from_dict(ModelConfig, values['model'], f'{path}: model')


def title(name: str) -> str:
    """Return how a network is called in tables."""
    return Path(name).stem


def build_network(config: ModelConfig) -> MultiTaskNet:
    """Return a network of random weights, the same for the same configuration."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        model = MultiTaskNet(config)
        for module in model.modules():
            if isinstance(module, DeformableConv):
                nn.init.normal_(module.sampling.weight, std=OFFSET_SPREAD)
        _calibrate(model)
    finally:
        torch.set_rng_state(state)
    return model.eval()


@torch.no_grad()
def _calibrate(model: MultiTaskNet) -> None:
    """Let every normalisation layer take over what it sees of images of noise."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    # A copy would not change: the layers themselves are to.
    factor = -(-CALIBRATION_SIDE // min(model.config.input_size))
    sides = [factor * side for side in model.config.input_size]
    model.train()(torch.randint(0, 256, (2, 3, *sides), dtype=torch.uint8))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum


class Noise:
    """
    Images to calibrate a network of random weights with: any will do.

    :param size: (height, width).
    """

    digest = 'noise'

    def __init__(self, size: Size):
        self.size = size

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (height, width, 3) uint8."""
        return iter(noise(2, self.size))


def noise(batch: int, size: Size) -> np.ndarray:
    """Return images of (height, width), (B, H, W, 3) uint8: what is in them takes no time."""
    return np.random.default_rng(0).integers(0, 256, (batch, *size, 3), np.uint8)
