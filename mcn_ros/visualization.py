# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions (and of annotations, which have the same types)."""

from dataclasses import dataclass
import functools
import math
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from mcn_ros.colors import class_colors, Color, color_map, DARK, LIGHT
from mcn_ros.structures import ClassMap, IGNORE, Instances, Poses, select
from mcn_ros.vocabulary import Skeleton

LEFT, RIGHT, CENTER = (86, 180, 233), (230, 120, 0), (245, 245, 245)
FONT = cv2.FONT_HERSHEY_SIMPLEX
BLEND = 0.45  # share of the class colour on a segmented pixel
SHIFT = 4  # binary digits after the point in the coordinates that OpenCV is given


@dataclass(frozen=True)
class Style:
    """
    Sizes that suit an image.

    :param line: width of lines in pixels.
    :param rim: how much wider their dark rim is; it sets them off from a picture of their colour.
    :param font: scale of OpenCV's font.
    """

    line: int
    rim: int
    font: float

    @classmethod
    def of_image(cls, image: np.ndarray) -> 'Style':
        """Return sizes in proportion to the image, but never too small to see or to read."""
        unit = math.sqrt(image.shape[0] * image.shape[1]) / 550
        line = math.ceil(1.5 * unit)
        # The rim of a thin line would be most of what is seen, and would hide its colour.
        return cls(line, 2 if line > 1 else 0, max(0.36, 0.42 * unit))

    @property
    def stroke(self) -> int:
        """Return the width of the lines of a letter."""
        return max(1, round(1.6 * self.font))


def draw(image: np.ndarray, predictions: Mapping[str, Any],
         class_names: Mapping[str, Sequence[str]], score_threshold: float = 0.3,
         pose_threshold: float = 0.3, keypoint_threshold: float = 0.2,
         text: str = '') -> np.ndarray:
    """
    Draw predictions on a copy of an image: areas first, then boxes, people, and labels on top.

    :param image: (H, W, 3) uint8 RGB.
    :param predictions: task name -> Instances, Poses or ClassMap in the pixels of the image.
    :param class_names: task name -> names of its classes; tasks without classes may be missing.
    :param score_threshold: objects below are not drawn.
    :param pose_threshold: people below are not drawn.
    :param keypoint_threshold: joints below are not drawn, nor are limbs that end in them.
    :param text: lines for the lower left corner, such as latency and rate.
    :return: (H, W, 3) uint8 RGB.
    """
    canvas, style = np.array(image, order='C'), Style.of_image(image)
    kinds = {kind: [(value, class_names.get(name, ())) for name, value in predictions.items()
                    if isinstance(value, kind)] for kind in (ClassMap, Instances, Poses)}
    labels: list[_Label] = []
    for area, names in kinds[ClassMap]:
        _draw_class_map(canvas, area, names, style)
        if not kinds[Instances]:
            labels += _area_labels(area, names, style)
    for objects, names in kinds[Instances]:
        objects = _best_last(select(objects, objects.scores >= score_threshold))
        labels += _draw_boxes(canvas, objects, names, style)
    for people, _ in kinds[Poses]:
        people = _best_last(select(people, people.scores >= pose_threshold))
        _draw_poses(canvas, people, keypoint_threshold, style)
    taken = _draw_text(canvas, text, style)
    _draw_labels(canvas, labels, taken, style)
    return canvas


def _best_last(structure: Any) -> Any:
    return select(structure, np.argsort(structure.scores, kind='stable'))


def _draw_class_map(canvas: np.ndarray, area: ClassMap, names: Sequence[str], style: Style):
    labels = np.where(area.labels == IGNORE, np.uint8(0), area.labels)
    colors = color_map(labels, max(len(names), int(labels.max())))
    cv2.copyTo(cv2.addWeighted(canvas, 1 - BLEND, colors, BLEND, 0), labels, canvas)
    # A rim in the full colour, on the inside of each area.
    kernel = np.ones((2 * style.line + 1,) * 2, np.uint8)
    cv2.copyTo(colors, cv2.compare(cv2.erode(labels, kernel), labels, cv2.CMP_NE), canvas)


@dataclass(frozen=True)
class _Label:
    """A name on its colour; it may stand at any of the ``spots``, given by its top left corner."""

    text: str
    color: Color
    size: tuple[int, int]  # width and height
    spots: np.ndarray  # (S, 2) x, y, the preferred one first


def _label(text: str, color: np.ndarray, style: Style, box: Sequence[float] | None = None,
           point: Sequence[float] = (0, 0)) -> _Label:
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
    return _Label(text, _rgb(color), (width, height), np.array(spots))


def _area_labels(area: ClassMap, names: Sequence[str], style: Style) -> list[_Label]:
    """Return a label in the middle of the largest part of each class that is not tiny."""
    step = max(1, max(area.labels.shape) // 160)
    small = area.labels[step // 2::step, step // 2::step]
    labels = []
    for index in np.flatnonzero(np.bincount(small.ravel(), minlength=256) > small.size / 250):
        if 0 < index <= len(names):
            # A frame of other pixels, so that the border of the image counts as one of the area.
            mask = np.pad((small == index).astype(np.uint8), 1)
            depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            labels.append(_label(names[index - 1], class_colors(len(names))[index - 1], style,
                                 point=((column + 0.5) * step, (row + 0.5) * step)))
    return labels


def _draw_boxes(canvas: np.ndarray, objects: Instances, names: Sequence[str],
                style: Style) -> list[_Label]:
    colors = class_colors(max(len(names), int(objects.classes.max(initial=0)) + 1))
    labels = []
    for box, index, score in zip(objects.boxes, objects.classes, objects.scores):
        if np.isfinite(box).all():
            # On whole pixels: a thin line that is spread over two would be pale.
            low, high = _near(np.floor(box[:2]), canvas), _near(np.ceil(box[2:]) - 1, canvas)
            if style.rim:
                cv2.rectangle(canvas, low, high, DARK, style.line + style.rim)
            cv2.rectangle(canvas, low, high, _rgb(colors[index]), style.line)
            name = names[index] if index < len(names) else str(index)
            percent = '' if score >= 1 else f' {100 * score:.0f}%'  # annotations have score 1
            labels.append(_label(name + percent, colors[index], style, box))
    return labels


def _draw_poses(canvas: np.ndarray, people: Poses, threshold: float, style: Style):
    visible = people.keypoint_scores >= threshold
    visible = visible & np.isfinite(people.keypoints).all(axis=2)
    sides = _sides(people.skeleton)
    for joints, seen in zip(people.keypoints, visible):
        if not seen.any():
            continue
        # Small people get thin limbs, lest they become a blot.
        extent = np.ptp(joints[seen], axis=0).max()
        width = int(np.clip(extent / 45, 1, 2 * style.line))
        limbs = [(_fixed(joints[a], canvas), _fixed(joints[b], canvas),
                  sides[a] if sides[a] == sides[b] or sides[b] == CENTER else
                  sides[b] if sides[a] == CENTER else CENTER)
                 for a, b in people.skeleton.edges if seen[a] and seen[b]]
        for start, end, _ in limbs:
            cv2.line(canvas, start, end, DARK, width + style.rim, cv2.LINE_AA, SHIFT)
        for start, end, color in limbs:
            cv2.line(canvas, start, end, color, width, cv2.LINE_AA, SHIFT)
        radius = (width + 1) << (SHIFT - 1)
        for joint in np.flatnonzero(seen):
            center = _fixed(joints[joint], canvas)
            cv2.circle(canvas, center, radius + (style.rim << (SHIFT - 1)), DARK, -1,
                       cv2.LINE_AA, SHIFT)
            cv2.circle(canvas, center, radius, sides[joint], -1, cv2.LINE_AA, SHIFT)


@functools.cache
def _sides(skeleton: Skeleton) -> list[Color]:
    """Return the colour of each joint: of a mirrored pair one is left, the other right."""
    return [CENTER if mirror == index else LEFT if name.startswith('left') else RIGHT
            for index, (name, mirror) in enumerate(zip(skeleton.keypoint_names, skeleton.flip))]


def _draw_labels(canvas: np.ndarray, labels: Sequence[_Label], taken: np.ndarray, style: Style):
    """
    Draw labels; the last one, the most certain, is the first to choose its place.

    A label that would hide much of another one or does not fit into the image is left out.

    :param taken: (T, 4) xyxy of what is written already.
    """
    for label in reversed(labels):
        limit = np.array(canvas.shape[1::-1]) - label.size
        if (limit < 0).any():
            continue
        spots = label.spots.round().clip(0, limit)
        moved = np.abs(spots - label.spots).max(axis=1) > style.line
        areas = np.hstack([spots, spots + label.size])
        overlap = (np.minimum(areas[:, None, 2:], taken[:, 2:])
                   - np.maximum(areas[:, None, :2], taken[:, :2])).clip(0).prod(axis=2)
        covered = overlap.max(axis=1, initial=0) / np.prod(label.size)
        best = np.lexsort([moved, covered])[0]
        if covered[best] > 0.3:
            continue
        taken = np.vstack([taken, areas[best]])
        left, top, right, bottom = areas[best].astype(int).tolist()
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), label.color, cv2.FILLED)
        _write(canvas, label.text, (left + 2 * style.stroke + 1, bottom), label.color, style)


def _write(canvas: np.ndarray, text: str, corner: tuple[int, int], background: Color,
           style: Style):
    """Write a line whose background, of the given colour, ends below at ``corner``."""
    below = cv2.getTextSize(text, FONT, style.font, style.stroke)[1]
    ink = DARK if np.dot(background, (0.299, 0.587, 0.114)) > 110 else LIGHT
    cv2.putText(canvas, text, (corner[0], corner[1] - below), FONT, style.font, ink,
                style.stroke, cv2.LINE_AA)


def _draw_text(canvas: np.ndarray, text: str, style: Style) -> np.ndarray:
    """Write lines in the lower left corner on a darkened ground; return its (0 or 1, 4) xyxy."""
    if not text:
        return np.empty((0, 4))
    lines = [_label(line, np.array(DARK), style) for line in text.splitlines()]
    width, height = max(line.size[0] for line in lines), lines[0].size[1]
    bottom = canvas.shape[0]
    top = max(0, bottom - height * len(lines))
    ground = canvas[top:, :width]
    ground[:] = cv2.addWeighted(ground, 0.25, np.full_like(ground, DARK), 0.75, 0)
    for row, line in enumerate(reversed(lines)):
        corner = 2 * style.stroke + 1, bottom - row * height
        _write(canvas, line.text, corner, DARK, style)
    return np.array([[0, top, width, bottom]])


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, width: int = 1600,
                  gap: int = 6) -> np.ndarray:
    """
    Put pictures side by side in rows; all of a row are equally high and fill its width.

    :param images: (H, W, 3) uint8 each, of any sizes.
    :param columns: pictures in a row; a last row with fewer does not grow to fill it.
    :param width: of the sheet, in pixels.
    :param gap: pixels between pictures.
    :return: (H, width, 3) uint8, white between the pictures.
    """
    rows = [images[start:start + columns] for start in range(0, len(images), columns)]
    strips, height = [], width
    for row in rows:
        ratios = sum(image.shape[1] / image.shape[0] for image in row)
        fitting = (width - gap * (len(row) - 1)) / ratios
        # The first row sets how high an incomplete one may be.
        height = fitting if len(row) == columns or not strips else min(fitting, height)
        strips.append(_strip(row, max(1, round(height)), width, gap))
    blank = np.full((gap, width, 3), 255, np.uint8)
    stacked = [part for strip in strips for part in (strip, blank)]
    return np.vstack(stacked[:-1])


def _strip(row: Sequence[np.ndarray], height: int, width: int, gap: int) -> np.ndarray:
    strip = np.full((height, width, 3), 255, np.uint8)
    left = 0.0
    for image in row:
        right = left + height * image.shape[1] / image.shape[0]
        start, end = min(width - 1, round(left)), min(width, max(round(right), round(left) + 1))
        smaller = image.shape[0] > height
        strip[:, start:end] = cv2.resize(
            image, (end - start, height),
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        left = right + gap
    return strip


def _rgb(color: np.ndarray) -> Color:
    return tuple(int(value) for value in color)


def _near(point: np.ndarray, canvas: np.ndarray, scale: int = 1) -> tuple[int, int]:
    """Return a point as integers; far outside it is pulled nearer, as OpenCV's overflow."""
    limit = 8 * scale * max(canvas.shape)
    x, y = np.clip(point, -limit, limit)
    return round(float(x)), round(float(y))


def _fixed(point: np.ndarray, canvas: np.ndarray) -> tuple[int, int]:
    """Return a point as fixed-point numbers that count from the middle of the first pixel."""
    scale = 1 << SHIFT
    return _near((point - 0.5) * scale, canvas, scale)
