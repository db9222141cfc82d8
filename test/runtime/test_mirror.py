# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looking at the mirror image, too: left and right are then the same to a network."""

import numpy as np
import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import load_predictor, Predictor, RuntimeConfig
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.tasks.centernet import CenterNetPoseTask
from mcn_ros.vocabulary import COCO_SKELETON
from mcn_ros.weights_file import save_model

NAMES = 'detection', 'pose', 'window_pose', 'segmentation'
SIZE = (64, 64)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    tasks = {name: {'head': {'width': 8}} for name in NAMES}
    model = MultiTaskNet(ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8), SIZE))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
        for head in model.heads.values():  # outputs that differ from place to place
            for layers in head.maps.values():
                layers[-1].weight *= 20
    return model.eval()


@pytest.fixture
def images():
    return torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8,
                         generator=torch.manual_seed(1))


@torch.no_grad()
def test_the_maps_of_a_mirror_image_are_mirrored(model, images):
    averaged = MirrorAveraged(model)
    seen, mirrored = averaged(images), averaged(images.flip(3))
    plain, changed = model(images), 0
    assert seen.keys() == plain.keys()
    for name, task in model.tasks.items():
        assert seen[name].keys() == plain[name].keys()
        for key, values in task.mirror(mirrored[name]).items():
            torch.testing.assert_close(seen[name][key], values, rtol=1e-3, atol=1e-3)
            changed += (seen[name][key] - plain[name][key]).abs().max() > 0.1
    assert changed > 5  # the network itself does tell left from right


@torch.no_grad()
def test_the_maps_are_means(model, images):
    half = images.clone()
    half[..., 32:] = images[..., :32].flip(3)  # its own mirror image
    seen, plain = MirrorAveraged(model)(half), model(half)
    for name, task in model.tasks.items():
        again = task.mirror(plain[name])
        for key, values in plain[name].items():
            torch.testing.assert_close(seen[name][key], (values + again[key]) / 2, rtol=1e-3,
                                       atol=1e-3)


def test_predictions_of_a_mirror_image_are_mirrored(model, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    save_model(model, tmp_path / 'w.safetensors')
    runtime = RuntimeConfig('cpu', 'torch')
    for twice in (load_predictor(tmp_path / 'w.safetensors', None, runtime, flip=True),
                  Predictor(model, runtime, flip=True)):
        assert twice.heads == list(NAMES)
        seen, mirrored = twice(image), twice(image[:, ::-1])
        np.testing.assert_allclose(seen['pose'].scores[:5], mirrored['pose'].scores[:5], rtol=1e-3)
        same = seen['segmentation'].labels == mirrored['segmentation'].labels[:, ::-1]
        assert same.mean() > 0.99
    once = Predictor(model, runtime)
    assert (once(image)['segmentation'].labels != seen['segmentation'].labels).any()


POSE = CenterNetPoseTask()
LOGITS = torch.tensor([-60.0, -9.0, -2.0, 0.0, 1.5, 7.0, 40.0])


@pytest.mark.parametrize('name', ['heatmap', 'joint_heatmap'])
def test_centernet_averages_probabilities(name):
    seen, again = (values.double() for values in torch.meshgrid(LOGITS, LOGITS, indexing='ij'))
    mean = POSE.mean({name: seen.float()}, {name: again.float()})[name]
    expected = (seen.sigmoid() + again.sigmoid()) / 2
    torch.testing.assert_close(mean.double().sigmoid(), expected, rtol=1e-5, atol=1e-30)
    assert mean.isfinite().all()


def test_centernet_takes_offsets_of_the_image_alone():
    names = ('offset', 'joint_offset', 'size', 'displacement')
    seen, again = torch.arange(3.0), torch.arange(3.0).flip(0) + 5
    means = POSE.mean(dict.fromkeys(names, seen), dict.fromkeys(names, again))
    assert list(means) == list(names)
    assert means['offset'] is means['joint_offset'] is seen
    for name in ('size', 'displacement'):
        torch.testing.assert_close(means[name], (seen + again) / 2)


@torch.no_grad()
def test_an_exact_task_is_averaged_as_centernet_does(images):
    torch.manual_seed(0)
    tasks = {'pose': {'kind': 'centernet_pose', 'head': {'width': 8}}, 'segmentation': {}}
    model = MultiTaskNet(ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8), SIZE,
                                     preprocessing='centernet')).eval()
    found, seen = MirrorAveraged(model)(images), model(images)
    again = model(images.flip(3))['pose']
    swap = list(COCO_SKELETON.flip)
    for name, channels in (('heatmap', [0]), ('joint_heatmap', swap)):
        expected = (seen['pose'][name].sigmoid() + again[name].flip(3)[:, channels].sigmoid()) / 2
        torch.testing.assert_close(found['pose'][name].sigmoid(), expected)
    sizes = (seen['pose']['size'] + again['size'].flip(3)) / 2
    torch.testing.assert_close(found['pose']['size'], sizes)
    ways = again['displacement'].flip(3).unflatten(1, (17, 2))[:, swap]
    ways = ways * torch.tensor([-1.0, 1.0])[:, None, None]
    torch.testing.assert_close(found['pose']['displacement'],
                               (seen['pose']['displacement'] + ways.flatten(1, 2)) / 2)
    for name in ('offset', 'joint_offset'):
        torch.testing.assert_close(found['pose'][name], seen['pose'][name])
    assert 'logits' in found['segmentation']
