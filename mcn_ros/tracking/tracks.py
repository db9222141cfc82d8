# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a tracker knows of objects from the frames before."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcn_ros.tracking.kalman import begin, Motion
from mcn_ros.tracking.objects import Objects


@dataclass(frozen=True)
class Tracks:
    """
    What is known of objects from the frames before.

    :param mean: see :class:`mcn_ros.tracking.kalman.Motion`; as is ``covariance``.
    :param labels: (T,) int64, see :class:`Objects`.
    :param joints: (T, J, 2) float64, in sides of the box from its top left corner.
    :param places: (T, 2) float64, metres on the ground where it was last; NaN if never known.
    :param placed_ns: (T,) int64, stamp of the frame of that.
    :param seen_ns: (T,) int64, stamp of the frame in which it was found last.
    :param matches: (T,) int64, how many there were towards its id.
    :param numbers: (T,) int64, that of its id; 0 without.
    """

    ROWS: ClassVar[tuple[str, ...]] = (
        'mean', 'covariance', 'labels', 'joints', 'places', 'placed_ns', 'seen_ns', 'matches',
        'numbers')

    mean: np.ndarray
    covariance: np.ndarray
    labels: np.ndarray
    joints: np.ndarray
    places: np.ndarray
    placed_ns: np.ndarray
    seen_ns: np.ndarray
    matches: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def begin(cls, objects: Objects, time_ns: int) -> 'Tracks':
        """Return new tracks."""
        none = np.zeros(len(objects), np.int64)
        return cls(*begin(objects.boxes), objects.labels, in_box(objects.joints, objects.boxes),
                   objects.places, none + time_ns, none + time_ns, none + 1, none)

    @property
    def motion(self) -> Motion:
        """Return where they are."""
        return Motion(self.mean, self.covariance)

    def join(self, other: 'Tracks') -> 'Tracks':
        """Return the tracks of both."""
        return Tracks(*(np.concatenate([getattr(self, name), getattr(other, name)])
                        for name in self.ROWS))

    def predict(self, seconds: float) -> 'Tracks':
        """Return where they are when a time has passed."""
        mean, covariance = self.motion.predict(seconds)
        return replace(self, mean=mean, covariance=covariance)

    def find(self, objects: Objects, whole: np.ndarray, time_ns: int) -> 'Tracks':
        """
        Return all of the tracks, each with the object that it was found to be.

        :param whole: (T,) bool, whether all of it is seen; a part does not say where all is.
        """
        moved = self.motion.correct(objects.boxes)
        mean, covariance = (np.where(whole.reshape(-1, *[1] * (old.ndim - 1)), new, old)
                            for new, old in zip(moved, self.motion))
        joints = in_box(objects.joints, objects.boxes)
        unknown = np.isnan(objects.places)
        return replace(self, mean=mean, covariance=covariance,
                       joints=np.where(np.isnan(joints), self.joints, joints),
                       places=np.where(unknown, self.places, objects.places),
                       placed_ns=np.where(unknown[:, 0], self.placed_ns, time_ns),
                       seen_ns=np.full_like(self.seen_ns, time_ns))


def in_box(joints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return joints (N, J, 2) in sides of their boxes (N, 4)."""
    return (joints - boxes[:, None, :2]) / (boxes[:, 2:] - boxes[:, :2])[:, None]


def in_image(joints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return joints in pixels again, see :func:`in_box`."""
    return boxes[:, None, :2] + joints * (boxes[:, 2:] - boxes[:, :2])[:, None]
