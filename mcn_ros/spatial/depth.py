# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Messages of depth -> metres, without ROS: images, compressed images and organised point clouds.

The encodings are those of REP 118 and of compressed_depth_image_transport; that NaN and both
infinities are no distance is REP 117. Only the fields of a message are looked at, so it does not
matter whether ROS or a reader of bags has made it.
"""

from dataclasses import dataclass
import math
import struct
from typing import Any

import numpy as np

from mcn_ros.data.image_formats import (
    EncodedImage, Encoding, MAX_PIXELS, RawImage, shown, too_large)
from mcn_ros.data.image_headers import PNG

ENCODINGS = {'16UC1': Encoding(1, 'uint16', None), 'mono16': Encoding(1, 'uint16', None),
             '32FC1': Encoding(1, 'float32', None)}
_COMPRESSION = struct.Struct('<iff')  # before the file: a format, then A and B of inverse depth
_FLOAT32 = 7  # sensor_msgs/PointField
_UNKNOWN = 0, 65535  # of 16 bit: cameras write the one or the other


@dataclass(frozen=True)
class DepthRange:
    """
    Which distances count.

    :param scale: metres per unit of encodings of 16 bit.
    :param near: metres; what is nearer is not known.
    :param far: metres; what is farther is not known.
    """

    scale: float = 0.001
    near: float = 0.2
    far: float = 10.0

    def __post_init__(self):
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f'depth scale {self.scale} is not positive')
        if not 0 <= self.near < self.far < math.inf:
            raise ValueError(f'depth from {self.near} to {self.far} m is no range')

    def cut(self, depth: np.ndarray) -> np.ndarray:
        """Return metres, with NaN for what is not within the range; NaN and infinities are not."""
        return np.where((depth >= self.near) & (depth <= self.far), depth, np.float32(np.nan))


def depth_from_image(msg: Any, limits: DepthRange = DepthRange(),
                     max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Decode an image of depth.

    :param msg: sensor_msgs/Image of one of :data:`ENCODINGS`.
    :param max_pixels: a larger image is refused.
    :return: (H, W) float32, metres along the optical axis, NaN where not known.
    :raises ValueError: for another encoding, for fields that contradict each other and for an
        image that is too large.
    """
    if msg.encoding not in ENCODINGS:
        raise ValueError(f'encoding {shown(msg.encoding)} is none of depth '
                         f'(known: {", ".join(ENCODINGS)})')
    if problem := too_large(msg.height, msg.width, max_pixels):
        raise ValueError(f'depth image of {msg.width}x{msg.height} pixels {problem}')
    image = RawImage(msg.encoding, msg.height, msg.width, msg.step, msg.data,
                     bool(msg.is_bigendian))
    values = image.pixels(ENCODINGS[msg.encoding])[:, :, 0]
    if values.dtype.kind == 'f':
        return limits.cut(values.astype(np.float32))
    return _metres(values, limits)


def _metres(values: np.ndarray, limits: DepthRange) -> np.ndarray:
    """Return the metres of values of 16 bit."""
    metres = limits.cut(np.multiply(values, np.float32(limits.scale), dtype=np.float32))
    for unknown in _UNKNOWN:
        np.copyto(metres, np.nan, where=values == unknown)
    return metres


def depth_from_compressed(msg: Any, limits: DepthRange = DepthRange(),
                          max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Decode a compressed image of depth.

    :param msg: sensor_msgs/CompressedImage of the transport compressedDepth, with a PNG inside.
    :param max_pixels: a larger image is refused before any of it is decoded.
    :return: (H, W) float32, metres along the optical axis, NaN where not known.
    :raises ValueError: for another encoding or compression, and for damaged data.
    """
    encoding, _, compression = (part.strip() for part in msg.format.partition(';'))
    name = f'compressed depth of format {shown(msg.format)} and {len(msg.data)} bytes of data'
    if encoding not in ENCODINGS:
        raise ValueError(f'{name}: encoding is none of depth (known: {", ".join(ENCODINGS)})')
    if 'rvl' in compression.lower():
        raise ValueError(f'{name}: RVL is not supported, set the camera to png')
    data = bytes(msg.data)
    if len(data) <= _COMPRESSION.size or not data.startswith(PNG, _COMPRESSION.size):
        raise ValueError(f'{name}: no PNG after {_COMPRESSION.size} bytes, which compressedDepth '
                         'would have')
    values = EncodedImage(msg.format, data[_COMPRESSION.size:]).to_pixels(max_pixels)
    if values.ndim != 2 or values.dtype != np.uint16:
        raise ValueError(f'{name}: the PNG is not one of 16 bit gray')
    if ENCODINGS[encoding].dtype == 'uint16':
        return _metres(values, limits)
    _, numerator, offset = _COMPRESSION.unpack_from(data)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        metres = np.float32(numerator) / (values.astype(np.float32) - np.float32(offset))
    return limits.cut(np.where(values == 0, np.float32(np.nan), metres))


def points_from_cloud(msg: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Decode an organised cloud.

    :param msg: sensor_msgs/PointCloud2 with the fields x, y and z, one point for each pixel.
    :param max_pixels: a larger cloud is refused.
    :return: (H, W, 3) float32, metres in the frame of the cloud; all NaN where not known.
    :raises ValueError: for an unordered cloud, other fields, sizes that contradict each other, and
        a cloud that is too large.
    """
    name = f'cloud of {msg.width}x{msg.height} points'
    if msg.height < 2 or msg.width < 2:
        raise ValueError(f'{name}: is unordered, one point for each pixel is needed (RealSense: '
                         'pointcloud.ordered_pc:=true)')
    if problem := too_large(msg.height, msg.width, max_pixels):
        raise ValueError(f'{name} {problem}')
    data = np.frombuffer(msg.data, np.uint8)
    if msg.row_step < msg.width * msg.point_step or data.size < msg.height * msg.row_step:
        raise ValueError(f'{name}: point_step {msg.point_step}, row_step {msg.row_step} and '
                         f'{data.size} bytes of data do not go together')
    dtype = np.dtype(np.float32).newbyteorder('>' if msg.is_bigendian else '<')
    points = np.empty((msg.height, msg.width, 3), np.float32)
    for axis, field in enumerate('xyz'):
        points[:, :, axis] = np.ndarray(
            (msg.height, msg.width), dtype, data, _offset(msg, field, name),
            (msg.row_step, msg.point_step))
    points[~np.isfinite(points).all(axis=2)] = np.nan
    return points


def _offset(msg: Any, name: str, cloud: str) -> int:
    fields = [field for field in msg.fields if field.name == name]
    if len(fields) != 1 or fields[0].datatype != _FLOAT32 or fields[0].count != 1:
        raise ValueError(f'{cloud}: needs one field {name} of one FLOAT32')
    if fields[0].offset + 4 > msg.point_step:
        raise ValueError(f'{cloud}: field {name} at {fields[0].offset} is beyond the '
                         f'{msg.point_step} bytes of a point')
    return fields[0].offset
