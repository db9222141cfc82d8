# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels and text: their size and their place in pictures of any size."""

from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.colors import class_colors
from mcn_ros.visualization.canvas import Canvas, Style
from mcn_ros.visualization.labels import draw_labels, draw_text, label

NOTHING = np.empty((0, 4))
SIZES = [(120, 160), (240, 320), (270, 480), (360, 640), (480, 640), (1080, 1920), (2160, 3840)]


def canvas(size):
    picture = np.full((*size, 3), 100, np.uint8)
    return Canvas(picture, Style.of_image(picture), 0.3, 0.2, boxes=True)


def drawn_area(canvas):
    """Return width and height of what has been drawn."""
    rows, columns = np.nonzero((canvas.pixels != 100).any(axis=2))
    return columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min()


@settings(deadline=None, max_examples=100)
@given(size=strategies.tuples(strategies.integers(90, 1500), strategies.integers(120, 2000)),
       corners=strategies.lists(strategies.floats(-0.5, 1.5), min_size=4, max_size=4))
def test_labels_can_be_read_but_do_not_cover_the_picture(size, corners):
    image, (height, width) = canvas(size), size
    box = np.sort(np.reshape(corners, (2, 2)), axis=0) * (width, height)
    name = label('person 83%', class_colors(1)[0], image.style, box.reshape(-1))
    assert name.size[1] >= 12  # with letters of 7 pixels
    side = np.sqrt(height * width)
    assert name.size[1] <= max(12, 0.04 * side) and name.size[0] <= max(59, 0.25 * side)
    draw_labels(image, [name], NOTHING)
    assert drawn_area(image) == name.size  # the whole of it is inside of the picture


@pytest.mark.parametrize('size', SIZES)
def test_sizes_grow_with_the_picture(size):
    side, style = np.sqrt(np.prod(size)), Style.of_image(canvas(size).pixels)
    assert style.line + style.rim <= max(1, 0.0075 * side)
    larger = Style.of_image(canvas((2 * size[0], 2 * size[1])).pixels)
    assert larger.line > style.line or style.line == 1 and side < 300
    assert larger.font > style.font or side < 160


@pytest.mark.parametrize('size', SIZES)
def test_text_leaves_most_of_a_picture_alone(size):
    image = canvas(size)
    (left, top, right, bottom), = draw_text(image, '132 ms\n14.0 frames/s')
    assert (left, bottom) == (0, size[0]) and right <= size[1] / 2 and top >= 0.75 * size[0]
