# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A network of all kinds that answer for every pixel can learn a few images by heart."""

from pathlib import Path

import pytest

from mcn_ros.config import from_dict
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.write import write_dataset
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.train import train

WEIGHTS = Path(__file__).resolve().parents[1] / 'models' / 'mcn_shufflenet.safetensors'
SIDE, SEEN = 96, 192  # of the images, and of what the network sees; a cell is two pixels wide
STEPS = 320
STILL = {'scale': [1, 1], 'shift': 0, 'flip': 0, 'brightness': 0, 'contrast': 0, 'saturation': 0,
         'hue': 0, 'gray': 0}
# Cells of stride 4 alone would hold parts, and directions at edges, below what is asked for.
HEAD = {'head': {'layout': 'shared', 'width': 64, 'direct': True}, 'full_resolution': True}
CLASSES = ['person', 'car', 'fire hydrant', 'dog', 'suitcase', 'potted plant']


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_eight_drawn_images_are_learned_by_heart(tmp_path):
    """Five minutes of a core that has nothing else to do."""
    write_dataset(tmp_path / 'scenes', 8, 5, (SIDE, SIDE), RECIPES['simple'])
    data = {'annotations': str(tmp_path / 'scenes' / 'annotations.json'),
            'images': str(tmp_path / 'scenes' / 'images')}
    scores = train(from_dict(TrainConfig, {
        'run': str(tmp_path / 'run'), 'datasets': [data], 'validation': data,
        'model': {'trunk': {'backbone': 'shufflenet_v2_x1_0_leaky', 'neck': 'top_down',
                            'channels': 64},
                  'tasks': {'boundaries': HEAD, 'normals': HEAD, 'saliency': HEAD, 'parts': HEAD,
                            'semantic_boundaries': {**HEAD, 'classes': CLASSES}},
                  'input_size': [SEEN, SEEN], 'channel_order': 'bgr',
                  'mean': [0.406, 0.456, 0.485], 'std': [0.225, 0.224, 0.229]},
        'initial_weights': {'trunk.backbone': str(WEIGHTS)},
        'loss_weights': {'parts/cross_entropy': 20.0}, 'train_size': [SEEN, SEEN],
        'augment': STILL, 'steps': STEPS, 'batch_size': 8, 'learning_rate': 3e-3,
        'warmup_steps': 20, 'ema_decay': 0.9, 'weight_decay': 0.0, 'precision': 'bfloat16',
        'workers': 0, 'device': 'cpu', 'validate_every': STEPS, 'save_every': STEPS,
        'overlays': 0}))
    assert scores['boundaries']['ODS'] > 0.95
    assert scores['normals']['mean'] < 5
    assert scores['saliency']['maxF'] > 0.98
    assert scores['parts']['mIoU'] > 0.9
    assert scores['semantic_boundaries']['mMF'] > 0.9
