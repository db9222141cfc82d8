# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Play a film, images or a bag to the node, and show what it sees: pictures and a summary."""

import argparse
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.commands import check_folder, check_writable, clear_errors, write_json
from mcn_ros.commands.processes import last_words, reliable, run_together
from mcn_ros.commands.runtime_options import (
    add_runtime_options, runtime_config, runtime_parameters)
from mcn_ros.data.frames import is_folder_of_images, is_synthetic
from mcn_ros.data.results import RESULTS
from mcn_ros.runtime import weights_path
from mcn_ros.share import share_folders
from mcn_ros.visualization import contact_sheet

SHEET_COLUMNS, SHEET_ROWS = 4, 3
FILM = 'people.mcap'  # 61 frames at 5 Hz
DRAWN_RATE = 4.0  # Hz: slow enough for the default weights on a small CPU
SHEET_FORMATS = {'.png': (), '.jpg': (cv2.IMWRITE_JPEG_QUALITY, 76)}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--source', metavar='SYNTHETIC|VIDEO|IMAGE_DIR|BAG',
                        help='where images come from (default: a film of people); SYNTHETIC: '
                             'drawn scenes')
    parser.add_argument('--topic', default='', help='image topic, if a bag has several')
    parser.add_argument('--frames', type=int, default=100, metavar='N',
                        help='number of frames; 0 for all of the source (default: 100)')
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='frames per second (default: the pace of the source; '
                             f'{DRAWN_RATE:g} for SYNTHETIC)')
    parser.add_argument('--one-by-one', action='store_true',
                        help='send each frame only when the node has done with the last one '
                             '(always so with a folder of images)')
    parser.add_argument('--out', type=Path, default=Path('runs/demo'), metavar='DIR',
                        help='folder for pictures, summary.json and log files '
                             '(default: runs/demo)')
    parser.add_argument('--sheet', type=Path, metavar='FILE.png|FILE.jpg',
                        help='picture of twelve frames (default: contact_sheet.png in the '
                             'folder)')
    parser.add_argument('--weights', default='', metavar='W',
                        help='weights file, or the name of shipped weights')
    parser.add_argument('--heads', nargs='+', default=(), metavar='HEAD',
                        help='heads to run (default: all of the weights)')
    add_runtime_options(parser)
    args = parser.parse_args(arguments)
    args.sheet = args.sheet or args.out / 'contact_sheet.png'
    return args


def run(args: argparse.Namespace) -> dict[str, Any]:
    """
    Play the source through the node and write what comes out.

    :return: the content of summary.json.
    :raises ValueError: for wrong arguments.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    source = args.source or film()
    if args.frames < 0 or (args.frames == 0 and is_synthetic(source)):
        raise ValueError('frames: expected a positive number, or 0 (all) for a source that ends, '
                         f'got {args.frames}')
    if args.sheet.suffix.lower() not in SHEET_FORMATS:
        raise ValueError(f'sheet: {args.sheet} does not end in one of '
                         f'{", ".join(SHEET_FORMATS)}')
    weights = weights_path(args.weights)
    check_folder(args.out)
    check_writable(args.sheet)
    log = args.out / 'log'
    log.mkdir(parents=True, exist_ok=True)
    args.sheet.parent.mkdir(parents=True, exist_ok=True)
    for old in [*args.out.glob('overlay_*.png'), args.out / 'summary.json']:
        old.unlink(missing_ok=True)  # what is there at the end is of this run
    namespace = f'/mcn_demo_{os.getpid()}'
    parameters = node_parameters(args, source, weights, namespace)
    summary = run_together(parameters, namespace, log)
    if not summary['frames_processed']:
        raise ChildProcessError(
            f'the node gave no results: {last_words(log / "node.txt")}; see {log}')
    summary['weights'] = str(weights)
    write_contact_sheet(args.out, args.sheet)
    write_json(args.out / 'summary.json', summary)
    return summary


def film() -> str:
    """
    Return the film of people that the package comes with.

    :raises ValueError: if it is not there.
    """
    places = [folder / FILM for folder in share_folders('examples')]
    for place in places:
        if place.is_file():
            return str(place)
    raise ValueError(f'source: the film of the package is lacking ({places[0]}); name a source')


def node_parameters(args: argparse.Namespace, source: str, weights: Path,
                    namespace: str) -> dict[str, dict[str, Any]]:
    """Return the ROS parameters of each process."""
    rate = args.rate if args.rate is not None else DRAWN_RATE if is_synthetic(source) else 0.0
    return {
        'node': {'weights': str(weights.resolve()), 'heads': list(args.heads),
                 **runtime_parameters(runtime_config(args)), **reliable(f'{namespace}/image')},
        'collector': {'out': str(args.out.resolve())},
        'camera': {'source': source, 'topic': args.topic, 'frames': args.frames,
                   'rate': float(rate), 'wait_for_subscribers': 2,
                   'one_by_one': args.one_by_one or is_folder_of_images(source)},
    }


def write_contact_sheet(out: Path, sheet: Path) -> None:
    """
    Put overlays, evenly spread over the run, together in one picture.

    :param out: folder of the overlays.
    :param sheet: the file to write.
    :raises OSError: if it cannot be written, or they could not.
    """
    overlays = sorted(out.glob('overlay_*.png'))
    if not overlays:
        raise OSError(f'{out}: there are no pictures: is the disk full?')
    count = min(len(overlays), SHEET_COLUMNS * SHEET_ROWS)
    chosen = np.linspace(0, len(overlays) - 1, count).round().astype(int)
    images = [cv2.imread(str(overlays[index])) for index in chosen]
    # OpenCV tells a full disk by what it does not write, here and where the overlays come from.
    if any(image is None for image in images) or not cv2.imwrite(
            str(sheet), contact_sheet(images, min(SHEET_COLUMNS, count)),
            SHEET_FORMATS[sheet.suffix.lower()]):
        sheet.unlink(missing_ok=True)
        raise OSError(f'{sheet}: cannot be written: is the disk full?')


def report(summary: Mapping[str, Any], out: Path, sheet: Path) -> str:
    """Return what to tell at the end."""
    latency = ', '.join(f'{name} {value:.0f} ms' for name, value in summary['latency_ms'].items())
    dropped = summary['frames_sent'] - summary['frames_processed']
    found = [f'{summary[result.plural]} {result.plural.replace("_", " ")}'
             for result in RESULTS.values() if summary.get(result.plural)]
    return '\n'.join([
        f'{summary["frames_processed"]} of {summary["frames_sent"]} frames processed '
        f'({dropped} dropped) on {summary["device"]}: ' + (', '.join(found) or 'nothing'),
        f'latency from camera to result: {latency}',
        f'pictures: {sheet}, {out}/overlay_*.png; '
        f'numbers: {out / "summary.json"}'])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo."""
    args = parse(arguments)
    with clear_errors():
        print('starting the camera and the node ...', flush=True)
        print(report(run(args), args.out, args.sheet))
