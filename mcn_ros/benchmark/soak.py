# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Cameras that are too fast for the network, for long: each is to be served, nothing to grow.

Recordings are those of :mod:`mcn_ros.trials.prober`, one of each slice of the time. What a slice
tells is noisy, so start and end are the medians of a tenth of the slices each.

The node's *own* memory is what it holds less the middleware's shared memory. A process that sends
has a segment of fixed size; whoever receives holds as much of it as has ever been in use at once,
so a page more of it is no sign of a leak.
"""

from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.benchmark.stopwatch import percentiles
from mcn_ros.tables import markdown

MIB = 2 ** 20
GROWTH = 1.0  # percent that the node's own memory may grow by after the warm-up
SEGMENT = 32 * MIB  # the shared memory of a process, see config/fastdds.xml
FAIR = 0.9  # of the mean, that the camera that is served least gets at least
STARVED_S = 5.0  # without a result of a camera, while its images come
LATER = 1.5  # times the latency of the start (p95) that is allowed at the end
COUNTS = {'received': 'images received', 'superseded': 'dropped: superseded by a newer image',
          'undecodable': 'dropped: image not decodable', 'failed': 'dropped: inference failed'}


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Sum up the slices; the first one is the warm-up.

    :return: 'seconds', 'rate' and 'size' of the images; 'cameras': name -> counts and 'wait_s',
        the longest time without a result; 'fairness', the least served camera against the
        mean; 'published', percentiles in ms from stamp to published; 'rss', 'own', 'shared' in
        bytes and 'threads' of the node: 'start', 'end', 'highest', and 'growth_percent'; 'late',
        the p95 of the end by that of the start; 'slices'.
    :raises ValueError: if the node answered next to nothing.
    """
    warm_up, slices = records[0], records[1:]
    rows = [_slice(record) for record in slices if record['answers']]
    if len(rows) < 2:
        raise ValueError('too few frames were answered: the time is too short for the network')
    answers = [answer for record in slices for answer in record['answers']]
    cameras = {name: _camera(name, warm_up, slices, answers) for name in warm_up['sent']}
    answered = [camera['answered'] for camera in cameras.values()]
    courses = {key: _course([row[key] for row in rows])
               for key in ('rss', 'own', 'shared', 'threads')}
    late = _course([row['published']['p95'] for row in rows])
    return {'seconds': sum(record['phase']['seconds'] for record in slices),
            'rate': warm_up['phase']['rate'], 'size': warm_up['phase']['size'],
            'cameras': cameras, 'fairness': min(answered) / np.mean(answered).item(),
            'published': percentiles(np.array([answer['published_ms'] for answer in answers])),
            **courses, 'late': late['end'] / late['start'], 'slices': rows}


def _slice(record: Mapping[str, Any]) -> dict[str, Any]:
    times = np.array([answer['published_ms'] for answer in record['answers']])
    rss, shared = (sum(usage[key] for usage in record['memory'].values())
                   for key in ('Rss', 'RssShmem'))
    return {'name': record['phase']['name'], 'published': percentiles(times),
            'rss': rss, 'own': rss - shared, 'shared': shared,
            'threads': sum(record['threads'].values())}


def _camera(name: str, warm_up: Mapping[str, Any], slices: Sequence[Mapping[str, Any]],
            answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # What the node counts is told once per second: images of the edges may be in or out.
    before, after = (record['statuses'].get(name, {}) for record in (warm_up, slices[-1]))
    counts = {key: 'unknown' if 'unknown' in (after.get(label), before.get(label))
              else int(after.get(label, 0)) - int(before.get(label, 0))
              for key, label in COUNTS.items()}
    times = [answer['stamp_ns'] / 1e9 + answer['published_ms'] / 1e3
             for answer in answers if answer['camera'] == name]
    edges = warm_up['ended_s'], slices[-1]['ended_s']
    return {'sent': sum(record['sent'][name] for record in slices), **counts,
            'answered': len(times), 'wait_s': np.diff(np.sort([*times, *edges])).max().item()}


def _course(values: Sequence[float]) -> dict[str, float]:
    tenth = max(1, len(values) // 10)
    start, end = (float(np.median(part)) for part in (values[:tenth], values[-tenth:]))
    return {'start': start, 'end': end, 'highest': float(max(values)),
            'growth_percent': 100 * (end / start - 1) if start else 0.0}


def problems(result: Mapping[str, Any]) -> list[str]:
    """Return what must not be, one line each."""
    lines = []
    for name, camera in result['cameras'].items():
        if camera['wait_s'] > STARVED_S:
            lines.append(f'{name}: no result for {camera["wait_s"]:.1f} s, allowed: {STARVED_S}')
        for key in ('undecodable', 'failed'):
            if camera[key]:
                lines.append(f'{name}: {camera[key]} images {key}')
    answered = [camera['answered'] for camera in result['cameras'].values()]
    if min(answered) + 1 < FAIR * np.mean(answered):  # one may be on its way
        lines.append(f'the camera that is served least has {result["fairness"]:.2f} of the mean, '
                     f'allowed: {FAIR}')
    if result['own']['growth_percent'] > GROWTH:
        lines.append(f'the memory of the node grew by {result["own"]["growth_percent"]:.2f} %, '
                     f'allowed: {GROWTH}')
    if result['shared']['end'] - result['shared']['start'] > SEGMENT:
        lines.append('the shared memory of the node grew from {start:.0f} to {end:.0f} bytes, '
                     'allowed: {segment}'.format(**result['shared'], segment=SEGMENT))
    if result['threads']['end'] > result['threads']['start']:
        lines.append('the threads of the node grew from {start:.0f} to {end:.0f}'.format(
            **result['threads']))
    if result['late'] > LATER:
        lines.append(f'the latency (p95) of the end is {result["late"]:.2f} times that of the '
                     f'start, allowed: {LATER}')
    return lines


def camera_table(result: Mapping[str, Any]) -> str:
    """Return what became of the images of each camera."""
    return markdown(
        ['camera', 'sent', 'came', 'superseded', 'failed', 'answered', 'longest wait'],
        [[name, str(row['sent']), str(row['received']), str(row['superseded']),
          str(row['undecodable'] + row['failed']), str(row['answered']), f'{row["wait_s"]:.2f} s']
         for name, row in result['cameras'].items()])


def time_table(result: Mapping[str, Any], most: int = 12) -> str:
    """Return how latency and memory went on, at about ``most`` times."""
    rows = result['slices']
    step = max(1, round(len(rows) / most))
    indices = sorted({*range(0, len(rows), step), len(rows) - 1})
    return markdown(
        ['until', 'frames/s', 'p50', 'p95', 'p99', 'memory', 'of it shared', 'threads'],
        [[rows[i]['name'], f'{rows[i]["published"]["frames"] / _length(result):.1f}',
          *(f'{rows[i]["published"][key]:.0f} ms' for key in ('p50', 'p95', 'p99')),
          *(f'{rows[i][key] / MIB:.1f} MiB' for key in ('rss', 'shared')),
          f'{rows[i]["threads"]}'] for i in indices])


def _length(result: Mapping[str, Any]) -> float:
    return result['seconds'] / len(result['slices'])


def summary(result: Mapping[str, Any]) -> str:
    """Return the most important figures as a sentence each."""
    height, width = result['size']
    times = result['published']
    sent = sum(row['sent'] for row in result['cameras'].values()) / result['seconds']
    return (
        f'{len(result["cameras"])} cameras of {width}x{height} at {result["rate"]:g} Hz for '
        f'{result["seconds"]:.0f} s: {sent:.0f} images/s sent, '
        f'{times["frames"] / result["seconds"]:.1f} frames/s answered\n'
        f'stamp to published: p50 {times["p50"]:.0f} ms, p95 {times["p95"]:.0f} ms, '
        f'p99 {times["p99"]:.0f} ms; p95 of the end by that of the start: {result["late"]:.2f}\n'
        f'least served camera by the mean: {result["fairness"]:.3f}\n'
        f'memory of the node: {_in_words(result["own"])}\n'
        f'with the shared memory of the middleware: {_in_words(result["rss"])}\n'
        f'threads of the node: {result["threads"]["start"]:.0f}, at the end '
        f'{result["threads"]["end"]:.0f}')


def _in_words(course: Mapping[str, float]) -> str:
    start, end, highest = (course[key] / MIB for key in ('start', 'end', 'highest'))
    return (f'{start:.1f} MiB after the warm-up, at the end {end:.1f} MiB '
            f'({course["growth_percent"]:+.2f} %), at most {highest:.1f} MiB')
