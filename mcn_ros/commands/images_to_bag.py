# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write images, a video or a COCO data set to a bag, with annotations that go by stamp."""

import argparse
from itertools import islice
import json
from pathlib import Path
import tempfile
from typing import Iterator, Sequence

from tqdm import tqdm

from mcn_ros.commands import clear_errors
from mcn_ros.data.bag_writer import (
    ANNOTATIONS, BagConfig, coco_frames, ENCODINGS, START_NS, STORAGES, TRANSPORTS, write_bag)
from mcn_ros.data.frames import Frame, is_synthetic, read_frames
from mcn_ros.data.mot import read_mot


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='images_to_bag', description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--source', metavar='FOLDER|VIDEO',
                        help='images in the order of their names (frame_2 before frame_10), '
                             'or a video')
    source.add_argument('--annotations', type=Path, metavar='COCO.json',
                        help='annotation file in COCO format: its images in the order of their '
                             f'ids; the bag receives an {ANNOTATIONS}, and from a drawn '
                             'sequence also depth, camera_info and /tf')
    source.add_argument('--mot', type=Path, metavar='SEQUENCE',
                        help='folder of a sequence of the MOTChallenge (seqinfo.ini, images and '
                             f'gt/gt.txt): its people, with track ids, go into {ANNOTATIONS}')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='folder of the images that the annotation file names')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder to make')
    parser.add_argument('--frames', type=int, default=0, metavar='N',
                        help='number of images; 0 for all (default: 0)')
    parser.add_argument('--storage', choices=STORAGES, default=BagConfig.storage,
                        help=f'format of the file in the bag (default: {BagConfig.storage})')
    parser.add_argument('--transport', choices=TRANSPORTS, default=BagConfig.transport,
                        help='raw: Image; compressed: CompressedImage, JPEG and PNG files as they '
                             f'are, all else as PNG (default: {BagConfig.transport})')
    parser.add_argument('--encoding', choices=ENCODINGS, default=BagConfig.encoding,
                        help=f'of raw images (default: {BagConfig.encoding})')
    parser.add_argument('--topic', default=BagConfig.topic, metavar='T',
                        help=f'topic of the images (default: {BagConfig.topic}, with /compressed '
                             'where they are)')
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='images per second (default: the pace of a video, of a sequence or '
                             'of the stamps of an annotation file, else 10)')
    parser.add_argument('--frame-id', default=BagConfig.frame_id, metavar='NAME',
                        help=f'coordinate frame of the camera (default: {BagConfig.frame_id})')
    parser.add_argument('--start-stamp', type=int, default=START_NS, metavar='NS',
                        help=f'stamp of the first image in nanoseconds (default: {START_NS})')
    args = parser.parse_args(arguments)
    if (args.annotations is None) != (args.images is None):
        parser.error('--annotations and --images belong together')
    if args.frames < 0 or (
            args.source and is_synthetic(args.source) and not args.frames):
        parser.error(f'--frames: expected a positive number, or 0 (all) for a source that ends, '
                     f'got {args.frames}')
    return args


def open_frames(args: argparse.Namespace) -> Iterator[Frame]:
    """Return the images that the command line asks for."""
    frames = (read_frames(args.source) if args.annotations is None
              else coco_frames(args.annotations, args.images))
    return islice(frames, args.frames or None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bag."""
    args = parse(arguments)
    with clear_errors(), tempfile.TemporaryDirectory(prefix='mcn_mot_') as folder:
        if args.mot:
            content, rate = read_mot(args.mot)
            args.annotations, args.images = Path(folder, ANNOTATIONS), args.mot
            args.annotations.write_text(json.dumps(content))
            args.rate = args.rate or rate
        config = BagConfig(args.topic, args.transport, args.encoding, args.storage, args.rate,
                           args.frame_id, args.start_stamp)
        frames = tqdm(open_frames(args), unit='image', disable=None)
        count = write_bag(args.out, frames, config, args.annotations)
        labels = f'; annotations: {args.out / ANNOTATIONS}' if args.annotations else ''
        print(f'{args.out}: {count} images on {config.full_topic}{labels}')
