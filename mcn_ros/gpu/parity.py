# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Every backend and precision against PyTorch's own execution in float64, on the same images."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from mcn_ros.benchmark.architectures import build_network
from mcn_ros.benchmark.networks import Variant
from mcn_ros.geometry import Size
from mcn_ros.gpu.finding import Finding
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.runtime.backends import build_backend, obstacle, TF32
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.mirror import MirrorAveraged

# Precision -> how far logits may be off in the mean, in standard deviations of the map.
LIMITS = {'float32': 1e-4, 'tf32': 5e-3, 'float16': 2e-2, 'bfloat16': 0.1}
# Logits of two images differ by at least so much, in the same unit: else they are of no image.
LEAST_DIFFERENCE = 0.05
# By how much last layers of random weights are enlarged: biases would be most of the logits.
CONTRAST = 20
PRECISIONS = {'cuda': ('float32', 'tf32', 'float16', 'bfloat16'), 'cpu': ('float32', 'bfloat16')}
BACKENDS = 'torch', 'cuda_graph', 'onnxruntime', 'openvino'


def check(name: str, model: nn.Module, device: torch.device, variants: Sequence[Variant] = (),
          flip: bool = False) -> Iterator[Finding]:
    """
    Compare the logits of a network.

    :param name: of the network.
    :param variants: backends and precisions; none for all that there are here.
    :param flip: look at the mirror image, too.
    """
    images = views(2, model.config.input_size)
    wrapped = MirrorAveraged(model) if flip else model
    expected = _reference(wrapped, device, images)
    for variant in variants or all_variants(device):
        subject = f'{name}, {variant}{", flip" * flip}'
        try:
            graph = InferenceGraph(deepcopy(wrapped), maps=True)
            run = build_backend(variant.backend, graph, device, variant.dtype,
                                variant.precision == TF32)[1]
            found = [run(images[index:index + 1]) for index in range(len(images))]
        # Whatever a compiler or a driver may raise: it is what is to be found out.
        except Exception as error:
            yield Finding('parity', subject, False, f'{type(error).__name__}: '
                          f'{" ".join(str(error).split())[:300]}')
            continue
        yield _compare(subject, found, expected, LIMITS[variant.precision])


@torch.no_grad()
def untrained(config: ModelConfig) -> MultiTaskNet:
    """Return a network of random weights whose logits differ from place to place, as trained."""
    model = build_network(config)
    for head in model.heads.values():
        for layers in head.maps.values():
            layers[-1].weight *= CONTRAST
    return model


def all_variants(device: torch.device) -> list[Variant]:
    """Return the backends and precisions that can be had on a device."""
    variants = [Variant(backend, precision) for backend in BACKENDS
                for precision in PRECISIONS[device.type]]
    return [each for each in variants if not obstacle(each.backend, device, each.dtype)]


def _reference(model: nn.Module, device: torch.device, images: np.ndarray,
               ) -> list[list[np.ndarray]]:
    graph = InferenceGraph(deepcopy(model).double(), maps=True).to(device)
    with torch.inference_mode():
        return [[values.cpu().numpy() for values in graph(
            torch.from_numpy(images[index:index + 1]).to(device))] for index in range(len(images))]


def _compare(subject: str, found: Sequence[Sequence[np.ndarray]],
             expected: Sequence[Sequence[np.ndarray]], limit: float) -> Finding:
    errors = [_distance(mine, its) for one, other in zip(found, expected, strict=True)
              for mine, its in zip(one, other, strict=True)]
    apart = max(map(_distance, *found))
    holds = max(errors) <= limit and apart >= LEAST_DIFFERENCE
    return Finding('parity', subject, holds,
                   f'off by {max(errors):.2g} (at most {limit:g}) of a standard deviation in the '
                   f'worst map; two images differ by {apart:.2g}')


def _distance(values: np.ndarray, others: np.ndarray) -> float:
    """Return the mean difference in standard deviations; infinite where it is not finite."""
    distance = float(np.abs(values.astype(float) - others).mean() / (others.std() + 1e-6))
    return distance if np.isfinite(distance) else float('inf')


def views(count: int, size: Size) -> np.ndarray:
    """Return (count, height, width, 3) uint8 images with shapes of many sizes in them."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, *size, 3), np.float32)
    for image in images:
        for scale in (4, 16, 64):
            cells = rng.normal(size=(*(max(1, side // scale) for side in size), 3))
            image += cv2.resize(cells.astype(np.float32), size[::-1],
                                interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * images, 0, 255).astype(np.uint8)
