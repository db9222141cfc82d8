# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People: limbs and joints in the colours of their sides."""

import functools
from typing import Sequence

import cv2
import numpy as np

from mcn_ros.colors import Color, DARK
from mcn_ros.structures import id_rows, Poses
from mcn_ros.visualization.canvas import Canvas, SHIFT
from mcn_ros.visualization.labels import Label, label
from mcn_ros.vocabulary import Skeleton

LEFT, RIGHT, CENTER = (86, 180, 233), (230, 120, 0), (245, 245, 245)


def draw_poses(canvas: Canvas, people: Poses, names: Sequence[str]) -> list[Label]:
    """Draw the people that are certain enough, with their ids; the surest lie on top."""
    people, pixels, style = canvas.certain(people), canvas.pixels, canvas.style
    visible = people.keypoint_scores >= canvas.keypoint_threshold
    visible = visible & np.isfinite(people.keypoints).all(axis=2)
    sides = _sides(people.skeleton)
    for joints, seen in zip(people.keypoints, visible):
        if not seen.any():
            continue
        # Small people get thin limbs, lest they become a blot.
        extent = np.ptp(joints[seen], axis=0).max()
        width = int(np.clip(extent / 45, 1, 2 * style.line))
        limbs = [(canvas.fixed(joints[a]), canvas.fixed(joints[b]),
                  sides[a] if sides[a] == sides[b] or sides[b] == CENTER else
                  sides[b] if sides[a] == CENTER else CENTER)
                 for a, b in people.skeleton.edges if seen[a] and seen[b]]
        for start, end, _ in limbs:
            cv2.line(pixels, start, end, DARK, width + style.rim, cv2.LINE_AA, SHIFT)
        for start, end, color in limbs:
            cv2.line(pixels, start, end, color, width, cv2.LINE_AA, SHIFT)
        radius = (width + 1) << (SHIFT - 1)
        for joint in np.flatnonzero(seen):
            center = canvas.fixed(joints[joint])
            cv2.circle(pixels, center, radius + (style.rim << (SHIFT - 1)), DARK, -1,
                       cv2.LINE_AA, SHIFT)
            cv2.circle(pixels, center, radius, sides[joint], -1, cv2.LINE_AA, SHIFT)
    # Boxes of objects have the ids of these people, too.
    return [] if canvas.boxes else [
        label(track_id, np.array(CENTER), style, box)
        for box, track_id in zip(people.boxes, id_rows(people).tolist())
        if track_id and np.isfinite(box).all()]


@functools.cache
def _sides(skeleton: Skeleton) -> list[Color]:
    """Return the colour of each joint: of a mirrored pair one is left, the other right."""
    return [CENTER if mirror == index else LEFT if name.startswith('left') else RIGHT
            for index, (name, mirror) in enumerate(zip(skeleton.keypoint_names, skeleton.flip))]
