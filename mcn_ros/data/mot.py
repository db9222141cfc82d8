# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Sequences of the MOTChallenge as COCO annotations: people in a video, and who they are.

A sequence is a folder with ``seqinfo.ini``, the images in the folder that this names, and
``gt/gt.txt``: a line for each box, with frame (from 1), identity, left, top, width, height, flag
(0: not to be scored), class and visibility. Boxes are taken as they are, as scoring tools do:
files differ in whether pixels count from 0 or from 1.
"""

import configparser
from pathlib import Path
from typing import Any

import numpy as np

from mcn_ros.vocabulary import PERSON

PEDESTRIAN, UNKNOWN = 1, -1
# What looks like a person, and is neither to be found nor wrong: on a vehicle, not moving, a
# picture, a reflection.
LIKE_PEOPLE = {2, 7, 8, 12}
COLUMNS = 8  # that are read


def read_mot(folder: Path) -> tuple[dict[str, Any], float]:
    """
    Read a sequence.

    :param folder: the sequence; names of images are relative to it.
    :return: content of an annotation file, see :mod:`mcn_ros.data.coco_file`, with the ids of the
        images counting from 1 and the identities as ``track_id``; and images per second.
    :raises ValueError: for a file that is missing, or is none of a sequence.
    """
    info = _info(folder / 'seqinfo.ini')
    try:
        length, width, height = (int(info[key]) for key in ('seqLength', 'imWidth', 'imHeight'))
        rate, images = float(info['frameRate']), info['imDir']
        images = [{'id': number, 'width': width, 'height': height,
                   'file_name': f'{images}/{number:06d}{info["imExt"]}'}
                  for number in range(1, length + 1)]
    except (KeyError, ValueError) as error:
        raise ValueError(f'{folder / "seqinfo.ini"}: is not of a sequence ({error})') from error
    return {'images': images, 'categories': [{'id': 1, 'name': PERSON}],
            'annotations': _annotations(folder / 'gt' / 'gt.txt', length)}, rate


def _info(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    try:
        parser.read_string(path.read_text())
        return dict(parser['Sequence'])
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except (configparser.Error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: has no section Sequence') from error


def _annotations(path: Path, length: int) -> list[dict[str, Any]]:
    try:
        rows = np.loadtxt(path, delimiter=',', usecols=range(COLUMNS), ndmin=2)
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error})') from error
    except ValueError as error:
        raise ValueError(f'{path}: expected lines of {COLUMNS} numbers ({error})') from error
    entries = []
    for frame, identity, left, top, width, height, flag, label in rows.tolist():
        if not 1 <= frame <= length:
            raise ValueError(f'{path}: frame {frame:g} is not one of 1 to {length}')
        wanted = flag > 0 and label in (PEDESTRIAN, UNKNOWN)
        if wanted or label in LIKE_PEOPLE | {PEDESTRIAN, UNKNOWN}:
            entry = {'id': len(entries) + 1, 'image_id': int(frame), 'category_id': 1,
                     'bbox': [left, top, width, height], 'area': width * height,
                     'iscrowd': int(not wanted)}
            entries.append({**entry, 'track_id': int(identity)} if wanted else entry)
    return entries
