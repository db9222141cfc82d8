# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Camera models: places in an image -> rays of the optical frame (x right, y down, z forward).

Places are those of :mod:`mcn_ros.geometry`: (0, 0) is the corner of the first pixel, whose centre
is (0.5, 0.5). The matrices of CameraInfo have that centre at (0, 0), so half a pixel lies between.
"""

from dataclasses import dataclass, replace
import functools
import math
from typing import Any

import cv2
import numpy as np

from mcn_ros.data.image_formats import shown
from mcn_ros.geometry import Size

# Model of distortion -> numbers of coefficients that it can have.
DISTORTIONS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
ASPECT_TOLERANCE = 0.01
# Lenses are undistorted until the place in the image is right to this many pixels.
_STEPS, _ACCURACY = 50, 1e-9
_BEYOND = 1e5


@dataclass(frozen=True)
class CameraModel:
    """
    A pinhole with a lens.

    :param size: (height, width) of the image.
    :param fx: focal length in pixels; fy likewise.
    :param cx: principal point, with the centre of the first pixel at 0; cy likewise.
    :param distortion: coefficients in the order of OpenCV, () for none.
    :param lens: what these are, one of :data:`DISTORTIONS`.
    """

    size: Size
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    lens: str = 'plumb_bob'

    @classmethod
    def from_info(cls, info: Any, rectified: bool) -> 'CameraModel':
        """
        Read a sensor_msgs/CameraInfo.

        :param rectified: whether the image is undistorted.
        :return: the model of the image as it is sent: binned and cut.
        :raises ValueError: for a camera without calibration, or with an unknown distortion.
        """
        name = f'camera_info of {info.width}x{info.height} in frame {shown(info.header.frame_id)}'
        if rectified:
            fx, cx, fy, cy = (info.p[index] for index in (0, 2, 5, 6))
        else:
            fx, cx, fy, cy = (info.k[index] for index in (0, 2, 4, 5))
        if not (all(map(math.isfinite, (fx, fy, cx, cy))) and fx > 0 and fy > 0):
            raise ValueError(f'{name}: not calibrated, {"P" if rectified else "K"} has fx = {fx}, '
                             f'fy = {fy}, cx = {cx}, cy = {cy}')
        roi, bin_x, bin_y = info.roi, info.binning_x or 1, info.binning_y or 1
        size = (roi.height or info.height) // bin_y, (roi.width or info.width) // bin_x
        if min(size) < 1:
            raise ValueError(f'{name}: has no pixels')
        distortion = () if rectified else _distortion(info, name)
        return cls(size, fx / bin_x, fy / bin_y, (cx - roi.x_offset) / bin_x,
                   (cy - roi.y_offset) / bin_y, distortion, info.distortion_model or 'plumb_bob')

    def resize(self, size: Size) -> 'CameraModel':
        """
        Return the model for images of another size that show the same.

        :raises ValueError: for another aspect ratio.
        """
        if size == self.size:
            return self
        check_aspect(self.size, size, 'camera_info')
        y, x = size[0] / self.size[0], size[1] / self.size[1]
        return replace(self, size=size, fx=self.fx * x, fy=self.fy * y,
                       cx=(self.cx + 0.5) * x - 0.5, cy=(self.cy + 0.5) * y - 0.5)

    @property
    def matrix(self) -> np.ndarray:
        """Return K, (3, 3) float64."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def rays(self, places: np.ndarray) -> np.ndarray:
        """
        Return where rays pass the plane at one metre.

        :param places: (..., 2) xy in the image; NaN stays NaN.
        :return: (..., 3) float64: X/Z, Y/Z, 1; NaN where the lens has no ray.
        """
        pixels = np.asarray(places, np.float64).reshape(-1, 2) - 0.5
        if self.distortion:
            plane = self._undistort(pixels)
        else:
            plane = (pixels - [self.cx, self.cy]) / [self.fx, self.fy]
        return np.hstack([plane, np.ones((len(plane), 1))]).reshape(*places.shape[:-1], 3)

    def project(self, points: np.ndarray) -> np.ndarray:
        """
        Return where points are seen.

        :param points: (N, 3) in the optical frame, with z > 0.
        :return: (N, 2) float64, xy in the image.
        """
        points = np.asarray(points, np.float64)
        still, lens = np.zeros(3), np.array(self.distortion)
        if self.lens == 'equidistant' and self.distortion:
            pixels, _ = cv2.fisheye.projectPoints(points[:, None], still, still, self.matrix, lens)
        else:
            pixels, _ = cv2.projectPoints(points[:, None], still, still, self.matrix, lens)
        return pixels.reshape(-1, 2) + 0.5

    @functools.cached_property
    def pixel_rays(self) -> np.ndarray:
        """Return the rays of the centres of all pixels, (H, W, 3) float32."""
        height, width = self.size
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        return self.rays(np.stack([columns, rows], axis=-1)).astype(np.float32)

    def _undistort(self, pixels: np.ndarray) -> np.ndarray:
        if not len(pixels):
            return pixels
        criteria = cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, _ACCURACY
        known = np.isfinite(pixels).all(axis=1)
        places, lens = np.where(known[:, None], pixels, 0.0)[:, None], np.array(self.distortion)
        if self.lens == 'equidistant':
            plane = cv2.fisheye.undistortPoints(places, self.matrix, lens, criteria=criteria)
        else:
            plane = cv2.undistortPointsIter(places, self.matrix, lens, None, None, criteria)
        # OpenCV marks what no ray of the lens reaches by a million.
        known &= np.abs(plane[:, 0]).max(axis=1) < _BEYOND
        return np.where(known[:, None], plane[:, 0], np.nan)


def is_rectified(topic: str, info: Any) -> bool:
    """
    Return whether images are undistorted, by the name of their topic or as no lens distorts.

    :param topic: of the image.
    :param info: sensor_msgs/CameraInfo.
    """
    return 'rect' in topic.rpartition('/')[2] or not any(info.d)


def check_aspect(size: Size, other: Size, name: str) -> None:
    """Raise ValueError for sizes of different aspect ratio: these show different things."""
    if abs(size[1] * other[0] / (size[0] * other[1]) - 1) > ASPECT_TOLERANCE:
        raise ValueError(f'{name} is of {size[1]}x{size[0]}, the image of {other[1]}x{other[0]}: '
                         'not registered')


def _distortion(info: Any, name: str) -> tuple[float, ...]:
    coefficients = tuple(map(float, info.d))
    if not any(coefficients):
        return ()
    counts = DISTORTIONS.get(info.distortion_model)
    if counts is None:
        raise ValueError(f'{name}: distortion model {shown(info.distortion_model)} is not known '
                         f'(known: {", ".join(DISTORTIONS)})')
    if len(coefficients) not in counts or not all(map(math.isfinite, coefficients)):
        raise ValueError(f'{name}: {info.distortion_model} with the coefficients '
                         f'{list(coefficients)[:14]} (it has {" or ".join(map(str, counts))})')
    return coefficients
