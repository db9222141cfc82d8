# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of camera frames: drawn scenes, images, videos and bags, all read without ROS."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import get_typestore, Stores

from mcn_ros.data.image_formats import EncodedImage, RawImage
from mcn_ros.data.synthetic import scene
from mcn_ros.geometry import Size

SYNTHETIC = 'SYNTHETIC'
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
BAG_SUFFIXES = ('.mcap', '.db3', '.bag')
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')

# Of sources that have no time of their own: 10 frames per second.
PERIOD_NS = 100_000_000


@dataclass(frozen=True)
class Frame:
    """
    One image of a stream, as it is stored.

    :param name: names the frame in messages and files.
    :param stamp_ns: nanoseconds: of the message header in a bag (of the recording where the header
        has none), since the start elsewhere.
    :param content: the stored image.
    :param frame_id: coordinate frame of the camera, '' if unknown.
    """

    name: str
    stamp_ns: int
    content: RawImage | EncodedImage
    frame_id: str = ''

    @cached_property
    def image(self) -> np.ndarray:
        """
        Return the decoded image.

        :return: (H, W, 3) uint8 RGB.
        :raises ValueError: if it cannot be decoded.
        """
        return self.content.to_rgb()


def read_frames(source: str, topic: str = '', size: Size = (480, 640), seed: int = 0,
                ) -> Iterator[Frame]:
    """
    Open a stream of frames.

    :param source: 'SYNTHETIC' (scenes without end), an image file, a folder of images, a video
        file or a bag of ROS 1 or 2.
    :param topic: image topic of a bag; may be '' if the bag has only one.
    :param size: (height, width) of drawn scenes.
    :param seed: of the first drawn scene.
    :return: the frames in order; read as they are asked for.
    :raises ValueError: at once, for a source that does not exist or gives no frame at all; later,
        where the source turns out to be damaged.
    """
    path = Path(source).expanduser()
    if source == SYNTHETIC:
        frames = _draw_scenes(size, seed)
    elif not path.exists():
        raise ValueError(f'source: {source!r} does not exist '
                         f'(known: {SYNTHETIC}, or a video, image, folder of images or bag)')
    elif path.suffix.lower() in BAG_SUFFIXES or (path / 'metadata.yaml').is_file():
        frames = _read_bag(path, topic)
    elif path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        frames = _read_images(path)
    else:
        frames = _read_video(path)
    # The first frame is read here, so that errors come where the source was named.
    first = next(frames, None)
    if first is None:
        raise ValueError(f'source: {source!r} has no images')
    return chain([first], frames)


def _rgb(image: np.ndarray, encoding: str = 'rgb8') -> RawImage:
    height, width = image.shape[:2]
    return RawImage(encoding, height, width, image.strides[0], image.reshape(-1))


def _draw_scenes(size: Size, seed: int) -> Iterator[Frame]:
    for index in count():
        image = scene(seed + index, size).image
        yield Frame(f'{index:06d}', index * PERIOD_NS, _rgb(np.ascontiguousarray(image)))


def _read_images(path: Path) -> Iterator[Frame]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    for index, file in enumerate(files):
        content = EncodedImage(file.suffix.lower().lstrip('.'), file.read_bytes())
        yield Frame(file.stem, index * PERIOD_NS, content)


def _read_video(path: Path) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(path))
    try:
        rate = video.get(cv2.CAP_PROP_FPS) or 1e9 / PERIOD_NS
        for index in count():
            found, image = video.read()
            if not found:
                return
            yield Frame(f'{index:06d}', round(index * 1e9 / rate), _rgb(image, 'bgr8'))
    finally:
        video.release()


def _read_bag(path: Path, topic: str) -> Iterator[Frame]:
    # Bags of older ROS 2 versions do not describe their messages.
    store = get_typestore(Stores.LATEST)
    try:
        with AnyReader([path], default_typestore=store) as reader:
            connections = _pick_connections(path, reader.connections, topic)
            for connection, recorded_ns, data in reader.messages(connections):
                message = reader.deserialize(data, connection.msgtype)
                yield _to_frame(message, recorded_ns)
    except (AnyReaderError, OSError) as error:
        raise ValueError(f'bag {path}: {error}') from error


def _pick_connections(path: Path, connections: list, topic: str) -> list:
    """Return the connections of one image topic; a bag has one for every publisher."""
    types = {connection.topic: connection.msgtype for connection in connections}
    images = sorted(name for name, msgtype in types.items() if msgtype in IMAGE_TYPES)
    if topic in images:
        images = [topic]
    elif topic:
        raise ValueError(f'bag {path}: no images on topic {topic!r} '
                         f'(image topics: {", ".join(images) or "none"})')
    if not images:
        raise ValueError(f'bag {path}: no image topic (topics: {", ".join(sorted(types))})')
    if len(images) > 1:
        raise ValueError(f'bag {path}: several image topics, name one: {", ".join(images)}')
    return [connection for connection in connections if connection.topic == images[0]]


def _to_frame(message: object, recorded_ns: int) -> Frame:
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or recorded_ns
    if hasattr(message, 'format'):
        content = EncodedImage(message.format, message.data)
    else:
        content = RawImage(message.encoding, message.height, message.width, message.step,
                           message.data, bool(message.is_bigendian))
    return Frame(str(stamp_ns), stamp_ns, content, message.header.frame_id)
