# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The skip trunk: its pyramid, its sizes, what its heads cost, and who cannot read it."""

import pytest
import torch
from torch.nn import functional

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape
from mcn_ros.network.trunks import SkipTrunkConfig, TRUNKS

TINY = SkipTrunkConfig('shufflenet_v2_x0_5', (1, 2, 4))
DENSE = {'boundaries': 1, 'normals': 3, 'saliency': 1, 'parts': 7, 'semantic_boundaries': 80,
         'segmentation': 81}


def build(config):
    torch.manual_seed(0)
    return config.build(['any'], Colours()).eval()


def network(trunk, tasks=DENSE, size=(128, 128)):
    torch.manual_seed(0)
    return MultiTaskNet(ModelConfig(dict.fromkeys(tasks), trunk, size))


def count(module):
    return sum(values.numel() for values in module.parameters())


def test_scales_have_the_same_weights():
    """Each is what the trunk of one scale says of a smaller image."""
    trunk, alone = build(TINY), build(SkipTrunkConfig(TINY.backbone, (1,)))
    alone.load_state_dict(trunk.state_dict())
    images = torch.randn(1, 3, 128, 256)
    with torch.no_grad():
        found = trunk(images, ['any'])['any']
        for scale in TINY.scales:
            smaller = functional.interpolate(images, scale_factor=1 / scale, mode='area')
            for number, values in enumerate(alone(smaller, ['any'])['any'].values(), 1):
                torch.testing.assert_close(found[f'stage_{number}_scale_{scale}'], values)


def test_maps_are_named_by_stage_and_scale():
    assert build(TINY).shapes('any') == {
        f'stage_{number}_scale_{scale}': MapShape(channels, stride * scale)
        for scale in (1, 2, 4)
        for number, channels, stride in ((1, 24, 4), (2, 48, 8), (3, 96, 16), (4, 192, 32))}


@pytest.mark.parametrize('backbone, stages, weights', [
    ('resnet18', (64, 128, 256, 512), 960), ('shufflenet_v2_x1_0', (24, 116, 232, 464), 836),
    ('dla34', (64, 128, 256, 512), 960)])
def test_heads_are_almost_free(backbone, stages, weights):
    """For each channel a weight for each input, a bias, and the weights of stages and scales."""
    with torch.device('meta'):
        model = network(SkipTrunkConfig(backbone))
    assert sum(stages) == weights
    assert count(model.trunk.neck) == 2 * weights
    for task, channels in DENSE.items():
        assert count(model.heads[task]) == channels * (weights + 4 + 4 + 3)


def test_with_an_output_stride_the_last_stage_is_finer():
    config = SkipTrunkConfig(TINY.backbone, (1, 2), output_stride=16)
    model = network(config, ['saliency'], (64, 96)).eval()
    shapes = model.trunk.shapes('any')
    assert shapes['stage_4_scale_1'].stride == 16 and shapes['stage_4_scale_2'].stride == 32
    with torch.no_grad():
        logits = model(torch.randint(0, 256, (1, 3, 64, 96)).float())['saliency']['logits']
    assert logits.shape == (1, 1, 16, 24)


def test_at_inference_there_is_the_sum_alone():
    model, images = network(TINY), torch.randint(0, 256, (2, 3, 128, 128)).float()
    outputs = model(images)
    assert outputs.keys() == DENSE.keys()
    for task, maps in outputs.items():
        name = next(iter(maps))
        assert list(maps) == [name, *(f'{name}_{scale}' for scale in (1, 2, 4))]
        assert {values.shape for values in maps.values()} == {(2, DENSE[task], 32, 32)}
    with torch.no_grad():
        assert all(len(maps) == 1 for maps in model.eval()(images).values())


@pytest.mark.parametrize('size', [(128, 192), (96, 128)])
def test_images_must_fit_each_scale(size):
    with pytest.raises(ValueError, match=f'{size[0]}x{size[1]}: not multiples of 128.*32 times 4'):
        build(TINY)(torch.randn(1, 3, *size), ['any'])
    with pytest.raises(ValueError, match='not multiples of 192.*32 times 6'):
        build(SkipTrunkConfig(TINY.backbone, (1, 2, 3)))(torch.randn(1, 3, 96, 96), ['any'])


@pytest.mark.parametrize('arguments, words', [
    ({'backbone': 'resnet19'}, 'resnet19.*resnet18'), ({'scales': ()}, r'scales: \(\)'),
    ({'scales': (2, 4)}, 'do not rise from 1'), ({'scales': (1, 4, 2)}, 'do not rise from 1'),
    ({'scales': (1, 2, 2)}, 'do not rise from 1'),
    ({'backbone': 'dla34', 'output_stride': 16}, r'^output_stride: 16 is not .*\(dla34\)'),
    ({'output_stride': 64}, r'output_stride: 64 is not one of .*\(resnet18\)')])
def test_bad_settings_are_named(arguments, words):
    with torch.device('meta'), pytest.raises(ValueError, match=words):
        build(SkipTrunkConfig(**arguments))


@pytest.mark.parametrize('task', ['detection', 'pose', 'distance_detection', 'window_pose'])
def test_who_looks_for_centres_is_told_which_trunks_there_are(task):
    with torch.device('meta'), pytest.raises(ValueError) as refusal:
        network(TINY, ['saliency', task])
    told = str(refusal.value)
    assert told.startswith(f'{task}: ')
    assert all(kind in told for kind in TRUNKS)
