# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a camera and the node, and show what the node sees: pictures and a summary."""

import argparse
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.commands import check_folder, clear_errors, write_json
from mcn_ros.commands.processes import last_words, reliable, run_together
from mcn_ros.commands.runtime_options import (
    add_runtime_options, runtime_config, runtime_parameters)
from mcn_ros.data.results import RESULTS
from mcn_ros.runtime import weights_path
from mcn_ros.visualization import contact_sheet

SHEET_COLUMNS, SHEET_ROWS = 4, 3
# Of sources without a time of their own: slow enough for the default weights on a small CPU.
DEFAULT_RATE = {'SYNTHETIC': 4.0}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--source', default='SYNTHETIC', metavar='SYNTHETIC|VIDEO|IMAGE_DIR|BAG',
                        help='where images come from (default: drawn scenes)')
    parser.add_argument('--topic', default='', help='image topic, if a bag has several')
    parser.add_argument('--frames', type=int, default=40, metavar='N',
                        help='number of frames; 0 for all of the source (default: 40)')
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='frames per second (default: the pace of the source; 4 for '
                             'SYNTHETIC)')
    parser.add_argument('--out', type=Path, default=Path('runs/demo'), metavar='DIR',
                        help='folder for pictures, summary.json and log files '
                             '(default: runs/demo)')
    parser.add_argument('--weights', default='', metavar='W',
                        help='weights file, or the name of shipped weights')
    parser.add_argument('--heads', nargs='+', default=(), metavar='HEAD',
                        help='heads to run (default: all of the weights)')
    add_runtime_options(parser)
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """
    Play the source through the node and write what comes out.

    :return: the content of summary.json.
    :raises ValueError: for wrong arguments.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    if args.frames < 0 or (args.frames == 0 and args.source == 'SYNTHETIC'):
        raise ValueError('frames: expected a positive number, or 0 (all) for a source that ends, '
                         f'got {args.frames}')
    weights = weights_path(args.weights)
    check_folder(args.out)
    log = args.out / 'log'
    log.mkdir(parents=True, exist_ok=True)
    for old in [*args.out.glob('overlay_*.png'), args.out / 'summary.json']:
        old.unlink(missing_ok=True)  # what is there at the end is of this run
    namespace = f'/mcn_demo_{os.getpid()}'
    summary = run_together(node_parameters(args, weights, namespace), namespace, log)
    if not summary['frames_processed']:
        raise ChildProcessError(
            f'the node gave no results: {last_words(log / "node.txt")}; see {log}')
    summary['weights'] = str(weights)
    write_contact_sheet(args.out)
    write_json(args.out / 'summary.json', summary)
    return summary


def node_parameters(args: argparse.Namespace, weights: Path,
                    namespace: str) -> dict[str, dict[str, Any]]:
    """Return the ROS parameters of each process."""
    rate = args.rate if args.rate is not None else DEFAULT_RATE.get(args.source, 0.0)
    return {
        'node': {'weights': str(weights.resolve()), 'heads': list(args.heads),
                 **runtime_parameters(runtime_config(args)), **reliable(f'{namespace}/image')},
        'collector': {'out': str(args.out.resolve())},
        'camera': {'source': args.source, 'topic': args.topic, 'frames': args.frames,
                   'rate': float(rate), 'wait_for_subscribers': 2},
    }


def write_contact_sheet(out: Path) -> None:
    """
    Put overlays, evenly spread over the run, together in one picture.

    :raises OSError: if it cannot be written, or they could not.
    """
    overlays = sorted(out.glob('overlay_*.png'))
    if not overlays:
        raise OSError(f'{out}: there are no pictures: is the disk full?')
    count = min(len(overlays), SHEET_COLUMNS * SHEET_ROWS)
    chosen = np.linspace(0, len(overlays) - 1, count).round().astype(int)
    images = [cv2.imread(str(overlays[index])) for index in chosen]
    sheet = out / 'contact_sheet.png'
    # OpenCV tells a full disk by what it does not write, here and where the overlays come from.
    if any(image is None for image in images) or not cv2.imwrite(
            str(sheet), contact_sheet(images, min(SHEET_COLUMNS, count))):
        sheet.unlink(missing_ok=True)
        raise OSError(f'{sheet}: cannot be written: is the disk full?')


def report(summary: Mapping[str, Any], out: Path) -> str:
    """Return what to tell at the end."""
    latency = ', '.join(f'{name} {value:.0f} ms' for name, value in summary['latency_ms'].items())
    dropped = summary['frames_sent'] - summary['frames_processed']
    found = [f'{summary[result.plural]} {result.plural.replace("_", " ")}'
             for result in RESULTS.values() if summary.get(result.plural)]
    return '\n'.join([
        f'{summary["frames_processed"]} of {summary["frames_sent"]} frames processed '
        f'({dropped} dropped) on {summary["device"]}: ' + (', '.join(found) or 'nothing'),
        f'latency from camera to result: {latency}',
        f'pictures: {out / "contact_sheet.png"}, {out}/overlay_*.png; '
        f'numbers: {out / "summary.json"}'])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo."""
    args = parse(arguments)
    with clear_errors():
        print('starting the camera and the node ...', flush=True)
        print(report(run(args), args.out))
