# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment images without labels: communities of patches that tell of each other."""

import argparse
from dataclasses import asdict
import hashlib
import json
from pathlib import Path, PurePath
from typing import Any, get_args, Sequence

from tqdm import tqdm

from mcn_ros.commands import check_folder, clear_errors, write_json
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.coco_file import Record
from mcn_ros.data.journal import Journal
from mcn_ros.data.unlabelled import unlabelled
from mcn_ros.files import replaced_file
from mcn_ros.mae.communities import library
from mcn_ros.mae.cost import relation_cost
from mcn_ros.mae.discovery import Discovery, DiscoveryConfig, MAPS
from mcn_ros.mae.pretrain import load_autoencoder
from mcn_ros.mae.relations import ESTIMATORS, RelationConfig
from mcn_ros.mae.scores import MEANINGS, summary
from mcn_ros.mae.segmentation import Growth, SegmentationConfig
from mcn_ros.runtime.backends import pick_device
from mcn_ros.tasks.foreground import ForegroundTask

ANNOTATIONS, METRICS, JOURNAL, IMAGES = 'annotations.json', 'metrics.json', 'done.jsonl', 'images'
COMMUNITY, FOREGROUND = 'community', 'foreground'


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='communities', description=__doc__)
    parser.add_argument('--weights', type=Path, required=True, metavar='CHECKPOINT.pt',
                        help='checkpoint.pt of pretrain, with norm_pix: false')
    parser.add_argument('--images', required=True, metavar='DIR|BAG|VIDEO',
                        help='images; with --annotations, the folder of those that it names')
    parser.add_argument('--annotations', type=Path, metavar='COCO.json',
                        help='masks that are known, to score communities by')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help=f'folder to write: {ANNOTATIONS}, growth/*.png, {MAPS}/*.png, and '
                             f'{METRICS} where masks are known; images that are done there are '
                             'not done again')
    parser.add_argument('--topic', default='', help='image topic of a bag that has several')
    parser.add_argument('--every', type=int, default=1, metavar='N',
                        help='take one of so many images (default: 1)')
    _add_method(parser)
    args = parser.parse_args(arguments)
    if args.every < 1:
        parser.error(f'--every: {args.every} is not at least 1')
    return args


def _add_method(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how communities are found."""
    relation, segmentation = RelationConfig(), SegmentationConfig()
    parser.add_argument('--side', type=int, metavar='PIXELS',
                        help='shorter side that images are brought to; what is larger than the '
                             'images of the training is seen window by window (default: theirs)')
    parser.add_argument('--estimator', choices=ESTIMATORS, default=relation.estimator,
                        help='how patches are related; one_in is 20 times cheaper, and '
                             'good where colours tell things apart (default: '
                             f'{relation.estimator})')
    parser.add_argument('--masks', type=int, default=relation.masks, metavar='N',
                        help=f'random masks for each patch (default: {relation.masks})')
    parser.add_argument('--visible', type=float, default=relation.visible, metavar='SHARE',
                        help=f'of the patches that a mask shows (default: {relation.visible})')
    parser.add_argument('--least', action='store_true',
                        help='relate two patches by the lesser of what each tells of the other '
                             'one, not by the mean')
    parser.add_argument('--reach', type=float, metavar='PATCHES',
                        help='edges of the graph are no longer than this; it needs a low '
                             'resolution, 0.1 for 2.3 patches (default: any length)')
    parser.add_argument('--resolution', type=float, default=segmentation.resolution, metavar='R',
                        help='a larger one makes smaller communities (default: '
                             f'{segmentation.resolution})')
    parser.add_argument('--growth', choices=get_args(Growth), default=segmentation.growth,
                        help='what joins communities further: relations of their patches, or what '
                             'each tells of the others when it is revealed as a whole (default: '
                             f'{segmentation.growth})')
    parser.add_argument('--ratio', type=float, default=segmentation.ratio, metavar='R',
                        help=f'least relation of what is joined (default: {segmentation.ratio})')
    parser.add_argument('--refine', action='store_true',
                        help='let masks follow edges of the image')
    parser.add_argument('--sure', type=float, default=0.5, metavar='SHARE',
                        help=f'in {MAPS}/*.png, pixels of a lower confidence are unknown '
                             '(default: 0.5)')
    parser.add_argument('--seed', type=int, default=0, help='of masks and communities')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')


def discovery(args: argparse.Namespace) -> Discovery:
    """Return what finds communities; ValueError for weights and options that do not fit."""
    library()
    model = load_autoencoder(args.weights).to(pick_device(args.device))
    if model.config.norm_pix:
        raise ValueError(f'{args.weights}: learned with norm_pix, which takes the colour of '
                         'patches away; communities need norm_pix: false')
    side = model.encoder.span * model.encoder.patch
    config = DiscoveryConfig(
        args.side or side, side,
        RelationConfig(args.estimator, args.visible, args.masks, seed=args.seed,
                       least=args.least),
        SegmentationConfig(args.resolution, args.growth, args.ratio, args.seed, args.reach),
        args.refine, args.sure)
    return Discovery(model, config, args.out)


def facts(args: argparse.Namespace, config: DiscoveryConfig) -> dict[str, Any]:
    """Return all that the results depend on: a run goes on only where these are the same."""
    files = [args.weights] + ([] if args.annotations is None else [args.annotations])
    return {**asdict(config), 'images': args.images,
            'files': [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]}


def cost_text(find: Discovery, records: Sequence[Record]) -> str:
    """Return how much work images are, as text."""
    costs = [relation_cost(find.model, find.config.grid(record.size, find.patch),
                           find.config.window // find.patch, find.config.relation)
             for record in records]
    passes, adds = (sum(values) for values in zip(*costs))
    return f'{len(records)} images: {passes:,} passes of the network, {adds / 1e9:,.1f} GMAC'


def main(arguments: Sequence[str] | None = None) -> None:
    """Find the communities of images."""
    args = parse(arguments)
    with clear_errors():
        check_folder(args.out)
        find = discovery(args)
        content, folder = ((args.annotations, args.images) if args.annotations else
                           unlabelled(args.images, args.out / IMAGES, args.topic, args.every))
        # A task of objects: so their masks are read.
        dataset = CocoDataset(content, folder, {FOREGROUND: ForegroundTask()})
        _check_names(dataset)
        chosen = range(0, len(dataset), args.every if args.annotations else 1)
        with Journal(args.out / JOURNAL, facts(args, find.config)) as journal:
            new = [index for index in chosen
                   if dataset.file.records[index].file_name not in journal.done]
            if new:
                print(cost_text(find, [dataset.file.records[index] for index in new]), flush=True)
            for index in tqdm(new, unit='image', disable=None, dynamic_ncols=True):
                record = dataset.file.records[index]
                journal.add(record.file_name, find(
                    dataset.read(index), PurePath(record.file_name).stem,
                    record if args.annotations else None))
            _write_results(args.out, [dataset.file.records[index] for index in chosen],
                           journal.done)
        decided = sum(journal.done[dataset.file.records[index].file_name]['decided']
                      for index in chosen)
        print(f'{args.out / ANNOTATIONS}: {len(chosen)} images, foreground decided in {decided}')


def _check_names(dataset: CocoDataset) -> None:
    """Refuse images whose pictures would have the same name."""
    seen: dict[str, str] = {}
    for record in dataset.file.records:
        stem = PurePath(record.file_name).stem
        if stem in seen:
            raise ValueError(f'{dataset.file.path}: {seen[stem]} and {record.file_name} would '
                             'have pictures of the same name')
        seen[stem] = record.file_name


def _write_results(out: Path, records: Sequence[Record], done: dict[str, Any]) -> None:
    """Write the COCO file, and the scores where there are any."""
    images, annotations = [], []
    for number, record in enumerate(records, 1):
        found, name = done[record.file_name], PurePath(record.file_name).stem
        images.append({
            'id': number, 'file_name': record.file_name, 'height': record.size[0],
            'width': record.size[1], 'labelled': [FOREGROUND] if found['decided'] else [],
            'agreement': found['agreement'], 'maps': {FOREGROUND: f'{MAPS}/{name}.png'}})
        annotations += [{'image_id': number, **entry} for entry in found['annotations']]
    content = {'images': images, 'categories': [{'id': 1, 'name': COMMUNITY}],
               'annotations': [{'id': number, **entry}
                               for number, entry in enumerate(annotations, 1)]}
    with replaced_file(out / ANNOTATIONS) as partial:
        partial.write_text(json.dumps(content, separators=(',', ':')))
    scored = [done[record.file_name].get('scores') for record in records]
    if scored and all(scored):
        scores = {name: summary([of_image[name] for of_image in scored]) for name in scored[0]}
        write_json(out / METRICS, {'images': len(scored), 'meanings': MEANINGS, **scores})
        print(table(scores))


def table(scores: dict[str, dict[str, float | None]]) -> str:
    """Return scores as text, a line for each name."""
    lines = [f'{"":12}' + ''.join(f'{name:>22}' for name in MEANINGS)]
    for name, values in scores.items():
        cells = ('-' if values[key] is None else f'{values[key]:.3f}' for key in MEANINGS)
        lines.append(f'{name:12}' + ''.join(f'{cell:>22}' for cell in cells))
    return '\n'.join(lines)
