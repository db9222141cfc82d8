# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A published YOLOX detector from an ONNX file, as a teacher.

Source: Z. Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torchvision.ops import batched_nms

from mcn_ros.geometry import BORDER, invert, letterbox, Size, warp_image
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

    :param path: ONNX file whose output is that of the published exports: one row per cell, boxes
        relative to the cell, probabilities after the sigmoid. Its input is BGR in 0..255.
    :param floor: boxes of a lower score are dropped.
    :param overlap: IoU with a better box of the same class above which a box is a duplicate.
    :raises ValueError: if the file cannot be read, or holds some other network.
    """

    classes = COCO_CLASSES

    def __init__(self, path: Path | str, floor: float = 0.01, overlap: float = 0.65):
        self._floor, self._overlap = floor, overlap
        self._session = _open(Path(path))
        self._input = self._session.get_inputs()[0].name
        self.size: Size = _input_size(self._session, path)

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
        inputs = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        return decode(self._session.run(None, {self._input: inputs})[0][0], self.size)


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


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options,
                                            providers=['CPUExecutionProvider'])
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except Exception as error:
        if not type(error).__module__.startswith('onnxruntime'):
            raise
        raise ValueError(f'{path}: is not an ONNX network that can be run here') from error


def _input_size(session: onnxruntime.InferenceSession, path: Path | str) -> Size:
    """Return (height, width) of the input after a look at all shapes."""
    shapes = [entry.shape for entry in (*session.get_inputs(), *session.get_outputs())]
    fixed = len(shapes) == 2 and len(shapes[0]) == 4 and all(
        isinstance(number, int) for shape in shapes for number in shape)
    size = tuple(shapes[0][2:]) if fixed else None
    if not fixed or shapes[0][:2] != [1, 3] or any(side % STRIDES[-1] for side in size) or (
            shapes[1] != [1, len(cells(size)), BOX_NUMBERS + len(COCO_CLASSES)]):
        raise ValueError(f'{path}: is not a YOLOX network of {len(COCO_CLASSES)} classes for '
                         f'single images of a fixed size (its shapes: {shapes})')
    return size
