# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Furniture: what stands in a room."""

import cv2
import numpy as np

from mcn_ros.data.synthetic.palette import cloth, hsv, LEAVES, METAL, pick, WOOD
from mcn_ros.data.synthetic.solids import (
    blob, box, Face, lathe, moved, sheet, Solid, turn_x, turn_y)

SEAT = 0.46  # height of chairs, couches and benches
TABLE = 0.74


def chair(rng: np.random.Generator) -> list[Solid]:
    """Return a chair that looks along +z; its seat is at SEAT."""
    wood = pick(rng, WOOD) if rng.random() < .6 else pick(rng, METAL)
    seat = wood if rng.random() < .4 else cloth(rng)
    width, depth, back = rng.uniform(.4, .5), rng.uniform(.4, .46), rng.uniform(.36, .52)
    solids: list[Solid] = [*box((width, .05, depth), seat, (0, SEAT - .025, 0))]
    x, z = width / 2 - .025, depth / 2 - .025
    if rng.random() < .25:  # on castors
        solids += lathe([(.03, .1), (.03, SEAT - .05)], [(60, 60, 64)], 8)
        solids += [blob([(0, .1, 0, .03), (.26 * np.sin(a), .05, .26 * np.cos(a), .03)],
                        (44, 44, 48)) for a in np.arange(5) * 2 * np.pi / 5]
    else:
        solids += [part for i in (-x, x) for j in (-z, z)
                   for part in box((.04, SEAT - .05, .04), wood, (i, SEAT / 2 - .025, j))]
    for i in (-x, x):
        solids += box((.035, back, .035), wood * .95, (i, SEAT + back / 2, -z))
    if rng.random() < .5:
        solids += box((width - .06, back * .75, .03), seat, (0, SEAT + back * .6, -z))
    else:
        for y in np.linspace(.35, .95, 3):
            solids += box((width - .06, .06, .025), wood, (0, SEAT + back * y, -z))
    return solids


def couch(rng: np.random.Generator) -> list[Solid]:
    """Return a couch for two or three; its seat is at SEAT."""
    color = cloth(rng)
    width = rng.uniform(1.5, 2.1)
    solids: list[Solid] = [*box((width, .3, .8), color * .85, (0, .2, 0)),
                           *box((width, .5, .22), color * .95, (0, .62, -.36))]
    for x in (-1, 1):
        solids += box((.2, .58, .85), color, (x * (width / 2 + .1), .33, 0))
    count = 2 if width < 1.8 else 3
    each = width / count
    for i in range(count):
        x = (i - (count - 1) / 2) * each
        solids += box((each - .02, .14, .7), color * 1.05, (x, SEAT - .07, .06))
    if rng.random() < .6:
        cushion = cloth(rng, dark=.1)
        x = rng.choice([-1, 1]) * (width / 2 - .25)
        solids.append(blob([(x - .13, SEAT + .1, -.2, .07), (x + .13, SEAT + .1, -.2, .07),
                            (x - .13, SEAT + .3, -.25, .06), (x + .13, SEAT + .3, -.25, .06)],
                           cushion))
    return solids


def bench(rng: np.random.Generator) -> list[Solid]:
    """Return a park bench; its seat is at SEAT."""
    wood, iron = pick(rng, WOOD), pick(rng, METAL[1:3])
    solids: list[Solid] = []
    for z in (-.16, 0, .16):
        solids += box((1.6, .04, .13), wood, (0, SEAT - .02, z))
    for y in (.18, .36):
        solids += box((1.6, .13, .035), wood, (0, SEAT + y, -.24))
    for x in (-.65, .65):
        solids += box((.06, SEAT - .04, .4), iron, (x, SEAT / 2 - .02, 0))
        solids += box((.05, .5, .05), iron, (x, SEAT + .2, -.28))
    return solids


def dining_table(rng: np.random.Generator) -> list[Solid]:
    """Return a table; its top is at TABLE."""
    wood = pick(rng, WOOD)
    if rng.random() < .25:
        radius = rng.uniform(.4, .6)
        return [*lathe([(.25, 0), (.25, .03), (.05, .06), (.05, TABLE - .04)],
                       [wood * .8, wood * .8, wood * .8], 14),
                *lathe([(radius, TABLE - .04), (radius, TABLE)], [wood * .9], 22, top=wood)]
    x, z = rng.uniform(.5, .9), rng.uniform(.35, .5)
    solids: list[Solid] = [*box((2 * x, .05, 2 * z), wood, (0, TABLE - .025, 0))]
    for i in (-1, 1):
        for j in (-1, 1):
            solids += box((.06, TABLE - .05, .06), wood * .85,
                          (i * (x - .06), (TABLE - .05) / 2, j * (z - .06)))
    return solids


def tv(rng: np.random.Generator) -> list[Solid]:
    """Return a television set."""
    width = rng.uniform(.8, 1.3)
    height = .58 * width
    picture = _screen(rng)
    x, y, z = width / 2 - .03, height / 2 - .03, .022
    screen = Face(np.array([(-x, y, z), (-x, -y, z), (x, -y, z), (x, y, z)]), (10, 10, 12),
                  texture=picture, glows=True)
    return [*box((.34, .04, .2), (30, 30, 32), (0, .02, 0)),
            *box((width, height, .04), (22, 22, 24), (0, .09 + height / 2, 0),
                 front=(screen,)),
            *box((.08, .1, .05), (26, 26, 28), (0, .06, -.01))]


def laptop(rng: np.random.Generator) -> list[Solid]:
    """Return an open laptop."""
    shell = pick(rng, METAL[:3])
    keys = sheet([(-.15, .021, -.09), (-.15, .021, .03), (.15, .021, .03), (.15, .021, -.09)],
                 (36, 36, 40))
    screen = Face(np.array([(-.155, .1, .006), (-.155, -.1, .006), (.155, -.1, .006),
                            (.155, .1, .006)]), (10, 10, 12), texture=_screen(rng), glows=True)
    lid = box((.34, .23, .01), shell, (0, .115, 0), front=(screen,))
    return [*box((.34, .02, .24), shell, (0, .01, 0)), keys,
            *moved(lid, (0, .02, -.115), turn_x(-rng.uniform(5, 30)))]


def potted_plant(rng: np.random.Generator) -> list[Solid]:
    """Return a plant in a pot, 0.5 to 1.3 m high."""
    clay = pick(rng, ((184, 96, 62), (220, 220, 214), (70, 74, 80), (150, 120, 90)))
    size = rng.uniform(.13, .22)
    solids: list[Solid] = [*lathe(
        [(.7 * size, 0), (size, 1.5 * size), (1.08 * size, 1.5 * size), (1.08 * size, 1.8 * size)],
        [clay, clay * .9, clay], 14, top=(62, 46, 36))]
    green, height = pick(rng, LEAVES), rng.uniform(.3, .9)
    base = np.array([0, 1.75 * size, 0])
    if rng.random() < .35:  # a bush
        return solids + [
            blob([(*(base + [*(rng.normal(0, .45, 3) * [size, .6 * size, size])]
                     + [0, 1.2 * size, 0]), rng.uniform(.3, .6) * size)],
                 green * rng.uniform(.75, 1.2)) for _ in range(22)]
    for i in range(int(rng.integers(9, 16))):
        turn = turn_y(i * 137.5 + rng.uniform(-20, 20))
        out, up = rng.uniform(.15, .5) * height, height * rng.uniform(.6, 1.1)
        broad = rng.uniform(.12, .2) * height
        leaf = np.array([(0, 0, 0), (broad, up * .55, out * .45), (0, up, out),
                         (-broad, up * .55, out * .45)])
        solids.append(sheet(leaf @ turn.T + base, green * rng.uniform(.75, 1.2)))
    return solids


def suitcase(rng: np.random.Generator) -> list[Solid]:
    """Return an upright trolley case."""
    color = cloth(rng, dark=.4)
    height, width = rng.uniform(.5, .68), rng.uniform(.36, .44)
    grooves = tuple(sheet([(x, height / 2 - .05, .125), (x, -height / 2 + .05, .125),
                           (x + .02, -height / 2 + .05, .125), (x + .02, height / 2 - .05, .125)],
                          color * .7) for x in np.linspace(-width / 2 + .06, width / 2 - .08, 4))
    solids: list[Solid] = [*box((width, height, .25), color, (0, .06 + height / 2, 0),
                                front=grooves)]
    top = height + .06
    solids += [blob([(-.09, top, 0, .012), (-.09, top + .35, 0, .012), (.09, top + .35, 0, .016),
                     (.09, top, 0, .012)], (70, 72, 76), chain=True)]
    solids += [blob([(x, .035, z, .035)], (30, 30, 32))
               for x in (-width / 2 + .05, width / 2 - .05) for z in (-.08, .08)]
    return solids


def _screen(rng: np.random.Generator) -> np.ndarray:
    """Return what is on television: a landscape, a window or text, or nothing."""
    picture = np.full((48, 80, 3), 14, np.uint8)
    kind = rng.integers(4)
    if kind == 0:
        picture[:24] = hsv(rng.uniform(.5, .65), .5, .9)
        picture[24:] = hsv(rng.uniform(.2, .4), .6, .5)
        cv2.circle(picture, (int(rng.integers(10, 70)), 12), 6, (250, 230, 150), -1)
    elif kind == 1:
        picture[:] = hsv(rng.random(), rng.uniform(.2, .6), rng.uniform(.3, .9))
        cv2.rectangle(picture, (10, 8), (60, 36), (240, 240, 240), -1)
        for y in range(13, 34, 4):
            cv2.line(picture, (14, y), (int(rng.integers(25, 56)), y), (110, 110, 120), 1)
    elif kind == 2:
        for x in range(0, 80, 10):
            picture[:, x:x + 10] = hsv(rng.random(), .7, .8)
    return picture
