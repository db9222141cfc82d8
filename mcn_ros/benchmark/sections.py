# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sections of the report of experiments: what networks cost, and who listens to whom in them."""

from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

from mcn_ros.benchmark.costs import measure_costs, table
from mcn_ros.data.calibration_images import CalibrationImages
from mcn_ros.evaluation.exchanges import measure_shares, Share, shares_table
from mcn_ros.evaluation.plots import listening_plot
from mcn_ros.trainer.comparison import mean_text
from mcn_ros.trainer.experiments import Experiments
from mcn_ros.weights_file import load_model

SECONDS = 60.0  # that the times may take
IMAGES = 16  # that listening is measured on

COSTS = """\
Each network beside its scores: all heads that it has, float32, and the milliseconds from the
pixels of one input to its predictions (median and quartiles of {rounds} rounds in which all take
turns, PyTorch with {threads}). Where a machine has other work, too, it is the ratios of times that
count. Two networks of one task each cost the sum of theirs."""

LISTENING = """\
How large what a stream is given of another one is after each stage, relative to what it has
itself there (root mean squares), on {images} images of the validation, with the first seed. A
gate is the factor that what is given is multiplied by; it begins as 0."""


def cost_section(experiments: Experiments, weights: Mapping[str, Path],
                 scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """
    Measure what networks cost.

    :param weights: network -> weights file of it.
    :param scores: network -> scores with each seed.
    :return: Markdown; nothing if it is not asked for, or there are no networks.
    """
    if not (experiments.costs and weights):
        return []
    costs = measure_costs(weights, SECONDS)
    shown = {name: [mean_text(figure, scores[name]) for figure in experiments.costs]
             for name in weights}
    rounds = min(ms['rounds'] for cost in costs.values() for ms in cost.ms.values())
    titles = {name: network.title for name, network in experiments.networks.items()}
    return ['## What the networks cost',
            COSTS.format(rounds=rounds, threads=_threads()),
            table(costs, titles, shown, list(experiments.costs.values()))]


def listening_section(experiments: Experiments, weights: Mapping[str, Path],
                      images: Mapping[str, str], picture: Path) -> list[str]:
    """
    Measure what the streams of networks are given of each other, and draw it.

    :param weights: network -> weights file of it.
    :param images: network -> folder of images of its validation.
    :param picture: path of the PNG file.
    :return: Markdown; nothing if no streams of any network exchange anything.
    """
    shares: dict[str, list[Share]] = {}
    for name, path in weights.items():
        found = measure_shares(load_model(path).eval(), CalibrationImages(images[name], IMAGES))
        if found:
            shares[experiments.networks[name].title] = found
    if not shares:
        return []
    lines: dict[str, dict[str, dict[int, float]]] = {}
    for title, found in shares.items():
        for share in found:
            label = f'{share.listener}, of {share.origin}'
            lines.setdefault(title, {}).setdefault(label, {})[share.stage] = share.size
    picture.write_bytes(listening_plot(lines))
    return ['## Who listens to whom', LISTENING.format(images=IMAGES), shares_table(shares),
            f'![Who listens to whom]({picture.parent.name}/{picture.name})']


def _threads() -> str:
    count = torch.get_num_threads()
    return '1 thread' if count == 1 else f'{count} threads'
