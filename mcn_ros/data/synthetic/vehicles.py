# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cars, buses, trucks, bicycles and what stands beside the road."""

from dataclasses import replace

import cv2
import numpy as np

from mcn_ros.data.synthetic.palette import CAR, hsv, METAL, pick
from mcn_ros.data.synthetic.solids import (
    blob, box, Color, disc, Face, lathe, moved, prism, ring, sheet, Solid, turn_x)

GLASS = (52, 66, 78)
RUBBER = (34, 34, 36)
LAMP = (250, 246, 220)
TAIL_LAMP = (176, 26, 24)
PLATE = (232, 232, 224)


def car(rng: np.random.Generator) -> list[Solid]:
    """Return a saloon, a hatchback or a van-like car, 1.4 to 1.8 m high."""
    paint = pick(rng, CAR)
    length, width = rng.uniform(3.7, 4.6), rng.uniform(1.65, 1.85)
    belt, roof = rng.uniform(.85, 1.0), rng.uniform(1.4, 1.75)
    tail = rng.choice([.12, .35, .6])  # length of the boot
    front, back = length / 2, -length / 2
    sill = .28
    body = [(front, sill), (back, sill), (back + .04, .62), (back + .08, belt),
            (front - .9, belt), (front - .05, belt - .2), (front, .5)]
    strips = [(40, 40, 42), paint * .9, paint, paint * .98, paint, paint * .85, paint * .8]
    half = width / 2
    doors = tuple(_outline(half, z, (.36, belt - .06), paint * .7) for z in (-.75, .15, 1.0))
    light = half - .24
    details = {
        5: _pair(light, belt - .32, front - .02, .17, .07, LAMP, glows=True),
        6: (sheet(_panel(0, .4, front, .26, .06), PLATE),),
        2: _pair(light, .75, back + .06, .16, .07, TAIL_LAMP),
        1: (sheet(_panel(0, .47, back + .02, .26, .06), PLATE),)}
    solids: list[Solid] = [*prism(body, half, strips, paint, doors, details)]
    base, rear = front - .85, back + tail
    cabin = [(base, belt), (rear, belt), (rear + .35, roof), (base - .85, roof)]
    side = _windows(half, .8 * half, (rear + .2, belt + .06), (base - .25, belt + .06), roof - .1)
    solids += prism(cabin, (.97 * half, .97 * half, .8 * half, .8 * half),
                    (paint, GLASS, paint * 1.03, np.array(GLASS) * 1.3), paint, side)
    return solids + _wheels(half, (front - .8, back + .75), .32)


def bus(rng: np.random.Generator) -> list[Solid]:
    """Return a city bus, 3 m high."""
    paint, stripe = pick(rng, CAR), pick(rng, CAR)
    length, width, height = rng.uniform(8, 11), 2.5, 3.0
    half, front = width / 2, length / 2
    outline = [(front, .35), (-front, .35), (-front, height), (front - .1, height)]
    panes = [_pane(half, z, z + 1.15, 1.35, 2.45)
             for z in np.arange(-front + .3, front - 1.3, 1.3)]
    band = _pane(half, -front, front, .75, 1.0, stripe)
    door = _pane(half, front - 1.15, front - .25, .42, 2.45)
    details = {
        3: (sheet(_panel(0, 1.75, front - .05, 1.1, .65), GLASS),
            sheet(_panel(0, 2.75, front - .1, .8, .14), (244, 170, 40), glows=True),
            *_pair(.95, .7, front, .16, .1, LAMP, glows=True)),
        1: (sheet(_panel(0, 2.0, -front, .9, .4), GLASS),
            *_pair(.95, .8, -front, .1, .2, TAIL_LAMP))}
    solids: list[Solid] = [*prism(outline, half, ((50, 50, 52), paint, paint * 1.02, paint), paint,
                                  (band, *panes, door), details)]
    return solids + _wheels(half, (front - 2.2, -front + 2.4), .48)


def truck(rng: np.random.Generator) -> list[Solid]:
    """Return a lorry with a box body."""
    paint, load = pick(rng, CAR), pick(rng, (*CAR, (236, 236, 236), (236, 236, 236)))
    length, half = rng.uniform(5.5, 7.5), 1.1
    front, split = length / 2, length / 2 - 1.7
    cab = [(front, .4), (split, .4), (split, 2.3), (front - .35, 2.3), (front, 1.35)]
    pane = _pane(half, split + .4, front - .5, 1.4, 2.1)
    solids: list[Solid] = [
        *prism(cab, half, ((40, 40, 42), paint, paint, GLASS, paint * .95), paint, (pane,),
               {4: _pair(.8, .75, front, .15, .09, LAMP, glows=True)}),
        *box((2.3, 2.4, split + front - .15), load, (0, 2.0, (split - front - .1) / 2))]
    return solids + _wheels(half, (front - .9, -front + 1.2), .45)


def bicycle(rng: np.random.Generator) -> list[Solid]:
    """Return a bicycle, 1 m high."""
    paint = hsv(rng.random(), rng.uniform(.3, .9), rng.uniform(.3, .9))
    front, back, size = .52, -.5, .33
    solids: list[Solid] = []
    for z in (front, back):
        solids += [ring(size, .024, RUBBER, (0, size, z)),
                   blob([(0, size, z, .04)], (150, 150, 155))]
        for angle in np.linspace(0, np.pi, 6, endpoint=False):
            reach = .93 * size * np.array([0, np.sin(angle), np.cos(angle)])
            hub = np.array([0, size, z])
            solids.append(blob([(*hub + reach, .004), (*hub - reach, .004)], (170, 172, 176)))
    crank, seat, head = (0, .3, -.04), (0, .84, -.2), (0, .8, .34)
    for a, b in ((crank, seat), (crank, head), (seat, head), (crank, (0, size, back)),
                 (seat, (0, size, back)), (head, (0, size, front)), (head, (0, 1.0, .28))):
        solids.append(blob([(*a, .019), (*b, .019)], paint))
    solids += [blob([(0, .9, -.3, .06), (0, .91, -.1, .025)], (30, 28, 28)),
               blob([(-.27, 1.02, .24, .018), (0, 1.0, .3, .018), (.27, 1.02, .24, .018)],
                    (40, 40, 42), chain=True),
               blob([(-.1, .16, .02, .025), (.1, .44, -.1, .025)], (60, 60, 62))]
    return solids


def traffic_light(rng: np.random.Generator) -> list[Solid]:
    """Return a traffic light on a pole, 3 m high."""
    shell = pick(rng, ((34, 36, 36), (40, 60, 44), (190, 160, 40)))
    solids: list[Solid] = [*lathe([(.05, 0), (.05, 2.3)], [(90, 94, 98)], 8)]
    lit = rng.integers(3)
    colors = ((240, 40, 30), (250, 190, 40), (60, 230, 110))
    lamps = tuple(
        disc(.1, color if i == lit else np.array(color) * .25, (0, .28 - .28 * i, .13))
        for i, color in enumerate(colors))
    lamps = tuple(Face(lamp.points, lamp.color, glows=i == lit) for i, lamp in enumerate(lamps))
    return solids + box((.32, .9, .24), shell, (0, 2.7, 0), front=lamps)


def stop_sign(rng: np.random.Generator) -> list[Solid]:
    """Return a stop sign on a pole, 2.5 m high; from behind it is bare metal."""
    red, white, height = (190, 22, 32), (250, 250, 250), 2.1
    word = np.full((40, 92, 3), red, np.uint8)
    cv2.putText(word, 'STOP', (6, 32), cv2.FONT_HERSHEY_DUPLEX, 1.05, white, 3, cv2.LINE_AA)
    text = Face(_panel(0, height, .05, .34, .15), red, texture=word)
    front = Face(_octagon(.43, height), white, decals=(Face(_octagon(.39, height), red), text))
    back = Face(_octagon(.43, height)[::-1] - [0, 0, .02], (150, 152, 156))
    pole = lathe([(.035, 0), (.035, height)], [(140, 142, 146)], 8)
    return moved([*pole, front, back], rotation=turn_x(rng.uniform(-4, 4)))


def fire_hydrant(rng: np.random.Generator) -> list[Solid]:
    """Return a fire hydrant, 0.8 m high."""
    paint = pick(rng, ((196, 30, 30), (214, 170, 30), (196, 30, 30), (60, 110, 180)))
    dark = paint * .75
    solids: list[Solid] = [*lathe(
        [(.17, 0), (.17, .06), (.12, .08), (.12, .5), (.16, .52), (.16, .56), (.13, .6),
         (.08, .7), (.03, .74), (.03, .8)],
        [dark, dark, paint, paint, dark, paint, paint, paint, dark], 12, top=dark)]
    for x in (-1, 1):
        solids.append(blob([(x * .1, .4, 0, .06), (x * .19, .4, 0, .06)], dark))
    solids += [blob([(0, .36, .1, .075), (0, .36, .17, .075)], dark)]
    return solids


def _octagon(radius: float, height: float) -> np.ndarray:
    angles = np.pi / 8 + np.arange(8) * np.pi / 4
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles) + height,
                            np.full(8, .05)])


def _panel(x: float, y: float, z: float, half_width: float, half_height: float) -> np.ndarray:
    """Return an upright rectangle that looks along z."""
    return np.array([(x - half_width, y + half_height, z), (x - half_width, y - half_height, z),
                     (x + half_width, y - half_height, z), (x + half_width, y + half_height, z)])


def _pair(x: float, y: float, z: float, half_width: float, half_height: float, color: Color,
          glows: bool = False) -> tuple[Face, ...]:
    """Return two lamps."""
    return tuple(sheet(_panel(side * x, y, z, half_width, half_height), color, glows=glows)
                 for side in (-1, 1))


def _pane(x: float, back: float, front: float, low: float, high: float,
          color: Color = GLASS) -> Face:
    """Return a rectangle on the side of a vehicle."""
    return Face(np.array([(x, high, front), (x, low, front), (x, low, back), (x, high, back)]),
                color)


def _outline(x: float, z: float, y: tuple[float, float], color: Color) -> Face:
    """Return the gap beside a door."""
    return _pane(x, z - .012, z + .012, *y, color)


def _windows(low_x: float, high_x: float, back: tuple[float, float], front: tuple[float, float],
             top: float) -> tuple[Face, ...]:
    """Return the two side windows of a car, on a face that leans inwards."""
    middle = (back[0] + front[0]) / 2
    low, high = .97 * low_x, high_x + .1 * (low_x - high_x)
    rows = ((back[0], back[0] + .28, middle - .04, middle - .04),
            (middle + .04, middle + .04, front[0] - .62, front[0]))
    panes = []
    for back_low, back_high, front_high, front_low in rows:
        corners = [(high, top, front_high), (low, front[1], front_low),
                   (low, back[1], back_low), (high, top, back_high)]
        panes.append(Face(np.array(corners), GLASS))
    return tuple(panes)


def _wheels(half: float, axles: tuple[float, ...], radius: float) -> list[Solid]:
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    outline = [(radius * np.cos(a), radius * np.sin(a)) for a in -angles]
    rim = disc(.62 * radius, METAL[0], (.115, 0, 0), 'x')
    hub = disc(.2 * radius, METAL[1], (.115, 0, 0), 'x', 8)
    solids: list[Solid] = []
    for z in axles:
        for x in (-1, 1):
            wheel = prism(outline, .11, [RUBBER] * 18, RUBBER, (rim, hub))
            # In front of the side of the body, which is as far away.
            wheel = [replace(face, bias=.3) for face in wheel]
            solids += moved(wheel, (x * (half - .09), radius, z))
    return solids
