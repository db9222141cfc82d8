# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A published YOLOX detector from an ONNX file, as a teacher.

Source: Z. Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430.
"""

import numpy as np
import torch
from torchvision.ops import batched_nms

from mcn_ros.geometry import BORDER, invert, letterbox, Size, warp_image
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.structures import clip_boxes, Instances
from mcn_ros.vocabulary import COCO_CLASSES

# Input pixels per cell of the three output grids, in the order of their rows.
STRIDES = (8, 16, 32)
# Centre offset, log size, objectness; then one probability per class.
BOX_NUMBERS = 5


class YoloxTeacher:
    """
    An 80-class YOLOX network: an image in, objects in camera pixels out.

    The image and its mirror image are both looked at, and the outputs averaged.

    :param network: whose output is that of the published exports: one row per cell, boxes relative
        to the cell, probabilities after the sigmoid. Its input is BGR in 0..255, of a fixed size.
    :param floor: boxes of a lower score are dropped.
    :param overlap: IoU with a better box of the same class above which a box is a duplicate.
    :raises ValueError: for some other network.
    """

    classes = COCO_CLASSES

    def __init__(self, network: OnnxNetwork, floor: float = 0.01, overlap: float = 0.65):
        network.require(self.fits(network), f'a YOLOX network of {len(COCO_CLASSES)} classes for '
                        'single images of a fixed size')
        self._network, self._floor, self._overlap = network, floor, overlap
        self.size: Size = network.sides

    @staticmethod
    def fits(network: OnnxNetwork) -> bool:
        """Return whether a network has the input and the outputs of this kind."""
        sides = network.sides
        return bool(sides) and not any(side % STRIDES[-1] for side in sides) and [
            *network.output_shapes.values()] == [
                (1, len(cells(sides)), BOX_NUMBERS + len(COCO_CLASSES))]

    def __call__(self, image: np.ndarray) -> Instances:
        """
        Find the objects of an image.

        :param image: (H, W, 3) uint8 RGB.
        :return: objects in camera pixels, clipped to the image, best first.
        """
        affine = letterbox(image.shape[:2], self.size)
        pixels = warp_image(image, affine, self.size, BORDER)[..., ::-1]
        rows = (self._rows(pixels) + mirror(self._rows(pixels[:, ::-1]), self.size)) / 2
        objects = suppress(rows, self._floor, self._overlap).warp(invert(affine), image.shape[:2])
        return Instances(clip_boxes(objects.boxes, image.shape[:2]), objects.classes,
                         objects.scores)

    def _rows(self, pixels: np.ndarray) -> np.ndarray:
        """Run the network on an (H, W, 3) uint8 BGR image; see :func:`decode`."""
        (output,) = self._network(pixels).values()
        return decode(output, self.size)


def cells(size: Size) -> np.ndarray:
    """Return (N, 3) float32: column, row and stride of every cell, in the order of the output."""
    grids = [np.indices((size[0] // s, size[1] // s)).reshape(2, -1)[::-1] for s in STRIDES]
    return np.hstack([np.vstack([g, np.full(g.shape[1], s)])
                      for g, s in zip(grids, STRIDES)]).T.astype(np.float32)


def decode(output: np.ndarray, size: Size) -> np.ndarray:
    """
    Place the boxes of the cells in the image.

    :param output: (N, 5 + C) float32 as the network gives it.
    :param size: (height, width) of the input.
    :return: (N, 4 + C) float32: centre x, centre y, width, height in input pixels; scores 0..1.
    """
    grid = cells(size)
    centers = (output[:, :2] + grid[:, :2]) * grid[:, 2:]
    sizes = np.exp(output[:, 2:4]) * grid[:, 2:]
    return np.hstack([centers, sizes, output[:, 4:5] * output[:, BOX_NUMBERS:]])


def mirror(rows: np.ndarray, size: Size) -> np.ndarray:
    """Return the decoded output of a mirrored image in the frame and order of the image itself."""
    grid = cells(size)
    order = np.lexsort([-grid[:, 0], grid[:, 1], grid[:, 2]])
    rows = rows[order]
    rows[:, 0] = size[1] - rows[:, 0]
    return rows


def suppress(rows: np.ndarray, floor: float, overlap: float) -> Instances:
    """Return the best class of every cell that is no duplicate of a better one, best first."""
    classes, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1)
    likely = scores >= floor
    centers, sizes = rows[likely, :2], rows[likely, 2:4]
    boxes = np.hstack([centers - sizes / 2, centers + sizes / 2])
    classes, scores = classes[likely], scores[likely]
    keep = batched_nms(*map(torch.from_numpy, (boxes, scores, classes)), overlap).numpy()
    return Instances(boxes[keep], classes[keep], scores[keep])
