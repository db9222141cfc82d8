# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is known of every pixel of a view, as the PNG files of :mod:`mcn_ros.data.maps` have it."""

import numpy as np

from mcn_ros.data.synthetic.canvas import THING
from mcn_ros.data.synthetic.people import (
    FOREARM, HAIR_PART, HEAD, NECK, PELVIS, SHIN, SKIRT, THIGH, TORSO, UPPER_ARM)
from mcn_ros.data.synthetic.saliency import standing_out
from mcn_ros.data.synthetic.view import CATEGORY_IDS, View
from mcn_ros.vocabulary import PERSON

# Parts of people, and what they consist of: hands are of lower arms, feet of lower legs.
PARTS = {'head': (HEAD, HAIR_PART), 'torso': (TORSO, NECK, PELVIS), 'upper arm': UPPER_ARM,
         'lower arm': FOREARM, 'upper leg': (*THIGH, SKIRT), 'lower leg': SHIN}
_PART_LABELS = np.zeros(THING, np.uint8)
for _label, _parts in enumerate(PARTS.values(), 1):
    _PART_LABELS[list(_parts)] = _label

MILLIMETRES = 1000
FARTHEST = 65534  # 0 and 65535 are unknown distances


def normals(view: View) -> np.ndarray:
    """Return where surfaces face, (H, W, 3) uint8 RGB."""
    vectors = view.shape[1]
    known = np.isfinite(vectors).all(axis=2, keepdims=True)
    return np.where(known, np.rint(127.5 * (1 + np.nan_to_num(vectors))), 0).astype(np.uint8)


def parts(view: View) -> np.ndarray | None:
    """Return the parts of people, (H, W) uint8; None where no one is seen."""
    people = [0, *(item.category == PERSON for item in view.items)]
    labels = _PART_LABELS[view.owners % THING] * np.array(people, np.uint8)[view.numbers]
    return labels if labels.any() else None


def regions(view: View) -> np.ndarray:
    """Return the numbers of the things, also of those without a class, (H, W) uint16."""
    return view.numbers


def region_categories(view: View) -> list[int]:
    """Return the id of the category of each region, 0 for none."""
    return [CATEGORY_IDS.get(item.category, 0) for item in view.items]


def saliency(view: View) -> np.ndarray:
    """Return what stands out, see :mod:`mcn_ros.data.synthetic.saliency`, (H, W) uint8."""
    seen = np.unique(view.numbers)
    visible = [view.visible(number) if number in seen else 0
               for number in range(1, len(view.items) + 1)]
    return np.isin(view.numbers, standing_out(view.numbers, np.array(visible))).astype(np.uint8)


def foreground(view: View) -> np.ndarray:
    """Return where things are, also those without a class, (H, W) uint8."""
    return (view.numbers > 0).astype(np.uint8)


def depth(view: View) -> np.ndarray:
    """Return distances along the optical axis, (H, W) uint16 millimetres, 0 where unknown."""
    distances = np.rint(view.shape[0] * MILLIMETRES)
    return np.where(distances <= FARTHEST, distances, 0).astype(np.uint16)


# What can be written, and for which tasks it is.
MAPS = {'normals': (normals, ('normals',)), 'parts': (parts, ('parts',)),
        'regions': (regions, ('boundaries', 'semantic_boundaries')),
        'saliency': (saliency, ('saliency',)),
        'foreground': (foreground, ('foreground',)), 'depth': (depth, ('depth',))}
