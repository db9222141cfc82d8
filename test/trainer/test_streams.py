# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two-step training: networks of one task each become the streams of one that exchange."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mcn_ros.config import to_dict
from mcn_ros.data.batch import collate
from mcn_ros.data.coco import CocoDataset
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.lowered import lowered
from mcn_ros.runtime.onnx_file import check_parity, export
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.objective import LossWeights, paper_weights
from mcn_ros.trainer.owners import Owners, set_train_mode
from mcn_ros.trainer.step import backward
from mcn_ros.trainer.train import train
from mcn_ros.trainer.transfer import start_from_weights
from mcn_ros.weights_file import load_model, save_model

PART = {'backbone': 'shufflenet_v2_x0_5', 'channels': 8}
TASKS = {'detection': {'classes': ('person', 'car'), 'head': {'width': 8}},
         'segmentation': {'classes': ('person', 'car'), 'head': {'width': 8}}}
STREAMS = {name: {**PART, 'tasks': [name]} for name in TASKS}
KINDS = {
    'branched': {'streams': STREAMS, 'shared_stages': 2},
    'cross_stitch': {'streams': STREAMS},
    'cross_connected': {'streams': STREAMS, 'start': 'gate', 'bottleneck': True}}
NO_SCALING = torch.amp.GradScaler('cpu', enabled=False)


def network(kind, **options):
    trunk = {'kind': kind, **KINDS.get(kind, PART), **options}
    return ModelConfig(TASKS, trunk, (64, 64))


@pytest.fixture(scope='module')
def singles(tmp_path_factory):
    """Return task -> network of it alone, and its file."""
    found = {}
    for seed, task in enumerate(TASKS):
        torch.manual_seed(seed)
        model = MultiTaskNet(network('shared').of_tasks([task]))
        with torch.no_grad():
            model.train()(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
        path = tmp_path_factory.mktemp('singles') / f'{task}.safetensors'
        save_model(model, path)
        found[task] = model.eval(), str(path)
    return found


@pytest.mark.parametrize('start', ['gate', 'linear'])
def test_it_begins_as_the_networks_of_one_task(singles, start):
    model = MultiTaskNet(network('cross_connected', start=start)).eval()
    told = start_from_weights(model, {task: path for task, (_, path) in singles.items()})
    assert [line.partition(':')[0] for line in told] == [
        'trunk (detection)', 'trunk (segmentation)', 'detection', 'segmentation']
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        found = model(images)
        for task, (single, _) in singles.items():
            for name, values in single(images)[task].items():
                assert torch.equal(found[task][name], values), (task, name)


def test_a_stream_may_be_there_to_be_listened_to_only(config, singles, monitors):
    """One data set, and streams of two: whether it is more parameters that help."""
    streams = {**STREAMS, 'segmentation': {**PART, 'tasks': []}}
    model = ModelConfig({'detection': TASKS['detection']},
                        {**to_dict(network('cross_connected').trunk), 'streams': streams},
                        (64, 64))
    files = {task: path for task, (_, path) in singles.items()}
    train(replace(config, model=model, steps=1, initial_weights=files))
    loaded = load_model(f'{config.run}/weights.safetensors')
    assert list(loaded.tasks) == ['detection']
    assert list(loaded.trunk.streams()) == list(STREAMS)


@pytest.mark.parametrize('kind', KINDS)
def test_it_is_trained_resumed_saved_exported_and_used(config, singles, monitors, kind):
    config = replace(
        config, model=network(kind), switch_every=1, datasets=2 * config.datasets, steps=2,
        fixed_statistics=('trunk',), checkpoint_stages=kind == 'branched',
        rates={} if kind == 'branched' else {'trunk.exchanges': 3.0},
        initial_weights={task: path for task, (_, path) in singles.items()})
    train(config)
    train(replace(config, steps=3), resume=True)
    path = f'{config.run}/weights.safetensors'
    model = load_model(path)
    assert model.config.trunk == config.model.trunk
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    whole = load_predictor(path, None, RuntimeConfig('cpu', 'torch'))(image)
    assert whole['segmentation'].labels.shape == (50, 70)
    part = load_predictor(path, ['segmentation'], RuntimeConfig('cpu', 'torch'))(image)
    np.testing.assert_array_equal(part['segmentation'].labels, whole['segmentation'].labels)
    graph = InferenceGraph(load_model(path, ['detection']))
    inputs = torch.zeros((1, *graph.size, 3), dtype=torch.uint8)
    assert all(value.isfinite().all() for value in lowered(graph, torch.bfloat16)(inputs))
    if kind == 'cross_stitch':  # one conversion each: they take longer than all else
        fast = load_predictor(path, ['segmentation'], RuntimeConfig('cpu', 'openvino'))(image)
        assert (fast['segmentation'].labels == part['segmentation'].labels).mean() > 0.99
    if kind == 'cross_connected':
        assert check_parity(export(graph), graph)
    # What begins with all of it has the exchanges, too.
    again = MultiTaskNet(config.model)
    start_from_weights(again, path)
    assert all(torch.equal(value, model.state_dict()[name])
               for name, value in again.state_dict().items())


def owners_of(model, config, optimizer):
    settings = replace(config, model=model.config, optimizer=optimizer, learning_rate=0.01,
                       weight_decay=0.5)
    return Owners(model, settings, Ranks('cpu'))


def step(model, owners, dataset, tasks):
    """Learn from two images, which are labelled for some tasks."""
    dataset = CocoDataset(dataset.annotations, dataset.images,
                          {name: model.tasks[name] for name in tasks})
    batch = collate([dataset[0], dataset[1]], model.tasks)
    set_train_mode(model, ('trunk',))
    weights = paper_weights(model.tasks)
    backward(model, batch, weights, scaler=NO_SCALING)
    owners.count(LossWeights(weights, {}, {'trunk': 2, **dict.fromkeys(tasks, 2)}).labelled)
    owners.step(NO_SCALING, 1.0)


@pytest.mark.parametrize('optimizer', ['adamw', 'sgd'])
@pytest.mark.parametrize('kind', KINDS)
def test_what_has_no_gradient_is_not_moved(config, dataset, kind, optimizer):
    """Neither by its momentum nor by the decay of weights."""
    torch.manual_seed(0)
    options = {'start': 'linear'} if kind == 'cross_connected' else {}
    model = MultiTaskNet(network(kind, **options))
    owners = owners_of(model, config, optimizer)
    for _ in range(2):
        step(model, owners, dataset, list(TASKS))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    step(model, owners, dataset, ['detection'])
    still = {name for name, value in model.named_parameters()
             if torch.equal(value, before[name])}
    assert {name for name in still if not name.startswith('trunk.')} == {
        name for name in before if name.startswith('heads.segmentation.')}
    foreign = {name for name in before if name.startswith('trunk.members.segmentation.')}
    if kind == 'branched':
        assert still & before.keys() >= foreign
        assert not any(name.startswith('trunk.stages.') for name in still)
    else:  # through the exchanges, the other stream learns from this data set too
        unmoved = {name for name in foreign if '.neck.' in name}
        assert {name for name in still if name.startswith('trunk.members.')} == unmoved
        unheard = {name for name in before if name.startswith('trunk.exchanges.4.segmentation.')}
        assert unheard <= still
        if optimizer == 'adamw':  # a step of SGD may be too small to be seen
            assert {name for name in still if name.startswith('trunk.exchanges.')} == unheard


@pytest.mark.parametrize('kind', ['cross_stitch', 'cross_connected'])
@pytest.mark.parametrize('optimizer', ['adamw', 'adam', 'sgd'])
def test_stitches_and_gates_do_not_decay(config, kind, optimizer):
    torch.manual_seed(0)
    model = MultiTaskNet(network(kind))
    for module in model.modules():
        if getattr(module, 'gate', None) is not None:
            torch.nn.init.ones_(module.gate.values)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    owners = owners_of(model, config, optimizer)
    for value in model.parameters():
        value.grad = torch.zeros_like(value)
    owners.count({'trunk': 2})
    owners.step(NO_SCALING, 1.0)
    decayed = {name for name, value in model.named_parameters()
               if not torch.equal(value, before[name])}
    kept = {name for name in before if name.endswith('.values')}
    assert kept and not kept & decayed
    assert {name for name in before if before[name].any()} - kept == decayed
