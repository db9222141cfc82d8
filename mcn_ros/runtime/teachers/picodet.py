# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A published PicoDet detector from an ONNX file, as a teacher.

Source: G. Yu et al., "PP-PicoDet: A Better Real-Time Object Detector on Mobile Devices", arXiv
2111.00902.
"""

import cv2
import numpy as np

from mcn_ros.geometry import Size
from mcn_ros.runtime.teachers.distances import BINS, cell_points, find, SIDES, STRIDES
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.paddle import FACTOR, MEAN
from mcn_ros.structures import clip_boxes, Instances, warp_boxes
from mcn_ros.vocabulary import COCO_CLASSES


class PicoDetTeacher:
    """
    An 80-class PicoDet network: an image in, objects in camera pixels out.

    :param network: with the scores (1, cells, 80) and the distances (1, cells, 4 x 8) of each of
        four levels, each kind from the finest level on.
    :param floor: boxes of a lower score are dropped.
    :param side: of the square input, pixels, where the network takes any.
    :raises ValueError: for some other network.
    """

    classes = COCO_CLASSES

    def __init__(self, network: OnnxNetwork, floor: float = 0.01, side: int = 416):
        network.require(self.fits(network), f'a PicoDet network of {len(COCO_CLASSES)} classes')
        self._network, self._floor = network, floor
        self.size: Size = network.sides or (side, side)
        self._points = cell_points(self.size, middle=0.5)

    @staticmethod
    def fits(network: OnnxNetwork) -> bool:
        """Return whether a network has the input and the outputs of this kind."""
        widths = [shape[-1] for shape in network.output_shapes.values() if shape]
        return network.sides is not None and len(widths) == 2 * len(STRIDES) and all(
            widths.count(number) == len(STRIDES) for number in (len(COCO_CLASSES), SIDES * BINS))

    def __call__(self, image: np.ndarray) -> Instances:
        """
        Find the objects of an image.

        :param image: (H, W, 3) uint8 RGB.
        :return: objects in camera pixels, clipped to the image, best first.
        """
        # Stretched, as it has learned: with the ratio of its sides kept it finds a sixth less.
        pixels = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_CUBIC)
        outputs = self._network((pixels - MEAN) * FACTOR).values()
        scores, logits = (np.concatenate([output for output in outputs
                                          if output.shape[1] == number])
                          for number in (len(COCO_CLASSES), SIDES * BINS))
        found = find(scores, logits, self._points, self._floor)
        height, width = image.shape[:2]
        back = np.array([[width / self.size[1], 0, 0], [0, height / self.size[0], 0]])
        boxes = clip_boxes(warp_boxes(found.boxes, back), (height, width))
        return Instances(boxes, found.classes, found.scores)
