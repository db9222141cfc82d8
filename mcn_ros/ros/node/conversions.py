# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Images <-> arrays, structures -> messages: pure functions, without a node, clock or parameters.

The way back, from messages of results to structures, is :mod:`mcn_ros.data.messages`.

Boxes and keypoints are in camera pixels, with (0, 0) the top left corner of the image. The header
is an argument: that of the image, on everything that comes from the image.
"""

from array import array
from importlib import import_module
import math
import sys
from typing import Any, Sequence

import cv2
from mcn_ros_msgs.msg import HumanPose2D, HumanPose2DArray, Keypoint2D, SkeletonInfo
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D, Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, Point2D,
    VisionClass)

from mcn_ros.colors import color_map, vector_colors
from mcn_ros.data.image_formats import EncodedImage, MAX_PIXELS, RawImage, shown
from mcn_ros.structures import (
    ClassMap, id_rows, Instances, LineMap, Poses, ScalarMap, VectorMap)
from mcn_ros.vocabulary import Skeleton

MAX_FRAME_ID = 255  # characters; every single detection repeats them


def check_header(header: Header) -> None:
    """Raise ValueError for a frame_id that is too long, and a stamp that is no time."""
    if len(header.frame_id) > MAX_FRAME_ID:
        raise ValueError(f'frame_id {shown(header.frame_id)} has {len(header.frame_id)} '
                         f'characters, the most is {MAX_FRAME_ID}')
    stamp = header.stamp
    if stamp.sec < 0 or stamp.nanosec >= 10**9:
        raise ValueError(f'stamp of {stamp.sec} s and {stamp.nanosec} ns is no time')


def image_to_rgb(msg: Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Decode an image message.

    :param max_pixels: a larger image is refused.
    :return: (H, W, 3) uint8 RGB; shares memory with the message where that is rgb8.
    :raises ValueError: see :meth:`mcn_ros.data.image_formats.RawImage.to_rgb`.
    """
    return RawImage(msg.encoding, msg.height, msg.width, msg.step, msg.data,
                    bool(msg.is_bigendian)).to_rgb(max_pixels)


def compressed_to_rgb(msg: CompressedImage, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Decode a JPEG or PNG message.

    :param max_pixels: a larger image is refused before any of it is decoded.
    :return: (H, W, 3) uint8 RGB.
    :raises ValueError: see :meth:`mcn_ros.data.image_formats.EncodedImage.to_rgb`.
    """
    return EncodedImage(msg.format, msg.data).to_rgb(max_pixels)


def raw_to_image(image: RawImage, header: Header) -> Image:
    """Return an image message with the same pixels, padding and encoding."""
    msg = Image(header=header, height=image.height, width=image.width, encoding=image.encoding,
                is_bigendian=int(image.is_bigendian), step=image.step)
    msg.data = _bytes(image.data)
    return msg


def encoded_to_compressed(image: EncodedImage, header: Header) -> CompressedImage:
    """Return a compressed image message with the same file content."""
    msg = CompressedImage(header=header, format=image.file_format)
    msg.data = _bytes(image.data)
    return msg


def rgb_to_image(rgb: np.ndarray, header: Header, encoding: str = 'bgr8') -> Image:
    """Encode (H, W, 3) uint8 RGB as an image message of encoding 'rgb8' or 'bgr8'."""
    assert encoding in ('rgb8', 'bgr8'), encoding
    pixels = rgb if encoding == 'rgb8' else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return _pixels_to_image(pixels, header, encoding)


def image_to_png(msg: Image) -> CompressedImage:
    """Return a mono8, rgb8 or bgr8 image as a PNG file, which image_transport can read."""
    assert msg.encoding in ('mono8', 'rgb8', 'bgr8'), msg.encoding
    mono = msg.encoding == 'mono8'
    pixels = np.frombuffer(msg.data, np.uint8).reshape(
        (msg.height, msg.width) if mono else (msg.height, msg.width, 3))
    if msg.encoding == 'rgb8':
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert encoded
    # The encoding of the image, and that of the file as OpenCV reads it.
    kind = f'{msg.encoding}; png compressed {"mono8" if mono else "bgr8"}'
    return encoded_to_compressed(EncodedImage(kind, data), msg.header)


def _pixels_to_image(pixels: np.ndarray, header: Header, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    big = pixels.itemsize > 1 and sys.byteorder == 'big'
    return raw_to_image(RawImage(encoding, height, width, pixels[0].nbytes, pixels, big), header)


def _bytes(buffer: Any) -> array:
    # An array that is assigned is taken over as it is. Anything else, and also an array that is
    # given to the constructor of a message, is copied number by number: milliseconds per image.
    if isinstance(buffer, np.ndarray):
        buffer = np.ascontiguousarray(buffer).data.cast('B')
    data = array('B')
    data.frombytes(buffer)
    return data


def detections_to_msg(instances: Instances, header: Header, class_names: Sequence[str],
                      class_id_format: str = 'id') -> Detection2DArray:
    """
    Encode objects; all that are given, in their order.

    :param class_names: names of the classes of ``instances``.
    :param class_id_format: 'id' for the decimal index into LabelInfo, 'name' for the class name.
    """
    detections = [
        Detection2D(header=header, bbox=_box_to_msg(box), id=track_id,
                    results=[_hypothesis(_class_id(index, class_names, class_id_format), score)])
        for box, index, score, track_id in zip(
            instances.boxes.tolist(), instances.classes.tolist(), instances.scores.tolist(),
            id_rows(instances).tolist())]
    return Detection2DArray(header=header, detections=detections)


def _class_id(index: int, class_names: Sequence[str], class_id_format: str) -> str:
    return class_names[index] if class_id_format == 'name' else str(index)


def _hypothesis(class_id: str, score: float) -> ObjectHypothesisWithPose:
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = class_id
    result.hypothesis.score = score
    return result


def _box_to_msg(box: Sequence[float]) -> BoundingBox2D:
    left, top, right, bottom = box
    msg = BoundingBox2D(size_x=right - left, size_y=bottom - top)
    msg.center.position = Point2D(x=(left + right) / 2, y=(top + bottom) / 2)
    return msg


def poses_to_msg(poses: Poses, header: Header, keypoint_threshold: float) -> HumanPose2DArray:
    """Encode people with all joints: from the threshold on VISIBLE, else LOW_CONFIDENCE."""
    people = zip(poses.boxes.tolist(), poses.scores.tolist(), poses.keypoints.tolist(),
                 poses.keypoint_scores.tolist(), id_rows(poses).tolist())
    return HumanPose2DArray(header=header, poses=[
        HumanPose2D(id=track_id, score=score, bbox=_box_to_msg(box), keypoints=[
            _keypoint(x, y, joint_score, keypoint_threshold)
            for (x, y), joint_score in zip(joints, joint_scores)])
        for box, score, joints, joint_scores, track_id in people])


def _keypoint(x: float, y: float, score: float, threshold: float) -> Keypoint2D:
    if math.isnan(x) or math.isnan(y):
        return Keypoint2D(position=Point2D(x=math.nan, y=math.nan), score=0.0,
                          state=Keypoint2D.NOT_ESTIMATED)
    state = Keypoint2D.VISIBLE if score >= threshold else Keypoint2D.LOW_CONFIDENCE
    return Keypoint2D(position=Point2D(x=x, y=y), score=score, state=state)


def class_map_to_msg(class_map: ClassMap, header: Header) -> Image:
    """
    Encode labels as a mono8 image: 0 background, c + 1 class c, 255 unknown.

    :param class_map: one label per camera pixel.
    """
    assert class_map.stride == 1, class_map.stride
    return _pixels_to_image(class_map.labels, header, 'mono8')


def class_map_to_color_msg(class_map: ClassMap, header: Header, num_classes: int) -> Image:
    """Encode labels as an rgb8 picture; see :func:`mcn_ros.colors.color_map`."""
    return rgb_to_image(color_map(class_map.labels, num_classes), header, 'rgb8')


def scalar_map_to_msg(scalars: ScalarMap, header: Header) -> Image:
    """Encode values of 0..1 as a mono8 image, 255 times as large."""
    assert scalars.stride == 1, scalars.stride
    return _pixels_to_image(cv2.convertScaleAbs(scalars.values, alpha=255), header, 'mono8')


def line_map_to_thin_msg(lines: LineMap, header: Header, threshold: float) -> Image:
    """Encode as a mono8 image the ridges (255) that are at least as high as the threshold."""
    assert lines.stride == 1, lines.stride
    return _pixels_to_image(255 * lines.ridges(threshold).astype(np.uint8), header, 'mono8')


def vector_map_to_msg(directions: VectorMap, header: Header, encoding: str = '32FC3') -> Image:
    """
    Encode vectors in the optical frame of the camera.

    :param encoding: '32FC3' for numbers, NaN where unknown; 'rgb8' for colours, see
        :func:`mcn_ros.colors.vector_colors`.
    """
    assert directions.stride == 1, directions.stride
    if encoding == 'rgb8':
        return rgb_to_image(vector_colors(directions.vectors), header, 'rgb8')
    return _pixels_to_image(directions.vectors, header, '32FC3')


def label_info_msg(class_names: Sequence[str], header: Header, threshold: float = 0.0,
                   first_id: int = 0) -> LabelInfo:
    """
    Describe class ids.

    :param class_names: names of consecutive ids.
    :param threshold: score below which nothing is published.
    :param first_id: id of the first name.
    """
    classes = [VisionClass(class_id=index, class_name=name)
               for index, name in enumerate(class_names, first_id)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def skeleton_info_msg(skeleton: Skeleton, header: Header, threshold: float) -> SkeletonInfo:
    """Describe keypoints; ``threshold``: score from which on one is VISIBLE."""
    return SkeletonInfo(
        header=header, name=skeleton.name, keypoint_names=list(skeleton.keypoint_names),
        edges=[joint for edge in skeleton.edges for joint in edge], flip=list(skeleton.flip),
        threshold=threshold)


def message_class(msgtype: str) -> type:
    """Return the class of messages of a type, such as 'std_msgs/msg/String'."""
    package, _, name = msgtype.split('/')
    return getattr(import_module(f'{package}.msg'), name)
