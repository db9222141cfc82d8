# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Let teachers label what images lack, in COCO format: boxes, joints, maps of classes."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, Sequence

from mcn_ros.commands import check_folder, clear_errors
from mcn_ros.commands.runtime_options import add_runtime_options, runtime_config
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.journal import Journal
from mcn_ros.data.labeller import Teachers, Thresholds
from mcn_ros.data.pseudo_labels import add_pseudo_labels, label_images
from mcn_ros.data.pseudo_masks import MaskRule
from mcn_ros.data.unlabelled import unlabelled
from mcn_ros.files import replaced_file
from mcn_ros.runtime.teachers import KINDS
from mcn_ros.runtime.teachers.network import NetworkTeacher
from mcn_ros.runtime.teachers.panel import Panel, split
from mcn_ros.runtime.weights import weights_path
from mcn_ros.trainer.distributed import Ranks

# PicoDet-S and NanoDet-Plus-m, merged, at an IoU of 0.5, on COCO training images: of the boxes
# above KEEP 80 % are right, those above UNSURE cover the centres of 73 % of all objects, those
# above KEEP only of 48 %.
KEEP, UNSURE, JOINTS = 0.4, 0.2, 0.4
ANNOTATIONS, IMAGES = 'annotations.json', 'images'


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='pseudo_label', description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--source', metavar='BAG|FOLDER|VIDEO', help='images without any labels')
    source.add_argument('--annotations', type=Path, metavar='COCO.json',
                        help='annotation file in COCO format; nothing in it is changed')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='folder of the images that the annotation file names')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help=f'folder to write: {ANNOTATIONS}, {IMAGES}/ of a bag or a video, '
                             'maps/; a run that was interrupted goes on there')
    parser.add_argument('--topic', default='', help='image topic of a bag that has several')
    parser.add_argument('--every', type=int, default=1, metavar='N',
                        help='label one of so many images of the source (default: 1)')
    _add_teachers(parser)
    add_runtime_options(parser)
    args = parser.parse_args(arguments)
    if (args.annotations is None) != (args.images is None):
        parser.error('--annotations and --images belong together')
    if args.every < 1 or args.every > 1 and args.annotations:
        parser.error(f'--every: expected a number from 1 on, of a --source, got {args.every}')
    if args.maps and args.weights is None:
        parser.error('--maps: needs --weights')
    if not args.teachers and args.weights is None:
        parser.error('nobody to label: expected --teachers or --weights')
    if not 0 <= args.unsure <= args.keep <= 1:
        parser.error(f'expected 0 <= unsure <= keep <= 1, got --unsure {args.unsure} --keep '
                     f'{args.keep}')
    return args


def _add_teachers(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who labels, and what is believed."""
    parser.add_argument('--teachers', nargs='+', default=[], metavar='[KIND=]FILE.onnx',
                        help='published networks, whose boxes are merged; kinds: '
                             f'{", ".join(KINDS)} (default: told by the shapes of the network)')
    parser.add_argument('--weights', metavar='W',
                        help='weights of this package: a file, or the name of shipped ones; they '
                             'label what no other teacher does')
    parser.add_argument('--flip', action='store_true',
                        help='the weights look at the mirror image, too')
    parser.add_argument('--maps', action='store_true',
                        help='the weights also label pixels, within the boxes of each class')
    parser.add_argument('--keep', type=float, default=KEEP, metavar='SCORE',
                        help=f'boxes of at least this score become objects (default: {KEEP})')
    parser.add_argument('--unsure', type=float, default=UNSURE, metavar='SCORE',
                        help='other boxes of at least this score become regions of which nothing '
                             f'is known, the rest background (default: {UNSURE})')
    parser.add_argument('--joints', type=float, default=JOINTS, metavar='SCORE',
                        help='joints of a lower score are not labelled (default: '
                             f'{JOINTS})')
    rule = MaskRule()
    parser.add_argument('--pixels', type=float, default=rule.threshold, metavar='P',
                        help='within boxes, pixels of a lower probability are unknown (default: '
                             f'{rule.threshold})')


def load_teachers(args: argparse.Namespace) -> Teachers:
    """
    Return who labels what.

    :raises ValueError: for a file that is no teacher, and for labels that the weights have not.
    """
    parts = Panel(args.teachers).parts
    if args.weights is None:
        return Teachers(**parts)
    teacher = NetworkTeacher(args.weights, runtime_config(args), args.flip)
    return Teachers(**{**teacher.parts(args.maps), **parts})


def facts(args: argparse.Namespace) -> dict[str, Any]:
    """Return all that the labels depend on: a run goes on only where these are the same."""
    files = [Path(split(text)[1]) for text in args.teachers]
    files += [] if args.weights is None else [weights_path(args.weights)]
    files += [] if args.annotations is None else [args.annotations]
    return {'files': [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
            **{name: getattr(args, name) for name in (
                'source', 'topic', 'every', 'flip', 'maps', 'keep', 'unsure', 'joints', 'pixels',
                'device', 'backend', 'precision')}}


def summary(content: dict[str, Any]) -> str:
    """Return how much was added, as text."""
    added = [annotation for annotation in content['annotations'] if 'score' in annotation]
    crowds = sum(annotation['iscrowd'] for annotation in added)
    joints = sum(annotation.get('num_keypoints', 0) for annotation in added)
    maps = sum('maps' in image for image in content['images'])
    return (f'{len(content["images"])} images: {len(added) - crowds} objects with {joints} joints '
            f'and {crowds} regions of which nothing is known added; {maps} have maps')


def main(arguments: Sequence[str] | None = None) -> None:
    """Add pseudo-labels, alone or in several processes that torchrun starts."""
    args = parse(arguments)
    with clear_errors(), Ranks(args.device) as ranks:
        check_folder(args.out)  # a path that cannot be written to should not cost a whole run
        # To go on later, it does not matter which GPU of several this process has.
        teachers = load_teachers(argparse.Namespace(**{**vars(args), 'device': ranks.device_name}))
        tasks = {} if teachers.maps is None else dict([teachers.maps])
        if args.annotations:
            dataset = CocoDataset(args.annotations, args.images, tasks)
            content = json.loads(args.annotations.read_bytes())
        else:
            content, images = unlabelled(args.source, args.out / IMAGES, args.topic, args.every,
                                         ranks.leads, ranks.share)
            content = ranks.spread(content)
            dataset = CocoDataset(content, images, tasks)
        limits = Thresholds(args.keep, args.unsure, args.joints, MaskRule(threshold=args.pixels))
        if not ranks.leads:
            # The labels go to process 0, where the loop over them is.
            assert not list(label_images(content, dataset, teachers, limits, ranks.spread(None),
                                         args.out, ranks.share))
            return
        with Journal(args.out / f'{ANNOTATIONS}.part', facts(args)) as journal:
            ranks.spread(set(journal.done))
            content = add_pseudo_labels(content, dataset, teachers, limits, journal, args.out,
                                        progress=True, each=ranks.share)
            with replaced_file(args.out / ANNOTATIONS) as partial:
                partial.write_text(json.dumps(content, separators=(',', ':')))
            journal.remove()
        print(f'{args.out / ANNOTATIONS}: {summary(content)}')


if __name__ == '__main__':  # python -m, which torchrun starts
    main()
