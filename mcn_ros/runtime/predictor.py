# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The predictor: a camera image in, predictions in camera pixels out.

The one place that knows how an image becomes the input of a network and how its output is mapped
back. The node, the evaluation and the demo all go through it, so they agree.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from mcn_ros.geometry import BORDER, invert, letterbox, Size, warp_image
from mcn_ros.model import load_model, MultiTaskNet
from mcn_ros.runtime.backends import (
    build_backend, check_backend, pick_device, pick_precision)
from mcn_ros.runtime.graph import Graph
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.weights import weights_path
from mcn_ros.structures import clip_boxes, select


class Predictor:
    """
    A network ready to be used on images of any size.

    :param model: the network; the backend may move or change it.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :param backend: 'auto' or a key of BACKENDS.
    :param precision: 'auto' or a key of PRECISIONS.
    :param flip: look at the mirror image, too, and average: better, at twice the time.
    :ivar backend: name of the backend that was taken, and ``why``, a line for a log.
    :ivar run: the backend itself.
    :raises ValueError: for a device, backend or precision that is unknown or not there.
    """

    def __init__(self, model: MultiTaskNet, device: str = 'auto', backend: str = 'auto',
                 precision: str = 'auto', flip: bool = False):
        chosen = pick_device(device)
        dtype = pick_precision(precision, chosen)
        check_backend(backend, chosen, dtype)
        self.device = str(chosen)
        self.precision = str(dtype).removeprefix('torch.')
        self.tasks = model.tasks
        self.heads = list(model.tasks)
        self.input_size: Size = model.config.input_size
        graph = Graph(MirrorAveraged(model) if flip else model)
        # The layout alone: many a backend has no more use for the weights in PyTorch.
        self._layout = graph.layout
        self.backend, self.run, self.why = build_backend(backend, graph, chosen, dtype)

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """
        Look at one image.

        :param image: (H, W, 3) uint8 RGB.
        :return: task name -> Instances, Poses or ClassMap of numpy arrays in camera pixels; boxes
            are clipped to the image; best first; nothing thresholded.
        :raises ValueError: for an array that is no such image.
        """
        return self.batch([image])[0]

    def batch(self, images: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """Look at several images, of any sizes, in one pass; see :meth:`__call__`."""
        for image in images:
            _check_image(image)
        affines = [letterbox(image.shape[:2], self.input_size) for image in images]
        inputs = np.stack([warp_image(image, affine, self.input_size, BORDER)
                           for image, affine in zip(images, affines)])
        predictions = self._layout.restore(self.run(inputs))
        return [{name: _to_camera(select(value, row), affine, image.shape[:2])
                 for name, value in predictions.items()}
                for row, (image, affine) in enumerate(zip(images, affines))]

    def warm_up(self, size: Size = (480, 640), count: int = 1) -> None:
        """Run on ``count`` blank images: the first pass is many times slower than the next."""
        self.batch([np.full((*size, 3), BORDER, np.uint8)] * count)


def load_predictor(weights: str | Path = '', heads: Sequence[str] | None = None,
                   device: str = 'auto', backend: str = 'auto', precision: str = 'auto',
                   flip: bool = False) -> Predictor:
    """
    Build a predictor from a weights file.

    :param weights: path, name of shipped weights, or '' for the default ones.
    :param heads: heads to run, all of the weights' if None or empty.
    :param flip: look at the mirror image, too.
    :raises ValueError: one clear line for whatever is wrong with the arguments or the file.
    """
    # The cheap checks come first: a wrong device is told before a large file is read.
    chosen = pick_device(device)
    check_backend(backend, chosen, pick_precision(precision, chosen))
    model = load_model(weights_path(weights), heads or None)
    return Predictor(model, device, backend, precision, flip)


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f'image: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}')


def _to_camera(prediction: Any, affine: np.ndarray, size: Size) -> Any:
    """Undo the letterbox and cut boxes at the border of the image."""
    prediction = prediction.warp(invert(affine), size)
    if hasattr(prediction, 'boxes'):
        prediction = replace(prediction, boxes=clip_boxes(prediction.boxes, size))
    return prediction
