# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A trunk that the package has never heard of, with maps of three strides, goes all the way."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mcn_ros.config import from_dict
from mcn_ros.data.batch import collate
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks import TRUNKS
from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.onnx_file import check_parity, export
from mcn_ros.structures import ClassMap, Instances, Sample
from mcn_ros.tasks import TASKS
from mcn_ros.tasks.segmentation import SegmentationTask
from mcn_ros.trainer.objective import paper_weights
from mcn_ros.trainer.owners import set_train_mode
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.train import train
from mcn_ros.weights_file import load_model

SHAPES = {'features': MapShape(8, 4), 'middle': MapShape(6, 8), 'coarse': MapShape(4, 16)}
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)


class Pyramid(nn.Module):
    """A map of each of three stages; the coarse one is that of segmentation alone."""

    def __init__(self, width):
        super().__init__()
        self.backbone = BACKBONES['shufflenet_v2_x0_5']()
        self.layers = nn.ModuleDict()
        for name, shape in SHAPES.items():
            stage = self.backbone.strides.index(shape.stride)
            self.layers[name] = nn.Sequential(
                nn.Conv2d(self.backbone.channels[stage], width, 1), nn.BatchNorm2d(width),
                nn.ReLU(), nn.Conv2d(width, shape.channels, 1))

    def shapes(self, task):
        return {name: shape for name, shape in SHAPES.items()
                if task == 'segmentation' or name != 'coarse'}

    def forward(self, images, tasks, checkpoint=False):
        stages = dict(zip(self.backbone.strides, self.backbone(images, checkpoint)))
        maps = {name: layers(stages[SHAPES[name].stride]) for name, layers in self.layers.items()}
        return {task: {name: maps[name] for name in self.shapes(task)} for task in tasks}

    def backbones(self):
        return [self.backbone]

    def streams(self):
        return {'pyramid': self}

    def stream_of(self, task):
        return 'pyramid'

    def start_from(self, other, streams):
        self.load_state_dict(other.state_dict())
        return {name: name for name in streams}

    def owner_of(self, parameter):
        return 'segmentation' if parameter.startswith('layers.coarse.') else 'trunk'

    def needs(self, key, tasks):
        return True


@dataclass(frozen=True)
class PyramidConfig:
    """The configuration of the trunk."""

    width: int = 16
    kind: str = 'pyramid'

    def build(self, tasks, colours):
        return Pyramid(self.width)

    def of_tasks(self, tasks):
        return self


class LayeredHead(nn.Module):
    """Logits as the sum of what each map says."""

    def __init__(self, shapes, outputs):
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Conv2d(shape.channels, outputs, 1)
                                     for name, shape in shapes.items()})

    def forward(self, features):
        logits = [self.layers[name](values) for name, values in features.items()]
        return {'logits': sum(functional.interpolate(values, logits[0].shape[2:])
                              for values in logits)}


@dataclass(frozen=True)
class LayeredTask(SegmentationTask):
    """A class for every pixel, from all maps."""

    def build_head(self, shapes):
        assert shapes == SHAPES
        return LayeredHead(shapes, len(self.classes) + 1)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(TRUNKS, 'pyramid', PyramidConfig)
    monkeypatch.setitem(TASKS, 'layered', LayeredTask)


def model_config(config):
    tasks = {'detection': config.model.tasks['detection'],
             'segmentation': {'kind': 'layered', 'classes': ['person', 'car']}}
    return replace(config.model, tasks=tasks, trunk={'kind': 'pyramid', 'width': 8})


@pytest.mark.parametrize('changes', [
    {'balance': 'gradient_norm', 'checkpoint_stages': True},
    {'effective_batches': {'trunk': 4, 'detection': 2, 'segmentation': 2}}], ids=['plain', 'own'])
def test_it_is_trained_saved_exported_and_used(config, monitors, changes):
    config = replace(config, model=model_config(config), initial_weights=None, **changes)
    train(config)
    path = f'{config.run}/weights.safetensors'
    model = load_model(path)
    assert model.config.trunk == PyramidConfig(8)
    assert model.config.tasks['segmentation']['kind'] == 'layered'
    torch.manual_seed(config.seed)
    start = MultiTaskNet(config.model)
    # No map is of the last stage.
    assert {name.rpartition('stages.3.')[0] for name, value in model.named_parameters()
            if torch.equal(value, start.get_parameter(name))} == {'trunk.backbone.'}
    assert list(load_model(path, ['detection']).heads) == ['detection']

    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    found = load_predictor(path, None, RuntimeConfig('cpu', 'torch'))(image)
    assert found['segmentation'].labels.shape == (50, 70)
    again = replace(config, run=config.run + '-2', steps=1, initial_weights={'pyramid': path})
    train(again)
    if 'balance' in changes:
        return
    graph = InferenceGraph(model)
    assert check_parity(export(graph), graph)
    inputs = torch.zeros((1, *graph.size, 3), dtype=torch.uint8)
    low = lowered(graph, torch.bfloat16)(inputs)
    assert all(value.isfinite().all() for value in low)


def sample(labelled, seed):
    rng = np.random.default_rng(seed)
    annotations = {'detection': Instances(np.array([[4, 8, 40, 60]], np.float32), np.zeros(1, int),
                                          np.ones(1, np.float32)),
                   'segmentation': ClassMap(rng.integers(0, 3, (64, 64)).astype(np.uint8))}
    return Sample(rng.integers(0, 256, (64, 64, 3), np.uint8),
                  {name: annotations[name] for name in labelled})


@pytest.mark.parametrize('labels', [
    [('detection', 'segmentation')] * 2, [('segmentation',), ('detection',)],
    [('detection',)] * 2])
def test_rows_and_gradients_are_of_every_map(config, labels):
    torch.manual_seed(0)
    model = MultiTaskNet(model_config(config)).double()
    set_train_mode(model, ('trunk',))
    batch = collate([sample(names, seed) for seed, names in enumerate(labels)], model.tasks)
    weights, found = paper_weights(model.tasks), []
    total = sum(weights[f'{task}/{name}'] * value
                for task, maps in model(batch.images, batch.rows).items()
                for name, value in model.tasks[task].loss(maps, batch.targets[task]).items())
    total.backward()
    found.append({name: value.grad for name, value in model.named_parameters()})
    for joint in (True, False):
        model.zero_grad()
        backward(model, batch, weights, scaler=NO_SCALING, joint=joint)
        found.append({name: value.grad for name, value in model.named_parameters()})
    for gradients in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(gradients[name], value, rtol=1e-7, atol=1e-9)
    coarse = found[0]['trunk.layers.coarse.0.weight']
    assert (coarse is not None) == any('segmentation' in names for names in labels)


def test_a_head_without_its_map_is_refused(config):
    tasks = {'detection': {**config.model.tasks['detection'], 'reads': 'readings'}}
    described = from_dict(ModelConfig, {'tasks': tasks, 'trunk': {'kind': 'pyramid'}})
    with pytest.raises(ValueError, match="^detection: no features 'readings' .*features, middle"):
        MultiTaskNet(described)
