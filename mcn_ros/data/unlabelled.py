# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images without any labels as the content of a COCO file that says so."""

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

import cv2
import numpy as np
from tqdm import tqdm

from mcn_ros.data.bags import is_bag
from mcn_ros.data.coco import read_image
from mcn_ros.data.each import Each
from mcn_ros.data.frames import Frame, IMAGE_SUFFIXES, read_frames, SYNTHETIC
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.data.image_headers import image_extent
from mcn_ros.data.listing import list_files
from mcn_ros.files import replaced_file

# Of JPEG files that are made of raw images.
QUALITY = 95
SUFFIXES = {b'\xff\xd8\xff': '.jpg', b'\x89PNG': '.png'}


def unlabelled(source: str, folder: Path, topic: str = '', every: int = 1,
               progress: bool = False, each: Each = map) -> tuple[dict[str, Any], Path]:
    """
    Describe the images of a source.

    Those of a folder stay where they are; of a bag or a video they are written to a folder, as
    they are in it where they are JPEG or PNG files, else as JPEG. One that is there already, from
    a run that was interrupted, is not written again.

    :param source: a bag, a folder of images or a video.
    :param folder: where images are written to.
    :param topic: image topic of a bag; may be '' if the bag has only one.
    :param every: take one of so many images, the first of them.
    :param each: shares the images with other processes; where it yields nothing, the content is
        not that of the source.
    :return: content of a COCO file in which nothing is labelled, and the folder of its images.
    :raises ValueError: for a source that cannot be read, and an image that cannot be decoded.
    """
    path = Path(source).expanduser()
    if source == SYNTHETIC:
        raise ValueError(f'source: {SYNTHETIC} has no end, and labels of its own (synthesize)')
    if path.is_dir() and not is_bag(path):
        files = list_files(path, IMAGE_SUFFIXES)[::every]
        if not files:
            raise ValueError(f'source: {source!r} has no images')
        return _content([file.name for file in files], path), path
    frames = _distinct(islice(read_frames(source, topic), 0, None, every))
    names = tqdm(each(partial(write_frame, folder=folder), frames), 'frames', unit='image',
                 disable=None if progress else True)
    return _content(list(names), folder), folder


def _distinct(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the first frame of each name."""
    names: set[str] = set()
    for frame in frames:
        if frame.name not in names:
            names.add(frame.name)
            yield frame


def _content(names: Sequence[str], folder: Path) -> dict[str, Any]:
    images = []
    for number, name in enumerate(names, 1):
        height, width = _size(folder / name)
        images.append({'id': number, 'file_name': name, 'width': width, 'height': height,
                       'labelled': []})
    return {'images': images, 'annotations': [], 'categories': []}


def _size(path: Path) -> tuple[int, int]:
    """Return the (height, width) of an image file, in its pixels as they are stored."""
    try:
        return image_extent(path.read_bytes())[0]
    except (OSError, ValueError):
        return read_image(path).shape[:2]  # or tell what is wrong with it


def write_frame(frame: Frame, folder: Path) -> str:
    """
    Write an image, unless it is there: as it is where it is a JPEG or PNG file, else as JPEG.

    :return: the name of its file, that of the frame with a suffix.
    :raises ValueError: for an image that cannot be decoded.
    """
    for suffix in SUFFIXES.values():
        if (folder / f'{frame.name}{suffix}').exists():
            return f'{frame.name}{suffix}'
    try:
        data, suffix = _encoded(frame)
    except ValueError as error:
        raise ValueError(f'image {frame.name}: {error}') from error
    path = folder / f'{frame.name}{suffix}'
    with replaced_file(path) as partial:
        partial.write_bytes(data)
    return path.name


def _encoded(frame: Frame) -> tuple[bytes, str]:
    """Return the content of an image file that shows a frame, and its suffix."""
    image = frame.image
    for data, suffix in _as_it_is(frame):
        # A file may hold the pixels of a camera that are still to be made a picture.
        if np.array_equal(EncodedImage(suffix[1:], data).to_rgb(), image):
            return data, suffix
    done, data = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                              (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    assert done, frame.name
    return data.tobytes(), '.jpg'


def _as_it_is(frame: Frame) -> Iterator[tuple[bytes, str]]:
    """Yield the file that a frame holds, and its suffix, if it is one of those."""
    if isinstance(frame.content, EncodedImage):
        data = bytes(frame.content.data)
        yield from ((data, suffix) for start, suffix in SUFFIXES.items()
                    if data.startswith(start))
