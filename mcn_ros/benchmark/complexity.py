# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Parameters and multiplications of networks with one task and with several (MCN paper, Table 4).

Counted are the multiplications with weights (MACs), those of deformable convolutions included, not
the interpolation at their taps.
"""

import math
from typing import Any, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from mcn_ros.benchmark.architectures import title
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.exchanges import CrossStitches
from mcn_ros.tables import markdown

SHORT = {'segmentation': 'Seg', 'detection': 'Det', 'pose': 'Pose'}

# The rows of Table 4, and Pose alone, which is part of a sum there; each with the paper's
# parameters in millions, for DLA-34.
ROWS = (
    (('segmentation',), 20.37),
    (('detection',), 20.40),
    (('pose',), None),
    (('detection', 'pose'), 20.44),
    (('segmentation', 'detection'), 20.40),
    (('segmentation', 'detection', 'pose'), 20.52),
)
PAPER_NETWORK, PAPER_SUM, PAPER_RATIO = 'dla34', 60.81, 2.96


def count_parameters(model: torch.nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: MultiTaskNet) -> int:
    """
    Return the multiplications for one image of the network's input size.

    :param model: on the meta device: elsewhere, an operator may be done by others.
    """
    images = torch.empty((1, 3, *model.config.input_size), dtype=torch.uint8,
                         device=model.mean.device)
    counter = FlopCounterMode(display=False, custom_mapping={
        torch.ops.torchvision.deform_conv2d: _deformable_flops})
    stitched: list[int] = []  # these are no operators that the counter knows
    hooks = [module.register_forward_hook(
        lambda module, _, maps: stitched.append(module.multiplications(maps)))
        for module in model.modules() if isinstance(module, CrossStitches)]
    with torch.no_grad(), counter:
        model.eval()(images)
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() // 2 + sum(stitched)


def _deformable_flops(images: Any, weight: Sequence[int], *_: Any,
                      out_shape: Sequence[int], **__: Any) -> int:
    batch, _, height, width = out_shape
    return 2 * math.prod(weight) * batch * height * width


def measure(name: str, config: ModelConfig) -> dict[str, Any]:
    """
    Count for every row of Table 4 that a network has the tasks for.

    :return: 'network', 'input_size', 'rows' (each with 'tasks', 'parameters', 'macs'), and
        'parameter_ratio' and 'mac_ratio' of all single-task networks to that of all tasks.
    """
    rows = []
    for tasks in _combinations(config):
        with torch.device('meta'):
            model = MultiTaskNet(config.of_tasks(tasks))
        rows.append({'tasks': list(tasks), 'parameters': count_parameters(model),
                     'macs': count_macs(model)})
    whole = max(rows, key=lambda row: len(row['tasks']))
    single = [row for row in rows if len(row['tasks']) == 1]
    ratios = {key: sum(row[key] for row in single) / whole[key] for key in ('parameters', 'macs')}
    return {'network': title(name), 'input_size': list(config.input_size), 'rows': rows,
            'parameter_ratio': ratios['parameters'], 'mac_ratio': ratios['macs']}


def _combinations(config: ModelConfig) -> list[tuple[str, ...]]:
    combinations = [tasks for tasks, _ in ROWS if set(tasks) <= set(config.tasks)]
    if set(combinations[-1]) != set(config.tasks):
        combinations.append(tuple(config.tasks))
    return combinations


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return what :func:`measure` found of each network, beside the paper's figures."""
    paper = dict(ROWS)
    lines = []
    for result in results:
        of_paper = result['network'] == PAPER_NETWORK
        for row in result['rows']:
            tasks = tuple(row['tasks'])
            millions = paper.get(tasks) if of_paper else None
            lines.append([result['network'], ' + '.join(SHORT.get(task, task) for task in tasks),
                          f'{row["parameters"] / 1e6:.2f} M', f'{row["macs"] / 1e9:.2f} G',
                          f'{millions:.2f} M' if millions else ''])
        single = [row for row in result['rows'] if len(row['tasks']) == 1]
        if len(single) > 1:
            sums = [sum(row[key] for row in single) for key in ('parameters', 'macs')]
            lines.append([result['network'], f'{len(single)} STN', f'{sums[0] / 1e6:.2f} M',
                          f'{sums[1] / 1e9:.2f} G', f'{PAPER_SUM:.2f} M' if of_paper else ''])
            lines.append([result['network'], f'**{len(single)} STN / 1 MCN**',
                          f'**{result["parameter_ratio"]:.2f}**',
                          f'**{result["mac_ratio"]:.2f}**',
                          f'{PAPER_RATIO:.2f}' if of_paper else ''])
    return markdown(['network', 'tasks', 'parameters', 'MACs', 'paper (DLA-34)'], lines, words=2)
