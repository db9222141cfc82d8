# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of camera frames: drawn scenes, images, videos and bags, all read without ROS."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
import logging
from pathlib import Path
from typing import Iterator, Sequence

import cv2
import numpy as np

from mcn_ros.data.bags import Bag, is_bag, Message
from mcn_ros.data.image_formats import EncodedImage, MAX_PIXELS, RawImage, too_large
from mcn_ros.data.listing import list_files
from mcn_ros.data.synthetic import scene
from mcn_ros.geometry import Size

SYNTHETIC = 'SYNTHETIC'
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')

# Of sources that have no time of their own: 10 frames per second.
PERIOD_NS = 100_000_000
MAX_RATE = 10_000  # frames per second of a video


@dataclass(frozen=True)
class Frame:
    """
    One image of a stream, as it is stored.

    :param name: names the frame in messages and files.
    :param stamp_ns: nanoseconds: of the message header in a bag (of the recording where the header
        has none), since the start elsewhere.
    :param content: the stored image.
    :param frame_id: coordinate frame of the camera, '' if unknown.
    :param topic: where a bag has it from, '' elsewhere.
    """

    name: str
    stamp_ns: int
    content: RawImage | EncodedImage
    frame_id: str = ''
    topic: str = ''

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

    :param source: 'SYNTHETIC' (scenes without end, see :func:`is_synthetic`), an image file, a
        folder of images, a video file or a bag of ROS 1 or 2.
    :param topic: image topic of a bag; may be '' if the bag has only one.
    :param size: (height, width) of drawn scenes.
    :param seed: of the first drawn scene.
    :return: the frames in order; read as they are asked for. What is missing of a damaged bag is
        logged.
    :raises ValueError: for a source that does not exist or gives no frame at all.
    """
    path = Path(source).expanduser()
    if is_synthetic(source):
        frames = _draw_scenes(size, seed)
    elif not path.exists():
        raise ValueError(f'source: {source!r} does not exist '
                         f'(known: {SYNTHETIC}, or a video, image, folder of images or bag)')
    elif is_bag(path):
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


def is_synthetic(source: str) -> bool:
    """Return whether drawn scenes are asked for; 'synthetic' may also be the name of a folder."""
    return source == SYNTHETIC or source == SYNTHETIC.lower() and not Path(source).exists()


def is_folder_of_images(source: str) -> bool:
    """Return whether a source is images of no common time."""
    path = Path(source).expanduser()
    return path.is_dir() and not is_bag(path)


def _rgb(image: np.ndarray, encoding: str = 'rgb8') -> RawImage:
    height, width = image.shape[:2]
    return RawImage(encoding, height, width, image.strides[0], image.reshape(-1))


def _draw_scenes(size: Size, seed: int) -> Iterator[Frame]:
    for index in count():
        image = scene(seed + index, size).image
        yield Frame(f'{index:06d}', index * PERIOD_NS, _rgb(np.ascontiguousarray(image)))


def _read_images(path: Path) -> Iterator[Frame]:
    files = list_files(path, IMAGE_SUFFIXES) if path.is_dir() else [path]
    for index, file in enumerate(files):
        yield Frame(file.stem, index * PERIOD_NS, EncodedImage.read(file))


def _read_video(path: Path) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(path))
    try:
        size = video.get(cv2.CAP_PROP_FRAME_HEIGHT), video.get(cv2.CAP_PROP_FRAME_WIDTH)
        if problem := too_large(*size, MAX_PIXELS):
            raise ValueError(f'source: {path}: {problem}')
        rate = video.get(cv2.CAP_PROP_FPS)
        if not 0 < rate <= MAX_RATE:  # a file may say anything, also nothing
            rate = 1e9 / PERIOD_NS
        for index in count():
            success, image = video.read()
            if not success:
                return
            yield Frame(f'{index:06d}', round(index * 1e9 / rate), _rgb(image, 'bgr8'))
    finally:
        video.release()


def _read_bag(path: Path, topic: str) -> Iterator[Frame]:
    with Bag(path) as bag:
        yield from bag_frames(bag, image_topics(bag, [topic] if topic else ()))
        for problem in bag.problems:
            logging.getLogger(__name__).warning('bag %s: %s', path, problem)


def image_topics(bag: Bag, wanted: Sequence[str] = (), others: Sequence[str] = ()) -> list[str]:
    """
    Choose topics of a bag.

    :param wanted: topics of images; none means the only one that there is.
    :param others: topics of images that are none of a camera.
    :return: the topics, each of which has at least one message.
    :raises ValueError: if they are not there, or if there are several to choose from.
    """
    known = ', '.join(sorted(bag.topics)) or 'none'
    if not any(bag.counts.values()):
        raise ValueError(f'bag {bag.path}: is empty (topics: {known})')
    images = [name for name in bag.topics_of(*IMAGE_TYPES) if name not in others]
    if not images:
        raise ValueError(f'bag {bag.path}: no image topic (topics: {known})')
    for topic in wanted:
        if topic not in images:
            raise ValueError(f'bag {bag.path}: no images on topic {topic!r} '
                             f'(image topics: {", ".join(images)})')
    if len(images) > 1 and not wanted:
        raise ValueError(f'bag {bag.path}: several image topics, name one: {", ".join(images)}')
    topics = list(dict.fromkeys(wanted)) or images
    for topic in topics:
        if not bag.count([topic], IMAGE_TYPES):
            raise ValueError(f'bag {bag.path}: topic {topic!r} has no images')
    return topics


def bag_frames(bag: Bag, topics: Sequence[str]) -> Iterator[Frame]:
    """Yield the images on some topics of a bag, in the order of their recording."""
    for message in bag.messages(topics, IMAGE_TYPES):
        try:
            yield _to_frame(message)
        except (AttributeError, TypeError) as error:  # a bag describes its messages itself
            raise ValueError(f'bag {bag.path}: topic {message.topic}: a message is no image as '
                             f'ROS has it: {error}') from error


def _to_frame(message: Message) -> Frame:
    image, stamp = message.content, message.content.header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or message.recorded_ns
    if hasattr(image, 'format'):
        content = EncodedImage(str(image.format), memoryview(image.data))
    else:
        content = RawImage(str(image.encoding), int(image.height), int(image.width),
                           int(image.step), memoryview(image.data), bool(image.is_bigendian))
    return Frame(str(int(stamp_ns)), int(stamp_ns), content, str(image.header.frame_id),
                 message.topic)
