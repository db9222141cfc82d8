# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Score weights on an annotated data set: COCO AP, OKS AP and IoU, per task and class."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, Sequence

from mcn_ros.centernet.scorers import FILE_SCORERS
from mcn_ros.centernet.views import CenterNetViews
from mcn_ros.commands import check_results, clear_errors, write_json
from mcn_ros.commands.runtime_options import (
    add_result_options, add_runtime_options, add_weights_options, runtime_config)
from mcn_ros.data.coco import CocoDataset
from mcn_ros.evaluation.dataset import score
from mcn_ros.evaluation.gallery import Gallery
from mcn_ros.evaluation.gradient import Gradient
from mcn_ros.evaluation.report import read_report, Report, write_report
from mcn_ros.evaluation.scorers import PEDESTRIAN_SCORERS, score_text, Scorer, SCORERS
from mcn_ros.runtime import load_predictor, Predictor, weights_path
from mcn_ros.runtime.teachers import KINDS
from mcn_ros.runtime.teachers.panel import Panel
from mcn_ros.runtime.views import Resolution, Views
from mcn_ros.structures import Instances
from mcn_ros.trainer.distributed import Ranks

COLUMNS = 4


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='evaluate', description=__doc__)
    add_weights_options(parser)
    parser.add_argument('--teachers', nargs='+', default=[], metavar='[KIND=]FILE.onnx',
                        help='score published networks in place of weights, as pseudo_label uses '
                             f'them: {", ".join(KINDS)}')
    parser.add_argument('--gradient', action='store_true',
                        help='score, in place of weights, how steeply brightness changes: what '
                             'boundaries are without learning')
    parser.add_argument('--annotations', type=Path, required=True, metavar='COCO.json',
                        help='annotation file in COCO format')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR',
                        help='folder of the images that the annotation file names')
    add_result_options(parser)
    parser.add_argument('--pictures', type=int, default=6, metavar='N',
                        help='how many of the best and of the worst images the report shows '
                             '(default: %(default)s)')
    parser.add_argument('--flip', action='store_true',
                        help='average the predictions of each image and of its mirror image')
    parser.add_argument('--resolution', default='fixed', choices=get_args(Resolution),
                        help='fit images into the input of the weights, or leave their pixels as '
                             'they are: in inputs of any size, by the backend torch (default: '
                             '%(default)s)')
    parser.add_argument('--scales', type=float, nargs='+', default=[1.0], metavar='S',
                        help='look at each image in these magnifications, and put together what '
                             'is found by soft-NMS (default: 1)')
    parser.add_argument('--reference', action='store_true',
                        help='score as CenterNet does: boxes are not cut at the border of the '
                             'image, numbers are rounded to two decimals, leftovers of its '
                             'soft-NMS count')
    parser.add_argument('--pedestrian', nargs='?', const='reasonable', choices=PEDESTRIAN_SCORERS,
                        metavar='RULES',
                        help='score also the log-average miss rate of people: those of 50 pixels '
                             'and up that are mostly seen ("reasonable", the default), by all '
                             'rules of Caltech ("caltech"), or of birds ("birds")')
    add_runtime_options(parser)
    args = parser.parse_args(arguments)
    if args.against and not args.report:
        parser.error('--against: needs --report, which shows the comparison')
    for name in ('teachers', 'gradient'):
        others = [args.weights, args.heads, args.report, args.flip]
        others += [args.teachers] * (name != 'teachers')
        if getattr(args, name) and any(others):
            parser.error(f'--{name}: go without --weights, --heads, --flip, --report and any '
                         'other predictor')
    if args.pedestrian and args.reference:
        parser.error('--pedestrian: goes without --reference')
    if args.pictures < 0:
        parser.error(f'--pictures: {args.pictures} is negative')
    return args


def table(results: dict[str, Any]) -> str:
    """Return scores as text: the summary numbers of each task, then its classes."""
    lines = []
    for task, scores in results.items():
        if task == 'images':
            lines.append(f'{scores} images')
            continue
        summary = {name: value for name, value in scores.items() if name != 'per_class'}
        width = max(7, *(len(name) + 2 for name in summary))
        figures = [score_text(value) for value in summary.values()]
        lines += [f'{task:14}' + ''.join(f'{name:>{width}}' for name in summary),
                  ' ' * 14 + ''.join(f'{figure:>{width}}' for figure in figures)]
        if scores.get('per_class'):
            lines += [f'  {next(iter(summary))} by class', *_classes(scores['per_class'])]
        lines.append('')
    return '\n'.join(lines)


def _classes(per_class: dict[str, float]) -> Iterator[str]:
    """Yield rows of classes; the person, whom this package is mostly about, comes first."""
    names = sorted(per_class, key=lambda name: (name != 'person', name))
    for start in range(0, len(names), COLUMNS):
        row = names[start:start + COLUMNS]
        yield '    ' + '  '.join(f'{name:16}{score_text(per_class[name]):>5}' for name in row)


def facts(args: argparse.Namespace, predictor: Predictor) -> dict[str, str]:
    """Return what a report says of a run: label -> text."""
    height, width = predictor.input_size
    return {'weights': args.weights or weights_path(args.weights).name,
            'heads': ', '.join(predictor.heads),
            'input': _views(args, f'{width} x {height} pixels'),
            'annotations': str(args.annotations), 'images': str(args.images),
            'device': f'{predictor.device}, {predictor.backend}, {predictor.precision}'}


def _views(args: argparse.Namespace, size: str) -> str:
    """Return what a report says of the views of an image."""
    parts = [size if args.resolution == 'fixed' else 'original resolution']
    if args.scales != [1.0]:
        parts.append(f'scales {", ".join(f"{scale:g}" for scale in args.scales)}')
    parts += ['and mirrored'] * args.flip + ['scored as CenterNet does'] * args.reference
    return ', '.join(parts)


def other_predictor(args: argparse.Namespace) -> Panel | Gradient | None:
    """Return what is scored in place of weights, None for nothing."""
    if args.teachers:
        return Panel(args.teachers)
    return Gradient() if args.gradient else None


def load(args: argparse.Namespace) -> Predictor:
    """Return the predictor that the command line asks for."""
    views = (CenterNetViews if args.reference else Views)(args.resolution, tuple(args.scales))
    return load_predictor(args.weights, args.heads, runtime_config(args), flip=args.flip,
                          views=views)


def table_of_scorers(args: argparse.Namespace) -> dict[type | str, type[Scorer]]:
    """Return the scorers that the command line asks for."""
    if args.pedestrian:
        return {**SCORERS, Instances: PEDESTRIAN_SCORERS[args.pedestrian]}
    return FILE_SCORERS if args.reference else SCORERS


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate, alone or in several processes that torchrun starts."""
    args = parse(arguments)
    with clear_errors(), Ranks(args.device) as ranks:
        against = read_report(args.against) if args.against else None
        check_results(args)
        args.device = ranks.device_name
        predictor = other_predictor(args) or load(args)
        dataset = CocoDataset(args.annotations, args.images, predictor.tasks)
        gallery = Gallery(predictor.tasks, args.pictures if args.report else 0)
        scorers = score(
            predictor, dataset, ranks.leads, table=table_of_scorers(args),
            watch=lambda index, sample, predictions: gallery.add(
                dataset.file.records[index].file_name, sample.image, predictions,
                sample.annotations, index), each=ranks.share)
        gallery.merge(ranks.gather(gallery)[1:])
        if not ranks.leads:
            return
        results = scorers.result()
        if results.keys() == {'images'}:
            raise ValueError(f'{args.annotations}: labels nothing that the heads '
                             f'{", ".join(predictor.tasks)} predict')
        print(table(results))
        if args.json:
            write_json(args.json, results)
        if args.report:
            report = Report(f'Evaluation of {weights_path(args.weights).name}',
                            facts(args, predictor), predictor.tasks, results,
                            scorers.details(), pictures=gallery.sections(),
                            scorers=table_of_scorers(args))
            print('report:', write_report(args.report, report, against))


if __name__ == '__main__':  # python -m, which torchrun starts
    main()
