# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What scenes are made of: everyday ones, and simple ones that a network learns in minutes."""

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from mcn_ros.data.synthetic.groups import CATEGORIES, GROUPS, SIMPLE_GROUPS

# How often a scene is in each kind of place.
PLACE_WEIGHTS = {'room': .45, 'street': .25, 'park': .2, 'studio': .1}


@dataclass(frozen=True)
class Recipe:
    """
    How scenes are put together.

    :param categories: the COCO classes that are drawn, and so are labelled in every scene.
    :param groups: kind of place -> groups of things that come up there, and how often each does.
    :param count: fewest and most groups that are looked for a place for.
    :param share: range of the height of a group, or with ``apart`` of what is longer, height or
        breadth, relative to the height of the picture.
    :param eyes: heights of the camera in metres, three ranges: the eye of a robot, of a person,
        of a camera on a wall.
    :param any_way: share of the groups that may look in any direction; the others look towards
        the camera ...
    :param facing: ... more or less, standard deviation in degrees.
    :param apart: every group is in the picture, and none hides another, but for what reaches
        beyond the radius or height of the group.
    """

    categories: tuple[str, ...]
    groups: Mapping[str, Sequence[tuple[Callable, float]]]
    count: tuple[int, int] = (2, 9)
    share: tuple[float, float] = (.12, 1.25)
    eyes: tuple[tuple[float, float], ...] = ((.3, .9), (1.0, 1.7), (1.9, 2.6))
    any_way: float = .6
    facing: float = 40.0
    apart: bool = False


EVERYDAY = Recipe(CATEGORIES, GROUPS)

SIMPLE = Recipe(
    ('person', 'car', 'fire hydrant', 'dog', 'suitcase', 'potted plant'),
    dict.fromkeys(PLACE_WEIGHTS, SIMPLE_GROUPS), count=(3, 5), share=(.45, .95),
    eyes=((.3, .6), (.5, 1.0), (.9, 1.4)), any_way=0.0, facing=25.0, apart=True)

RECIPES = {'everyday': EVERYDAY, 'simple': SIMPLE}
