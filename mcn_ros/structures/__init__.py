# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is known about an image: annotations and predictions have the same types.

One file for each type; :class:`Structure` says what they have in common. Augmentation warps
annotations forward, inference warps predictions back.
"""

from mcn_ros.structures.boxes import (
    area_rows, clip, clip_boxes, crowd_rows, id_rows, warp_boxes)
from mcn_ros.structures.class_map import ClassMap
from mcn_ros.structures.class_planes import ClassPlanes
from mcn_ros.structures.instances import Instances
from mcn_ros.structures.labels import IGNORE
from mcn_ros.structures.line_map import LineMap
from mcn_ros.structures.poses import Poses
from mcn_ros.structures.region_map import RegionMap, UNKNOWN_REGION
from mcn_ros.structures.rows import select, to_numpy
from mcn_ros.structures.sample import Sample
from mcn_ros.structures.scalar_map import ScalarMap
from mcn_ros.structures.structure import Array, Structure
from mcn_ros.structures.vector_map import VectorMap

__all__ = ['area_rows', 'Array', 'ClassMap', 'ClassPlanes', 'clip', 'clip_boxes', 'crowd_rows',
           'id_rows', 'IGNORE', 'Instances', 'LineMap', 'Poses', 'RegionMap', 'Sample',
           'ScalarMap', 'select', 'Structure', 'to_numpy', 'UNKNOWN_REGION', 'VectorMap',
           'warp_boxes']
