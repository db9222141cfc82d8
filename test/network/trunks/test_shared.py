# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The shared trunk: every combination of parts, and the sizes of the reference networks."""

from copy import deepcopy
from dataclasses import replace
import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape, single
from mcn_ros.network.heads import Head, HeadConfig
from mcn_ros.network.nanodet import CHANNELS, enlarge
from mcn_ros.network.necks import NECKS
from mcn_ros.network.trunks import SharedTrunk, TrunkConfig

PLAIN = ('transposed', 'top_down', 'nanodet', 'nanodet_joint', 'ghost_pan', 'movenet',
         'movenet_pan', 'ghost_pan_dense')
SINGLE_STAGE = 'deconv', 'transposed'  # the necks that need no other stage than the last
COMBINATIONS = [(backbone, neck, False) for backbone in BACKBONES for neck in NECKS
                if not backbone.startswith('vit') or neck in SINGLE_STAGE]
# How a neck convolves does not depend on the backbone.
COMBINATIONS += [('resnet18', neck, True) for neck in NECKS if neck not in PLAIN]
DLA = TrunkConfig('dla34', 'aggregation', 64, True)
RESNET = TrunkConfig('resnet18', 'deconv', 64, True)
TINY = TrunkConfig('shufflenet_v2_x0_5', 'top_down', 16)
SMALL = [TINY, TrunkConfig('shufflenet_v2_x0_5', 'aggregation', 16, True),
         TrunkConfig('shufflenet_v2_x0_5', 'concatenation', 16),
         TrunkConfig('shufflenet_v2_x0_5', 'deconv', 16, True),
         TrunkConfig('shufflenet_v2_x0_5', 'transposed', 16)]
TRANSFORMER = TrunkConfig('vit_toy_p8', 'deconv', 8)


class Single(nn.Module):
    """A trunk with one output, as exporters want it."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, images):
        return self.trunk(images, ['only'])['only']['features']


def meta_trunk(config):
    with torch.device('meta'):
        return SharedTrunk(config).eval()


def gmac(function):
    """Return the multiplications, without those of the bilinear sampling."""
    def deform_conv(x_shape, weight_shape, *args, out_shape=None, **kwargs):
        batch, _, height, width = out_shape
        return 2 * math.prod(weight_shape) * batch * height * width

    mapping = {torch.ops.torchvision.deform_conv2d: deform_conv}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        function()
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize('backbone, neck, deformable', COMBINATIONS)
def test_every_combination_gives_the_declared_features(backbone, neck, deformable):
    trunk = meta_trunk(TrunkConfig(backbone, neck, 96, deformable))
    features = Single(trunk)(torch.empty(2, 3, 64, 96, device='meta'))
    assert features.shape == (2, 96, 16, 24)
    assert trunk.shapes('only')['features'] == MapShape(96, 4)


@pytest.mark.parametrize('neck', [neck for neck in NECKS if neck not in SINGLE_STAGE])
def test_a_transformer_has_no_pyramid(neck):
    with pytest.raises(ValueError, match=r'stages of strides \(16,\): this neck needs 4, 8, 16'):
        meta_trunk(TrunkConfig('vit_tiny_p16', neck, 96))


@pytest.mark.parametrize('config, count', [
    # 19,211,168 of the reference without two projections that it never uses.
    (DLA, 19_169_440),
    (RESNET, 14_321_105),
    (TrunkConfig('resnet18', 'transposed', 256), 15_372_352),
    # 17,496,752 without the classifier, and without the two projections.
    (TrunkConfig('dla34', 'concatenation', 64), 17_455_024),
])
def test_reference_trunks_have_the_reference_size(config, count):
    assert sum(p.numel() for p in meta_trunk(config).parameters()) == count


@pytest.mark.parametrize('config, expected', [
    # 25.50 of the reference, with 2 x 64 x 128 x 64^2 fewer in the unused projections.
    (DLA, 25.50 - 0.067),
    (RESNET, 11.41),
    (TrunkConfig('resnet18', 'transposed', 256), 15.38),
    (TrunkConfig('dla34', 'concatenation', 64), 23.52 - 0.067),
])
def test_reference_trunks_have_the_reference_cost(config, expected):
    trunk, images = meta_trunk(config), torch.empty(1, 3, 512, 512, device='meta')
    assert gmac(lambda: trunk(images, ['only'])) == pytest.approx(expected, abs=0.006)


def test_three_heads_on_the_small_trunk_stay_below_two_gmac():
    maps = [{'center': 80, 'size': 2, 'offset': 2},
            {'center': 1, 'size': 2, 'offset': 2, 'displacement': 34, 'joints': 17, 'refine': 2},
            {'classes': 81}]
    trunk = Single(meta_trunk(TrunkConfig()))
    with torch.device('meta'):
        heads = [Head(single(64), task, HeadConfig(64, 'shared')).eval() for task in maps]

    def network():
        features = trunk(torch.empty(1, 3, 512, 512, device='meta'))
        for head in heads:
            head({'features': features})
    assert gmac(network) < 2.0


@pytest.mark.parametrize('config', [*SMALL, TRANSFORMER],
                         ids=lambda config: f'{config.backbone}-{config.neck}')
class TestRealTrunks:

    def test_batched_is_single(self, config):
        trunk, images = Single(SharedTrunk(config).eval()), torch.randn(2, 3, 64, 96)
        with torch.no_grad():
            single = torch.cat([trunk(images[:1]), trunk(images[1:])])
            torch.testing.assert_close(trunk(images), single, rtol=1e-4, atol=1e-5)

    def test_channels_last_changes_nothing(self, config):
        trunk, images = Single(SharedTrunk(config).eval()), torch.randn(1, 3, 64, 96)
        with torch.no_grad():
            expected = trunk(images)
            trunk.to(memory_format=torch.channels_last)
            output = trunk(images.to(memory_format=torch.channels_last))
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)

    def test_every_used_parameter_learns(self, config):
        trunk = SharedTrunk(config)
        Single(trunk)(torch.randn(2, 3, 64, 64)).pow(2).mean().backward()
        idle = [name for name, p in trunk.named_parameters()
                if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()]
        assert idle == []


class Necks(nn.Module):
    """A trunk, and the necks of others on its backbone: in one module, they are exported once."""

    def __init__(self, trunk, others):
        super().__init__()
        self.trunk = trunk
        self.necks = nn.ModuleList([other.neck for other in others])

    def forward(self, images):
        stages = self.trunk.backbone(images)
        return [self.trunk(images, ['only'])['only'], *(neck(stages) for neck in self.necks)]


@pytest.mark.parametrize('configs', [SMALL, [TRANSFORMER]], ids=['small', 'transformer'])
def test_trunks_are_exported_with_any_batch_and_height(configs):
    first, *others = [SharedTrunk(config).eval() for config in configs]
    necks = Necks(first, others)
    batch, rows = torch.export.Dim('batch', max=8), torch.export.Dim('rows', max=32)
    with torch.no_grad():
        program = torch.export.export(necks, (torch.randn(2, 3, 64, 96),),
                                      dynamic_shapes=({0: batch, 2: 32 * rows},))
        images = torch.randn(3, 3, 96, 96)
        torch.testing.assert_close(program.module()(images), necks(images))


@pytest.mark.parametrize('config', [
    TINY, TrunkConfig('resnet18', 'deconv', 8), TrunkConfig('dla34', 'aggregation', 8),
    TRANSFORMER],
    ids=lambda config: config.backbone)
def test_checkpointed_trunks_learn_the_same(config):
    torch.manual_seed(0)
    trunk, images = SharedTrunk(config), torch.randn(2, 3, 64, 64)
    results = []
    for checkpoint in (False, True):
        copied, kept = deepcopy(trunk), []
        with torch.autograd.graph.saved_tensors_hooks(
                lambda value: kept.append(value.nbytes) or value, lambda value: value):
            features = copied(images, ['only'], checkpoint)['only']['features']
        held = sum(kept)
        features.square().mean().backward()
        results.append([features, *(p.grad for p in copied.parameters()), *copied.buffers(), held])
    *expected, usual = results[0]
    *found, least = results[1]
    for value, other in zip(found, expected, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5)
    assert least < 0.25 * usual


def test_tasks_share_one_tensor():
    features = SharedTrunk(TINY)(torch.randn(2, 3, 64, 64), ('detection', 'pose'))
    assert list(features) == ['detection', 'pose']
    assert features['detection'] is features['pose']


@pytest.mark.parametrize('size', [(64, 100), (48, 64)])
def test_images_must_fit_the_strides(size):
    with pytest.raises(ValueError, match=f'{size[0]}x{size[1]}.*32'):
        SharedTrunk(TINY)(torch.randn(1, 3, *size), ['only'])


@pytest.mark.parametrize('arguments, words', [
    ({'backbone': 'resnet19'}, 'resnet19.*resnet18'),
    ({'neck': 'fpn'}, 'fpn.*top_down'),
    ({'channels': 0}, 'channels'),
])
def test_bad_config_names_the_known_parts(arguments, words):
    with pytest.raises(ValueError, match=words):
        TrunkConfig(**arguments)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='deformable'):
        SharedTrunk(TrunkConfig(deformable=True))


def test_what_the_detector_says_is_a_map_of_its_own():
    torch.manual_seed(0)
    trunk = SharedTrunk(TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 16)).eval()
    joint = SharedTrunk(TrunkConfig('shufflenet_v2_x0_5', 'nanodet_joint', 16 + CHANNELS)).eval()
    joint.load_state_dict(trunk.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        found = trunk(images, ['any'])['any']
        expected = joint(images, ['any'])['any']['features']
    assert trunk.shapes('any') == {'features': MapShape(16, 4), 'readings': MapShape(CHANNELS, 8)}
    for name, shape in trunk.shapes('any').items():
        assert found[name].shape == (1, shape.channels, 64 // shape.stride, 96 // shape.stride)
    assert torch.equal(found['features'], expected[:, :16])
    torch.testing.assert_close(enlarge(found['readings']), expected[:, 16:])


def test_it_is_its_only_stream_and_nobodys():
    trunk = TINY.build(['detection', 'pose'], Colours())
    assert isinstance(trunk, SharedTrunk) and trunk.streams() == {'shared': trunk}
    assert trunk.backbones() == [trunk.backbone]
    assert {trunk.owner_of(name) for name, _ in trunk.named_parameters()} == {'trunk'}
    assert all(trunk.needs(key, ['pose']) for key in trunk.state_dict())


def test_it_starts_from_its_like_only():
    mine, theirs = SharedTrunk(TINY), SharedTrunk(TINY)
    assert mine.start_from(theirs, ['shared']) == {'shared': 'shared'}
    assert all(map(torch.equal, mine.state_dict().values(), theirs.state_dict().values()))
    # Of the same names and shapes, but for other numbers.
    config = TrunkConfig('shufflenet_v2_x1_0', channels=16)
    leaky = SharedTrunk(replace(config, backbone='shufflenet_v2_x1_0_leaky'))
    with pytest.raises(ValueError, match='^another architecture: .*leaky.*, not .*x1_0.,'):
        SharedTrunk(config).start_from(leaky, ['shared'])
