# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A network that begins as the detector in its neck."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.coco import BoxScorer
from mcn_ros.evaluation.ground_truth import read_ground_truth
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_neck
from mcn_ros.network.nanodet import CLASSES, READINGS
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime.predictor import Predictor
from mcn_ros.trainer.transfer import start_from_detector

SHARED = Path(__file__).parents[3] / 'shared/data'
NANODET, IMAGES = SHARED / 'weights/nanodet_m.pth', SHARED / 'coco_val'
SOME = 30


def network(classes=('dog', 'person'), **changes):
    torch.manual_seed(0)
    head = {'layout': 'shared', 'width': 8, 'direct': True}
    detection = {'head': head, 'relative': True, **changes}
    if classes:
        detection['classes'] = classes
    trunk = TrunkConfig('shufflenet_v2_x1_0_leaky', 'nanodet', READINGS + 8)
    return MultiTaskNet(ModelConfig(
        {'detection': detection}, trunk, (416, 416), 'bgr', (0.406, 0.456, 0.485),
        (0.225, 0.224, 0.229))).eval()


def test_the_head_answers_what_the_detector_says():
    model = network()
    start_from_detector(model)
    features = torch.randn(1, READINGS + 8, 6, 9)
    found = model.heads['detection'](features)
    readings = features[:, -READINGS:]
    torch.testing.assert_close(found['heatmap'], readings[:, [16, 0]])  # dog, person
    torch.testing.assert_close(found['size'], readings[:, CLASSES:CLASSES + 2])
    torch.testing.assert_close(found['offset'], readings[:, CLASSES + 2:])


def test_a_head_of_one_layer_on_readings_alone_answers_them():
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 8, readers=('detection',))
    model = MultiTaskNet(ModelConfig(
        {'detection': {'head': {'width': 0}, 'relative': True, 'stride': 8}}, trunk)).eval()
    start_from_detector(model)
    readings = torch.randn(1, READINGS, 6, 9)
    found = model.heads['detection'](readings)
    torch.testing.assert_close(torch.cat(list(found.values()), dim=1), readings)


def test_a_class_that_the_detector_does_not_know_begins_anew():
    model, before = network(('forklift', 'person')), network(('forklift', 'person'))
    start_from_detector(model)
    first, second = (net.heads['detection'].maps['heatmap'][0] for net in (model, before))
    assert torch.equal(first.weight[0], second.weight[0])
    assert torch.equal(first.bias[0], second.bias[0])
    assert first.weight[1].count_nonzero() == 1


@pytest.mark.parametrize('changes', [
    {'relative': False}, {'head': {'layout': 'shared', 'width': 8}}])
def test_a_head_that_does_not_fit_is_left_alone(changes):
    model, before = network(**changes), network(**changes)
    start_from_detector(model)
    for name, value in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.skipif(not (NANODET.exists() and IMAGES.exists()), reason='no ../shared')
def test_it_detects_before_it_has_learned_anything():
    model = network(classes=None)
    load_backbone(model.trunk.backbone, NANODET)
    load_neck(model.trunk.neck, NANODET)
    start_from_detector(model)
    predictor = Predictor(model, 'cpu')
    dataset = CocoDataset(IMAGES / 'annotations.json', IMAGES / 'images', predictor.tasks)
    scorer = BoxScorer(read_ground_truth(dataset.file.path), model.tasks['detection'].classes)
    for index in np.arange(SOME):
        sample = dataset[index]
        scorer.add(dataset.ids[index], predictor(sample.image)['detection'])
    assert scorer.result()['AP'] > 0.2  # 0.23 on all of them
