# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Small networks, and images of their size."""

import numpy as np
import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.inference_graph import InferenceGraph

SIZE = (64, 96)
# Structures of all forms; more kinds would have the same.
NAMES = 'detection', 'pose', 'window_pose', 'segmentation'


@pytest.fixture(scope='session')
def make_network():
    """
    Return a function that makes a network with the statistics of noise, as if it were trained.

    ``contrast`` makes its maps differ more from place to place.
    """
    def make(trunk=TrunkConfig('shufflenet_v2_x0_5', channels=8), contrast=1, **settings):
        torch.manual_seed(0)
        tasks = {name: {'head': {'width': 8}} for name in NAMES}
        tasks['detection'] |= {'classes': ['a', 'person'], 'max_overlap': 0.6,
                               'merge_with': 'pose'}
        tasks['window_pose'] |= {'boxes_from': 'detection'}
        tasks['segmentation'] |= {'classes': ['c']}
        model = MultiTaskNet(ModelConfig(tasks, trunk, SIZE, **settings))
        with torch.no_grad():
            model.train()(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
            for head in model.heads.values():
                for layers in head.maps.values():
                    layers[-1].weight *= contrast
        return model.eval()
    return make


@pytest.fixture(scope='session')
def images():
    """Return (3, 64, 96, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


@pytest.fixture
def network(make_network):
    return make_network()


@pytest.fixture
def run():
    """Return a function: a graph's own outputs for images, as arrays."""
    def run_graph(graph, images):
        with torch.no_grad():
            return [tensor.numpy() for tensor in graph(torch.from_numpy(images))]
    return run_graph


@pytest.fixture
def graph(network):
    return InferenceGraph(network)
