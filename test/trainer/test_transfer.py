# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that begin as another one, or as the detector in their neck."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.scorers import InstancesScorer
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_detectors
from mcn_ros.network.features import PYRAMID
from mcn_ros.network.nanodet import CHANNELS, CLASSES
from mcn_ros.network.trunks import OwnTrunksConfig, SkipTrunkConfig, TrunkConfig
from mcn_ros.runtime import Predictor, RuntimeConfig
from mcn_ros.trainer.owners import set_train_mode
from mcn_ros.trainer.transfer import start_from_weights
from mcn_ros.weights_file import load_model, save_model

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / 'shared/data'
NANODET, IMAGES = SHARED / 'weights/nanodet_m.pth', SHARED / 'coco_val'
SOME = 30


def network(classes=('dog', 'person'), neck='nanodet_joint', **changes):
    torch.manual_seed(0)
    head = {'layout': 'shared', 'width': 8, 'direct': True}
    detection = {'head': head, 'relative': True, **changes}
    if classes:
        detection['classes'] = classes
    trunk = TrunkConfig('shufflenet_v2_x1_0_leaky', neck, CHANNELS + 8)
    return MultiTaskNet(ModelConfig(
        {'detection': detection}, trunk, (416, 416), 'bgr', (0.406, 0.456, 0.485),
        (0.225, 0.224, 0.229))).eval()


def start_from_detector(model):
    for name, task in model.tasks.items():
        task.start_from_detector(model.heads[name], model.trunk.shapes(name))


def test_the_head_answers_what_the_detector_says():
    model = network()
    start_from_detector(model)
    features = torch.randn(1, CHANNELS + 8, 6, 9)
    found = model.heads['detection']({'features': features})
    readings = features[:, -CHANNELS:]
    torch.testing.assert_close(found['heatmap'], readings[:, [16, 0]])  # dog, person
    torch.testing.assert_close(found['size'], readings[:, CLASSES:CLASSES + 2])
    torch.testing.assert_close(found['offset'], readings[:, CLASSES + 2:])


def test_a_head_of_one_layer_on_readings_alone_answers_them():
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 8)
    detection = {'head': {'width': 0}, 'relative': True, 'reads': 'readings'}
    model = MultiTaskNet(ModelConfig({'detection': detection}, trunk)).eval()
    start_from_detector(model)
    readings = torch.randn(1, CHANNELS, 6, 9)
    found = model.heads['detection']({'readings': readings})
    torch.testing.assert_close(torch.cat(list(found.values()), dim=1), readings)


def test_a_class_that_the_detector_does_not_know_begins_anew():
    model, before = network(('forklift', 'person')), network(('forklift', 'person'))
    start_from_detector(model)
    first, second = (net.heads['detection'].maps['heatmap'][0] for net in (model, before))
    assert torch.equal(first.weight[0], second.weight[0])
    assert torch.equal(first.bias[0], second.bias[0])
    assert first.weight[1].count_nonzero() == 1


@pytest.mark.parametrize('changes', [
    {'relative': False}, {'head': {'layout': 'shared', 'width': 8}}, {'neck': 'nanodet'}])
def test_a_head_that_does_not_fit_is_left_alone(changes):
    model, before = network(**changes), network(**changes)
    start_from_detector(model)
    for name, value in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.skipif(not (NANODET.exists() and IMAGES.exists()), reason='no ../shared')
def test_it_detects_before_it_has_learned_anything():
    model = network(classes=None)
    load_backbone(model.trunk.backbone, NANODET)
    load_detectors(model.trunk, NANODET)
    start_from_detector(model)
    predictor = Predictor(model, RuntimeConfig('cpu'))
    dataset = CocoDataset(IMAGES / 'annotations.json', IMAGES / 'images', predictor.tasks)
    scorer = InstancesScorer(model.tasks['detection'])
    for index in np.arange(SOME):
        sample = dataset[index]
        scorer.add(sample.annotations['detection'], predictor(sample.image)['detection'])
    assert scorer.result()['AP'] > 0.2  # 0.23 on all of them


# ---- From the weights of another network ----

TRUNK = TrunkConfig('shufflenet_v2_x0_5', channels=16)


def small(seed=0, trunk=TRUNK, changes=None, **tasks):
    torch.manual_seed(seed)
    tasks = {name: {'head': {'width': 8}, **fields} for name, fields in tasks.items()}
    return MultiTaskNet(ModelConfig(tasks, trunk, (64, 64), **(changes or {})))


def saved(path, *args, **kwargs):
    """Write the weights of another network; return it and their path."""
    source = small(1, *args, **kwargs)
    save_model(source, path / 'w')
    return source, str(path / 'w')


def equal(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items())


def test_a_network_of_the_same_tasks_is_that_network(tmp_path):
    tasks = {'detection': {'classes': ['cat', 'dog']}, 'pose': {},
             'segmentation': {'classes': ['cat'], 'full_resolution': True}}
    source, path = saved(tmp_path, **tasks)
    model = small(**tasks)
    assert not equal(model, source)
    told = start_from_weights(model, path)
    assert equal(model, source)
    assert told == [f'trunk (shared): from {path} (shared)', 'detection: taken', 'pose: taken',
                    'segmentation: taken']


@pytest.mark.parametrize('task, channel_map, first', [
    ('detection', 'heatmap', 0), ('segmentation', 'logits', 1)])
def test_classes_are_matched_by_name(tmp_path, task, channel_map, first):
    source, path = saved(tmp_path, **{task: {'classes': ['cat', 'dog', 'cow']}})
    classes = {task: {'classes': ['cow', 'forklift', 'cat']}}
    model, before = small(**classes), small(**classes)
    told = start_from_weights(model, path)
    assert told[1] == f'{task}: taken, but for the new forklift'
    found, new, old = (net.heads[task].maps[channel_map] for net in (model, before, source))
    assert torch.equal(found[0].weight, old[0].weight)
    for row, origin in [*((row, row) for row in range(first)), (first, first + 2),
                        (first + 2, first)]:
        assert torch.equal(found[2].weight[row], old[2].weight[origin])
        assert torch.equal(found[2].bias[row], old[2].bias[origin])
    assert torch.equal(found[2].weight[first + 1], new[2].weight[first + 1])
    assert torch.equal(found[2].bias[first + 1], new[2].bias[first + 1])
    for name in set(source.heads[task].maps) - {channel_map}:
        assert equal(model.heads[task].maps[name], source.heads[task].maps[name])


def test_classes_of_heads_on_stages_are_matched_by_name(tmp_path):
    trunk = SkipTrunkConfig(TRUNK.backbone, (1, 2))
    source, path = saved(tmp_path, trunk, segmentation={'classes': ['cat', 'dog', 'cow']})
    model, before = (small(trunk=trunk, segmentation={'classes': ['cow', 'forklift']})
                     for _ in range(2))
    with torch.no_grad():
        for values in source.heads.parameters():
            values += 1
    save_model(source, path)
    assert start_from_weights(model, path)[1] == 'segmentation: taken, but for the new forklift'
    assert equal(model.trunk, source.trunk)
    found, new, old = (net.heads['segmentation'].state_dict() for net in (model, before, source))
    for name, values in found.items():
        assert torch.equal(values, torch.stack([old[name][0], old[name][3], new[name][2]]))


def test_new_heads_begin_anew(tmp_path):
    source, path = saved(tmp_path, detection={}, pose={})
    tasks = {'detection': {'relative': True}, 'segmentation': {}}
    model, before = small(**tasks), small(**tasks)
    told = start_from_weights(model, path)
    assert told[1:] == ['detection: starts anew, the task there has another relative',
                        'segmentation: starts anew, there is no such head',
                        f'pose of {path}: not used']
    assert equal(model.trunk, source.trunk) and equal(model.heads, before.heads)


def test_one_trunk_may_become_several_and_several_one(tmp_path):
    own = OwnTrunksConfig('shufflenet_v2_x0_5', channels=16, own=('pose',))
    source, path = saved(tmp_path, detection={}, pose={})
    model = small(trunk=own, detection={}, pose={})
    start_from_weights(model, path)
    assert all(equal(trunk, source.trunk) for trunk in model.trunk.streams().values())
    source, path = saved(tmp_path, own, detection={}, pose={})
    start_from_weights(model, path)
    assert equal(model, source)
    shared = small(detection={}, pose={})
    assert start_from_weights(shared, path)[0] == f'trunk (shared): from {path} (shared)'
    assert equal(shared.trunk, source.trunk['shared'])


def test_each_stream_and_task_may_start_from_a_file_of_its_own(tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
    detection, one = saved(tmp_path / 'one', detection={})
    pose, two = saved(tmp_path / 'two', pose={})
    own = OwnTrunksConfig('shufflenet_v2_x0_5', channels=16, own=('pose',))
    model, before = (small(trunk=own, detection={}, pose={}, segmentation={}) for _ in range(2))
    told = start_from_weights(model, {'shared': one, 'detection': one, 'pose': two})
    assert told == [f'trunk (shared): from {one} (shared)', f'trunk (pose): from {two} (shared)',
                    'detection: taken', 'pose: taken',
                    'segmentation: starts anew, there is no such head']
    assert equal(model.trunk['shared'], detection.trunk) and equal(model.trunk['pose'], pose.trunk)
    assert equal(model.heads['detection'], detection.heads['detection'])
    assert equal(model.heads['pose'], pose.heads['pose'])
    assert equal(model.heads['segmentation'], before.heads['segmentation'])


PEOPLE = TrunkConfig('shufflenet_v2_x0_5', 'concatenation', 8)
BGR = {'channel_order': 'bgr', 'mean': (0.5, 0.5, 0.5), 'std': (0.6, 0.7, 0.8)}
JOINED = {'kind': 'separate', 'streams': {
    'objects': {'tasks': ['detection', 'segmentation'], 'backbone': TRUNK.backbone,
                'channels': 16},
    'people': {'tasks': ['pose'], 'backbone': PEOPLE.backbone, 'neck': PEOPLE.neck, 'channels': 8,
               **BGR}}}


@pytest.fixture
def files(tmp_path):
    """Return networks of two architectures and for two kinds of colours, and their paths."""
    for name in ('objects', 'people'):
        (tmp_path / name).mkdir()
    return {'objects': saved(tmp_path / 'objects', detection={}, segmentation={}),
            'people': saved(tmp_path / 'people', PEOPLE, BGR, detection={}, pose={})}


def test_streams_join_networks_that_have_nothing_in_common(files):
    (objects, one), (people, two) = files['objects'], files['people']
    tasks = {'detection': {}, 'pose': {}, 'segmentation': {}}
    model, images = small(trunk=JOINED, **tasks).eval(), torch.randint(0, 256, (1, 3, 64, 64))
    told = start_from_weights(model, {'objects': one, 'people': two})
    assert told == [
        f'trunk (objects): from {one} (shared)', f'trunk (people): from {two} (shared)',
        'detection: taken', 'pose: taken', 'segmentation: taken', f'detection of {two}: not used']
    with torch.no_grad():
        found, first, second = (net.eval()(images) for net in (model, objects, people))
    for task, expected in (('detection', first), ('pose', second), ('segmentation', first)):
        for name, values in expected[task].items():
            torch.testing.assert_close(found[task][name], values, rtol=1e-4, atol=1e-5)


def test_a_task_may_start_from_another_file_than_its_stream(files):
    (_, one), (people, two) = files['objects'], files['people']
    model = small(trunk=JOINED, detection={}, pose={}, segmentation={})
    # A head needs features of the same shape only, not a trunk for the same colours.
    told = start_from_weights(model, {'objects': one, 'pose': two})
    assert told[1:4] == ['pose: taken', 'detection: taken', 'segmentation: taken']
    assert equal(model.heads['pose'], people.heads['pose'])
    with pytest.raises(ValueError, match=f'^initial_weights: {two} has another architecture'):
        start_from_weights(model, {'objects': two})
    with pytest.raises(ValueError, match=f'^initial_weights: {one} has another architecture'):
        start_from_weights(model, one)


def test_a_part_starts_from_another_file_as_far_as_it_agrees(tmp_path):
    source, path = saved(tmp_path, detection={})
    model = small(trunk=replace(TRUNK, channels=TRUNK.channels + 4), detection={})
    before = deepcopy(model.state_dict())
    lines = start_from_weights(model, {'trunk.backbone': path, 'trunk.neck': path})
    after, theirs = model.state_dict(), source.state_dict()
    for name, value in after.items():
        taken = name.startswith('trunk') and theirs[name].shape == value.shape
        assert torch.equal(value, (theirs if taken else before)[name]), name
    assert f'trunk.backbone: {len(model.trunk.backbone.state_dict())} of' in ''.join(lines)
    neck = model.trunk.neck.state_dict()
    fitting = sum(theirs[f'trunk.neck.{name}'].shape == value.shape
                  for name, value in neck.items())
    assert 0 < fitting < len(neck)
    assert f'trunk.neck: {fitting} of {len(neck)} weights from' in ''.join(lines)


@pytest.mark.parametrize('part, changes, words', [
    ('trunk.backbone', {'channel_order': 'bgr'}, 'trunk.backbone: .*another channel_order'),
    ('trunk.nek', {}, 'unknown trunk.nek'),
    ('heads.segmentation', {}, 'heads.segmentation: .*nothing that fits')])
def test_a_part_that_cannot_start_is_an_error(tmp_path, part, changes, words):
    _, path = saved(tmp_path, detection={})
    model = small(changes=changes, segmentation={'classes': ('cat',)}, detection={})
    before = deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=words):
        start_from_weights(model, {part: path})
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize('change, words', [
    ({'depth': 'w'}, r'unknown depth \(known: shared, detection, and parts such as trunk.neck\)'),
    ({'shared': 'nobody'}, 'no such file: nobody')])
def test_nothing_is_taken_where_a_file_or_a_part_is_not_there(tmp_path, change, words):
    _, path = saved(tmp_path, detection={})
    model, before = small(detection={}), small(detection={})
    with pytest.raises(ValueError, match=words):
        start_from_weights(model, {'detection': path, **change})
    assert equal(model, before)


def test_another_preprocessing_is_told(tmp_path):
    _, path = saved(tmp_path, changes={'preprocessing': 'centernet'}, detection={})
    told = start_from_weights(small(detection={}), path)
    assert told[-1] == f'preprocessing: mcn, that of {path} is centernet'


@pytest.mark.parametrize('trunk, changes, words', [
    (replace(TRUNK, channels=8), {}, 'has another architecture: .*channels=8.*channels=16'),
    (TRUNK, {'channel_order': 'bgr'}, 'has another channel_order: bgr, not rgb'),
    (TRUNK, {'mean': (0.1, 0.2, 0.3)}, r'has another mean: \(0.1, 0.2, 0.3\), not \(0.485,')])
def test_weights_for_something_else_are_refused(tmp_path, trunk, changes, words):
    _, path = saved(tmp_path, trunk, changes, detection={})
    model = small(detection={})
    with pytest.raises(ValueError, match=f'^initial_weights: {path} {words}'):
        start_from_weights(model, path)
    assert equal(model, small(detection={}))


def pyramid(kind, classes, **fields):
    torch.manual_seed(len(kind))
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'ghost_pan', 8)
    task = {'kind': kind, 'classes': classes, **fields}
    return MultiTaskNet(ModelConfig({kind: task}, trunk)).eval()


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """Return a detector on a pyramid and its file."""
    path = tmp_path_factory.mktemp('weights') / 'detector.safetensors'
    model = pyramid('distance_detection', ['dog', 'person', 'cat'], width=8)
    save_model(model, path)
    return model, str(path)


def test_classes_are_taken_on_each_level(detector):
    source, path = detector
    model = pyramid('distance_detection', ['person', 'forklift', 'dog'], width=8)
    lines = start_from_weights(model, path)
    assert 'distance_detection: taken, but for the new forklift' in lines
    mine, theirs = (net.heads['distance_detection'].maps for net in (model, source))
    for level in PYRAMID:
        own, other = mine[f'scores_{level}'].weight, theirs[f'scores_{level}'].weight
        assert torch.equal(own[0], other[1]) and torch.equal(own[2], other[0])
        assert torch.equal(mine[f'distances_{level}'].bias, theirs[f'distances_{level}'].bias)


def test_segmentation_begins_with_what_a_detector_on_its_pyramid_knows(detector):
    source, path = detector
    head = {'layout': 'shared', 'width': 8}
    model = pyramid('segmentation', ['person', 'forklift', 'dog'], head=head, reads='pyramid')
    before = {name: values.clone() for name, values in model.state_dict().items()}
    lines = start_from_weights(model, path)
    assert ('segmentation: begins with the towers of distance_detection, but for the new '
            'forklift') in lines
    features = model.features(torch.zeros(1, 3, 64, 64), ['segmentation'])['segmentation']
    mine = model.heads['segmentation'].levels(features)
    theirs = source.heads['distance_detection'](features)
    for level in PYRAMID:
        logits, scores = mine[f'logits_{level}'], theirs[f'scores_{level}']
        torch.testing.assert_close(logits[:, [1, 3]], scores[:, [1, 0]])
        assert not logits[:, 0].any()
        name = f'heads.segmentation.levels.maps.logits_{level}.weight'
        assert torch.equal(model.state_dict()[name][2], before[name][2])


@pytest.mark.parametrize('fields', [
    {'head': {'layout': 'shared', 'width': 6}, 'reads': 'pyramid'},
    {'head': {'layout': 'shared', 'width': 8}}])
def test_a_head_without_such_towers_starts_anew(detector, fields):
    model = pyramid('segmentation', ['person'], **fields)
    before = {name: values.clone() for name, values in model.heads.state_dict().items()}
    lines = start_from_weights(model, detector[1])
    assert 'segmentation: starts anew, there is no such head' in lines
    assert all(torch.equal(values, before[name])
               for name, values in model.heads.state_dict().items())


# ---- People of a pose head ----

PERSON = {'classes': ('person',)}


def test_a_head_that_finds_people_starts_from_that_of_poses(tmp_path):
    source, path = saved(tmp_path, pose={'kind': 'window_pose'})
    model = small(detection=PERSON, pose={'kind': 'window_pose'})
    told = start_from_weights(model, path)
    assert told[1:] == ['detection: taken from pose', 'pose: taken']
    taken, theirs = model.heads['detection'].state_dict(), source.heads['pose'].state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in taken.items())


@pytest.mark.parametrize('detection', [
    {'classes': ('dog',)}, {'classes': ('person', 'dog')}, {**PERSON, 'relative': True},
    {**PERSON, 'head': {'width': 4}}])
def test_a_head_that_finds_something_else_does_not(tmp_path, detection):
    _, path = saved(tmp_path, pose={})
    model, before = small(detection=detection), small(detection=detection)
    assert 'detection: starts anew, there is no such head' in start_from_weights(model, path)
    assert equal(model.heads['detection'], before.heads['detection'])


# ---- Tasks that join a network which stays as it is ----

def joined(tasks, neck='ghost_pan'):
    torch.manual_seed(len(tasks))
    head = {'layout': 'shared', 'width': 8}
    known = {'detection': {'kind': 'distance_detection', 'classes': ['person', 'dog'], 'width': 8},
             'segmentation': {'classes': ['person', 'dog'], 'reads': 'pyramid', 'head': head},
             'normals': {'reads': 'dense'}, 'parts': {'reads': 'dense'}}
    trunk = TrunkConfig('shufflenet_v2_x0_5', neck, 8)
    return MultiTaskNet(ModelConfig({name: known[name] for name in tasks}, trunk))


def test_tasks_with_a_map_of_their_own_leave_others_as_they_are(tmp_path):
    source = joined(('detection', 'segmentation')).eval()
    save_model(source, tmp_path / 'known.safetensors')
    path = str(tmp_path / 'known.safetensors')
    model = joined(('detection', 'segmentation', 'normals', 'parts'), 'ghost_pan_dense')
    start_from_weights(model, {'trunk': path, 'detection': path, 'segmentation': path})
    frozen = ('trunk.backbone', 'trunk.neck.pyramid', 'trunk.neck.top_down', 'heads.detection',
              'heads.segmentation')
    set_train_mode(model, frozen)
    learning = [parameter for name, parameter in model.named_parameters()
                if not name.startswith(frozen)]
    optimizer = torch.optim.SGD(learning, lr=1.0)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    before = model(images)
    sum(values.square().sum() for name in ('normals', 'parts')
        for values in before[name].values()).backward()
    optimizer.step()
    with torch.no_grad():
        found, known = model.eval()(images), source(images)
    for name in source.tasks:
        assert all(torch.equal(values, known[name][key]) for key, values in found[name].items())
    assert not torch.equal(found['normals']['vectors'], before['normals']['vectors'])


def test_the_shipped_weights_with_more_tasks_answer_as_the_default_ones():
    default, universal = (load_model(f'{ROOT}/models/mcn_{name}.safetensors').eval()
                          for name in ('default', 'universal'))
    assert set(universal.tasks) - set(default.tasks) == {
        'boundaries', 'normals', 'saliency', 'parts', 'semantic_boundaries'}
    known, state = default.state_dict(), universal.state_dict()
    assert [name for name in known if not torch.equal(known[name], state[name])] == []
    images = torch.randint(0, 256, (1, 3, 128, 128), dtype=torch.uint8)
    with torch.no_grad():
        found, expected = universal(images), default(images)
    for name, task in default.tasks.items():
        assert task == universal.tasks[name]
        assert all(torch.equal(values, found[name][key])
                   for key, values in expected[name].items())
