# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Predictions of an image and what a depth camera sees with it -> objects and joints in space."""

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.spatial.joints import lift_joints, SpatialJoints
from mcn_ros.spatial.lift import lift, locate, NOISE, SpatialObjects
from mcn_ros.spatial.subjects import Mask, registration, Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.structures import ClassMap, Instances, Poses
from mcn_ros.tasks import Task
from mcn_ros.vocabulary import KEYPOINT_THRESHOLD

# Predictions of objects -> what is looked for in space.
SUBJECTS: dict[type, Callable[[Any, Task, Mask | None, float], Subjects]] = {
    Instances: lambda objects, task, mask, _: Subjects.of_objects(objects, task.classes, mask),
    Poses: lambda people, task, mask, threshold: Subjects.of_people(people, threshold, mask)}
AREAS = ClassMap  # predictions that tell which pixels are of which class

Areas = tuple[ClassMap, Sequence[str]]  # and the names of the classes


@dataclass(frozen=True)
class Scene:
    """
    What a depth camera sees, and the image that belongs to it.

    :param surface: in the frame of the depth.
    :param mask: classes of its pixels, None where these are not known.
    :param affine: (2, 3), pixels of the image -> pixels of the surface.
    :param transform: (3, 4), frame of the depth -> frame of the results, in which z is up; None
        for the same, whatever its axes.
    :param noise: of the depth, see :func:`mcn_ros.spatial.lift.lift`.
    """

    surface: Surface
    mask: Mask | None
    affine: np.ndarray
    transform: np.ndarray | None = None
    noise: tuple[float, float] = NOISE

    @classmethod
    def of(cls, surface: Surface, size: Size, areas: Areas | None = None,
           transform: np.ndarray | None = None, noise: tuple[float, float] = NOISE) -> 'Scene':
        """
        Return the scene of an image.

        :param size: (height, width) of the image.
        :param areas: what its pixels are.
        :raises ValueError: for another aspect ratio than that of the surface.
        """
        affine = registration(size, surface.size)
        mask = None if areas is None else Mask.of(*areas, surface.size)
        return cls(surface, mask, affine, transform, noise)

    def lift(self, prediction: Instances | Poses, task: Task,
             keypoint_threshold: float = KEYPOINT_THRESHOLD) -> SpatialObjects:
        """
        Find objects or people in space.

        :param prediction: in pixels of the image.
        :param task: whose prediction that is.
        :param keypoint_threshold: score from which on a joint tells where its person is.
        """
        subjects = self._subjects(prediction, task, keypoint_threshold)
        return lift(self.surface, subjects, self.mask, self.transform, self.noise)

    def ground(self, prediction: Instances | Poses, task: Task,
               keypoint_threshold: float = KEYPOINT_THRESHOLD) -> np.ndarray:
        """
        Return about where on the ground objects are, (N, 2) metres; NaN where that is not known.

        Without a transform, the ground is what is right and ahead of the camera. Parameters are
        those of :meth:`lift`, which takes longer.
        """
        subjects = self._subjects(prediction, task, keypoint_threshold)
        positions = locate(self.surface, subjects, self.mask, self.transform)
        if self.transform is not None:
            return positions[:, :2]
        axes = np.eye(3) if self.surface.axes is None else self.surface.axes
        return positions @ axes[[0, 2]].T

    def _subjects(self, prediction: Instances | Poses, task: Task,
                  keypoint_threshold: float) -> Subjects:
        seen = prediction.warp(self.affine, self.surface.size)
        return SUBJECTS[task.prediction](seen, task, self.mask, keypoint_threshold)

    def lift_joints(self, people: Poses, places: SpatialObjects) -> SpatialJoints:
        """Find the joints of people in space; ``places``: what :meth:`lift` has found of them."""
        return lift_joints(self.surface, people.warp(self.affine, self.surface.size), places,
                           self.mask, self.transform, self.noise)

    def distances(self, objects: SpatialObjects) -> np.ndarray:
        """Return the metres (N,) from the camera to objects."""
        camera = np.zeros(3) if self.transform is None else self.transform[:, 3]
        return np.linalg.norm(objects.positions - camera, axis=1)
