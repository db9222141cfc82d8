# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A picture of all predictions of an image."""

from dataclasses import replace
from types import MappingProxyType
from typing import Callable, Mapping, Sequence

import numpy as np

from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, RegionMap, ScalarMap, Structure, VectorMap)
from mcn_ros.visualization.canvas import Canvas, Style
from mcn_ros.visualization.class_map import draw_class_map
from mcn_ros.visualization.class_planes import draw_class_planes
from mcn_ros.visualization.instances import draw_instances
from mcn_ros.visualization.labels import draw_labels, draw_text, Label
from mcn_ros.visualization.line_map import draw_line_map
from mcn_ros.visualization.poses import draw_poses
from mcn_ros.visualization.region_map import draw_region_map
from mcn_ros.visualization.scalar_map import draw_scalar_map
from mcn_ros.visualization.vector_map import draw_vector_map
from mcn_ros.vocabulary import KEYPOINT_THRESHOLD

# Draws a structure, and returns the names that are to stand on top of everything.
Drawing = Callable[[Canvas, Structure, Sequence[str]], list[Label]]

# What is drawn first may be hidden by what comes later.
DRAWINGS: dict[type, Drawing] = {
    VectorMap: draw_vector_map,
    ClassMap: draw_class_map,
    ScalarMap: draw_scalar_map,
    ClassPlanes: draw_class_planes,
    LineMap: draw_line_map,
    RegionMap: draw_region_map,
    Instances: draw_instances,
    Poses: draw_poses,
}

# These leave little of the image, so they are drawn only where there is nothing else to draw.
OPAQUE = {VectorMap}


def draw(image: np.ndarray, predictions: Mapping[str, Structure],
         class_names: Mapping[str, Sequence[str]], score_threshold: float = 0.3, *,
         score_thresholds: Mapping[str, float] = MappingProxyType({}),
         keypoint_thresholds: Mapping[str, float] = MappingProxyType({}),
         text: str = '') -> np.ndarray:
    """
    Draw predictions on a copy of an image: areas first, then boxes, people, and labels on top.

    :param image: (H, W, 3) uint8 RGB.
    :param predictions: task name -> structure in the pixels of the image.
    :param class_names: task name -> names of its classes; tasks without classes may be missing.
    :param score_threshold: objects, people and lines of a class below are not drawn.
    :param score_thresholds: task name -> value in place of that.
    :param keypoint_thresholds: task name -> value in place of KEYPOINT_THRESHOLD.
    :param text: lines for the lower left corner, such as latency and rate.
    :return: (H, W, 3) uint8 RGB.
    """
    clear = {name: value for name, value in predictions.items() if type(value) not in OPAQUE}
    shown, order = clear or predictions, list(DRAWINGS)
    canvas = Canvas(np.array(image, order='C'), Style.of_image(image), score_threshold,
                    KEYPOINT_THRESHOLD, Instances in map(type, shown.values()))
    labels: list[Label] = []
    for name in sorted(shown, key=lambda name: order.index(type(shown[name]))):
        value = shown[name]
        own = replace(
            canvas, score_threshold=score_thresholds.get(name, canvas.score_threshold),
            keypoint_threshold=keypoint_thresholds.get(name, canvas.keypoint_threshold))
        labels += DRAWINGS[type(value)](own, value, class_names.get(name, ()))
    draw_labels(canvas, labels, draw_text(canvas, text))
    return canvas.pixels
