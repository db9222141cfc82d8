# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What the node adds to its predictor, and what several cameras cost: sums of what was recorded.

The overhead of the node is the time from the stamp of an image to its results being published,
less the predictor's own time for this image, less the median time in which such an image comes to
another process, before a message is made of it: no node could save these. Recordings are those of
:mod:`mcn_ros.trials.prober`.
"""

from typing import Any, Mapping, Sequence

import numpy as np

from mcn_ros.benchmark.stopwatch import percentiles
from mcn_ros.tables import markdown

MIB = 2 ** 20


def latency(record: Mapping[str, Any]) -> dict[str, Any]:
    """
    Sum up a phase in which node and echo were asked in turn.

    :return: 'size', and 'arrived' (in the node), 'published', 'predictor', 'transport' (to the
        echo), 'overhead': percentiles in ms.
    """
    published, predictor = (_column(record, name) for name in ('published_ms', 'predictor_ms'))
    transport = np.array(record['echo_ms'])
    return {'size': record['phase']['size'],
            'arrived': percentiles(_column(record, 'arrived_ms')),
            'published': percentiles(published),
            'predictor': percentiles(predictor),
            'transport': percentiles(transport),
            'overhead': percentiles(published - predictor - np.median(transport))}


def load(record: Mapping[str, Any]) -> dict[str, Any]:
    """
    Sum up a phase in which images came at a rate.

    :return: 'size', 'cameras', 'nodes', 'rate' per camera, 'sent' and 'answered' by camera,
        'frames_per_second' and 'ms_per_frame' of all cameras, 'batch' (mean), 'published'
        (percentiles in ms), 'cpu_ms_per_frame' and 'cpu_share' (1: one core) of the nodes, 'pss'
        and 'rss' of the nodes in bytes.
    """
    answers = record['answers']
    answered = {camera: sum(answer['camera'] == camera for answer in answers)
                for camera in record['sent']}
    rate, cpu_rate = _rates(answers)
    return {'size': record['phase']['size'], 'cameras': len(record['sent']),
            'nodes': len(record['memory']), 'rate': record['phase']['rate'],
            'sent': record['sent'], 'answered': answered,
            'frames_per_second': rate, 'ms_per_frame': 1000 / rate,
            'batch': float(np.mean(_column(record, 'batch'))),
            'published': percentiles(_column(record, 'published_ms')),
            'cpu_ms_per_frame': 1000 * cpu_rate / rate, 'cpu_share': cpu_rate,
            'pss': sum(usage['Pss'] for usage in record['memory'].values()),
            'rss': sum(usage['Rss'] for usage in record['memory'].values())}


def _column(record: Mapping[str, Any], name: str) -> np.ndarray:
    return np.array([answer[name] for answer in record['answers']])


def _rates(answers: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return frames and seconds of processor time, both per second, of all processes."""
    nodes: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        nodes.setdefault(answer['pid'], []).append(answer)
    if min(map(len, nodes.values()), default=0) < 2:
        raise ValueError('too few frames were answered: the time for the node is too short')
    frames_per_s = cpu_per_s = 0.0
    for frames in nodes.values():
        times = [answer['stamp_ns'] / 1e9 + answer['published_ms'] / 1e3 for answer in frames]
        seconds = max(times) - min(times)
        frames_per_s += (len(frames) - 1) / seconds
        cpu = [answer['cpu_s'] for answer in frames]
        cpu_per_s += (max(cpu) - min(cpu)) / seconds
    return frames_per_s, cpu_per_s


def latency_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return times of single images as a table, in milliseconds."""
    lines = [[_size(row), ' / '.join(f'{row["published"][name]:.1f}'
                                     for name in ('p50', 'p95', 'p99')),
              f'{row["predictor"]["p50"]:.1f}',
              f'{row["transport"]["p50"]:.1f} ({row["arrived"]["p50"]:.1f})',
              f'{row["overhead"]["p50"]:.1f} (p95 {row["overhead"]["p95"]:.1f})',
              str(row['published']['frames'])] for row in rows]
    return markdown(['camera', 'stamp to publish p50 / p95 / p99', 'predictor p50',
                     'transport p50 (to the node)', 'overhead p50', 'frames'], lines)


def load_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return cameras and nodes beside each other as a table."""
    lines = []
    for row in rows:
        counts = sorted(row['answered'].values())
        latencies = ' / '.join(f'{row["published"][name]:.0f}' for name in ('p50', 'p95', 'p99'))
        lines.append([
            f'{row["cameras"]} in {row["nodes"]} node{"s" if row["nodes"] > 1 else ""}',
            f'{row["rate"]:.0f} Hz, {_size(row)}', f'{row["frames_per_second"]:.1f}',
            f'{counts[0]} to {counts[-1]}' if len(counts) > 1 else str(counts[0]),
            f'{row["ms_per_frame"]:.1f} ms', f'{latencies} ms', f'{row["batch"]:.1f}',
            f'{row["cpu_ms_per_frame"]:.0f} ms', f'{row["cpu_share"]:.2f}',
            f'{row["pss"] / MIB:.0f} MiB', f'{row["rss"] / MIB:.0f} MiB'])
    return markdown(['cameras', 'each sends', 'frames/s', 'frames of a camera', 'per frame',
                     'stamp to publish p50 / p95 / p99', 'batch', 'CPU per frame', 'cores busy',
                     'memory (PSS)', 'memory (RSS)'], lines, words=2)


def _size(row: Mapping[str, Any]) -> str:
    return f'{row["size"][1]}x{row["size"][0]}'
