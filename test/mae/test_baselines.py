# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What needs no network: colour where it tells, and where it does not."""

import numpy as np
import pytest

from mcn_ros.mae.baselines import colour_relation, distance_relation, measure_baselines
from mcn_ros.mae.scenes import draw_scene
from mcn_ros.mae.scores import summary
from mcn_ros.mae.segmentation import SegmentationConfig


def test_patches_of_a_colour_are_related():
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 8:] = 200, 30, 90
    image[::2, 16:] = 0, 60, 180
    image[1::2, 16:] = 255, 0, 0
    relation = colour_relation(image, (2, 3))
    assert relation[0, 3] == 1 and relation[1, 4] == 1
    assert relation[0, 1] < 0.1
    assert relation[1, 2] == colour_relation(image, (2, 3)).T[1, 2] < 0.9


def test_near_patches_are_related():
    relation = distance_relation((3, 4))
    assert relation[0, 0] == 1 and relation[0, 11] == 0
    assert relation[0, 1] > relation[0, 5] > relation[0, 2]


@pytest.mark.parametrize('kind, solved', [('coloured', True), ('textured', False)])
def test_colour_solves_scenes_of_colours_only(kind, solved):
    found = []
    for index in range(6):
        scene = draw_scene(kind, np.random.default_rng((1, index)))
        found.append(measure_baselines(*scene, (6, 6), SegmentationConfig()))
    scores = {name: summary([each[name] for each in found]) for name in found[0]}
    assert (scores['colour']['AUC'] > 0.95) == solved
    assert (scores['colour']['ARI'] > 0.7) == solved
    ceiling = scores['ceiling']
    assert ceiling['ARI'] == 1 and 0.6 < ceiling['foreground_IoU'] < 1
    assert scores['all']['foreground_IoU'] < ceiling['foreground_IoU']
    assert scores['all']['AUC'] is None
    assert scores['distance']['AUC'] < 0.8
