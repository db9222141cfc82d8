# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A training that takes a second: a few small images and a small network."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.model import ModelConfig
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.trainer import train as module
from mcn_ros.trainer.config import DatasetConfig, TrainConfig
from mcn_ros.vocabulary import COCO_SKELETON

COUNT = 4


@pytest.fixture(scope='session')
def dataset(tmp_path_factory):
    """Write a few noisy images, each with a person and a car, fully labelled."""
    folder, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    images, annotations = [], []
    for i in range(1, COUNT + 1):
        cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, 256, (64, 64, 3), np.uint8))
        images.append({'id': i, 'file_name': f'{i}.png', 'width': 64, 'height': 64})
        for category in (1, 3):
            x, y, width, height = rng.integers([0, 0, 20, 20], [30, 30, 33, 33]).tolist()
            outline = [x, y, x + width, y, x + width, y + height, x, y + height]
            annotations.append({
                'id': len(annotations) + 1, 'image_id': i, 'category_id': category,
                'bbox': [x, y, width, height], 'area': width * height, 'iscrowd': 0,
                'segmentation': [outline]})
        points = np.hstack([rng.uniform(5, 60, (17, 2)), np.full((17, 1), 2)])
        annotations[-2] |= {'keypoints': points.ravel().tolist(), 'num_keypoints': 17}
    categories = [{'id': 1, 'name': 'person', 'keypoints': list(COCO_SKELETON.keypoint_names)},
                  {'id': 3, 'name': 'car'}]
    path = folder / 'annotations.json'
    path.write_text(json.dumps(
        {'images': images, 'annotations': annotations, 'categories': categories}))
    return DatasetConfig(str(path), str(folder))


@pytest.fixture
def config(dataset, tmp_path):
    classes = ('person', 'car')
    tasks = {'detection': {'classes': classes}, 'pose': {}, 'segmentation': {'classes': classes}}
    tasks = {name: {**fields, 'head': {'width': 8}} for name, fields in tasks.items()}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    return TrainConfig(
        str(tmp_path / 'run'), ModelConfig(tasks, trunk, (64, 64)), (dataset,),
        train_size=(64, 64), steps=4, batch_size=2, warmup_steps=2, workers=0, save_every=2,
        validate_every=100, device='cpu')


class Watched:
    """A monitor that remembers what it is given; drawing takes longer than the training."""

    def __init__(self, folder, tasks, first=0):
        self.calls = [('first', first)]

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args))


@pytest.fixture
def monitors(monkeypatch):
    """Return a list of the monitors of all runs, of which none draws."""
    made = []
    monkeypatch.setattr(module, 'Monitor',
                        lambda *args: made.append(Watched(*args)) or made[-1])
    return made
