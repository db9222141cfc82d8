# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What robots have beside images, as messages: camera models, depth and where the camera is.

It comes from the keys of a COCO file's image that drawn sequences have: ``camera`` (fx, fy, cx and
cy), the map ``depth`` and ``camera_pose``.
"""

from pathlib import Path
from typing import Any, Iterator, Mapping

import numpy as np

from mcn_ros.config import brief
from mcn_ros.data.maps import read_depth

MAP_FRAME = 'map'


def is_geometric(image: Mapping[str, Any]) -> bool:
    """Return whether an image is one of a camera whose way is known."""
    return 'camera_pose' in image


def geometry_messages(image: Mapping[str, Any], folder: Path, topic: str, header: Any,
                      types: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """
    Yield topic, type and message of all that is known, beside the topic of the images.

    :param image: entry of an annotation file.
    :param folder: of the maps.
    :param topic: of the images, such as /camera/image_raw.
    :param header: of the image.
    :param types: name -> class of messages.
    :raises ValueError: for keys that are not numbers as they should be, and for a bad map.
    """
    base = topic.rpartition('/')[0]
    depth = (image.get('maps') or {}).get('depth')
    pose = _numbers(image, 'camera_pose', {'position': 3, 'orientation': 4})
    transform = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](*pose['position']),
        types['geometry_msgs/msg/Quaternion'](*pose['orientation']))
    stamped = types['geometry_msgs/msg/TransformStamped'](
        types['std_msgs/msg/Header'](header.stamp, MAP_FRAME), header.frame_id, transform)
    yield '/tf', 'tf2_msgs/msg/TFMessage', types['tf2_msgs/msg/TFMessage']([stamped])
    if 'camera' in image:
        info = _camera_info(image, header, types)
        yield f'{base}/camera_info', 'sensor_msgs/msg/CameraInfo', info
        if depth:
            yield f'{base}/depth/camera_info', 'sensor_msgs/msg/CameraInfo', info
    if depth:
        height, width = image['height'], image['width']
        pixels = read_depth(folder / depth, (height, width)).astype('<u2')
        yield f'{base}/depth/image_raw', 'sensor_msgs/msg/Image', types['sensor_msgs/msg/Image'](
            header, height, width, '16UC1', 0, 2 * width, pixels.view(np.uint8).reshape(-1))


def _camera_info(image: Mapping[str, Any], header: Any, types: Mapping[str, Any]) -> Any:
    """Return the message of a camera without distortion."""
    camera = _numbers(image, 'camera', dict.fromkeys(('fx', 'fy', 'cx', 'cy'), 0))
    k = np.array([[camera['fx'], 0, camera['cx']], [0, camera['fy'], camera['cy']], [0, 0, 1.0]])
    whole = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    return types['sensor_msgs/msg/CameraInfo'](
        header, image['height'], image['width'], 'plumb_bob', np.zeros(5), k.reshape(-1),
        np.eye(3).reshape(-1), np.hstack([k, np.zeros((3, 1))]).reshape(-1), 0, 0, whole)


def _numbers(image: Mapping[str, Any], key: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the values of a key: so many numbers each, or one number for 0."""
    found, values = image[key], {}
    for name, count in counts.items():
        value = found.get(name) if isinstance(found, dict) else None
        parts = value if count and isinstance(value, list) else [value]
        if len(parts) != max(count, 1) or not all(
                type(part) in (int, float) and np.isfinite(part) for part in parts):
            raise ValueError(f'image {image["id"]}: {key}: expected {name} as '
                             f'{count or "a"} finite number{"s" if count else ""}, '
                             f'got {brief(found)}')
        values[name] = [float(part) for part in parts] if count else float(value)
    return values
