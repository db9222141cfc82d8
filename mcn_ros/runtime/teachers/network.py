# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights of this package as a teacher: of boxes, joints and classes of pixels in one pass."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_iou

from mcn_ros.geometry import compose, invert, RESAMPLINGS, scaling, warp_image
from mcn_ros.runtime.backends import build_backend
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.mirror import MirrorAveraged
from mcn_ros.runtime.runtime_config import RuntimeConfig
from mcn_ros.runtime.views import Views
from mcn_ros.runtime.weights import weights_path
from mcn_ros.structures import ClassMap, Instances, Poses, select, Structure, to_numpy
from mcn_ros.weights_file import load_model

# IoU above which a person that was found is the one of a given box.
SAME = 0.5


class NetworkTeacher:
    """
    A network that looks at an image once, and is asked for what it has seen.

    :param weights: path, name of shipped weights, or '' for the default ones.
    :param runtime: where and how it runs.
    :param flip: look at the mirror image, too.
    :ivar tasks: type of annotation -> name of the first task with it, and the task.
    :raises ValueError: for whatever is wrong with the file or the runtime.
    """

    def __init__(self, weights: str | Path, runtime: RuntimeConfig = RuntimeConfig(),
                 flip: bool = False):
        model = load_model(weights_path(weights))
        self.tasks: dict[type, tuple[str, Any]] = {}
        for name, task in model.tasks.items():
            self.tasks.setdefault(task.annotation, (name, task))
        self._graph = InferenceGraph(MirrorAveraged(model) if flip else model, maps=True)
        self._resampling = RESAMPLINGS[model.config.preprocessing]
        device, backend, dtype = runtime.resolve()
        _, self._run, _ = build_backend(backend, self._graph, device, dtype)
        self._image: np.ndarray | None = None

    def parts(self, maps: bool) -> dict[str, Any]:
        """
        Return what it labels, as :class:`mcn_ros.data.labeller.Teachers` names it.

        :param maps: whether pixels, too.
        :raises ValueError: if there are to be maps and no head for them.
        """
        parts: dict[str, Any] = {}
        if Instances in self.tasks:
            parts.update(objects=self.objects, classes=self.tasks[Instances][1].classes)
        if Poses in self.tasks:
            parts.update(people=self.people, skeleton=self.tasks[Poses][1].joints)
        if maps and ClassMap not in self.tasks:
            raise ValueError('maps: no head of the weights has classes of pixels (heads: '
                             f'{", ".join(name for name, _ in self.tasks.values())})')
        if maps:
            parts.update(pixels=self.logits, maps=self.tasks[ClassMap])
        return parts

    def objects(self, image: np.ndarray) -> Instances:
        """Return the objects of an image, (H, W, 3) uint8 RGB, in camera pixels."""
        return self._predictions(image)[self.tasks[Instances][0]]

    def people(self, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> Poses:
        """
        Return the joints of the people in boxes: those of the person found there, if any.

        :param boxes: (N, 4) float32 xyxy, camera pixels.
        :param scores: (N,) float32 of the boxes.
        """
        found = self._predictions(image)[self.tasks[Poses][0]]
        shared = box_iou(torch.from_numpy(boxes), torch.from_numpy(found.boxes)).numpy()
        best = shared.argmax(axis=1)
        there = np.take_along_axis(shared, best[:, None], axis=1) > SAME
        return replace(select(found, best), boxes=boxes, scores=scores, crowd=None,
                       keypoint_scores=found.keypoint_scores[best] * there)

    def logits(self, image: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """
        Return what the network believes of the classes of pixels.

        :param classes: (K,) int64, indices into those of the task.
        :return: (K + 1, H, W) float32 logits in camera pixels: background and the classes.
        """
        self._look(image)
        name, task = self.tasks[ClassMap]
        which, first = task.class_map
        seen = self._maps[name][which][0].numpy()
        stride = self._graph.size[0] // seen.shape[1]
        back = compose(invert(self._place.affine), scaling(stride))
        return np.stack([warp_image(seen[row], back, image.shape[:2], 'edge')
                         for row in (0, *(classes + first))])

    def _predictions(self, image: np.ndarray) -> dict[str, Structure]:
        """Return the predictions of all tasks in camera pixels."""
        self._look(image)
        if self._decoded is None:
            with torch.no_grad():
                decoded = self._graph.model.decode(self._maps)
            self._decoded = {name: self._to_camera(select(to_numpy(value), 0), image)
                             for name, value in decoded.items() if 'boxes' in value.ROWS}
        return self._decoded

    def _to_camera(self, prediction: Structure, image: np.ndarray) -> Structure:
        size = image.shape[:2]
        return Views().finish(prediction.warp(invert(self._place.affine), size), size)

    def _look(self, image: np.ndarray) -> None:
        """Run the network, once for an image."""
        if image is self._image:
            return
        self._place = Views().place(image.shape[:2], self._graph.size)
        outputs = self._run(self._place.draw(image, self._resampling)[None])
        self._maps: dict[str, dict[str, torch.Tensor]] = {}
        for name, values in zip(self._graph.names, outputs, strict=True):
            task, _, which = name.partition('/')
            self._maps.setdefault(task, {})[which] = torch.from_numpy(np.array(values))
        self._decoded: dict[str, Structure] | None = None
        self._image = image
