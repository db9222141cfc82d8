# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The predictor: a camera image in, predictions in camera pixels out.

The one place that knows how an image becomes the input of a network and how its output is mapped
back. The node, the evaluation and the demo all go through it, so they agree.
"""

from functools import partial
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from mcn_ros.geometry import BORDER, invert, RESAMPLINGS, Size
from mcn_ros.model import MultiTaskNet
from mcn_ros.runtime.backends import build_backend, TF32
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.int8 import Inputs
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.predictions import Predictions
from mcn_ros.runtime.runtime_config import RuntimeConfig
from mcn_ros.runtime.views import Placement, Views
from mcn_ros.runtime.weights import weights_path
from mcn_ros.structures import select, Structure
from mcn_ros.weights_file import load_model


class Predictor:
    """
    A network ready to be used on images of any size.

    :param model: the network; the backend may move or change it.
    :param runtime: where and how it runs.
    :param flip: look at the mirror image, too, and average: better, at twice the time.
    :param views: what of an image to look at; inputs of any size need the backend 'torch'.
    :ivar backend: name of the backend that was taken, and ``why``, a line for a log.
    :ivar run: the backend itself.
    :raises ValueError: for a device, backend or precision that is unknown or not there, and for
        views that the heads or the backend cannot have.
    """

    def __init__(self, model: MultiTaskNet, runtime: RuntimeConfig = RuntimeConfig(),
                 flip: bool = False, views: Views = Views()):
        device, backend, dtype = runtime.resolve(any_size=views.resolution != 'fixed')
        self.device = str(device)
        tf32, fixed = runtime.precision == TF32, views.resolution == 'fixed'
        self.precision = TF32 if tf32 else str(dtype).removeprefix('torch.')
        self.tasks = model.tasks
        self.heads = list(model.tasks)
        self.input_size: Size = model.config.input_size
        self.views = views
        self._resampling = RESAMPLINGS[model.config.preprocessing]
        calibration = runtime.calibration and Inputs(runtime.calibration, self._draw)
        graph = InferenceGraph(MirrorAveraged(model) if flip else model, calibration=calibration)
        # The layout alone: many a backend has no more use for the weights in PyTorch.
        self._layout = graph.layout
        _check_views(self._layout.structures, views)
        self.backend, self.run, self.why = build_backend(
            backend, graph, device, dtype, tf32, fixed)

    def __call__(self, image: np.ndarray) -> Mapping[str, Structure]:
        """
        Look at one image.

        :param image: (H, W, 3) uint8 RGB.
        :return: task name -> structure of numpy arrays in camera pixels, where it comes when it is
            first asked for; boxes are clipped to the image; best first; nothing thresholded.
        :raises ValueError: for an array that is no such image.
        """
        return self.batch([image])[0]

    def batch(self, images: Sequence[np.ndarray]) -> list[Mapping[str, Structure]]:
        """Look at several images, of any sizes, in one pass; see :meth:`__call__`."""
        for image in images:
            _check_image(image)
        scales = [self._look(images, scale) for scale in self.views.scales]
        if len(scales) == 1:
            return scales[0]
        return [self.views.merge(views) for views in zip(*scales)]

    def _look(self, images: Sequence[np.ndarray], scale: float) -> list[Predictions]:
        """Look at images in one scale."""
        places = [self.views.place(image.shape[:2], self.input_size, scale) for image in images]
        if len({place.size for place in places}) > 1:  # they do not fit into one batch
            return [self._look([image], scale)[0] for image in images]
        inputs = np.stack([place.draw(image, self._resampling)
                           for image, place in zip(images, places)])
        predictions = self._layout.restore(self.run(inputs))
        return [Predictions({name: select(value, row) for name, value in predictions.items()},
                            partial(self._to_camera, place, image.shape[:2]))
                for row, (image, place) in enumerate(zip(images, places))]

    def _draw(self, image: np.ndarray) -> np.ndarray:
        """Return the input that an image becomes, in its own scale."""
        _check_image(image)
        place = self.views.place(image.shape[:2], self.input_size, 1.0)
        return place.draw(image, self._resampling)

    def _to_camera(self, place: Placement, size: Size, prediction: Structure) -> Structure:
        """Undo the placement."""
        return self.views.finish(prediction.warp(invert(place.affine), size), size)

    def warm_up(self, size: Size = (480, 640), count: int = 1) -> None:
        """Run on ``count`` blank images: the first pass is many times slower than the next."""
        self.batch([np.full((*size, 3), BORDER, np.uint8)] * count)


def load_predictor(weights: str | Path = '', heads: Sequence[str] | None = None,
                   runtime: RuntimeConfig = RuntimeConfig(), flip: bool = False,
                   views: Views = Views()) -> Predictor:
    """
    Build a predictor from a weights file.

    :param weights: path, name of shipped weights, or '' for the default ones.
    :param heads: heads to run, all of the weights' if None or empty.
    :param runtime: where and how it runs.
    :param flip: look at the mirror image, too.
    :param views: what of an image to look at.
    :raises ValueError: one clear line for whatever is wrong with the arguments or the file.
    """
    # The cheap checks come first: a wrong device is told before a large file is read.
    runtime.resolve(any_size=views.resolution != 'fixed')
    model = load_model(weights_path(weights), heads or None)
    return Predictor(model, runtime, flip, views)


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f'image: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}')


def _check_views(predictions: Mapping[str, Structure], views: Views) -> None:
    maps = [name for name, value in predictions.items() if 'boxes' not in value.ROWS]
    if len(views.scales) > 1 and maps:
        others = ', '.join(name for name in predictions if name not in maps)
        raise ValueError(f'scales: maps of several scales cannot be put together: '
                         f'{", ".join(maps)} (heads without: {others or "none"})')
