# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How much of what a stream sees comes from the others: who listens to whom."""

from dataclasses import dataclass
from functools import partial
from typing import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn, Tensor

from mcn_ros.geometry import RESAMPLINGS
from mcn_ros.model import MultiTaskNet
from mcn_ros.network.exchanges import CrossConnections, CrossStitches
from mcn_ros.network.trunks.exchanging import CrossConnectedConfig, ExchangingTrunk
from mcn_ros.runtime.views import Views
from mcn_ros.tables import markdown


@dataclass(frozen=True)
class Share:
    """
    What one stream is given of another after a stage.

    :param stage: its number, from 1.
    :param listener: name of the stream that is given something.
    :param origin: name of the other one.
    :param size: root mean square of what is given, relative to that of what the listener has
        itself there.
    :param gate: factor that what is given is multiplied by, where there is one.
    """

    stage: int
    listener: str
    origin: str
    size: float
    gate: float | None = None


@torch.no_grad()
def measure_shares(model: MultiTaskNet, images: Iterable[np.ndarray]) -> list[Share]:
    """
    Look at some images, and measure what the streams of a network are given of each other.

    :param model: on the CPU, in evaluation mode.
    :param images: (H, W, 3) uint8 RGB, of any sizes.
    :return: for each stage, listener and origin, over all images; nothing for a network whose
        streams exchange nothing.
    """
    trunk = model.trunk
    if not isinstance(trunk, ExchangingTrunk):
        return []
    squares: dict[tuple[int, str, str], np.ndarray] = {}
    hooks = [exchange.register_forward_hook(partial(_add_squares, squares, int(number)))
             for number, exchange in trunk.exchanges.items()]
    views, resampling = Views(), RESAMPLINGS[model.config.preprocessing]
    for image in images:
        place = views.place(image.shape[:2], model.config.input_size)
        pixels = torch.from_numpy(place.draw(image, resampling))
        model(pixels.permute(2, 0, 1)[None])
    for hook in hooks:
        hook.remove()
    mean = isinstance(trunk.config, CrossConnectedConfig) and trunk.config.mean
    divisor = len(trunk.members) - 1 if mean else 1
    return [Share(stage, listener, origin, float(np.sqrt(given / own)) / divisor,
                  _gate(trunk.exchanges[str(stage)], listener, origin))
            for (stage, listener, origin), (given, own) in squares.items()]


def shares_table(shares: Mapping[str, Sequence[Share]]) -> str:
    """
    Return the shares as a Markdown table, in percent, with the gates below.

    :param shares: title of the network -> what was measured.
    """
    stages = sorted({share.stage for found in shares.values() for share in found})
    rows = []
    for title, found in shares.items():
        for listener, origin in dict.fromkeys((each.listener, each.origin) for each in found):
            by_stage = {each.stage: each for each in found
                        if (each.listener, each.origin) == (listener, origin)}
            rows.append([title, listener, origin, *(
                f'{by_stage[stage].size:.1%}' if stage in by_stage else '' for stage in stages)])
            if any(each.gate is not None for each in by_stage.values()):
                rows.append([title, listener, f'{origin}: gate', *(
                    f'{by_stage[stage].gate:+.3f}' if stage in by_stage else ''
                    for stage in stages)])
    return markdown(['network', 'listens', 'to', *(f'stage {stage}' for stage in stages)], rows,
                    words=3)


def _add_squares(squares: dict[tuple[int, str, str], np.ndarray], stage: int, exchange: nn.Module,
                 inputs: tuple[Mapping[str, Tensor], Sequence[str]], _: Mapping[str, Tensor],
                 ) -> None:
    """Add up the squares of what is given, and of what a listener has itself."""
    maps, listeners = inputs
    for listener in listeners:
        parts = dict(_parts(exchange, listener, maps))
        own = parts.pop(listener).square().sum().item()
        for origin, given in parts.items():
            key = stage, listener, origin
            squares[key] = squares.get(key, np.zeros(2)) + (given.square().sum().item(), own)


def _parts(exchange: CrossConnections | CrossStitches, listener: str,
           maps: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield what a stream becomes the sum of, by the streams that it comes from."""
    if isinstance(exchange, CrossStitches):
        for (origin, values), weight in zip(maps.items(), exchange[listener].values):
            yield origin, weight * values
        return
    yield listener, maps[listener]
    for origin, connection in exchange[listener].items():
        yield origin, connection(maps[origin])


def _gate(exchange: CrossConnections | CrossStitches, listener: str, origin: str) -> float | None:
    if isinstance(exchange, CrossStitches):
        return None
    gate = exchange[listener][origin].gate
    return None if gate is None else gate.values.item()
