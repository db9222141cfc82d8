# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Names and other text in pictures."""

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from mcn_ros.colors import Color, DARK, LIGHT
from mcn_ros.visualization.canvas import Canvas, rgb, Style

FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Label:
    """A name on its colour; it may stand at any of the ``spots``, given by its top left corner."""

    text: str
    color: Color
    size: tuple[int, int]  # width and height
    spots: np.ndarray  # (S, 2) x, y, the preferred one first


def label(text: str, color: np.ndarray, style: Style, box: Sequence[float] | None = None,
          point: Sequence[float] = (0, 0)) -> Label:
    """Return a label at a box (above, in or below it), or centred on a point without one."""
    (width, height), below = cv2.getTextSize(text, FONT, style.font, style.stroke)
    width, height = width + 4 * style.stroke + 2, height + below + 2 * style.stroke
    if box is None:
        spots = [(point[0] - width / 2, point[1] - height / 2)]
    else:
        left, top, right, bottom = box
        edge = style.line / 2
        left, right = left - edge, right + edge - width
        spots = [(left, top - height + 1), (left, top - edge), (right, top - height + 1),
                 (left, bottom + edge), (left, bottom - height), (right, bottom + edge)]
    return Label(text, rgb(color), (width, height), np.array(spots))


def draw_labels(canvas: Canvas, labels: Sequence[Label], taken: np.ndarray):
    """
    Draw labels; the last one, the most certain, is the first to choose its place.

    A label that would hide much of another one or does not fit into the image is left out.

    :param taken: (T, 4) xyxy of what is written already.
    """
    pixels, style = canvas.pixels, canvas.style
    for one in reversed(labels):
        limit = np.array(pixels.shape[1::-1]) - one.size
        if (limit < 0).any():
            continue
        spots = one.spots.round().clip(0, limit)
        moved = np.abs(spots - one.spots).max(axis=1) > style.line
        areas = np.hstack([spots, spots + one.size])
        overlap = (np.minimum(areas[:, None, 2:], taken[:, 2:])
                   - np.maximum(areas[:, None, :2], taken[:, :2])).clip(0).prod(axis=2)
        covered = overlap.max(axis=1, initial=0) / np.prod(one.size)
        best = np.lexsort([moved, covered])[0]
        if covered[best] > 0.3:
            continue
        taken = np.vstack([taken, areas[best]])
        left, top, right, bottom = areas[best].astype(int).tolist()
        cv2.rectangle(pixels, (left, top), (right - 1, bottom - 1), one.color, cv2.FILLED)
        _write(canvas, one.text, (left + 2 * style.stroke + 1, bottom), one.color)


def _write(canvas: Canvas, text: str, corner: tuple[int, int], background: Color):
    """Write a line whose background, of the given colour, ends below at ``corner``."""
    style = canvas.style
    below = cv2.getTextSize(text, FONT, style.font, style.stroke)[1]
    ink = DARK if np.dot(background, (0.299, 0.587, 0.114)) > 110 else LIGHT
    start = corner[0], corner[1] - below - style.stroke
    cv2.putText(canvas.pixels, text, start, FONT, style.font, ink, style.stroke, cv2.LINE_AA)


def draw_text(canvas: Canvas, text: str) -> np.ndarray:
    """Write lines in the lower left corner on a darkened ground; return its (0 or 1, 4) xyxy."""
    if not text:
        return np.empty((0, 4))
    pixels, style = canvas.pixels, canvas.style
    lines = [label(line, np.array(DARK), style) for line in text.splitlines()]
    width, height = max(line.size[0] for line in lines), lines[0].size[1]
    bottom = pixels.shape[0]
    top = max(0, bottom - height * len(lines))
    ground = pixels[top:, :width]
    ground[:] = cv2.addWeighted(ground, 0.25, np.full_like(ground, DARK), 0.75, 0)
    for row, line in enumerate(reversed(lines)):
        corner = 2 * style.stroke + 1, bottom - row * height
        _write(canvas, line.text, corner, DARK)
    return np.array([[0, top, width, bottom]])
