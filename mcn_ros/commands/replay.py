# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A bag played through the real node over real topics, whose answers are recorded into another bag.

Images carry the time at which they are sent, so that latency is measured by one clock; what stamp
each of them has in the bag is recorded beside the results.
"""

import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

from mcn_ros.commands.processes import last_words, reliable, run_together
from mcn_ros.commands.runtime_options import runtime_parameters
from mcn_ros.data.bags import Bag
from mcn_ros.data.frames import image_topics, IMAGE_TYPES
from mcn_ros.files import new_folder
from mcn_ros.runtime import RuntimeConfig, weights_path
from mcn_ros.tasks import build_tasks, Task
from mcn_ros.weights_file import read_config

MOST_DETECTIONS = 1000  # more than any head gives


def replay(bag: Path, recording: Path, weights: str = '', topic: str = '',
           heads: Sequence[str] = (), runtime: RuntimeConfig = RuntimeConfig(),
           speed: float = 1.0, frames: int = 0, log: Path | None = None) -> dict[str, Any]:
    """
    Play a bag through the node.

    The node publishes all objects, with whatever score: average precision needs them. Maps are
    those that it publishes on a robot.

    :param bag: of images, Image or CompressedImage; the node gets them as they are.
    :param recording: folder of the bag that is recorded; it appears when it is complete.
    :param weights: file, name of shipped weights, or '' for the default ones.
    :param topic: of the images; may be '' if there is only one.
    :param heads: to run; all of the weights' if empty.
    :param runtime: parameters of the node.
    :param speed: of playing, as `ros2 bag play --rate`: 2 is twice as fast as it was recorded.
    :param frames: number of images to play; 0 for all.
    :param log: folder for what the processes say; by default beside the recording.
    :return: 'frames_sent', 'results', 'heads', 'device', 'backend'.
    :raises ValueError: for wrong arguments.
    :raises OSError: if a process fails or nothing happens for too long.
    """
    if not 0.001 <= speed <= 1000:
        raise ValueError(f'rate: {speed} is not in 0.001..1000')
    weights_file = weights_path(weights)
    tasks = build_tasks(read_config(weights_file, heads or None).tasks)
    with Bag(bag) as opened:
        topic, = image_topics(opened, [topic] if topic else ())
        types = [name for name in opened.topics[topic] if name in IMAGE_TYPES]
        if len(types) > 1:
            raise ValueError(f'bag {bag}: topic {topic} has images of several types, of which one '
                             f'can be played: {", ".join(types)}')
        compressed = types[0].endswith('/CompressedImage')
        problems = list(opened.problems)
    notes = {'bag': str(bag.resolve()), 'topic': topic, 'problems': problems, 'frames': frames,
             'weights': str(weights_file.resolve()), 'heads': list(heads), 'speed': speed,
             'thresholds': {'score': 0.0}}
    log = log or recording.with_name(f'{recording.name}_log')
    namespace = f'/mcn_replay_{os.getpid()}'
    # A recorder names the files of a bag after its folder, so that has its name from the start.
    with new_folder(recording) as part:
        summary = run_together(
            _parameters(namespace, tasks, notes, compressed, part, runtime), namespace, log)
        if not summary['results']:
            raise ChildProcessError(
                f'the node gave no results: {last_words(log / "node.txt")}; see {log}')
    return summary


def _parameters(namespace: str, tasks: Mapping[str, Task], notes: dict[str, Any],
                compressed: bool, recording: Path, runtime: RuntimeConfig,
                ) -> dict[str, dict[str, Any]]:
    """Return the ROS parameters of each process."""
    transport = 'compressed' if compressed else 'raw'
    images = f'{namespace}/image/compressed' if compressed else f'{namespace}/image'
    return {
        'node': {'weights': notes['weights'], 'heads': notes['heads'],
                 **runtime_parameters(runtime), 'image_transport': transport,
                 'max_detections': MOST_DETECTIONS,
                 **{f'{name}.score_threshold': 0.0 for name, task in tasks.items()
                    if 'scores' in task.prediction.ROWS},
                 **reliable(images)},
        'recorder': {'out': str(recording.resolve()), 'notes': json.dumps(notes),
                     'strip_namespace': True, 'until_input_ends': True},
        'camera': {'source': notes['bag'], 'topic': notes['topic'], 'frames': notes['frames'],
                   'speed': float(notes['speed']), 'image_transport': transport,
                   'source_stamps': True, 'wait_for_subscribers': 1},
    }
