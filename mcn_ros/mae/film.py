# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The film of the growth: how patches become communities, and which of these are foreground."""

from collections.abc import Sequence

import cv2
import numpy as np

from mcn_ros.colors import class_colors, DARK, LIGHT
from mcn_ros.mae.pixels import enlarge
from mcn_ros.mae.segmentation import Segmentation
from mcn_ros.visualization.sheet import contact_sheet

HEIGHT = 240  # of a picture of the film, in pixels
CAPTION = 26
BLEND = 0.55  # share of the colour of a community
DIM = 0.25  # brightness that is left of the background
MOST = 12  # pictures
COLUMNS = 6


def draw_film(image: np.ndarray, segmentation: Segmentation) -> np.ndarray:
    """
    Draw the image, the steps of the growth, and the foreground.

    A community has the colour of the one that it grew from.

    :param image: (H, W, 3) uint8 RGB.
    :param segmentation: of it.
    :return: (.., .., 3) uint8 RGB.
    """
    size = HEIGHT, max(round(HEIGHT * image.shape[1] / image.shape[0]), 1)
    nearest = image.shape[0] < HEIGHT
    picture = cv2.resize(image, size[::-1],
                         interpolation=cv2.INTER_NEAREST if nearest else cv2.INTER_AREA)
    film = _shown(segmentation.film)
    colours = _colours(film[1:])
    frames = [(picture, 'image')]
    for labels in film:
        count = len(np.unique(labels))
        alone = count == labels.size
        frames.append((_draw(picture, labels, None if alone else colours),
                       f'{count} patches' if alone else f'{count} communities'))
    if segmentation.foreground is None:
        frames.append((np.rint(DIM * picture).astype(np.uint8), 'not decided'))
    else:
        inside = enlarge(segmentation.foreground, size)[..., None]
        frames.append((np.where(inside, picture, np.rint(DIM * picture).astype(np.uint8)),
                       'foreground'))
    columns = min(len(frames), COLUMNS)
    return contact_sheet([_with_caption(*frame) for frame in frames], columns,
                         columns * size[1] + 6 * (columns - 1))


def _shown(film: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the steps that are drawn: of many, an even selection with the first and the last."""
    places = np.unique(np.linspace(0, len(film) - 1, min(len(film), MOST)).round().astype(int))
    return [film[place] for place in places]


def _colours(film: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Return first patch of a community -> colour; those of the end are told apart best."""
    order: dict[int, None] = {}
    for labels in reversed(film):
        order.update(dict.fromkeys(np.unique(labels, return_index=True)[1].tolist()))
    return dict(zip(order, class_colors(len(order))))


def _draw(picture: np.ndarray, labels: np.ndarray, colours: dict[int, np.ndarray] | None,
          ) -> np.ndarray:
    """Tint communities, and draw the lines between them."""
    drawn = picture.copy()
    if colours is not None:
        _, first, index = np.unique(labels, return_index=True, return_inverse=True)
        table = np.stack([colours[place] for place in first.tolist()])
        tint = table[enlarge(index.reshape(labels.shape), picture.shape[:2])]
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
        drawn = np.rint((1 - BLEND) * grey + BLEND * tint).astype(np.uint8)
    names = enlarge(labels, picture.shape[:2])
    lines = np.zeros(names.shape, bool)
    lines[:, 1:] |= names[:, 1:] != names[:, :-1]
    lines[1:] |= names[1:] != names[:-1]
    drawn[lines] = LIGHT
    return drawn


def _with_caption(picture: np.ndarray, text: str) -> np.ndarray:
    strip = np.full((CAPTION, picture.shape[1], 3), LIGHT, np.uint8)
    cv2.putText(strip, text, (4, CAPTION - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, DARK, 1, cv2.LINE_AA)
    return np.vstack([picture, strip])
