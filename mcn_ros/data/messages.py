# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Messages of results -> structures, in camera pixels, without ROS.

Only the fields of a message are looked at, so it does not matter whether ROS or a reader of bags
has made it.
"""

from typing import Any, Sequence

import numpy as np

from mcn_ros.colors import color_vectors
from mcn_ros.structures import (
    ClassMap, ClassPlanes, Instances, LineMap, Poses, ScalarMap, VectorMap)
from mcn_ros.vocabulary import COCO_SKELETON, Skeleton


def stamp_ns(msg: Any) -> int:
    """Return the stamp in the header of a message, in nanoseconds."""
    return time_ns(msg.header.stamp)


def time_ns(time: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds."""
    return time.sec * 1_000_000_000 + time.nanosec


def detections_from_msg(msg: Any, class_names: Sequence[str]) -> Instances:
    """
    Decode objects; of several hypotheses for one object the first counts.

    :param msg: vision_msgs/Detection2DArray.
    :param class_names: LabelInfo's names by id; ids may be decimal or names.
    :raises ValueError: for a class that is not among them.
    """
    results = [detection.results[0].hypothesis for detection in msg.detections]
    return Instances(
        boxes=boxes_from_msg(msg.detections),
        classes=np.array([class_index(r.class_id, class_names) for r in results], np.int64),
        scores=np.array([r.score for r in results], np.float32), ids=ids_from_msg(msg.detections))


def poses_from_msg(msg: Any, skeleton: Skeleton = COCO_SKELETON) -> Poses:
    """
    Decode people.

    :param msg: mcn_ros_msgs/HumanPose2DArray.
    :raises ValueError: for a person with another number of joints than the skeleton.
    """
    for person in msg.poses:
        if len(person.keypoints) != skeleton.num_keypoints:
            raise ValueError(f'{len(person.keypoints)} keypoints, skeleton {skeleton.name} has '
                             f'{skeleton.num_keypoints}')
    joints = np.array([[(k.position.x, k.position.y, k.score) for k in person.keypoints]
                       for person in msg.poses], np.float32)
    joints = joints.reshape(-1, skeleton.num_keypoints, 3)
    return Poses(boxes=boxes_from_msg(msg.poses),
                 scores=np.array([person.score for person in msg.poses], np.float32),
                 keypoints=joints[:, :, :2], keypoint_scores=joints[:, :, 2], skeleton=skeleton,
                 ids=ids_from_msg(msg.poses))


def class_map_from_msg(msg: Any) -> ClassMap:
    """Decode a mono8 image (sensor_msgs/Image) of labels, whose rows may be padded."""
    return ClassMap(pixels_from_msg(msg, np.uint8))


def scalar_map_from_msg(msg: Any) -> ScalarMap:
    """Decode a mono8 image, which holds 255 times the values."""
    return ScalarMap(pixels_from_msg(msg, np.uint8) / np.float32(255))


def line_map_from_msg(msg: Any) -> LineMap:
    """Decode a mono8 image, which holds 255 times the values."""
    return LineMap(scalar_map_from_msg(msg).values)


def vector_map_from_msg(msg: Any) -> VectorMap:
    """
    Decode a 32FC3 image, or an rgb8 picture: see :func:`mcn_ros.colors.vector_colors`.

    Colours are rounded: directions of a picture are off by 0.17 degrees on average, 0.4 at most.

    :raises ValueError: for another encoding.
    """
    if msg.encoding == 'rgb8':
        colors = pixels_from_msg(msg, np.uint8, 3).reshape(msg.height, msg.width, 3)
        return VectorMap(color_vectors(colors))
    if msg.encoding != '32FC3':
        raise ValueError(f'vectors in an image of encoding {msg.encoding!r} (known: 32FC3, rgb8)')
    pixels = pixels_from_msg(msg, np.float32, 3)
    return VectorMap(pixels.reshape(msg.height, msg.width, 3))


def class_planes_from_msg(msg: Any, num_classes: int) -> ClassPlanes:
    """Decode a mono8 image of the likeliest classes: 1 in the plane of that class, else 0."""
    return likeliest_planes(pixels_from_msg(msg, np.uint8), num_classes)


def likeliest_planes(labels: np.ndarray, num_classes: int) -> ClassPlanes:
    """Return planes of 0 and 1 that say the same as labels (H, W), 0 being background."""
    classes = np.arange(1, num_classes + 1)[:, None, None]
    return ClassPlanes((labels == classes).astype(np.float32))


def pixels_from_msg(msg: Any, dtype: type, channels: int = 1) -> np.ndarray:
    """Return (H, W * channels) of an image message, in the byte order of this machine."""
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    stored = np.dtype(dtype).newbyteorder('>' if msg.is_bigendian else '<')
    pixels = rows[:, :msg.width * channels * stored.itemsize].view(stored)
    return pixels.astype(dtype, copy=False)


def boxes_from_msg(objects: Sequence[Any]) -> np.ndarray:
    """Return (N, 4) xyxy float32 of messages that have a bbox."""
    boxes = np.array([(o.bbox.center.position.x, o.bbox.center.position.y,
                       o.bbox.size_x, o.bbox.size_y) for o in objects], np.float64).reshape(-1, 4)
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.hstack([center - half, center + half]).astype(np.float32)


def ids_from_msg(objects: Sequence[Any]) -> np.ndarray | None:
    """Return (N,) str, the ids of messages that have an id; None where all are empty."""
    # Detections of earlier releases have none.
    ids = [getattr(message, 'id', '') for message in objects]
    return np.array(ids, str) if any(ids) else None


def class_index(class_id: str, class_names: Sequence[str]) -> int:
    """Return the index of a class by its name or decimal id; ValueError for an unknown one."""
    if class_id in class_names:
        return list(class_names).index(class_id)
    if class_id.isdecimal() and int(class_id) < len(class_names):
        return int(class_id)
    raise ValueError(f'class id {class_id!r} (known: 0 to {len(class_names) - 1}, '
                     f'{", ".join(class_names)})')
