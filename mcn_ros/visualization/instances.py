# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects: boxes in the colours of their classes."""

from typing import Sequence

import cv2
import numpy as np

from mcn_ros.colors import class_colors, DARK
from mcn_ros.structures import id_rows, Instances
from mcn_ros.visualization.canvas import Canvas, rgb
from mcn_ros.visualization.labels import Label, label


def draw_instances(canvas: Canvas, objects: Instances, names: Sequence[str]) -> list[Label]:
    """Draw the boxes of the objects that are certain enough; the surest lie on top."""
    objects, style = canvas.certain(objects), canvas.style
    colors = class_colors(max(len(names), int(objects.classes.max(initial=0)) + 1))
    labels = []
    for box, index, score, track_id in zip(objects.boxes, objects.classes, objects.scores,
                                           id_rows(objects).tolist()):
        if np.isfinite(box).all():
            # On whole pixels: a thin line that is spread over two would be pale.
            low, high = canvas.near(np.floor(box[:2])), canvas.near(np.ceil(box[2:]) - 1)
            if style.rim:
                cv2.rectangle(canvas.pixels, low, high, DARK, style.line + style.rim)
            cv2.rectangle(canvas.pixels, low, high, rgb(colors[index]), style.line)
            name = names[index] if index < len(names) else str(index)
            parts = [name, track_id, '' if score >= 1 else f'{100 * score:.0f}%']
            # Annotations have score 1, and what is not tracked has no id.
            labels.append(label(' '.join(filter(None, parts)), colors[index], style, box))
    return labels
