# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A published NanoDet-Plus detector from an ONNX file, as a teacher.

Source: RangiLyu, "NanoDet-Plus", github.com/RangiLyu/nanodet.
"""

import cv2
import numpy as np

from mcn_ros.geometry import invert, Size
from mcn_ros.runtime.teachers.distances import BINS, cell_points, find, SIDES
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.structures import clip_boxes, Instances, warp_boxes
from mcn_ros.vocabulary import COCO_CLASSES

NUMBERS = len(COCO_CLASSES) + SIDES * BINS
# Blue, green, red; (pixel - MEAN) * FACTOR is what the network sees.
MEAN = np.float32([103.53, 116.28, 123.675])
FACTOR = np.float32([.017429, .017507, .017125])


class NanoDetPlusTeacher:
    """
    An 80-class NanoDet-Plus network: an image in, objects in camera pixels out.

    :param network: with the output (1, cells, 80 scores and 4 x 8 distances).
    :param floor: boxes of a lower score are dropped.
    :param side: of the square input, pixels, where the network takes any.
    :raises ValueError: for some other network.
    """

    classes = COCO_CLASSES

    def __init__(self, network: OnnxNetwork, floor: float = 0.01, side: int = 416):
        network.require(self.fits(network),
                        f'a NanoDet-Plus network of {len(COCO_CLASSES)} classes')
        self._network, self._floor = network, floor
        self.size: Size = network.sides or (side, side)
        self._points = cell_points(self.size, middle=0)

    @staticmethod
    def fits(network: OnnxNetwork) -> bool:
        """Return whether a network has the input and the outputs of this kind."""
        sides = network.sides
        return sides is not None and len(set(sides)) < 2 and [
            shape[-1:] for shape in network.output_shapes.values()] == [(NUMBERS,)]

    def __call__(self, image: np.ndarray) -> Instances:
        """
        Find the objects of an image.

        :param image: (H, W, 3) uint8 RGB.
        :return: objects in camera pixels, clipped to the image, best first.
        """
        pixels, affine = self._place(image)
        (output,) = self._network((pixels - MEAN) * FACTOR).values()
        scores, logits = np.split(output, [len(COCO_CLASSES)], axis=1)
        found = find(scores, logits, self._points, self._floor)
        boxes = clip_boxes(warp_boxes(found.boxes, invert(affine)), image.shape[:2])
        return Instances(boxes, found.classes, found.scores)

    def _place(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the image at the top left of the black input, BGR; and camera -> input."""
        height, width = image.shape[:2]
        factor = self.size[0] / max(height, width)
        small = max(1, round(height * factor)), max(1, round(width * factor))
        pixels = np.zeros((*self.size, 3), np.uint8)
        pixels[:small[0], :small[1]] = cv2.resize(image, small[::-1])[..., ::-1]
        return pixels, np.array([[small[1] / width, 0, 0], [0, small[0] / height, 0]])
