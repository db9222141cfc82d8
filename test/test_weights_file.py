# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The weights file: what is saved and loaded, and damaged, foreign or hostile files."""

from functools import partial
from itertools import chain, combinations
import json
import os
from pathlib import Path
import pickle
import struct

from hypothesis import given, settings, strategies
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
import torch
from torch.testing import assert_close

from mcn_ros.config import to_dict
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import OwnTrunksConfig, TrunkConfig
from mcn_ros.tasks import TASKS
from mcn_ros.weights_file import FORMAT, load_model, METADATA_KEY, save_model

assert_equal = partial(assert_close, rtol=0, atol=0)
NAMES = ('detection', 'pose', 'segmentation')
SUBSETS = list(chain.from_iterable(combinations(NAMES, n + 1) for n in range(len(NAMES))))
TRUNK = TrunkConfig('shufflenet_v2_x0_5', channels=16)


def build(full_resolution=False, trunk=TRUNK, **changes):
    """Return a network whose every parameter and buffer has a value of its own."""
    torch.manual_seed(0)
    tasks = {name: {'head': {'width': 8}} for name in NAMES}
    for name in ('detection', 'segmentation'):
        tasks[name]['classes'] = ['person', 'car']
    tasks['segmentation']['full_resolution'] = full_resolution
    model = MultiTaskNet(ModelConfig(tasks, trunk, (64, 96), **changes))
    with torch.no_grad():  # running statistics
        model.train()(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    return model.eval()


def run(model):
    """Return what a network says of two random images, always the same."""
    generator = torch.manual_seed(1)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        return model(images)


@pytest.fixture(scope='module')
def model():
    return build()


@pytest.fixture(scope='module')
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'all.safetensors'
    save_model(model, path)
    return path


def test_saved_and_loaded_it_is_the_same(model, saved):
    loaded = load_model(saved)
    assert not loaded.training and loaded.config == model.config and loaded.tasks == model.tasks
    assert_equal(run(loaded), run(model))
    assert not list(saved.parent.glob('*.partial'))


def test_a_task_can_have_a_trunk_of_its_own(tmp_path):
    trunk = OwnTrunksConfig('shufflenet_v2_x0_5', channels=16, own=('pose',))
    model = build(trunk=trunk, channel_order='bgr')
    save_model(model, tmp_path / 'w')
    expected = run(model)
    for names in SUBSETS:
        loaded = load_model(tmp_path / 'w', names)
        assert loaded.config.trunk == model.config.trunk.of_tasks(names)
        assert ('pose' in loaded.trunk.streams()) == ('pose' in names)
        assert ('shared' in loaded.trunk.streams()) == (names != ('pose',))
        assert_equal(run(loaded), {name: expected[name] for name in names})
        save_model(loaded, tmp_path / 'part')
        assert_equal(run(load_model(tmp_path / 'part')), run(loaded))


def test_the_file_says_all_about_the_network(tmp_path):
    model = build(channel_order='bgr', mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7),
                  full_resolution=True)
    save_model(model, tmp_path / 'w')
    loaded = load_model(tmp_path / 'w')
    assert loaded.config == model.config
    assert torch.equal(loaded.mean, model.mean) and torch.equal(loaded.std, model.std)
    # Defaults are written out: weights keep their meaning when a default changes.
    assert loaded.config.tasks['detection']['max_predictions'] == 100
    assert_equal(run(loaded), run(model))


def test_other_parameters_can_be_saved(model, tmp_path):
    state = {key: value + 1 if value.is_floating_point() else value
             for key, value in model.state_dict().items()}
    save_model(model, tmp_path / 'w', state)
    loaded = load_model(tmp_path / 'w').state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_channels_last_is_saved_too(model, tmp_path):
    moved = build().to(memory_format=torch.channels_last)
    save_model(moved, tmp_path / 'w')
    assert_equal(run(load_model(tmp_path / 'w')), run(model))


@pytest.mark.parametrize('names', SUBSETS, ids='+'.join)
def test_some_heads_are_loaded_and_no_others(model, saved, names):
    loaded = load_model(saved, list(reversed(names)))
    assert tuple(loaded.tasks) == tuple(loaded.heads) == tuple(loaded.config.tasks) == names
    expected = run(model)
    assert_equal(run(loaded), {name: expected[name] for name in names})


def test_some_heads_are_a_model_of_their_own(saved, tmp_path):
    save_model(load_model(saved, ['pose']), tmp_path / 'pose')
    assert list(load_model(tmp_path / 'pose').tasks) == ['pose']
    assert (tmp_path / 'pose').stat().st_size < saved.stat().st_size


def test_another_input_size(saved):
    assert load_model(saved, input_size=(128, 32)).config.input_size == (128, 32)
    with pytest.raises(ValueError, match=r'input_size: \(60, 64\) are no positive multiples'):
        load_model(saved, input_size=(60, 64))


def test_weights_without_preprocessing_are_of_ours(saved, tmp_path):
    description = {'format': FORMAT, 'model': to_dict(load_model(saved).config)}
    assert description['model'].pop('preprocessing') == 'mcn'
    assert description['model']['trunk'].pop('kind') == 'shared'
    save_file(load_file(saved), tmp_path / 'w', {METADATA_KEY: json.dumps(description)})
    assert load_model(tmp_path / 'w').config == load_model(saved).config


# What a trunk and its detection are today, and what format 1 said of it.
FIRST = {
    'shared': (TRUNK, {}, {}, {}),
    'own': (OwnTrunksConfig('shufflenet_v2_x0_5', channels=16, own=('pose',)), {},
            {'own': ['pose', 'depth']}, {}),
    'readers': (TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 16), {'reads': 'readings'},
                {'neck': 'nanodet', 'readers': ['detection']}, {'stride': 8}),
    'joint': (TrunkConfig('shufflenet_v2_x0_5', 'nanodet_joint', 96), {},
              {'neck': 'nanodet', 'channels': 96, 'readers': []}, {'stride': 4}),
}


def write_first(model, path, trunk, detection):
    """Write a file of format 1."""
    tasks = {name: {key: value for key, value in fields.items() if key not in ('kind', 'reads')}
             for name, fields in model.config.tasks.items()}
    tasks['detection'] |= detection
    trunk = {'backbone': 'shufflenet_v2_x0_5', 'channels': 16, **trunk}
    description = {**to_dict(model.config), 'tasks': tasks, 'trunk': trunk}
    save_file(model.state_dict(), path,
              {METADATA_KEY: json.dumps({'format': 1, 'model': description})})


@pytest.mark.parametrize('kind', FIRST)
def test_format_1_is_read(tmp_path, kind):
    trunk, reads, first, detection = FIRST[kind]
    torch.manual_seed(0)
    tasks = {name: {'head': {'width': 8}} for name in NAMES}
    tasks['detection'] |= reads
    model = MultiTaskNet(ModelConfig(tasks, trunk, (64, 96))).eval()
    write_first(model, tmp_path / 'w', first, detection)
    loaded = load_model(tmp_path / 'w')
    assert loaded.config == model.config
    assert_equal(run(loaded), run(model))
    save_model(loaded, tmp_path / 'again')
    assert load_model(tmp_path / 'again').config == model.config
    pose = load_model(tmp_path / 'w', ['pose'])
    assert_equal(run(pose), {'pose': run(model)['pose']})


@pytest.mark.parametrize('trunk, detection, words', [
    ({'kind': 'shared'}, {}, 'model.trunk.kind: unknown key'),
    ({'readers': 3}, {}, 'model.trunk.readers: expected a list'),
    ({}, {'stride': 8}, 'stride: 8, but the features of this task are of another')])
def test_a_wrong_description_in_format_1_is_refused(model, tmp_path, trunk, detection, words):
    write_first(model, tmp_path / 'w', trunk, detection)
    assert words in refusal(tmp_path / 'w')


@pytest.fixture(params=[1, 2])
def early(tmp_path, request):
    """Return a function: write networks of the time when CenterNet was a field of a task."""
    def write(model, **changes):
        config = to_dict(model.config)
        tasks = {name: {**to_dict(TASKS[name]()), 'head': {'width': 8}, **changes}
                 for name in config['tasks']}
        if request.param == 1:
            del config['trunk']['kind'], tasks['detection']['reads']
        description = {'format': request.param, 'model': {**config, 'tasks': tasks}}
        save_file(model.state_dict(), tmp_path / 'w', {METADATA_KEY: json.dumps(description)})
        return tmp_path / 'w'
    return write


@pytest.mark.parametrize('exact', [True, False])
def test_centernet_was_a_field_of_a_task(early, exact):
    tasks = {name: {'kind': f'centernet_{name}' if exact else name, 'head': {'width': 8}}
             for name in ('detection', 'pose')}
    model = MultiTaskNet(ModelConfig(tasks, TRUNK, (64, 96)))
    path = early(model, reference=exact)
    assert load_model(path).tasks == model.tasks
    assert 'unknown key' in refusal(early(model, reference='yes'))
    if exact:
        assert 'spread: unknown key' in refusal(early(model, reference=True, spread=0.5))


def test_weights_that_come_with_the_package_load_whatever_their_format():
    formats = set()
    for path in (Path(__file__).parents[1] / 'models').glob('*.safetensors'):
        with safe_open(path, 'pt') as file:
            formats.add(json.loads(file.metadata()[METADATA_KEY])['format'])
        assert set(load_model(path).tasks) >= set(NAMES)
    assert formats == {1, 2}


def refusal(path, *args):
    """Return the message of the one error that there may be."""
    with pytest.raises(ValueError) as info:
        load_model(path, *args)
    message = str(info.value)
    assert '\n' not in message
    return message


@pytest.mark.parametrize('heads, named', [
    (['nonsense'], 'nonsense'), (['pose', 'nonsense', 'more'], 'nonsense, more'),
    ([], 'none given')])
def test_unknown_heads(saved, heads, named):
    known = ', '.join(NAMES)
    assert refusal(saved, heads) == f'heads: {named} (known in all.safetensors: {known})'


def test_no_such_file(tmp_path):
    for name in ('nothing.safetensors', 'x' * 300, ''):
        assert refusal(tmp_path / name) == f'weights: no such file: {tmp_path / name}'
    assert 'no such file' in refusal('')


def test_every_truncated_file_is_refused(saved, tmp_path):
    content, path = saved.read_bytes(), tmp_path / 'short.safetensors'
    header = 8 + int.from_bytes(content[:8], 'little')
    lengths = {*range(20), *range(20, header, 997), *range(header - 3, header + 4),
               *range(header, len(content), 30011), len(content) - 1}
    for length in lengths:
        path.write_bytes(content[:length])
        assert str(path) in refusal(path), length


@pytest.mark.parametrize('content', [b'', b'not weights at all', bytes(100), b'\xff' * 100,
                                     b'\x02\0\0\0\0\0\0\0{}'])
def test_foreign_files(tmp_path, content):
    (tmp_path / 'w').write_bytes(content)
    assert str(tmp_path / 'w') in refusal(tmp_path / 'w')


def test_foreign_safetensors(tmp_path):
    path = tmp_path / 'w'
    for metadata in (None, {'format': 'pt'}):
        save_file({'weight': torch.zeros(3)}, path, metadata)
        message = refusal(path)
        assert f"{path} was not written by mcn_ros (its metadata has no 'mcn_ros')" in message


def tampered(saved, path, change):
    """Write the weights again with another description."""
    description = {'format': FORMAT, 'model': to_dict(load_model(saved).config)}
    text = change(description)
    if not isinstance(text, str):
        text = json.dumps(description if text is None else text)
    save_file(load_file(saved), path, {METADATA_KEY: text})
    return refusal(path)


def model_change(**values):
    return lambda description: description['model'].update(values)


@pytest.mark.parametrize('change, named', [
    (lambda d: '', 'Expecting value'),
    (lambda d: '{"format": 1', 'Expecting'),
    (lambda d: [], 'expected a mapping'),
    (lambda d: {'format': 1}, 'model: missing'),
    (lambda d: {'model': d['model']}, 'format: missing'),
    (lambda d: d.update(format='1'), 'format: expected int'),
    (lambda d: d.update(format=99), 'has format 99, this version reads 1'),
    (lambda d: d.update(model=None), 'model: expected a mapping'),
    (lambda d: d['model'].pop('tasks') and None, 'model.tasks: missing'),
    (model_change(nonsense=1), 'model.nonsense: unknown key'),
    (model_change(tasks={}), 'heads: none given'),
    (model_change(tasks={'nonsense': {}}), 'nonsense'),
    (model_change(tasks={'detection': {'nonsense': 1}}), 'detection.nonsense: unknown key'),
    (model_change(tasks={'detection': {'classes': []}}), 'detection.classes: none given'),
    (model_change(tasks={'detection': {'classes': ['person']}}), 'does not fit'),
    (model_change(trunk={'backbone': 'vgg'}), "backbone: 'vgg' is not one of"),
    (model_change(trunk={'backbone': 'resnet18'}), 'does not fit its own configuration'),
    (model_change(trunk={'channels': -1}), 'channels: -1 is not positive'),
    (model_change(trunk={'channels': 10 ** 9}), 'does not fit its own configuration'),
    (model_change(input_size=[64, 65]), 'input_size'),
    (model_change(input_size=[0, 64]), 'input_size'),
    (model_change(input_size=None), 'model.input_size: expected a list'),
    (model_change(channel_order='gbr'), "'gbr' is not one of rgb, bgr"),
    (lambda d: '[' * 100_000, 'maximum recursion'),
    (model_change(trunk={'channels': 10 ** 12}), 'describes a network that cannot be built'),
    (model_change(trunk={'channels': 10 ** 18}), 'describes a network that cannot be built'),
    (model_change(trunk={'channels': 10 ** 30}), 'channels: expected a finite number'),
    (model_change(input_size=[32 * 10 ** 9, 32]), 'are not all up to 8192'),
    (model_change(mean=[float('nan'), 1, 1]), 'model.mean[0]: expected a finite number'),
    (model_change(std=[float('inf'), 1, 1]), 'model.std[0]: expected a finite number'),
    (model_change(std=[0, 1, 1]), 'std'),
    (model_change(std=[float('nan'), 1, 1]), 'std'),
    (model_change(mean='dark'), 'model.mean: expected a list')])
def test_tampered_descriptions(saved, tmp_path, change, named):
    path = tmp_path / 'tampered.safetensors'
    message = tampered(saved, path, change)
    assert str(path) in message and named in message


def test_tensors_that_do_not_fit(saved, tmp_path):
    state, path = load_file(saved), tmp_path / 'w'
    description = {METADATA_KEY: json.dumps({'format': FORMAT,
                                             'model': to_dict(load_model(saved).config)})}
    first = min(state)
    for changed in ({k: v for k, v in state.items() if k != first},
                    {**state, first: state[first][:1]},
                    {**state, 'heads.pose.more': torch.zeros(1)}):
        save_file(changed, path, description)
        assert f'{path} does not fit its own configuration in 1 tensors' in refusal(path)


def write_weights(state, saved, path):
    """Write tensors with the description of another file."""
    description = {'format': FORMAT, 'model': to_dict(load_model(saved).config)}
    save_file(state, path, {METADATA_KEY: json.dumps(description)})


@pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
def test_weights_that_are_not_finite_are_refused(saved, tmp_path, value):
    state, path = load_file(saved), tmp_path / 'w'
    last = max(key for key, tensor in state.items() if tensor.is_floating_point())
    state[last].view(-1)[-1] = value
    write_weights(state, saved, path)
    assert refusal(path) == (f'weights: {path} has values that are not finite in 1 tensors, '
                             f'first {last}')


@pytest.mark.parametrize('dtype', [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_are_refused(saved, tmp_path, dtype):
    state, path = load_file(saved), tmp_path / 'w'
    first = min(state)
    write_weights({**state, first: state[first].to(dtype)}, saved, path)
    assert refusal(path).endswith(f'in 1 tensors, first {first}')


def test_weights_of_half_precision_are_read(saved, tmp_path):
    state = {key: value.half() if value.is_floating_point() else value
             for key, value in load_file(saved).items()}
    write_weights(state, saved, tmp_path / 'w')
    loaded = load_model(tmp_path / 'w').state_dict()
    assert all(torch.equal(loaded[key], value.to(loaded[key].dtype))
               for key, value in state.items())


@pytest.mark.parametrize('claim', [10 * 2 ** 30, 2 ** 63, 2 ** 64 - 1, 90_000_000])
def test_a_header_that_claims_gigabytes_is_refused(tmp_path, claim):
    path = tmp_path / 'w'
    path.write_bytes(struct.pack('<Q', claim) + b'{}' * 20)
    assert f'{path} is not a readable safetensors file' in refusal(path)


def test_code_in_a_file_is_not_run(tmp_path):
    class Code:

        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'was_here'),)

    path = tmp_path / 'w'
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        write({'weight': Code()}, path)
        assert f'{path} is not a readable safetensors file' in refusal(path)
    assert not (tmp_path / 'was_here').exists()


@settings(max_examples=25)
@given(strategies.lists(strategies.tuples(strategies.floats(0, 1, exclude_max=True),
                                          strategies.integers(1, 255)), max_size=4),
       strategies.booleans())
def test_damaged_files_are_refused_or_whole(saved, flips, in_header):
    data = bytearray(saved.read_bytes())
    size = 8 + int.from_bytes(data[:8], 'little') if in_header else len(data)
    for place, bits in flips:
        data[int(place * size)] ^= bits
    path = saved.with_name('damaged.safetensors')
    path.write_bytes(data)
    try:
        model = load_model(path)
    except ValueError as error:
        assert str(path) in str(error) and '\n' not in str(error)
    else:
        assert all(value.isfinite().all() for value in model.state_dict().values())
