# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Where images without labels come from: folders, and the bags of a robot.

A camera that looks at the same thing for an hour says the same thing for an hour. Of a bag, two
frames a second are looked at, and those that are nearly the last one are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import json
import logging
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mcn_ros.config import from_dict, to_dict
from mcn_ros.data.bags import Bag, is_bag
from mcn_ros.data.frames import bag_frames, Frame, IMAGE_SUFFIXES, image_topics, IMAGE_TYPES
from mcn_ros.data.listing import list_files
from mcn_ros.data.unlabelled import write_frame
from mcn_ros.files import replaced_file
from mcn_ros.mae.crops import find_images

PERIOD_NS = 500_000_000  # from one frame of a topic that is looked at to the next
THUMBNAIL = 32, 32
DIFFERENCE = 4.0  # grey levels, mean over a thumbnail, that make a frame another one
CARD = 'frames.json'


@dataclass(frozen=True)
class Source:
    """
    Images of one origin.

    :param images: the folder or bag.
    :param frames: number of its images.
    :param topics: of a bag, the number of frames that each gave.
    :param unreadable: frames of a bag that cannot be decoded, and are left out.
    """

    images: str
    frames: int
    topics: dict[str, int]
    unreadable: int = 0


def find_sources(images: Sequence[str], topics: Sequence[str], folder: Path,
                 ) -> tuple[list[Source], list[Path]]:
    """
    Return what images there are; frames of bags are written to a folder, once.

    :param images: folders of images, and bags.
    :param topics: of the bags; those of none are taken from a bag that has only one.
    :param folder: gets a folder for each bag.
    :return: a description of each, and the files of all, in order.
    :raises ValueError: for what is neither, has no images or not one of the topics; and for
        frames of something else in the folder.
    """
    bags = [name for name in images if is_bag(Path(name).expanduser())]
    if topics and not bags:
        raise ValueError(f'topics: {", ".join(topics)}, but there is no bag among images')
    find_images([name for name in images if name not in bags])  # errors before long work
    sources, files = [], []
    for number, name in enumerate(images):
        if name in bags:
            path = Path(name).expanduser()
            taken = folder / f'{number}_{path.stem}'
            sources.append(take_frames(path, topics, taken))
            files += list_files(taken, IMAGE_SUFFIXES)
        else:
            found = find_images([name])
            sources.append(Source(name, len(found), {}))
            files += found
    return sources, files


def take_frames(path: Path, topics: Sequence[str], folder: Path) -> Source:
    """
    Write the frames of a bag that differ to a folder, unless that is done.

    :param topics: those of them that the bag has are read; none: the only one that it has.
    :param folder: of images, and a card of what they are.
    :raises ValueError: for a bag without images on the topics, and a folder of other frames.
    """
    card = folder / CARD
    asked = {'bag': str(path.absolute()), 'topics': list(topics)}
    if card.exists():
        content = json.loads(card.read_text())
        if content['asked'] != asked:
            raise ValueError(f'{folder}: has frames of {content["asked"]}, not of {asked}; remove '
                             'it, or choose another run folder')
        return from_dict(Source, content['source'])
    with Bag(path) as bag:
        chosen = image_topics(bag, [each for each in topics if each in bag.topics] or topics)
        counts, variety = dict.fromkeys(chosen, 0), Variety()
        for frame in tqdm(bag_frames(bag, chosen), path.name, bag.count(chosen, IMAGE_TYPES),
                          unit='frame', dynamic_ncols=True):
            if variety.grows_by(frame):
                # Cameras may have the same stamps.
                name = f'{chosen.index(frame.topic)}_{frame.name}'
                write_frame(replace(frame, name=name), folder)
                counts[frame.topic] += 1
        for problem in bag.problems:
            logging.getLogger(__name__).warning('bag %s: %s', path, problem)
    if not any(counts.values()):
        raise ValueError(f'bag {path}: no image of {", ".join(chosen)} can be decoded')
    source = Source(str(path), sum(counts.values()), counts, variety.unreadable)
    with replaced_file(card) as partial:
        partial.write_text(json.dumps({'asked': asked, 'source': to_dict(source)}, indent=1))
    return source


class Variety:
    """
    What has been seen on each topic, so that only what is new is kept.

    :ivar unreadable: number of frames that could not be decoded.
    """

    def __init__(self) -> None:
        self.unreadable = 0
        self._stamps: dict[str, int] = {}  # of the last frame that was looked at
        self._thumbnails: dict[str, np.ndarray] = {}  # of the last one that was kept

    def grows_by(self, frame: Frame) -> bool:
        """Return whether a frame is to be kept: it is late enough, and another one."""
        last = self._stamps.get(frame.topic)
        # A bag that was played in a loop goes back in time.
        if last is not None and abs(frame.stamp_ns - last) < PERIOD_NS:
            return False
        self._stamps[frame.topic] = frame.stamp_ns
        try:
            grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        except ValueError:
            self.unreadable += 1
            return False
        thumbnail = cv2.resize(grey, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.int16)
        kept = self._thumbnails.get(frame.topic)
        if kept is not None and np.abs(thumbnail - kept).mean() < DIFFERENCE:
            return False
        self._thumbnails[frame.topic] = thumbnail
        return True
