# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boundaries without learning."""

import numpy as np

from mcn_ros.evaluation.gradient import Gradient
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.structures import LineMap, RegionMap

SIZE = 200, 260


def scored(image, labels):
    gradient = Gradient()
    scorers = Scorers(gradient.tasks)
    scorers.add(gradient(image), {'boundaries': RegionMap(labels, np.array([-1]))})
    return scorers.result()['boundaries']['ODS']


def test_what_differs_in_brightness_is_found_and_what_does_not_is_not():
    labels = np.zeros(SIZE, np.uint16)
    labels[60:140, 80:190] = 1
    image = np.full((*SIZE, 3), 60, np.uint8)
    image[labels == 1] = 160, 90, 200
    assert scored(image, labels) > 0.9
    assert scored(image, np.roll(labels, 15, axis=1)) < 0.7
    assert scored(np.full_like(image, 200), labels) == 0


def test_it_is_from_0_to_1_in_every_image():
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, 130:] = 5
    found = Gradient()(image)['boundaries']
    assert isinstance(found, LineMap)
    assert found.values.shape == SIZE and found.values.dtype == np.float32
    assert found.values.min() == 0 and found.values.max() == 1
