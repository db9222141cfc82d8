# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of depth -> what the depth camera sees, in the frame of the depth."""

from typing import Any, Callable, Sequence

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mcn_ros.data.image_formats import shown
from mcn_ros.geometry import Size
from mcn_ros.ros.node.conversions import check_header
from mcn_ros.spatial.camera_model import CameraModel, is_rectified
from mcn_ros.spatial.depth import (
    depth_from_compressed, depth_from_image, DepthRange, points_from_cloud)
from mcn_ros.spatial.surface import Surface, surface_of_cloud

# Parameter depth.transport -> type of the messages.
DEPTH_TYPES = {'raw': Image, 'compressedDepth': CompressedImage}
_DECODERS: dict[type, Callable[..., np.ndarray]] = {
    Image: depth_from_image, CompressedImage: depth_from_compressed}


class SurfaceReader:
    """
    Decodes depth; a camera model is made once for each content of camera_info.

    :param limits: which depth counts.
    :param rectified: whether the images are undistorted: auto, true or false.
    :param image_topic: by whose name auto may tell.
    """

    def __init__(self, limits: DepthRange, rectified: str, image_topic: str):
        self._limits, self._rectified = limits, rectified
        self._image_topic = image_topic.removesuffix('/compressed')
        self._content: tuple[Any, ...] = ()
        self._camera: CameraModel | None = None

    def read(self, msg: Any, info: CameraInfo | None, image: Header,
             max_pixels: int) -> Surface:
        """
        Return the surface that a message shows.

        :param msg: of a type of :data:`DEPTH_TYPES`, or a PointCloud2.
        :param info: that of the depth; not asked for with clouds.
        :param image: header of the image that the depth belongs to.
        :param max_pixels: larger messages are refused.
        :raises ValueError: for what is wrong with the message, or does not belong to the image.
        """
        check_header(msg.header)
        if isinstance(msg, PointCloud2):
            return surface_of_cloud(points_from_cloud(msg, max_pixels), self._limits)
        if msg.header.frame_id != image.frame_id:
            raise ValueError(f'depth is in frame {shown(msg.header.frame_id)}, the image in '
                             f'{shown(image.frame_id)}: not registered')
        depth = _DECODERS[type(msg)](msg, self._limits, max_pixels)
        if info is None:
            raise ValueError('no camera_info of the depth has come')
        return Surface(depth, self._model(info, depth.shape))

    def _model(self, info: CameraInfo, size: Size) -> CameraModel:
        content = (size, info.width, info.height, info.distortion_model, info.d.tobytes(),
                   info.k.tobytes(), info.p.tobytes(), info.binning_x, info.binning_y, info.roi)
        if self._camera is None or content != self._content:
            rectified = (is_rectified(self._image_topic, info) if self._rectified == 'auto'
                         else self._rectified == 'true')
            self._camera = CameraModel.from_info(info, rectified).resize(size)
            self._content = content
        return self._camera


def optical_up(surface: Surface) -> Sequence[float]:
    """Return the direction that is up in the image, in the frame of the surface."""
    return (0.0, -1.0, 0.0) if surface.axes is None else (-surface.axes[1]).tolist()
