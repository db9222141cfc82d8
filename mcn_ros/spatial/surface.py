# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a depth camera sees: a distance for each pixel, and the place in space of it."""

from dataclasses import dataclass

import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.spatial.camera_model import CameraModel
from mcn_ros.spatial.depth import DepthRange

_SAMPLE = 1000  # points of a cloud that a camera is fitted to
_LEAST = 30  # points; with fewer, a cloud says nothing
_OFF_RAYS = 1.0  # pixels; the median of a cloud that belongs to the image is far below


@dataclass(frozen=True)
class Surface:
    """
    What a depth camera sees.

    The frame is that of the points: the optical one of the camera, or that of a cloud, which has
    the same origin but may be turned.

    :param depth: (H, W) float32, metres along the optical axis, NaN where not known.
    :param camera: model of the same size.
    :param cloud: (H, W, 3) float32, the points as they were measured; None where they are on the
        rays of the camera.
    :param axes: (3, 3) float64, the rows are the optical axes x, y and z in the frame.
    """

    depth: np.ndarray
    camera: CameraModel
    cloud: np.ndarray | None = None
    axes: np.ndarray | None = None

    def __post_init__(self):
        assert self.depth.shape == self.camera.size, (self.depth.shape, self.camera.size)

    @property
    def size(self) -> Size:
        """Height and width, in pixels."""
        return self.depth.shape

    def points(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return what pixels show: (N, 3) float32 points, NaN where not known."""
        if self.cloud is not None:
            return self.cloud[rows, columns]
        return self.depth[rows, columns, None] * self.camera.pixel_rays[rows, columns]

    def all_points(self) -> np.ndarray:
        """Return the points (H, W, 3) float32 of all pixels; NaN where not known."""
        if self.cloud is not None:
            return np.where(np.isnan(self.depth)[:, :, None], np.float32(np.nan), self.cloud)
        return self.depth[:, :, None] * self.camera.pixel_rays

    def rays(self, places: np.ndarray) -> np.ndarray:
        """
        Return the points of rays at a depth of one metre.

        :param places: (..., 2) xy in the image.
        :return: (..., 3) float64 in the frame.
        """
        rays = self.camera.rays(places)
        return rays if self.axes is None else rays @ self.axes

    def jacobian(self, place: np.ndarray, depth: float) -> np.ndarray:
        """
        Return how a point changes with its place in the image and its depth.

        :param place: (2,) xy.
        :return: (3, 3) float64, columns for x and y in pixels and the depth in metres.
        """
        columns = np.array([[depth / self.camera.fx, 0, 0], [0, depth / self.camera.fy, 0]])
        if self.axes is not None:
            columns = columns @ self.axes
        return np.column_stack([*columns, self.rays(place)])


def surface_of_cloud(points: np.ndarray, limits: DepthRange = DepthRange()) -> Surface:
    """
    Find the camera that has made an organised cloud, and with it the depth of each point.

    The points of a pixel are on its ray, so they alone say where the camera looks: no transform is
    needed, and the frame of the cloud may be turned against the optical one (x forward).

    :param points: (H, W, 3) float32 in a frame with its origin in the camera; NaN where not known.
    :param limits: metres along the optical axis.
    :raises ValueError: for points that are not on the rays of one camera.
    """
    size = points.shape[:2]
    rows, columns = np.nonzero(np.isfinite(points[:, :, 0]) & points.any(axis=2))
    step = max(1, len(rows) // _SAMPLE)
    rows, columns = rows[::step], columns[::step]
    if len(rows) < _LEAST:
        nothing = np.full(size, np.nan, np.float32)
        return Surface(nothing, CameraModel(size, size[1], size[1], size[1] / 2, size[0] / 2))
    directions = points[rows, columns].astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    camera, axes = _fit(directions, rows, columns, size)
    depth = limits.cut(points @ axes[2].astype(np.float32))
    return Surface(depth, camera, points, axes)


def _fit(directions: np.ndarray, rows: np.ndarray, columns: np.ndarray,
         size: Size) -> tuple[CameraModel, np.ndarray]:
    """
    Return the camera whose pixels see in the directions, and its optical axes.

    The pixel (u, v) of a point P is that of ``(u, v, 1) ~ H P``, which is linear in H = K R.
    """
    # Around zero, and below one: the squares are of one magnitude then.
    middle, scale = np.array([size[1], size[0]]) / 2, max(size) / 2
    places = (np.column_stack([columns, rows]) - middle) / scale
    zero = np.zeros_like(directions)
    equations = np.vstack([np.hstack([directions, zero, -places[:, :1] * directions]),
                           np.hstack([zero, directions, -places[:, 1:] * directions])])
    values, vectors = np.linalg.eigh(equations.T @ equations)
    matrix = vectors[:, 0].reshape(3, 3)
    seen = directions @ matrix.T
    matrix = matrix * np.sign(np.median(seen[:, 2]))
    with np.errstate(divide='ignore', invalid='ignore'):
        beside = np.linalg.norm(seen[:, :2] / seen[:, 2:] - places, axis=1)
    if not np.median(beside) * scale <= _OFF_RAYS or values[1] < 1e-9 * values[-1]:
        raise ValueError(f'cloud of {size[1]}x{size[0]} points: they are not on the rays of a '
                         'camera in the origin of its frame, so it is not registered to an image')
    return _decompose(matrix, middle, scale, size)


def _decompose(matrix: np.ndarray, middle: np.ndarray, scale: float,
               size: Size) -> tuple[CameraModel, np.ndarray]:
    x, y, forward = matrix / np.linalg.norm(matrix[2])
    cx, cy = x @ forward, y @ forward
    right, down = x - cx * forward, y - cy * forward
    fx, fy = np.linalg.norm(right), np.linalg.norm(down)
    camera = CameraModel(size, float(fx * scale), float(fy * scale),
                         float(cx * scale + middle[0]), float(cy * scale + middle[1]))
    return camera, np.stack([right / fx, down / fy, forward])
