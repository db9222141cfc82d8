# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Score weights on a bag: against annotations by stamp, or else what is found and how fast.

Offline runs the network on every image; replay plays the bag through the real node over real
topics, records its results into a bag, and scores that recording.
"""

import argparse
import contextlib
from functools import partial
from pathlib import Path
import sys
import tempfile
from typing import Any, Mapping, Sequence

from mcn_ros.commands import (
    check_folder, check_results, check_writable, clear_errors, write_json)
from mcn_ros.commands.evaluate import table
from mcn_ros.commands.replay import replay
from mcn_ros.commands.runtime_options import (
    add_result_options, add_runtime_options, add_weights_options, runtime_config)
from mcn_ros.data.bag_writer import ANNOTATIONS
from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import Frame, image_topics, IMAGE_TYPES
from mcn_ros.evaluation.bag import evaluate_offline, look
from mcn_ros.evaluation.bag_report import (
    BagPictures, measures, NO_TASKS, notes, write_bag_report)
from mcn_ros.evaluation.bags import evaluate_bags, find_bags, joint_results
from mcn_ros.evaluation.box_tracker import BoxTracker
from mcn_ros.evaluation.iou_tracker import IouTracker
from mcn_ros.evaluation.recording import Recording
from mcn_ros.evaluation.replay import evaluate_recording
from mcn_ros.evaluation.report import read_report, Report
from mcn_ros.evaluation.stamped import Evaluation, StampedTruth
from mcn_ros.evaluation.topic_truth import topic_of, TopicTruth
from mcn_ros.evaluation.track_sheet import TrackSheet
from mcn_ros.runtime import load_predictor, weights_path
from mcn_ros.tracking import Tracker
from mcn_ros.trainer.distributed import Ranks

MODES = ('offline', 'replay')
MODE_OPTIONS = {'offline': ('tracker', 'objects', 'sheet'), 'replay': ('rate', 'recording')}
TRACKERS = {'node': Tracker, 'boxes': BoxTracker, 'iou': IouTracker}
OBJECTS = ('network', 'true')


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='evaluate_bag', description=__doc__)
    parser.add_argument('--bag', type=Path, nargs='+', default=[], metavar='B', dest='bags',
                        help='bag of ROS 2 (mcap or sqlite3) or ROS 1; a damaged one is read as '
                             'far as it goes. Offline also several, or folders of them')
    add_weights_options(parser)
    parser.add_argument('--topic', nargs='+', default=(), metavar='T',
                        help='image topics (default: the only one of the bag)')
    parser.add_argument('--annotations', type=Path, metavar='A',
                        help='annotation file in COCO format whose images carry stamps (default: '
                             f'{ANNOTATIONS} in the folder of the bag, if it is there)')
    parser.add_argument('--truth-topics', nargs='+', default=(), metavar='T',
                        help='topics of the bag that are annotations: Detection2DArray, '
                             'HumanPose2DArray or Image, such as mono8 of class ids, mono16 of '
                             'regions or 32FC3 of normals; TASK=T where several tasks have '
                             'annotations of that type')
    parser.add_argument('--mode', choices=MODES, default='offline',
                        help='offline: the network on every image; replay: the node, as on a '
                             'robot (default: offline)')
    parser.add_argument('--tracker', choices=TRACKERS,
                        help='offline: what gives objects their ids: the tracker of the node, '
                             'which knows places where the bag has depth; the same without '
                             'depth; or for comparison the overlap of boxes with those of the '
                             'frame before (default: node)')
    parser.add_argument('--objects', choices=OBJECTS,
                        help='offline: what is scored: what the network sees, or what is '
                             'annotated, to judge ids and places by themselves (default: '
                             'network)')
    parser.add_argument('--sheet', type=Path, metavar='FILE.jpg',
                        help='offline: picture of some frames with the ids of their objects')
    parser.add_argument('--rate', type=float, metavar='FACTOR',
                        help='replay: speed of playing, 2 for twice as fast (default: 1)')
    parser.add_argument('--recording', type=Path, metavar='R',
                        help='replay: bag to keep the results in; one that exists is scored '
                             'again, and nothing is played')
    parser.add_argument('--frames', type=int, default=0, metavar='N',
                        help='number of frames to look at; 0 for all (default: 0)')
    add_result_options(parser)
    add_runtime_options(parser)
    return _checked(parser, parser.parse_args(arguments))


def _checked(parser: argparse.ArgumentParser, args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments; end the program where they contradict each other."""
    for mode, names in MODE_OPTIONS.items():
        for name in names:
            if args.mode != mode and getattr(args, name) is not None:
                parser.error(f'--{name} is for --mode {mode}')
    if not args.bags and not (args.recording and args.recording.exists()):
        parser.error('--bag is required, except to score a --recording that exists')
    if args.mode == 'replay' and len(args.bags) > 1:
        parser.error(f'--mode replay plays one bag, got {len(args.bags)}')
    if args.truth_topics and (args.annotations or not args.bags):
        parser.error('--truth-topics are topics of --bag, in place of --annotations')
    if args.mode == 'replay' and len(args.topic) > 1:
        parser.error(f'--mode replay plays one topic, got {", ".join(args.topic)}')
    if args.objects == 'true' and args.truth_topics:
        parser.error('--objects true is of --annotations, not of --truth-topics')
    if args.against and not args.report:
        parser.error('--against needs --report')
    if args.frames < 0:
        parser.error(f'--frames: {args.frames} is negative')
    return args


def read_truth(args: argparse.Namespace, bag: Bag | None, tasks: Mapping[str, Any],
               ) -> StampedTruth | TopicTruth | None:
    """Return the annotations that were named, or those in the folder of the bag."""
    if args.truth_topics:
        return TopicTruth(bag, args.truth_topics, tasks)
    path = args.annotations
    if path is None and bag is not None and (bag.path / ANNOTATIONS).is_file():
        path = bag.path / ANNOTATIONS
    if path is None and args.objects == 'true':
        raise ValueError(f'--objects true: {bag.path} has no {ANNOTATIONS}, and no --annotations '
                         'are named')
    return None if path is None else StampedTruth(path, tasks)


def offline(args: argparse.Namespace, path: Path, ranks: Ranks,
            ) -> tuple[Evaluation, dict[str, str], BagPictures] | None:
    """
    Run the network on the images of a bag, which are shared by all processes.

    :return: also facts and pictures of the run; None in all processes but the first.
    """
    with Bag(path) as bag:
        topics = _topics(args, bag)
        predictor = load_predictor(args.weights, args.heads, runtime_config(args))
        truth = read_truth(args, bag, predictor.tasks)
        total = bag.count(topics, IMAGE_TYPES)
        pictures = BagPictures(predictor.tasks, min(total, args.frames or total))
        sheet = TrackSheet(predictor.tasks, min(total, args.frames or total))
        tracker = TRACKERS[args.tracker or 'node']

        def watch(frame: Frame, *found: Any) -> None:
            if args.report:
                pictures.add(frame, *found)
            if args.sheet:
                sheet.see(frame)

        predictor.warm_up()
        evaluation = look(predictor, bag, topics, truth, args.frames, ranks.leads,
                          watch if args.report or args.sheet else None,
                          sheet.drawn(tracker) if args.sheet else tracker, ranks.share,
                          args.objects == 'true')
        if not ranks.leads:
            return None
        if args.sheet:
            sheet.write(args.sheet)
        outcome = evaluation.result()
    _check_scored(outcome, truth, predictor.heads)
    facts = _facts(args.weights or weights_path().name, predictor.heads, truth,
                   f'{predictor.device}, {predictor.backend}, {predictor.precision}')
    return outcome, facts, pictures


def offline_each(args: argparse.Namespace, paths: Sequence[Path], ranks: Ranks) -> None:
    """Run the network on the images of many bags, which are shared by all processes, and tell."""
    for _ in ranks.share(partial(_check_bag, args), paths):
        pass  # better now than after hours
    predictor = load_predictor(args.weights, args.heads, runtime_config(args))
    predictor.warm_up()

    def evaluate(path: Path) -> Evaluation:
        with Bag(path) as bag:
            truth = read_truth(args, bag, predictor.tasks)
            outcome = evaluate_offline(predictor, bag, _topics(args, bag), truth, args.frames,
                                       progress=False,
                                       tracker=TRACKERS[args.tracker or 'node'],
                                       true_objects=args.objects == 'true')
        _check_scored(outcome, truth, predictor.heads)
        return outcome

    outcomes = evaluate_bags(paths, evaluate, ranks.leads, ranks.share)
    if not ranks.leads:
        return
    for path, outcome in zip(paths, outcomes, strict=True):
        for line in notes(outcome):
            print(f'warning: {path}: {line}', file=sys.stderr)
    results = joint_results(outcomes, predictor.tasks)
    scores = {name: value for name, value in results.items() if name != 'bags'}
    lines = [table(scores)] if scores else []
    for path, outcome in zip(paths, outcomes):
        figures = measures(outcome)['frames'].items()
        lines.append(f'{path}: frames: {", ".join(f"{name} {n}" for name, n in figures)}')
    print('\n'.join(lines))
    if args.json:
        write_json(args.json, results)


def _check_bag(args: argparse.Namespace, path: Path) -> None:
    with Bag(path) as bag:
        _topics(args, bag)


def _topics(args: argparse.Namespace, bag: Bag) -> list[str]:
    return image_topics(bag, args.topic, [topic_of(entry) for entry in args.truth_topics])


def replayed(args: argparse.Namespace) -> tuple[Evaluation, dict[str, str], BagPictures]:
    """Play the bag through the node, unless that was done already; else as :func:`offline`."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Bag(args.bags[0])) if args.bags else None
        path = args.recording or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix='mcn_replay_')), 'recording')
        if not path.exists():
            play(args, source, path)
        recording = Recording(stack.enter_context(Bag(path)))
        truth = read_truth(args, source, recording.tasks)
        weights = args.weights or recording.notes.get('weights', '')
        predictor = source and load_predictor(weights, list(recording.tasks),
                                              runtime_config(args))
        pictures = BagPictures(recording.tasks, len(recording.sent or ()))
        outcome = evaluate_recording(recording, truth, predictor, source,
                                     watch=pictures.add if args.report else None)
    _check_scored(outcome, truth, list(recording.tasks))
    facts = _facts(weights or 'unknown', list(recording.tasks), truth, args.device)
    return outcome, facts, pictures


def play(args: argparse.Namespace, source: Bag, recording: Path) -> None:
    """Play the bag through the node; see :func:`replay`."""
    topic, = _topics(args, source)
    print('starting the camera and the node ...', flush=True)
    replay(source.path, recording, args.weights, topic, args.heads or (), runtime_config(args),
           1.0 if args.rate is None else args.rate, args.frames)


def _check_scored(outcome: Evaluation, truth: StampedTruth | TopicTruth | None,
                  heads: Sequence[str]) -> None:
    if truth is not None and not outcome.results.keys() & set(heads):
        raise ValueError(f'{truth.name}: labels nothing that the heads {", ".join(heads)} predict')


def _facts(weights: str, heads: Sequence[str], truth: StampedTruth | TopicTruth | None,
           device: str) -> dict[str, str]:
    """Return what a report says of a run: label -> text."""
    return {'weights': weights, 'heads': ', '.join(heads),
            'annotations': 'none' if truth is None else truth.name, 'device': device}


def summary(outcome: Evaluation) -> str:
    """Return scores and measures as text."""
    scores = {name: value for name, value in outcome.results.items()
              if name not in NO_TASKS}
    lines = [table(scores)] if scores else []
    for heading, figures in measures(outcome).items():
        texts = ', '.join(f'{name} {_text(value)}' for name, value in figures.items())
        lines.append(f'{heading}: {texts}')
    return '\n'.join(lines)


def _text(value: Any) -> str:
    if value is None:
        return '-'
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate; offline, alone or in several processes that torchrun starts."""
    args = parse(arguments)
    with clear_errors():
        against = read_report(args.against) if args.against else None
        check_results(args)
        if args.mode == 'replay':
            if args.recording and not args.recording.exists():
                check_folder(args.recording.parent)
            _tell(args, *replayed(args), against)
            return
        with Ranks(args.device) as ranks:
            args.device = ranks.device_name
            bags = find_bags(args.bags)
            for name in ('report', 'sheet'):
                if getattr(args, name) and (len(bags) > 1 or ranks.world > 1):
                    raise ValueError(f'--{name}: is of one bag, by one process')
            if args.sheet:
                check_writable(args.sheet)
            if args.annotations and len(bags) > 1:
                raise ValueError(f'--annotations: are those of one bag; of {len(bags)}, each has '
                                 f'its own {ANNOTATIONS} in its folder, or --truth-topics')
            if len(bags) > 1:
                offline_each(args, bags, ranks)
            elif ran := offline(args, bags[0], ranks):
                _tell(args, *ran, against)


def _tell(args: argparse.Namespace, outcome: Evaluation, facts: Mapping[str, str],
          pictures: BagPictures, against: Report | None) -> None:
    """Print and write an outcome."""
    for line in notes(outcome):
        print(f'warning: {line}', file=sys.stderr)
    print(summary(outcome))
    if args.json:
        write_json(args.json, outcome.results)
    if args.report:
        print('report:', write_bag_report(args.report, outcome, facts, pictures, against))


if __name__ == '__main__':  # python -m, which torchrun starts
    main()
