# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What belongs together in a scene: a person on a chair, cups on a table, a walker with a dog.

A group is made of clusters. The solids of a cluster are painted into one another by depth;
clusters are painted one after the other.
"""

from dataclasses import dataclass, replace
from typing import Callable, Sequence

import numpy as np

from mcn_ros.data.synthetic import furniture, things, vehicles
from mcn_ros.data.synthetic.furniture import SEAT, TABLE
from mcn_ros.data.synthetic.palette import hsv, LEAVES, pick, WOOD
from mcn_ros.data.synthetic.people import draw_person, Print
from mcn_ros.data.synthetic.solids import blob, box, lathe, moved, Solid, turn_y

# All COCO classes that are drawn. Of the others, scenes say nothing: there are books on shelves,
# for instance, which are not labelled.
CATEGORIES = (
    'person', 'bicycle', 'car', 'bus', 'truck', 'traffic light', 'fire hydrant', 'stop sign',
    'bench', 'cat', 'dog', 'horse', 'backpack', 'umbrella', 'suitcase', 'sports ball', 'bottle',
    'wine glass', 'cup', 'bowl', 'chair', 'couch', 'potted plant', 'dining table', 'tv', 'laptop',
    'vase')


@dataclass(frozen=True)
class Item:
    """
    One thing.

    :param category: one of ``CATEGORIES``; None for things that are not labelled.
    :param solids: what it is made of.
    :param joints: (17, 3) places of a person's COCO joints.
    :param printed: pattern of a person's top.
    """

    category: str | None
    solids: list[Solid]
    joints: np.ndarray | None = None
    printed: Print | None = None

    def moved(self, offset=(0, 0, 0), rotation: np.ndarray | None = None) -> 'Item':
        """Return the thing elsewhere."""
        turn = np.eye(3) if rotation is None else rotation
        joints, printed = self.joints, self.printed
        if joints is not None:
            joints = joints @ turn.T + offset
        if printed is not None:
            printed = replace(printed, ends=printed.ends @ turn.T + offset)
        return replace(self, solids=moved(self.solids, offset, turn), joints=joints,
                       printed=printed)


@dataclass(frozen=True)
class Cluster:
    """
    Things that are painted into one another.

    :param items: the things.
    :param anchor: (3,) where the cluster stands.
    :param layer: of clusters with the same anchor, the higher one is painted later.
    """

    items: list[Item]
    anchor: np.ndarray
    layer: int = 0

    def moved(self, offset: np.ndarray, rotation: np.ndarray) -> 'Cluster':
        """Return the cluster elsewhere."""
        items = [item.moved(offset, rotation) for item in self.items]
        return replace(self, items=items, anchor=rotation @ self.anchor + offset)


@dataclass(frozen=True)
class Group:
    """
    Things that stand together around the origin.

    :param clusters: of things.
    :param radius: metres of ground that they need around them.
    :param height: metres.
    """

    clusters: list[Cluster]
    radius: float
    height: float


def _group(items: list[Item], radius: float, height: float) -> Group:
    return Group([Cluster(items, np.zeros(3))], radius, height)


def _person(rng: np.random.Generator, kind: str, **options) -> tuple[Item, dict]:
    someone = draw_person(rng, kind, **options)
    return Item('person', someone.solids, someone.joints, someone.printed), someone.places


def walker(rng: np.random.Generator) -> Group:
    """Return someone on their feet, perhaps with something in hand, on the back or beside."""
    kind = str(rng.choice(['stand', 'walk', 'run', 'bend', 'crouch', 'cheer'],
                          p=[.42, .28, .1, .08, .06, .06]))
    extra = rng.random()
    carries = extra < .2 and kind in ('stand', 'walk')
    someone, places = _person(rng, kind, carries=carries)
    items = [someone]
    if carries:
        name, make = _pick(rng, (('umbrella', things.umbrella), ('umbrella', things.umbrella),
                                 ('cup', things.cup), ('bottle', things.bottle)))
        below = (0, -.04, 0) if name in ('cup', 'bottle') else (0, 0, 0)
        items.append(Item(name, make(rng)).moved(places['right_hand'] + below))
    elif extra < .34:
        back = .3 * places['pelvis'] + .7 * places['neck']
        frame = places['torso_frame']
        items.append(Item('backpack', things.backpack(rng)).moved(back + frame @ [0, 0, -.07],
                                                                  frame))
    elif extra < .4:
        side = np.array([rng.choice([-.5, .5]), 0, rng.uniform(-.3, .2)])
        items.append(Item('suitcase', furniture.suitcase(rng)).moved(side))
    elif extra < .48:
        side = np.array([rng.choice([-.7, .7]), 0, rng.uniform(-.2, .5)])
        items.append(Item('dog', things.dog(rng)).moved(side, turn_y(rng.uniform(-60, 60))))
    return _group(items, .5, places['head'][1] + .15)


def upright(rng: np.random.Generator) -> Group:
    """Return someone who stands or walks, with nothing else."""
    someone, places = _person(rng, str(rng.choice(['stand', 'walk', 'cheer'], p=[.6, .3, .1])))
    return _group([someone], .4, places['head'][1] + .2)


def sitter(rng: np.random.Generator) -> Group:
    """Return one or two people on a chair, a couch or a bench."""
    name, make, room = _pick(rng, (('chair', furniture.chair, 0), ('chair', furniture.chair, 0),
                                   ('couch', furniture.couch, .42),
                                   ('bench', furniture.bench, .42)))
    items = [Item(name, make(rng))]
    count = 1 if not room or rng.random() < .5 else 2
    for i in range(count):
        someone, _ = _person(rng, 'sit', seat=SEAT)
        across = room * (2 * i - 1) if count == 2 else rng.uniform(-room, room)
        items.append(_seated(someone.moved((across, 0, .06))))
    return _group(items, .5 + 1.2 * room, 1.35)


def _seated(someone: Item) -> Item:
    """Sort a person in front of the seat that carries them."""
    nearer = [replace(solid, bias=solid.bias + .1) for solid in someone.solids]
    return replace(someone, solids=nearer)


def table(rng: np.random.Generator) -> Group:
    """Return a table with things on it, and chairs and people around it."""
    table_top = Item('dining table', furniture.dining_table(rng))
    center = np.zeros(3)
    clusters = [Cluster([table_top], center),
                Cluster([_small(rng, TABLE, spread=.3) for _ in range(rng.integers(1, 6))],
                        center, layer=1)]
    for side in (0, 180):
        if rng.random() < .7:
            items = [Item('chair', furniture.chair(rng))]
            if rng.random() < .5:
                items.append(_seated(_person(rng, 'sit', seat=SEAT)[0].moved((0, 0, .04))))
            turn = turn_y(side)
            place = turn @ [rng.uniform(-.25, .25), 0, -rng.uniform(.72, .9)]
            clusters.append(Cluster([item.moved(place, turn) for item in items], place))
    return Group(clusters, 1.1, 1.3)


def _small(rng: np.random.Generator, height: float, spread: float) -> Item:
    name, make = _pick(rng, SMALL)
    place = rng.uniform(-spread, spread), height, rng.uniform(-spread, spread)
    turn = rng.uniform(-40, 40) if name == 'laptop' else rng.uniform(0, 360)
    return Item(name, make(rng)).moved(place, turn_y(turn))


def crate(rng: np.random.Generator) -> Group:
    """Return a box, perhaps with small things on it."""
    high, wide = rng.uniform(.3, .9), rng.uniform(.3, .6)
    body = Item(None, box((wide, high, wide), pick(rng, WOOD), (0, high / 2, 0)))
    clusters = [Cluster([body], np.zeros(3))]
    if rng.random() < .6:
        few = [_small(rng, high, spread=.3 * wide) for _ in range(rng.integers(1, 3))]
        clusters.append(Cluster(few, np.zeros(3), layer=1))
    return Group(clusters, wide, high + .25)


def television(rng: np.random.Generator) -> Group:
    """Return a television set on a sideboard."""
    high = rng.uniform(.3, .7)
    board = Item(None, box((rng.uniform(1.2, 1.8), high, .45), pick(rng, WOOD), (0, high / 2, 0)))
    screen = Item('tv', furniture.tv(rng)).moved((0, high, 0))
    return Group([Cluster([board], np.zeros(3)), Cluster([screen], np.zeros(3), layer=1)],
                 .9, high + .7)


def ball(rng: np.random.Generator) -> Group:
    """Return a ball on the ground, in the air, or kicked."""
    lying = Item('sports ball', things.sports_ball(rng))
    if rng.random() < .4:
        kicker, _ = _person(rng, 'run')
        away = (rng.uniform(-.4, .4), rng.choice([0, 0, .3]), rng.uniform(.5, .9))
        return _group([kicker, lying.moved(away)], .9, 1.7)
    return _group([lying.moved((0, rng.choice([0, 0, rng.uniform(.3, 1.5)]), 0))], .3, .3)


def tree(rng: np.random.Generator) -> Group:
    """Return a tree, without a class."""
    high, green = rng.uniform(3, 7), pick(rng, LEAVES)
    crown = [blob([(*(rng.normal(0, .28, 3) * [high, .5 * high, high] * .6 + [0, .72 * high, 0]),
                    rng.uniform(.1, .17) * high)], green * rng.uniform(.7, 1.15))
             for _ in range(16)]
    trunk = blob([(0, 0, 0, .035 * high), (0, .6 * high, 0, .02 * high)], pick(rng, WOOD[1:3]))
    return _group([Item(None, [trunk, *crown])], .6, high)


def clutter(rng: np.random.Generator) -> Group:
    """Return a post, a cone, a bin, a pillar or a bush: things without a class."""
    kind = rng.integers(5)
    color = hsv(rng.random(), rng.uniform(0, .6), rng.uniform(.2, .9))
    if kind == 0:
        high = rng.uniform(.7, 1.1)
        solids = lathe([(.06, 0), (.06, high)], [color], 10, top=color)
        return _group([Item(None, solids)], .2, high)
    if kind == 1:
        orange, white = (236, 96, 30), (240, 240, 240)
        solids = [*box((.4, .03, .4), (50, 50, 50), (0, .015, 0)),
                  *lathe([(.15, .03), (.11, .25), (.07, .45), (.03, .7)],
                         [orange, white, orange], 14, top=orange)]
        return _group([Item(None, solids)], .3, .7)
    if kind == 2:
        high = rng.uniform(.5, 1.0)
        solids = lathe([(.2, 0), (.26, high), (.28, high)], [color, color * .8], 16,
                       top=color * .6)
        return _group([Item(None, solids)], .35, high)
    if kind == 3:
        size = rng.uniform(.2, .5)
        solids = box((size, 3.2, size), color, (0, 1.6, 0))
        return _group([Item(None, solids)], .4, 2.0)
    size, green = rng.uniform(.3, .6), pick(rng, LEAVES)
    leaves = [blob([(*(rng.normal(0, .4, 3) * size * [1, .5, 1] + [0, .6 * size, 0]),
                     rng.uniform(.25, .5) * size)], green * rng.uniform(.7, 1.15))
              for _ in range(14)]
    return _group([Item(None, leaves)], .6, 1.2 * size)


def _pick(rng: np.random.Generator, choices: tuple) -> tuple:
    return choices[rng.integers(len(choices))]


def _alone(name: str, make: Callable, radius: float, height: float) -> Callable:
    """Return a function that makes a group of one thing."""
    def group(rng: np.random.Generator) -> Group:
        return _group([Item(name, make(rng))], radius, height)
    return group


# What stands on tables.
SMALL = (('bottle', things.bottle), ('cup', things.cup), ('wine glass', things.wine_glass),
         ('bowl', things.bowl), ('vase', things.vase), ('laptop', furniture.laptop))

_CAR = _alone('car', vehicles.car, 2.3, 1.5)
_BICYCLE = _alone('bicycle', vehicles.bicycle, .8, 1.0)
_PLANT = _alone('potted plant', furniture.potted_plant, .4, .9)
_CHAIR = _alone('chair', furniture.chair, .4, .9)
_DOG = _alone('dog', things.dog, .5, .5)
_SUITCASE = _alone('suitcase', furniture.suitcase, .4, .9)
_HYDRANT = _alone('fire hydrant', vehicles.fire_hydrant, .3, .8)

# How often each group comes up in each place.
GROUPS = {
    'room': ((walker, 6), (sitter, 4), (table, 3.5), (television, 1.2), (_PLANT, 1.2),
             (_CHAIR, 1.2), (_alone('couch', furniture.couch, 1.3, .9), .8), (_SUITCASE, .5),
             (ball, .6), (_DOG, .7), (_alone('cat', things.cat, .4, .3), .8), (crate, 1.2),
             (clutter, .6), (_BICYCLE, .2)),
    'street': ((walker, 7), (_CAR, 4), (_alone('bus', vehicles.bus, 5.5, 3.0), 1.2),
               (_alone('truck', vehicles.truck, 3.8, 3.2), 1), (_BICYCLE, 1.3),
               (_alone('traffic light', vehicles.traffic_light, .3, 3.1), 1.2),
               (_alone('stop sign', vehicles.stop_sign, .3, 2.5), .8),
               (_HYDRANT, .6), (sitter, .5), (_DOG, .4), (_SUITCASE, .3), (clutter, 1.2),
               (tree, .8)),
    'park': ((walker, 7), (sitter, 1.2), (_alone('bench', furniture.bench, 1.0, .9), .8),
             (_DOG, 1.4), (_alone('horse', things.horse, 1.3, 1.7), .9), (_BICYCLE, 1.1),
             (ball, 1.5), (table, .5), (clutter, .8), (tree, 2.2)),
    'studio': ((walker, 7), (sitter, 2), (table, 1), (_CAR, 1), (_BICYCLE, 1), (_PLANT, 1),
               (_DOG, 1), (_SUITCASE, .7), (ball, .8), (_CHAIR, .8), (crate, 1.2),
               (television, .5), (clutter, 1)),
}


# Things of few classes that look unlike each other, and people on their feet; in any place.
SIMPLE_GROUPS = ((upright, 5), (_CAR, 2.5), (_DOG, 2), (_PLANT, 2), (_SUITCASE, 2),
                 (_HYDRANT, 2))


def draw_group(rng: np.random.Generator, choices: Sequence[tuple[Callable, float]]) -> Group:
    """Return a random group of some with how often they come up."""
    makers, weights = zip(*choices)
    return makers[rng.choice(len(makers), p=np.array(weights) / sum(weights))](rng)
