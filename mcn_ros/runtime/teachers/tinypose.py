# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A published PP-TinyPose network from an ONNX file, as a teacher: joints within given boxes.

Source: PaddleDetection, "PP-TinyPose"; joints between cells: F. Zhang et al., "Distribution-Aware
Coordinate Representation for Human Pose Estimation" (DARK), CVPR 2020.
"""

import cv2
import numpy as np

from mcn_ros.geometry import apply_affine, crop, invert, Size, warp_image
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.paddle import FACTOR, MEAN
from mcn_ros.structures import Poses
from mcn_ros.vocabulary import COCO_SKELETON

# Input pixels per cell of the heatmaps.
STRIDE = 4
# How much more than the box the network sees.
MARGIN = 1.25

# Joints of a lower score count nothing in the score of a pose.
LIKELY = 0.2
# Cells of a side of the window over which heatmaps are smoothed before their peak is placed.
WINDOW = 3
FLOOR = 1e-10


class TinyPoseTeacher:
    """
    A PP-TinyPose network for the joints of COCO: an image and boxes in, people out.

    :param network: with the output (1, 17, H / 4, W / 4), heatmaps of an input of a fixed size.
    :raises ValueError: for some other network.
    """

    skeleton = COCO_SKELETON

    def __init__(self, network: OnnxNetwork):
        network.require(self.fits(network),
                        f'a PP-TinyPose network of {COCO_SKELETON.num_keypoints} joints')
        self._network = network
        self.size: Size = network.sides

    @staticmethod
    def fits(network: OnnxNetwork) -> bool:
        """Return whether a network has the input and the outputs of this kind."""
        cells = tuple(side // STRIDE for side in network.sides or ())
        return bool(cells) and [shape[1:] for shape in network.output_shapes.values()] == [
            (COCO_SKELETON.num_keypoints, *cells)]

    def __call__(self, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> Poses:
        """
        Find the joints of people.

        :param image: (H, W, 3) uint8 RGB.
        :param boxes: (N, 4) float32 xyxy of the people, camera pixels.
        :param scores: (N,) float32 of the boxes.
        :return: the people in camera pixels, in the order of the boxes. The score of each is that
            of its box times the mean of the scores of its likely joints.
        """
        found = [self._joints(image, box) for box in boxes]
        count = COCO_SKELETON.num_keypoints
        points = np.array([p for p, _ in found], np.float32).reshape(-1, count, 2)
        joints = np.array([s for _, s in found], np.float32).reshape(-1, count)
        likely = joints > LIKELY
        means = (joints * likely).sum(axis=1) / np.maximum(likely.sum(axis=1), 1)
        return Poses(boxes, (scores * means).astype(np.float32), points, joints)

    def _joints(self, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the joints within a box, (J, 2) in camera pixels, and their scores (J,)."""
        affine = self._view(box)
        pixels = warp_image(image, affine, self.size)
        (heatmaps,) = self._network((pixels - MEAN) * FACTOR).values()
        # What is at the corner of its view the network has learned to see in the first cell.
        points = peaks(heatmaps) * STRIDE
        return apply_affine(invert(affine), points), heatmaps.max(axis=(1, 2)).clip(0, 1)

    def _view(self, box: np.ndarray) -> np.ndarray:
        """Return the affine that shows a box with a margin, camera -> input pixels."""
        width, height = np.maximum(box[2:] - box[:2], 1)
        factor = min(self.size[1] / width, self.size[0] / height) / MARGIN
        return crop((box[:2] + box[2:]) / 2, factor, self.size)


def peaks(heatmaps: np.ndarray) -> np.ndarray:
    """
    Place the peak of each heatmap between cells, where a Gaussian through its neighbours has it.

    :param heatmaps: (J, H, W) float32.
    :return: (J, 2) float32: x, y; (0, 0) is the middle of the first cell.
    """
    placed = []
    for heatmap in heatmaps:
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        smooth = cv2.GaussianBlur(heatmap, (WINDOW, WINDOW), 0)
        logs = np.log(np.maximum(smooth, FLOOR))
        placed.append(np.array([x, y]) + _shift(logs, x, y))
    return np.array(placed, np.float32).reshape(-1, 2)


def _shift(logs: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return by how much (x, y) a maximum is beside its cell: one step of Newton's method."""
    height, width = logs.shape
    if not (2 <= x < width - 2 and 2 <= y < height - 2):
        return np.zeros(2)
    dx, dy = (logs[y, x + 1] - logs[y, x - 1]) / 2, (logs[y + 1, x] - logs[y - 1, x]) / 2
    dxx = (logs[y, x + 2] - 2 * logs[y, x] + logs[y, x - 2]) / 4
    dyy = (logs[y + 2, x] - 2 * logs[y, x] + logs[y - 2, x]) / 4
    dxy = (logs[y + 1, x + 1] - logs[y - 1, x + 1] - logs[y + 1, x - 1]
           + logs[y - 1, x - 1]) / 4
    if dxx * dyy - dxy * dxy <= 0:  # no maximum of a Gaussian
        return np.zeros(2)
    return -np.linalg.solve([[dxx, dxy], [dxy, dyy]], [dx, dy])
