# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What depth costs the results in the image: their latency with it and without, in turns."""

from typing import Any, Mapping

import numpy as np

from mcn_ros.benchmark.stopwatch import percentiles
from mcn_ros.tables import markdown

WITHOUT, WITH = 'without depth', 'with depth'  # names of the phases


def growth(summary: Mapping[str, Any]) -> dict[str, Any]:
    """
    Sum up phases of :mod:`mcn_ros.trials.space_prober`.

    :return: 'size' and 'rate' of the images, 'ms' {WITHOUT, WITH: percentiles from stamp to
        results in the image}, 'growth' {percentile: share}, 'in_space': number of messages.
    :raises ValueError: if nothing was answered, or not in space.
    """
    phases = summary['phases']
    times = {name: np.array([answer['published_ms'] for record in phases
                             if record['phase']['name'] == name for answer in record['answers']])
             for name in (WITHOUT, WITH)}
    if not summary['in_space'] or not all(map(len, times.values())):
        raise ValueError('too few frames were answered: the time for depth is too short')
    ms = {name: percentiles(values) for name, values in times.items()}
    return {'size': phases[0]['phase']['size'], 'rate': phases[0]['phase']['rate'], 'ms': ms,
            'growth': {key: ms[WITH][key] / ms[WITHOUT][key] - 1 for key in ('p50', 'p95')},
            'in_space': summary['in_space']}


def table(row: Mapping[str, Any]) -> str:
    """Return the latencies with and without depth as a table, in milliseconds."""
    height, width = row['size']
    ms = [' / '.join(f'{row["ms"][name][key]:.1f}' for key in ('p50', 'p95'))
          for name in (WITHOUT, WITH)]
    return markdown(
        ['camera', f'{WITHOUT} p50 / p95', f'{WITH} p50 / p95', 'growth p50 / p95', 'frames'],
        [[f'{width}x{height} at {row["rate"]:.0f} Hz', *ms,
          ' / '.join(f'{100 * row["growth"][key]:+.1f} %' for key in ('p50', 'p95')),
          ' + '.join(str(row['ms'][name]['frames']) for name in (WITHOUT, WITH))]])
