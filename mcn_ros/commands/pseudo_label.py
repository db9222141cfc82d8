# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Let a detector label the classes that an annotation file leaves out: boxes, in COCO format."""

import argparse
import json
from pathlib import Path
from typing import Any, Sequence

from mcn_ros.commands import check_writable, clear_errors
from mcn_ros.data.pseudo_labels import add_pseudo_labels
from mcn_ros.files import replaced_file
from mcn_ros.runtime.yolox import YoloxTeacher

# YOLOX-Nano at an IoU of 0.5, on COCO training images: of the boxes above KEEP 78 % are right;
# those above UNSURE cover the centres of 56 % of all objects, those above KEEP only of 31 %.
KEEP, UNSURE = 0.4, 0.1


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='pseudo_label', description=__doc__)
    parser.add_argument('--teacher', type=Path, required=True, metavar='YOLOX.onnx',
                        help='a published YOLOX network of the 80 COCO classes')
    parser.add_argument('--annotations', type=Path, required=True, metavar='COCO.json',
                        help='annotation file in COCO format; nothing in it is changed')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR',
                        help='folder of the images that the annotation file names')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json',
                        help='file to write: all of COCO.json and the boxes of the other classes')
    parser.add_argument('--keep', type=float, default=KEEP, metavar='SCORE',
                        help=f'boxes of at least this score become objects (default: {KEEP})')
    parser.add_argument('--unsure', type=float, default=UNSURE, metavar='SCORE',
                        help='other boxes of at least this score become regions of which nothing '
                             f'is known, the rest background (default: {UNSURE})')
    args = parser.parse_args(arguments)
    if not 0 <= args.unsure <= args.keep <= 1:
        parser.error(f'expected 0 <= unsure <= keep <= 1, got --unsure {args.unsure} --keep '
                     f'{args.keep}')
    return args


def summary(content: dict[str, Any]) -> str:
    """Return how much was added, as text."""
    added = [annotation for annotation in content['annotations'] if 'score' in annotation]
    crowds = sum(annotation['iscrowd'] for annotation in added)
    return (f'{len(content["images"])} images: {len(added) - crowds} objects and {crowds} regions '
            'of which nothing is known added')


def main(arguments: Sequence[str] | None = None) -> None:
    """Add pseudo-labels."""
    args = parse(arguments)
    with clear_errors():
        check_writable(args.out)  # a path that cannot be written to should not cost a whole run
        teacher = YoloxTeacher(args.teacher, floor=args.unsure)
        content = add_pseudo_labels(args.annotations, args.images, teacher, teacher.classes,
                                    args.keep, args.unsure, progress=True)
        with replaced_file(args.out) as partial:
            partial.write_text(json.dumps(content, separators=(',', ':')))
        print(f'{args.out}: {summary(content)}')
