# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pretrained backbones: all of the weights arrive where they belong, or none."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.pretrained import load_backbone

NANODET = Path(__file__).parents[3] / 'shared/data/weights/nanodet_m.pth'
SMALL = 'shufflenet_v2_x0_5'


def random_backbone(name):
    backbone = BACKBONES[name]()
    for value in backbone.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return backbone


def public_state(backbone):
    """Return the state under the names of public checkpoints."""
    names = {own: public for public, own in backbone.public_names.items() if own is not None}
    state = {}
    for name, value in backbone.state_dict().items():
        own, = (own for own in names if f'{name}.'.startswith(f'{own}.'))
        state[names[own] + name.removeprefix(own)] = value
    return state


def save(path, state, prefix='', **others):
    state = {prefix + name: value for name, value in state.items()}
    torch.save({'epoch': 3, 'state_dict': state | others}, path)
    return path


@pytest.mark.parametrize('name', ['dla34', 'resnet18', SMALL])
@pytest.mark.parametrize('prefix', ['', 'module.base.'])
def test_round_trip_below_any_prefix(name, prefix, tmp_path):
    saved, loaded = random_backbone(name), BACKBONES[name]()
    state = public_state(saved) | {'fc.weight': torch.zeros(1000, 512)}
    others = {'head.conv1.weight': torch.zeros(1)} if prefix else {}
    load_backbone(loaded, save(tmp_path / 'w.pth', state, prefix, **others))
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_torchvision_weights_fit(tmp_path):
    net, backbone = models.shufflenet_v2_x0_5().eval(), BACKBONES[SMALL]().eval()
    torch.save(net.state_dict(), tmp_path / 'w.pth')
    load_backbone(backbone, tmp_path / 'w.pth')
    x = torch.randn(1, 3, 64, 64)
    expected = net.stage4(net.stage3(net.stage2(net.maxpool(net.conv1(x)))))
    assert (backbone(x)[-1] - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize('name', BACKBONES)
def test_every_weight_has_a_public_name(name):
    with torch.device('meta'):
        backbone = BACKBONES[name]()
    assert len(public_state(backbone)) == len(backbone.state_dict())


def test_counters_of_batches_may_be_absent(tmp_path):
    state = {name: value for name, value in public_state(random_backbone(SMALL)).items()
             if not name.endswith('num_batches_tracked')}
    load_backbone(BACKBONES[SMALL](), save(tmp_path / 'w.pth', state))


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize('spoil, words', [
    (lambda state: without(state, 'conv1.0.weight'), r'lacks stages\.0\.0\.0\.weight'),
    (lambda state: state | {'conv1.0.weight': torch.zeros(24, 1, 3, 3)}, 'another shape'),
    (lambda state: state | {'stage9.weight': torch.zeros(1)}, r'unknown stage9\.weight'),
    (lambda state: state | {'conv1.0.weight': torch.full((24, 3, 3, 3), torch.nan)},
     r'not finite as stages\.0\.0\.0\.weight'),
    (lambda state: {'head.weight': torch.zeros(1)}, 'no backbone of this kind'),
    (lambda state: {f'{prefix}.{name}': value for name, value in state.items()
                    for prefix in ('student', 'teacher')}, 'two such backbones'),
])
def test_nothing_is_loaded_in_part(spoil, words, tmp_path):
    backbone = BACKBONES[SMALL]()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    path = save(tmp_path / 'w.pth', spoil(public_state(random_backbone(SMALL))))
    with pytest.raises(ValueError, match=words):
        load_backbone(backbone, path)
    assert all(torch.equal(backbone.state_dict()[name], value) for name, value in before.items())


def test_weights_of_another_size_are_refused(tmp_path):
    path = save(tmp_path / 'w.pth', public_state(random_backbone(SMALL)))
    with pytest.raises(ValueError, match='another shape of .* and [0-9]+ more'):
        load_backbone(BACKBONES['shufflenet_v2_x1_0'](), path)


def test_unreadable_files_are_refused_in_one_line(tmp_path):
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    (tmp_path / 'empty.pth').touch()
    whole = save(tmp_path / 'w.pth', public_state(random_backbone(SMALL))).read_bytes()
    (tmp_path / 'half.pth').write_bytes(whole[:len(whole) // 2])
    torch.save([1, 2], tmp_path / 'list.pth')
    for name in ('absent.pth', 'text.pth', 'empty.pth', 'half.pth', 'list.pth'):
        with pytest.raises(ValueError, match=name) as error:
            load_backbone(BACKBONES[SMALL](), tmp_path / name)
        assert '\n' not in str(error.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({'state_dict': {'conv1.0.weight': Path('x')}}, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='cannot be read'):
        load_backbone(BACKBONES[SMALL](), tmp_path / 'w.pth')


@pytest.mark.parametrize('name', ['dla34', 'shufflenet_v2_x1_0_leaky'])
def test_imagenet_weights_are_not_invented(name):
    with pytest.raises(ValueError, match='no weights'):
        load_backbone(BACKBONES[name](), 'imagenet')


@pytest.mark.skipif(not NANODET.exists(), reason='the NanoDet checkpoint is not there')
def test_nanodet_fits_the_leaky_shufflenet():
    backbone = BACKBONES['shufflenet_v2_x1_0_leaky']()
    load_backbone(backbone, NANODET)
    state = torch.load(NANODET, weights_only=True)['state_dict']
    expected = {name: value for name, value in state.items() if name.startswith('backbone.')}
    loaded = {f'backbone.{name}': value for name, value in public_state(backbone).items()}
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())
