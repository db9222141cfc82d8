# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The deformable convolution in each of its ways: that all agree, and what each takes."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from mcn_ros.benchmark.stopwatch import interleave, pick_clock, show, spread
from mcn_ros.gpu.finding import Finding
from mcn_ros.network.deformable import bag_conv, grid_conv, operator_conv, SIDE, TAPS

WAYS = {'operator': operator_conv, 'grid sampling': grid_conv, 'embedding bags': bag_conv}
CHANNELS = 64
LIMIT = 1e-4  # of the largest value


def check(device: torch.device, side: int, seconds: float) -> Iterator[Finding]:
    """
    Compare and time the ways on a map of DLA-34's finest level.

    :param side: cells of the map across and down.
    :param seconds: about what all of it may take.
    """
    torch.manual_seed(0)
    values = [tensor.to(device) for tensor in (
        torch.randn(1, CHANNELS, side, side), 2 * torch.randn(1, 2 * TAPS, side, side),
        torch.rand(1, TAPS, side, side), torch.randn(CHANNELS, CHANNELS, SIDE, SIDE) / 24,
        torch.randn(CHANNELS))]
    with torch.inference_mode():
        expected = operator_conv(*(tensor.double() for tensor in values))
        for name, way in WAYS.items():
            error = float((way(*values).double() - expected).abs().max() / expected.abs().max())
            yield Finding('deformable', f'{name}, float32', error <= LIMIT,
                          f'off by {error:.2g} of the largest value (at most {LIMIT:g})')
        half = [*values[:3], *(tensor.to(torch.bfloat16) for tensor in values[3:])]
        runs = {'operator': partial(operator_conv, *values),
                'grid sampling': partial(grid_conv, *values),
                'embedding bags': partial(bag_conv, *values),
                'grid sampling, product in bfloat16': partial(grid_conv, *half)}
        if device.type == 'cuda':
            runs |= {f'{name}, recorded': _record(runs[name], device)
                     for name in runs if name != 'operator'}
        for name, times in interleave(runs, seconds, pick_clock(device)).items():
            yield Finding('deformable', f'{name}, {CHANNELS} channels, {side}x{side}', None,
                          f'{show(spread(times), 3)} ms')


def _record(run: partial[Tensor], device: torch.device) -> partial[None]:
    stream, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        run()
    stream.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        run()
    return partial(graph.replay)
