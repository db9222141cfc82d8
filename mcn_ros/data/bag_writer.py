# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Images written to a bag of ROS 2, without ROS, and COCO annotations that name them by stamp.

In the annotation file each image carries ``stamp`` (integer nanoseconds, that of the message's
header) and ``topic``: file names mean nothing in a bag.
"""

from dataclasses import dataclass
from itertools import chain
import json
from pathlib import Path
import shutil
from typing import Any, Iterable, Iterator, Mapping

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from mcn_ros.config import brief
from mcn_ros.data.bag_geometry import geometry_messages, is_geometric
from mcn_ros.data.coco_file import read_coco
from mcn_ros.data.frames import Frame, PERIOD_NS
from mcn_ros.data.image_formats import EncodedImage, RawImage
from mcn_ros.files import new_folder

ANNOTATIONS = 'annotations.json'
STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
TRANSPORTS = ('raw', 'compressed')
ENCODINGS = {'bgr8': cv2.COLOR_RGB2BGR, 'rgb8': None}

# Reproducible, unlike now; not 0, which in a header means that there is no stamp.
START_NS = 1_000_000_000 * 10 ** 9
SECOND_NS = 10 ** 9
MOST_NS = 2 ** 31 * SECOND_NS  # a stamp has 31 bits of seconds

# How files begin whose bytes CompressedImage carries as they are -> its format.
SIGNATURES = {b'\xff\xd8': 'jpeg', b'\x89PNG': 'png'}


@dataclass(frozen=True)
class BagConfig:
    """
    How images are written.

    :param topic: of the images; a compressed one ends in /compressed, which is added.
    :param transport: 'raw' (Image) or 'compressed' (CompressedImage: JPEG and PNG files as they
        are, all else as PNG, so that no pixel changes).
    :param encoding: of raw images, 'bgr8' or 'rgb8'; images that are raw already stay as they are.
    :param storage: 'mcap' or 'sqlite3'.
    :param rate: images per second; None for the pace of the source.
    :param frame_id: coordinate frame of images whose source names none.
    :param start_ns: stamp of the first image, nanoseconds.
    """

    topic: str = '/camera/image_raw'
    transport: str = 'raw'
    encoding: str = 'bgr8'
    storage: str = 'mcap'
    rate: float | None = None
    frame_id: str = 'camera'
    start_ns: int = START_NS

    def __post_init__(self):
        for name, known in (('transport', TRANSPORTS), ('encoding', ENCODINGS),
                            ('storage', STORAGES)):
            if getattr(self, name) not in known:
                raise ValueError(f'{name}: {getattr(self, name)!r} is not one of '
                                 f'{", ".join(known)}')
        if not self.topic.startswith('/') or self.topic.endswith('/'):
            raise ValueError(f'topic: {self.topic!r} is not a full name like /camera/image_raw')
        if self.rate is not None and not 0 < self.rate <= 1e6:
            raise ValueError(f'rate: {self.rate} images per second is not in 0..1e6')
        if not 0 < self.start_ns < MOST_NS:
            raise ValueError(f'start_ns: {self.start_ns} is no stamp after 0 in nanoseconds')

    @property
    def full_topic(self) -> str:
        """Return the topic that the bag has."""
        plain = self.topic.removesuffix('/compressed')
        return f'{plain}/compressed' if self.transport == 'compressed' else self.topic


def write_bag(out: Path, frames: Iterable[Frame], config: BagConfig,
              annotations: Path | None = None) -> int:
    """
    Write a bag, which appears under its name when it is complete.

    :param out: folder to make.
    :param frames: the images; stamps keep their distances unless the configuration has a rate.
    :param annotations: COCO file whose images ``frames`` are, see :func:`coco_frames`; it is
        written into the bag with stamps, and its maps beside it. Where it knows the way of the
        camera, depth, camera models and transforms become messages, too.
    :return: number of images.
    :raises ValueError: if ``out`` exists, for an image that cannot be decoded, and for none.
    :raises OSError: for a map that cannot be read.
    """
    frames = iter(frames)
    first = next(frames, None)  # which finds what is wrong with an annotation file
    if first is None:
        raise ValueError(f'{out}: there are no images to write')
    content = {'images': []} if annotations is None else json.loads(annotations.read_bytes())
    geometry = {str(image['id']): image for image in content['images'] if is_geometric(image)}
    # The library names the files of a bag after its folder, so that has its name from the start.
    with new_folder(out) as bag:
        stamps = _write_images(bag, chain([first], frames), config, geometry,
                               annotations and annotations.parent)
        if annotations is not None:
            content = stamped(content, stamps, config.full_topic)
            text = json.dumps(content, separators=(',', ':'))
            (bag / ANNOTATIONS).write_text(text)
            _copy_maps(content['images'], annotations.parent, bag)
    return len(stamps)


def coco_frames(annotations: Path, images: Path) -> Iterator[Frame]:
    """
    Yield the images of a COCO data set in the order of their ids.

    Their stamps are those of the file; where an image has none, 10 per second.

    :return: frames that are named by the ids.
    :raises ValueError: for a malformed annotation file, and for a missing image.
    """
    for index, record in enumerate(read_coco(annotations, with_masks=False).records):
        content = EncodedImage.read(images / record.file_name)
        stamp = record.entry.get('stamp', index * PERIOD_NS)
        if type(stamp) is not int or not 0 <= stamp < MOST_NS:
            raise ValueError(f'{annotations}: image {record.image_id}: stamp: expected integer '
                             f'nanoseconds below {MOST_NS}, got {brief(stamp)}')
        yield Frame(str(record.image_id), stamp, content)


def stamped(content: Mapping[str, Any], stamps: Mapping[str, int], topic: str) -> dict[str, Any]:
    """
    Return the content of a COCO file so that its images carry ``stamp`` and ``topic``.

    :param stamps: image id as text -> nanoseconds; other images and their annotations are left
        out.
    """
    images = [{**image, 'stamp': stamps[str(image['id'])], 'topic': topic}
              for image in content['images'] if str(image['id']) in stamps]
    ids = {image['id'] for image in images}
    entries = [entry for entry in content['annotations'] if entry['image_id'] in ids]
    return {**content, 'images': images, 'annotations': entries}


def _copy_maps(images: Iterable[dict[str, Any]], source: Path, bag: Path) -> None:
    """Copy the maps of images, whose names are relative to the folder of their annotations."""
    for name in {name for image in images for name in (image.get('maps') or {}).values()}:
        (bag / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, bag / name)


def _write_images(bag: Path, frames: Iterable[Frame], config: BagConfig,
                  geometry: Mapping[str, Mapping[str, Any]],
                  folder: Path | None) -> dict[str, int]:
    """Write images and what is known of their cameras; return stamps by the names of frames."""
    store = get_typestore(Stores.LATEST)
    kind = 'CompressedImage' if config.transport == 'compressed' else 'Image'
    kind = f'sensor_msgs/msg/{kind}'
    stamps: dict[str, int] = {}
    first_ns = None
    with Writer(bag, version=9, storage_plugin=STORAGES[config.storage]) as writer:
        def write(topic: str, kind: str, message: Any, stamp_ns: int) -> None:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, kind))

        connections: dict[str, Any] = {}
        for index, frame in enumerate(frames):
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            since_ns = (frame.stamp_ns - first_ns if config.rate is None
                        else round(index * SECOND_NS / config.rate))
            stamp_ns = config.start_ns + since_ns
            message = _message(frame, stamp_ns, config, store.types)
            if frame.name in geometry:
                # First where the camera is: who reads the image can place it at once.
                for other in geometry_messages(
                        geometry[frame.name], folder, config.topic.removesuffix('/compressed'),
                        message.header, store.types):
                    write(*other, stamp_ns)
            write(config.full_topic, kind, message, stamp_ns)
            stamps[frame.name] = stamp_ns
    return stamps


def _message(frame: Frame, stamp_ns: int, config: BagConfig, types: dict[str, Any]) -> Any:
    time = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, SECOND_NS))
    header = types['std_msgs/msg/Header'](time, frame.frame_id or config.frame_id)
    try:
        if config.transport == 'compressed':
            image = _encoded(frame)
            return types['sensor_msgs/msg/CompressedImage'](header, image.file_format, image.data)
        image = _raw(frame, config.encoding)
    except ValueError as error:
        raise ValueError(f'image {frame.name}: {error}') from error
    return types['sensor_msgs/msg/Image'](
        header, image.height, image.width, image.encoding, int(image.is_bigendian), image.step,
        image.data)


def _encoded(frame: Frame) -> EncodedImage:
    """Return a JPEG or PNG image."""
    if isinstance(frame.content, EncodedImage):
        data = np.frombuffer(frame.content.data, np.uint8)
        for start, file_format in SIGNATURES.items():
            if data[:len(start)].tobytes() == start:
                return EncodedImage(file_format, data)
    success, data = cv2.imencode('.png', cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    assert success, frame.name
    return EncodedImage('png', data.reshape(-1))


def _raw(frame: Frame, encoding: str) -> RawImage:
    if isinstance(frame.content, RawImage):
        return frame.content
    conversion = ENCODINGS[encoding]
    pixels = frame.image if conversion is None else cv2.cvtColor(frame.image, conversion)
    height, width = pixels.shape[:2]
    return RawImage(encoding, height, width, 3 * width, pixels.reshape(-1))
