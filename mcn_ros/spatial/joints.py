# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Joints of people in an image and what a depth camera sees -> joints in space.

A joint is where its surroundings on the person are. A wrist before a wall must not become a point
of the wall, so what is far from the person does not count, and a bone that is longer than any of a
human says that one of its ends is on something else.
"""

from dataclasses import dataclass

import numpy as np

from mcn_ros.spatial.lift import NOISE, sigma_of, SpatialObjects
from mcn_ros.spatial.patches import median, Patches, patches
from mcn_ros.spatial.subjects import Mask
from mcn_ros.spatial.surface import Surface
from mcn_ros.spatial.transform import apply_transform
from mcn_ros.structures import Poses
from mcn_ros.vocabulary import Skeleton

_SHARE, _SMALLEST, _LARGEST = 0.01, 1, 4  # radius: of the height of the box; pixels
_REACH = 0.5  # metres that limbs are before or behind a person
_LONGEST_BONE = 0.9  # metres
_DEVIATION = 1.4826


@dataclass(frozen=True)
class SpatialJoints:
    """
    The joints of people whose distance is known.

    :param positions: (M, J, 3) float64, metres, on the visible surface; NaN where not known.
    :param sigmas: (M, J) float64, metres, standard deviation along the ray; NaN likewise.
    """

    positions: np.ndarray
    sigmas: np.ndarray


def lift_joints(surface: Surface, poses: Poses, people: SpatialObjects, mask: Mask | None = None,
                transform: np.ndarray | None = None,
                noise: tuple[float, float] = NOISE) -> SpatialJoints:
    """
    Find joints in space.

    :param poses: people in pixels of the surface.
    :param people: what :func:`mcn_ros.spatial.lift.lift` has found of them.
    :param mask: the one that was used for it.
    :param transform: (3, 4), frame of the surface -> frame of the result, None for the same.
    :param noise: a and b of the standard deviation a + b z^2 of a depth z.
    """
    places = poses.keypoints[people.rows].astype(np.float64)
    num, joints = places.shape[:2]
    heights = poses.boxes[people.rows, 3] - poses.boxes[people.rows, 1]
    radii = np.rint(_SHARE * heights).clip(_SMALLEST, _LARGEST).astype(np.int64)
    around = patches(surface, places.reshape(-1, 2), np.repeat(radii, joints))
    values = np.where(_on_people(around, people, joints, mask), around.depths, np.float32(np.nan))
    depths = median(values)
    deviations = _DEVIATION * median(np.abs(values - depths[:, None]))
    depths = depths.reshape(num, joints)
    rays = surface.rays(places)
    points = depths[:, :, None] * rays
    counts = np.count_nonzero(~np.isnan(values), axis=1)
    sigmas = sigma_of(depths, deviations.reshape(num, joints), counts.reshape(num, joints), noise)
    sigmas = sigmas * np.linalg.norm(rays, axis=2)
    lost = _impossible(points, poses.keypoint_scores[people.rows], poses.skeleton)
    points[lost] = np.nan
    if transform is not None:
        points = apply_transform(transform, points)
    return SpatialJoints(points, np.where(np.isnan(points[:, :, 0]), np.nan, sigmas))


def _on_people(around: Patches, people: SpatialObjects, joints: int,
               mask: Mask | None) -> np.ndarray:
    """Return which pixels around joints (N, K) are near the person, and in the mask if any."""
    depths, gates, labels = (np.repeat(values, joints)[:, None] for values in
                             (people.depths, people.gates, people.labels))
    near = np.abs(around.depths - depths) <= np.maximum(_REACH, gates)  # False for NaN
    if mask is None:
        return near
    return near & ((labels == 0) | (mask.labels[around.rows, around.columns] == labels))


def _impossible(points: np.ndarray, scores: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the joints (M, J) that are the less certain end of a bone that is too long."""
    one, other = np.array(skeleton.edges).T
    long = np.linalg.norm(points[:, one] - points[:, other], axis=2) > _LONGEST_BONE
    person, bone = np.nonzero(long)
    one, other = one[bone], other[bone]
    lost = np.zeros(scores.shape, bool)
    lost[person, np.where(scores[person, one] < scores[person, other], one, other)] = True
    return lost
