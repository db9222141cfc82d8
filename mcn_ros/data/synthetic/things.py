# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Small things, things that people carry, and animals."""

import numpy as np

from mcn_ros.data.synthetic.palette import cloth, hsv, pick
from mcn_ros.data.synthetic.solids import blob, disc, lathe, moved, ring, Solid, turn_y

FUR = ((60, 44, 34), (150, 104, 62), (206, 170, 120), (32, 28, 28), (226, 218, 204),
       (120, 112, 106), (176, 92, 44))


def bottle(rng: np.random.Generator) -> list[Solid]:
    """Return a bottle with a label, 0.22 to 0.32 m high."""
    glass = pick(rng, ((40, 90, 56), (110, 60, 30), (150, 190, 210), (200, 216, 220),
                       (60, 80, 150)))
    label, cap = cloth(rng, dark=.1), cloth(rng, dark=.2)
    h, r = rng.uniform(.22, .32), rng.uniform(.032, .042)
    profile = [(r, 0), (r, .2 * h), (r, .52 * h), (r, .6 * h), (.4 * r, .8 * h),
               (.38 * r, .93 * h), (.45 * r, .93 * h), (.45 * r, h)]
    return lathe(profile, [glass, label, glass, glass, glass, cap, cap], 14, top=cap)


def cup(rng: np.random.Generator) -> list[Solid]:
    """Return a mug with a handle, or a paper cup."""
    color = cloth(rng, dark=.15)
    r, h = rng.uniform(.036, .046), rng.uniform(.08, .1)
    inside = disc(.86 * r, (72, 44, 28), (0, h + .0005, 0), 'y')
    if rng.random() < .35:
        h *= 1.35
        band = cloth(rng)
        lid = (240, 240, 238)
        return lathe([(.72 * r, 0), (.78 * r, .3 * h), (.92 * r, .7 * h), (r, h), (1.06 * r, h),
                      (1.0 * r, 1.1 * h)], [color, band, color, lid, lid], 14, top=lid)
    handle = moved([ring(.55 * h / 2, .007, color)], (0, h / 2, 1.15 * r))
    band = color if rng.random() < .5 else cloth(rng)
    return [*lathe([(.9 * r, 0), (r, .3 * h), (r, .6 * h), (r, h)], [color, band, color], 14,
                   top=color * .9), inside, *handle]


def wine_glass(rng: np.random.Generator) -> list[Solid]:
    """Return a wine glass."""
    glass, wine = (204, 214, 220), pick(rng, ((110, 16, 36), (226, 206, 130)))
    return lathe([(.035, 0), (.006, .008), (.006, .09), (.03, .12), (.038, .15), (.032, .2)],
                 [glass, glass, glass, wine, glass], 14, top=(180, 192, 200))


def bowl(rng: np.random.Generator) -> list[Solid]:
    """Return a bowl with something in it."""
    color, r = cloth(rng, dark=.15), rng.uniform(.07, .12)
    food = hsv(rng.uniform(0, .35), .6, .7)
    return [*lathe([(.5 * r, 0), (.8 * r, .25 * r), (r, .7 * r)], [color * .9, color], 16,
                   top=color * .8),
            disc(.85 * r, food, (0, .705 * r, 0), 'y')]


def vase(rng: np.random.Generator) -> list[Solid]:
    """Return a vase with flowers."""
    color, bloom = cloth(rng, dark=.2), hsv(rng.random(), .7, .9)
    s = rng.uniform(.8, 1.3)
    solids: list[Solid] = [*lathe(
        [(.05 * s, 0), (.075 * s, .08 * s), (.06 * s, .17 * s), (.035 * s, .22 * s),
         (.05 * s, .26 * s)], [color * .9, color, color, color * .95], 16, top=(40, 34, 32))]
    for i in range(int(rng.integers(3, 7))):
        lean = turn_y(i * 137.5) @ [rng.uniform(.04, .14), rng.uniform(.14, .3), 0]
        start = np.array([0, .25 * s, 0])
        solids += [blob([(*start, .006), (*(start + lean), .005)], (60, 110, 50)),
                   blob([(*(start + lean), .028)], bloom * rng.uniform(.8, 1.1), bias=.01)]
    return solids


def sports_ball(rng: np.random.Generator) -> list[Solid]:
    """Return a ball: white with patches, orange with lines, or of coloured panels."""
    kind = rng.integers(3)
    radius = (.11, .12, .13)[kind]
    base = ((244, 244, 240), (206, 110, 44), hsv(rng.random(), .5, .9))[kind]
    patch = ((28, 28, 30), (60, 34, 20), hsv(rng.random(), .7, .8))[kind]
    levels = np.linspace(-np.pi / 2, np.pi / 2, 9)
    profile = [(max(radius * np.cos(a), .001), radius + radius * np.sin(a)) for a in levels]
    patterns = ([base, base, patch, base], [base, base, base, patch], [base, base, patch, patch])
    bands: list = [patterns[kind] if kind or i % 3 == 1 else [base] for i in range(8)]
    ball = lathe(profile, bands, 16)
    turn = turn_y(rng.uniform(0, 360))
    return moved(ball, rotation=turn)


def umbrella(rng: np.random.Generator) -> list[Solid]:
    """Return an open umbrella; its handle starts at the origin."""
    first = cloth(rng, dark=.25)
    panels = [first, first] if rng.random() < .5 else [first, cloth(rng, dark=.1)]
    reach, h = rng.uniform(.45, .58), .62
    hood = lathe([(reach, h), (.75 * reach, h + .13), (.4 * reach, h + .2), (.005, h + .23)],
                 [panels] * 3, 8)
    inner = lathe([(.005, h + .2), (.75 * reach, h + .1), (reach, h)],
                  [[panel * .55 for panel in panels]] * 2, 8)
    stick = blob([(0, -.06, .03, .014), (0, -.08, 0, .014), (0, 0, 0, .012),
                  (0, h + .28, 0, .008)], (52, 48, 46), chain=True)
    return [stick, *hood, *inner]


def backpack(rng: np.random.Generator) -> list[Solid]:
    """Return a backpack that hangs at the origin, against -z."""
    color = cloth(rng, dark=.3)
    return [blob([(-.1, .12, -.06, .07), (.1, .12, -.06, .07), (-.11, -.16, -.08, .09),
                  (.11, -.16, -.08, .09)], color),
            blob([(-.07, -.1, -.15, .06), (.07, -.1, -.15, .06), (-.07, -.16, -.15, .06),
                  (.07, -.16, -.15, .06)], color * .85, bias=.02)]


def dog(rng: np.random.Generator) -> list[Solid]:
    """Return a dog, 0.35 to 0.7 m high."""
    return _beast(rng, pick(rng, FUR), height=rng.uniform(.35, .65), snout=.13, tail=.3, ears=.05,
                  pointed=rng.random() < .5)


def cat(rng: np.random.Generator) -> list[Solid]:
    """Return a cat, 0.3 m high."""
    return _beast(rng, pick(rng, FUR), height=rng.uniform(.27, .33), snout=.045, tail=.65,
                  ears=.06, pointed=True)


def horse(rng: np.random.Generator) -> list[Solid]:
    """Return a horse, 1.6 m high."""
    fur = pick(rng, FUR[:4])
    return _beast(rng, fur, height=1.35, snout=.2, tail=.5, ears=.04, pointed=True, neck=.4,
                  hanging=True)


def _beast(rng: np.random.Generator, fur: np.ndarray, height: float, snout: float, tail: float,
           ears: float, pointed: bool, neck: float = .22, hanging: bool = False,
           ) -> list[Solid]:
    """Return a quadruped that looks along +z; all lengths but its height are shares of it."""
    dark = fur * .8 if rng.random() < .6 else pick(rng, FUR)
    back, half, thick = .72, .42, rng.uniform(.15, .18)
    head = np.array([rng.normal(0, .04), back + neck + .08, half + .2 + .4 * neck])
    shoulder = np.array([0, back - .02, half - .06])
    solids: list[Solid] = [
        blob([(0, back - .04, -half, .9 * thick), (0, back - .1, 0, thick),
              (0, back - .07, half - .05, 1.1 * thick)], fur, chain=True),
        blob([(*shoulder, .85 * thick), (*head, .6 * thick)], fur, bias=.02),
        blob([(*head, .13), (*(head + [0, -.03, .5 * snout]), .09)], fur, bias=.03),
        blob([(*(head + [0, -.04, .06]), .08), (*(head + [0, -.06, .09 + snout]), .055)],
             dark, chain=True, bias=.03),
        blob([(*(head + [0, -.04, .15 + snout]), .026)], (24, 20, 20), bias=.04)]
    for x in (-1, 1):
        ear = head + [x * .09, .1, -.02]
        tip = ear + ([x * .02, .11, 0] if pointed else [x * .05, -.13, .01])
        solids += [blob([(*ear, ears), (*tip, .3 * ears if pointed else ears)], dark, bias=.02),
                   blob([(*(head + [x * .06, .045, .1]), .02)], (18, 16, 16), bias=0.0)]
        for z, lag in ((half - .08, 1), (-half + .02, -1)):
            stride = x * lag * rng.uniform(-.1, .14)
            hip = np.array([x * .1, back - .12, z])
            knee = hip + [0, -.27, .5 * stride + (.03 if lag > 0 else -.05)]
            paw = np.array([x * .1, .045, z + stride])
            solids.append(blob([(*hip, .1), (*knee, .055), (*paw, .042),
                                (*(paw + [0, -.01, .05]), .04)],
                               fur * .92, chain=True))
    swing = rng.uniform(-.15, .15)
    rise = -1.0 if hanging else rng.uniform(-.5, 1)
    bend = back if hanging else back + .2 * tail
    solids.append(blob([(0, back, -half - .08, .035), (swing, bend, -half - .3 - .2 * tail, .03),
                        (2 * swing, back + tail * rise, -half - .25 - .3 * tail, .02)],
                       dark, chain=True))
    if hanging:  # and a mane
        solids.append(blob([(*(head + [0, .08, -.08]), .07), (*(shoulder + [0, .14, -.08]), .06)],
                           dark * .8, bias=.025))
    return moved(solids, scale=height)
