# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is looked for in space: predictions in the pixels of a depth camera."""

from dataclasses import dataclass
from functools import cached_property
from typing import Sequence

import cv2
import numpy as np

from mcn_ros.geometry import Size, warp_image
from mcn_ros.spatial.camera_model import check_aspect
from mcn_ros.structures import ClassMap, Instances, Poses
from mcn_ros.vocabulary import PERSON, Skeleton

PERSON_TOLERANCE, TOLERANCE = 0.3, 0.15  # metres from the seed that belong to an object
CELLS = 128  # of a network, along the longer side of an image: a mask is uncertain within one
TORSO = 'left_shoulder', 'right_shoulder', 'left_hip', 'right_hip'


@dataclass(frozen=True)
class Mask:
    """
    Classes of pixels.

    :param labels: (H, W) uint8: 0 is background, c + 1 is class c, 255 is unknown.
    :param classes: names of the classes.
    :param cell: pixels of a cell of the network, so many of which are uncertain at edges.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    cell: int

    @classmethod
    def of(cls, class_map: ClassMap, classes: Sequence[str], size: Size) -> 'Mask':
        """Return the mask for a surface of ``size``, of a map that shows the same as it."""
        height, width = class_map.labels.shape
        y, x = size[0] / height, size[1] / width
        labels = class_map.labels
        if (height, width) != size:
            labels = warp_image(labels, np.array([[x, 0, 0], [0, y, 0.0]]), size, nearest=True)
        return cls(np.ascontiguousarray(labels), tuple(classes),
                   max(1, round(max(size) / CELLS)))

    def inner(self, label: int, part: tuple[slice, slice] = (slice(None), slice(None)),
              ) -> np.ndarray:
        """
        Return where a label is, a cell within its edges: depths there are of neither.

        :param part: rows and columns that are asked for.
        """
        return (self.labels[part] == label) & self._interior[part]

    @cached_property
    def _interior(self) -> np.ndarray:
        """Where (H, W) all labels are the same, as far as a cell."""
        around = np.ones((2 * self.cell + 1,) * 2, np.uint8)
        return cv2.erode(self.labels, around) == cv2.dilate(self.labels, around)

    def label(self, class_name: str) -> int:
        """Return the label of a class, 0 where the mask does not have it."""
        return self.classes.index(class_name) + 1 if class_name in self.classes else 0


@dataclass(frozen=True)
class Subjects:
    """
    Objects to be found in space.

    :param boxes: (N, 4) xyxy in pixels of the surface.
    :param classes: (N,) int; those of one class share a label of the mask.
    :param tolerances: (N,) metres before and behind their seed that belong to them in any case.
    :param labels: (N,) int, label in the mask, 0 for none.
    :param anchors: (N, K, 2) places on the objects, NaN where these are not known.
    """

    boxes: np.ndarray
    classes: np.ndarray
    tolerances: np.ndarray
    labels: np.ndarray
    anchors: np.ndarray

    @classmethod
    def of_objects(cls, objects: Instances, class_names: Sequence[str],
                   mask: Mask | None = None) -> 'Subjects':
        """Return objects, whose pixels are those of the class of the same name."""
        names = [class_names[index] for index in objects.classes.tolist()]
        tolerances = [PERSON_TOLERANCE if name == PERSON else TOLERANCE for name in names]
        labels = [mask.label(name) if mask is not None else 0 for name in names]
        return cls(objects.boxes, objects.classes, np.array(tolerances, np.float64),
                   np.array(labels, np.int64), np.zeros((len(objects), 0, 2)))

    @classmethod
    def of_people(cls, people: Poses, keypoint_threshold: float,
                  mask: Mask | None = None) -> 'Subjects':
        """Return people, whose shoulders and hips are on them where these are visible."""
        num, label = len(people), mask.label(PERSON) if mask is not None else 0
        return cls(people.boxes, np.zeros(num, np.int64), np.full(num, PERSON_TOLERANCE),
                   np.full(num, label), _torsos(people, people.skeleton, keypoint_threshold))


def registration(image: Size, surface: Size) -> np.ndarray:
    """
    Return the affine from the pixels of an image to those of a depth camera that sees the same.

    :raises ValueError: for another aspect ratio.
    """
    check_aspect(surface, image, 'depth')
    return np.array([[surface[1] / image[1], 0, 0], [0, surface[0] / image[0], 0.0]])


def _torsos(people: Poses, skeleton: Skeleton, threshold: float) -> np.ndarray:
    joints = [index for index, name in enumerate(skeleton.keypoint_names) if name in TORSO]
    visible = people.keypoint_scores[:, joints] >= threshold
    return np.where(visible[:, :, None], people.keypoints[:, joints], np.nan)
