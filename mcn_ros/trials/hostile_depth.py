# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a depth camera sends, right and then damaged at random: images, clouds and camera_info."""

from array import array
import sys
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from mcn_ros.data.image_formats import ENCODINGS
from mcn_ros.geometry import Size
from mcn_ros.trials.hostile import cut, flip, noise

METRES = 2.0  # to a wall, in all that is right
LONG = 1000  # characters of a name
_SIZES = 'height', 'width', 'step', 'point_step', 'row_step', 'binning_x', 'binning_y'
_ODD = 0.0, -1.0, np.nan, np.inf, 1e-300, 1e300


def depth_messages(source: str, size: Size, header: Header) -> list[Any]:
    """Return what belongs to an image, of a source as the parameter depth.source has it."""
    if source == 'points':
        return [cloud(size, header)]
    height, width = size
    msg = Image(header=header, height=height, width=width, encoding='16UC1', step=2 * width,
                is_bigendian=sys.byteorder == 'big')
    msg.data = array('B', np.full(size, 1000 * METRES, np.uint16).tobytes())
    focal = float(max(size))
    return [camera_info(size, focal, header), msg]


def camera_info(size: Size, focal: float, header: Header) -> CameraInfo:
    """Return the model of a camera whose axis goes through the middle of its image."""
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    return CameraInfo(header=header, height=size[0], width=size[1], distortion_model='plumb_bob',
                      d=[0.0] * 5, k=[focal, 0, x, 0, focal, y, 0, 0, 1],
                      p=[focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1, 0])


def cloud(size: Size, header: Header) -> PointCloud2:
    """Return the points of the wall, as that camera sees them."""
    rows, columns = np.indices(size)
    scale = METRES / max(size)
    points = np.stack([(columns - (size[1] - 1) / 2) * scale, (rows - (size[0] - 1) / 2) * scale,
                       np.full(size, METRES)], axis=-1).astype(np.float32)
    msg = PointCloud2(
        header=header, height=size[0], width=size[1], point_step=12, row_step=12 * size[1],
        is_bigendian=sys.byteorder == 'big', fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate('xyz')])
    msg.data = array('B', points.tobytes())
    return msg


def hostile_depth(message: Any, seed: int, index: int) -> Any:
    """
    Return a message with random damage; what becomes of it is open.

    :param message: a right one of :func:`depth_messages`, which is changed.
    :param seed: of all messages.
    :param index: of this one.
    """
    rng = np.random.default_rng([seed, index])
    names = message.get_fields_and_field_types()
    sizes = [name for name in _SIZES if name in names]
    for name in rng.permutation(sizes)[:rng.integers(len(sizes) + 1)]:
        setattr(message, str(name), int(rng.integers(0, 2 ** rng.integers(1, 33))))
    if 'is_bigendian' in names:
        message.is_bigendian = type(message.is_bigendian)(rng.integers(2))
    if 'encoding' in names:
        encodings = ['16UC1', '32FC1', 'mono16', '', 'e' * LONG, *ENCODINGS]
        message.encoding = encodings[rng.integers(len(encodings))]
    for field in message.fields if 'fields' in names else ():
        field.offset = int(rng.integers(0, 2 ** rng.integers(1, 33)))
        field.datatype, field.count = int(rng.integers(4, 9)), int(rng.integers(0, 3))
    if 'k' in names:
        _bend(rng, message)
    if 'data' in names:
        data = message.data.tobytes()
        message.data = array('B', (flip, cut, noise)[rng.integers(3)](rng, data))
    return message


def _bend(rng: np.random.Generator, info: CameraInfo) -> None:
    """Let some of the numbers of a camera be those of none."""
    models = ['plumb_bob', 'rational_polynomial', 'equidistant', '', 'm' * LONG]
    info.distortion_model = models[rng.integers(len(models))]
    info.d = rng.normal(size=rng.integers(0, 20)).tolist()
    for name in rng.permutation(['k', 'p', 'd'])[:rng.integers(1, 4)]:
        numbers = np.array(getattr(info, str(name)), float)
        for place in rng.integers(0, len(numbers), 3) if len(numbers) else ():
            numbers[place] = _ODD[rng.integers(len(_ODD))]
        setattr(info, str(name), numbers.tolist())
    for name in ('x_offset', 'y_offset', 'height', 'width'):
        if rng.integers(2):
            setattr(info.roi, name, int(rng.integers(0, 2 ** rng.integers(1, 33))))


def on_the_wire(message: Any, seed: int, index: int) -> bytes:
    """Return a message as it is sent, with random damage."""
    rng = np.random.default_rng([seed, index])
    return (flip, cut, noise)[rng.integers(3)](rng, serialize_message(message))
