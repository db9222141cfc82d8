# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What a CUDA graph can record, told without a GPU.

A recording refuses whatever waits for the GPU or copies between it and the host; and what is
launched on another stream is not in it. So the graphs of all networks are run here on a GPU that
has shapes and types only, under a watch that refuses these things.
"""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
import yaml

from mcn_ros.config import from_dict
from mcn_ros.gpu.watch import GraphWatch
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network import deformable
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.necks import NECKS
from mcn_ros.network.trunks import SeparateTrunksConfig, StreamConfig, TrunkConfig
from mcn_ros.runtime.backends import PRECISIONS
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.packing import pack
from mcn_ros.tasks import KINDS
from mcn_ros.tasks.labels_in_boxes import labels_in_boxes
from mcn_ros.tasks.task import Objects

CONFIGS = Path(__file__).resolve().parents[2] / 'config' / 'train'
DTYPES = sorted(set(PRECISIONS.values()) - {torch.int8}, key=str)
SIZE = (128, 192)


def record(graph):
    """Run a graph, whose weights are on the device 'meta', on a GPU that computes nothing."""
    with FakeTensorMode(), torch.no_grad():
        state = {name: torch.empty(tensor.shape, dtype=tensor.dtype, device='cuda')
                 for name, tensor in (*graph.named_parameters(), *graph.named_buffers())}
        images = torch.empty((1, *graph.size, 3), dtype=torch.uint8, device='cuda')
        with GraphWatch():
            pack(functional_call(graph, state, images))


@pytest.fixture(autouse=True)
def side_stream(monkeypatch):
    """Be in the stream of a recording."""
    monkeypatch.setattr(deformable, 'on_default_stream', lambda device: device.type != 'cuda')


def check(config, flip=False, dtype=None):
    """Record a network, in a precision or as it is; no weights are computed or held."""
    with torch.device('meta'):
        model = MultiTaskNet(config)
    graph = InferenceGraph(MirrorAveraged(model) if flip else model)
    record(lowered(graph, dtype) if dtype else graph)


# Those whose trunks and tasks differ in more than numbers.
@pytest.mark.parametrize('name', ['coco_seg_det', *(
    pytest.param(name, marks=pytest.mark.long)
    for name in ('default', 'light', 'person', 'nanodet_plus', 'coco_person_seg_det_pose'))])
def test_shipped_networks_can_be_recorded(name):
    values = yaml.safe_load((CONFIGS / f'{name}.yaml').read_text())['model']
    check(from_dict(ModelConfig, values), True, torch.float16)


def every_task(kinds=KINDS):
    """Return tasks of all kinds, each with what is its own switched on."""
    tasks = {kind: {'width': 8} if kind == 'distance_detection' else {'head': {'width': 8}}
             for kind in kinds}
    own = {'detection': {'max_overlap': 0.6, 'relative': True, 'merge_with': 'pose'},
           'distance_detection': {'merge_with': 'pose'},
           'pose': {'belief': True, 'relative': True},
           'window_pose': {'boxes_from': 'detection'},
           'segmentation': {'boxes_from': 'detection', 'classes': ['cat', 'person', 'dog', 'car']}}
    for kind, fields in own.items():
        if kind in tasks:
            tasks[kind] |= fields
    return tasks


@pytest.mark.parametrize('flip, dtype', [(True, torch.float16), *(
    pytest.param(flip, dtype, marks=pytest.mark.long)
    for flip, dtype in product((False, True), DTYPES) if (flip, dtype) != (True, torch.float16))])
def test_tasks_of_every_kind_can_be_recorded(flip, dtype):
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'ghost_pan', 8)
    check(ModelConfig(every_task(), trunk, SIZE), flip, dtype)


def test_streams_with_colours_of_their_own_can_be_recorded():
    tasks = every_task(('detection', 'segmentation'))
    check(ModelConfig(tasks, SeparateTrunksConfig({
        'detection': StreamConfig(('detection',), 'shufflenet_v2_x0_5', 'deconv', 8, True,
                                  channel_order='bgr', mean=(0.4, 0.5, 0.6)),
        'segmentation': StreamConfig(('segmentation',), 'shufflenet_v2_x0_5', channels=8)}), SIZE),
        dtype=torch.bfloat16)


def trunks():
    """Return every backbone with one neck, and every neck with one backbone."""
    light = 'shufflenet_v2_x1_0_leaky'
    deep = {'resnet18', 'dla34', *(name for name in BACKBONES if name.startswith('vit'))}
    pairs = {(name, 'deconv' if name in deep else 'top_down') for name in BACKBONES}
    pairs |= {(light, name) for name in NECKS}
    return sorted(pairs)


@pytest.mark.long
@pytest.mark.parametrize('backbone, neck', trunks())
def test_all_parts_of_trunks_can_be_recorded(backbone, neck):
    has_deformable = neck in ('deconv', 'aggregation', 'concatenation')
    channels = 96 if neck == 'nanodet_joint' else 16
    tasks = every_task(('detection',))
    if neck == 'nanodet':
        tasks['detection'] = {'reads': 'readings', 'relative': True}
    check(ModelConfig(tasks, TrunkConfig(backbone, neck, channels, has_deformable), SIZE))


def test_unknown_names_of_boxes_can_be_recorded():
    """Their places among the classes are numbers that do not follow each other."""
    with FakeTensorMode(), torch.no_grad(), GraphWatch():
        numbers = torch.zeros((1, 5), device='cuda')
        objects = Objects(numbers[..., None].expand(1, 5, 4), numbers, numbers.long(),
                          ('b', 'x', 'a', 'y'))
        labels_in_boxes(torch.zeros((1, 3, 8, 8), device='cuda'), objects, ('a', 'b'), 4)
