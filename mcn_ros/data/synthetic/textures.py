# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Surfaces of floors, walls and streets.

Each function returns a tile, (256, 256, 3) uint8 RGB, that continues itself on all sides. Its size
in metres is in ``FLOORS``, ``GROUNDS`` and ``WALLS``.
"""

import cv2
import numpy as np

from mcn_ros.data.synthetic.palette import cloth, hsv, LEAVES, pick, WOOD

SIZE = 256


def noise(rng: np.random.Generator, cells: tuple[int, ...] = (4, 16, 64)) -> np.ndarray:
    """Return (256, 256) float32 of mean 0, in -1..1: blotches at several scales."""
    total = np.zeros((SIZE, SIZE), np.float32)
    for count in cells:
        values = rng.random((count, count), np.float32) * 2 - 1
        scale = SIZE // count
        fine = cv2.resize(np.pad(values, 2, mode='wrap'), None, fx=scale, fy=scale,
                          interpolation=cv2.INTER_LINEAR)
        total += fine[2 * scale:-2 * scale, 2 * scale:-2 * scale]
    return total / len(cells)


def mottled(color: np.ndarray, blotches: np.ndarray, strength: float) -> np.ndarray:
    """Return a colour that is lighter and darker by a share of some noise, as uint8."""
    levels = np.rint(blotches * 127 + 128).astype(np.uint8)
    shades = 1 + strength * (np.arange(256) - 128) / 127
    table = np.clip(np.multiply.outer(shades, color), 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([levels] * 3), table[None])


def _mottled(rng: np.random.Generator, color: np.ndarray, strength: float,
             cells: tuple[int, ...] = (4, 16, 64)) -> np.ndarray:
    return mottled(color, noise(rng, cells), strength)


def _grid(tile: np.ndarray, rows: int, columns: int, color: np.ndarray, width: int,
          shift: float = 0.0) -> np.ndarray:
    """Draw joints between rows and columns of bricks; every other row is shifted."""
    high, wide = SIZE // rows, SIZE // columns
    for row in range(rows):
        cv2.rectangle(tile, (0, row * high), (SIZE, row * high + width - 1), color.tolist(), -1)
        for column in range(columns):
            x = int((column + shift * (row % 2)) * wide) % SIZE
            cv2.rectangle(tile, (x, row * high), (x + width - 1, (row + 1) * high),
                          color.tolist(), -1)
    return tile


def _vary(rng: np.random.Generator, tile: np.ndarray, rows: int, columns: int, strength: float,
          shift: float = 0.0) -> np.ndarray:
    """Give every brick of a grid its own brightness."""
    high, wide = SIZE // rows, SIZE // columns
    shades = 1 + strength * rng.uniform(-1, 1, (rows, columns))
    spread = np.kron(shades.astype(np.float32), np.ones((high, wide), np.float32))
    if shift:
        spread = np.concatenate([np.roll(band, int(shift * wide * (i % 2)), axis=1)
                                 for i, band in enumerate(np.split(spread, rows))])
    return cv2.multiply(tile, cv2.merge([spread] * 3), dtype=cv2.CV_8U)


def garment(rng: np.random.Generator) -> np.ndarray:
    """Return stripes, checks, dots or a print on the chest: (64, 64) float32 in 0..1."""
    tile = np.zeros((64, 64), np.float32)
    kind, step = rng.integers(5), int(rng.choice([4, 8, 16]))
    lines = np.arange(64) % step < rng.uniform(.25, .6) * step
    if kind == 0:
        tile[lines] = 1
    elif kind == 1:
        tile[:, lines] = 1
    elif kind == 2:
        tile = (tile + .5 * lines + .5 * lines[:, None]).astype(np.float32)
    elif kind == 3:
        for x in range(step // 2, 64, step):
            for y in range(step // 2, 64, step):
                cv2.circle(tile, (x, y), max(1, step // 4), 1, -1)
    else:
        # The middle of the trunk is at column 0: the print is cut in two by the tile's edge.
        low, half = int(rng.integers(26, 34)), int(rng.integers(8, 15))
        cv2.rectangle(tile, (32 - half, 16), (32 + half, low), 1, -1)
        tile = np.roll(tile, 32, axis=1)
    return tile


def plain(rng: np.random.Generator) -> np.ndarray:
    """Return painted plaster, or a floor of one colour."""
    color = hsv(rng.random(), rng.uniform(0, .35), rng.uniform(.45, .95))
    return _mottled(rng, color, rng.uniform(.02, .12))


def carpet(rng: np.random.Generator) -> np.ndarray:
    """Return a carpet, of one colour or with a woven pattern."""
    tile = _mottled(rng, hsv(rng.random(), rng.uniform(.1, .6), rng.uniform(.25, .7)), .25,
                    (8, 64, 128))
    if rng.random() < .4:
        tile = _grid(tile, 4, 4, hsv(rng.random(), .4, .6), int(rng.integers(8, 30)))
    return tile


def planks(rng: np.random.Generator) -> np.ndarray:
    """Return a wooden floor."""
    wood = pick(rng, WOOD)
    grain = cv2.resize(noise(rng, (16, 64))[:, :32], (SIZE, SIZE))
    tile = _vary(rng, mottled(wood, grain, .22), 8, 2, .14, shift=.5)
    return _grid(tile, 8, 2, wood * .55, 2, shift=.5)


def tiles(rng: np.random.Generator) -> np.ndarray:
    """Return square tiles, of one colour or two."""
    color = hsv(rng.random(), rng.uniform(0, .3), rng.uniform(.5, .95))
    count = int(rng.choice([2, 4]))
    tile = _vary(rng, _mottled(rng, color, .06), count, count, .05)
    if rng.random() < .35:
        other = hsv(rng.random(), rng.uniform(0, .4), rng.uniform(.15, .6))
        board = np.kron(np.indices((count, count)).sum(axis=0) % 2,
                        np.ones((SIZE // count, SIZE // count))) > 0
        tile[board] = (tile[board] * (other / color)).clip(0, 255)
    return _grid(tile, count, count, color * rng.uniform(.5, .8), 3)


def bricks(rng: np.random.Generator) -> np.ndarray:
    """Return a brick wall."""
    color = pick(rng, ((150, 74, 56), (176, 110, 80), (120, 100, 90), (206, 198, 186)))
    tile = _vary(rng, _mottled(rng, color, .16), 16, 4, .16, shift=.5)
    return _grid(tile, 16, 4, color * .4 + 90, 3, shift=.5)


def wallpaper(rng: np.random.Generator) -> np.ndarray:
    """Return stripes or dots."""
    color = hsv(rng.random(), rng.uniform(.05, .4), rng.uniform(.55, .95))
    other = color * rng.uniform(.75, .95)
    tile = _mottled(rng, color, .03)
    step = int(rng.choice([16, 32, 64]))
    if rng.random() < .5:
        for x in range(0, SIZE, step):
            cv2.rectangle(tile, (x, 0), (x + step // 3, SIZE), other.tolist(), -1)
    else:
        for x in range(step // 2, SIZE, step):
            for y in range(step // 2, SIZE, step):
                cv2.circle(tile, (x, y), step // 4, other.tolist(), -1)
    return tile


def shelves(rng: np.random.Generator) -> np.ndarray:
    """Return shelves full of books or goods."""
    tile = np.full((SIZE, SIZE, 3), 40, np.uint8)
    board = pick(rng, WOOD).tolist()
    for top in range(0, SIZE, 64):
        x = 0
        while x < SIZE:
            width = int(rng.integers(6, 26))
            height = int(rng.integers(30, 56))
            color = cloth(rng, dark=.25)
            cv2.rectangle(tile, (x, top + 60 - height), (x + width - 1, top + 60),
                          color.tolist(), -1)
            cv2.rectangle(tile, (x + 2, top + 60 - height // 2), (x + width - 3,
                          top + 56 - height // 3), (color * .6 + 90).tolist(), -1)
            x += width
        cv2.rectangle(tile, (0, top + 59), (SIZE, top + 63), board, -1)
    return tile


def facade(rng: np.random.Generator) -> np.ndarray:
    """Return two floors of a house with windows."""
    wall = bricks(rng) if rng.random() < .4 else plain(rng)
    frame = hsv(rng.random(), .1, rng.uniform(.2, .95)).tolist()
    for row in range(2):
        for column in range(2):
            x, y = column * 128 + 34, row * 128 + 28
            glass = hsv(.58, rng.uniform(.1, .4), rng.uniform(.2, .6))
            cv2.rectangle(wall, (x - 5, y - 5), (x + 65, y + 83), frame, -1)
            cv2.rectangle(wall, (x, y), (x + 60, y + 78), glass.tolist(), -1)
            cv2.line(wall, (x, y + 70), (x + 58, y + 6), (glass * 1.25 + 10).tolist(), 5)
            cv2.rectangle(wall, (x + 28, y), (x + 31, y + 78), frame, -1)
    return wall


def asphalt(rng: np.random.Generator) -> np.ndarray:
    """Return a road surface."""
    gray = rng.uniform(70, 125)
    return _mottled(rng, np.array([gray, gray, gray + rng.uniform(-4, 8)]), .22, (4, 32, 128, 256))


def paving(rng: np.random.Generator) -> np.ndarray:
    """Return the slabs of a pavement."""
    color = pick(rng, ((170, 166, 158), (140, 136, 132), (188, 176, 158), (160, 130, 116)))
    rows = int(rng.choice([4, 8]))
    tile = _vary(rng, _mottled(rng, color, .12, (4, 64, 128)), rows, rows // 2, .08, shift=.5)
    return _grid(tile, rows, rows // 2, color * .62, 3, shift=.5)


def grass(rng: np.random.Generator) -> np.ndarray:
    """Return a lawn."""
    return _mottled(rng, pick(rng, LEAVES[:4]) + 12, .45, (4, 32, 128, 256))


def sand(rng: np.random.Generator) -> np.ndarray:
    """Return a beach or a playground."""
    return _mottled(rng, pick(rng, ((206, 184, 146), (186, 160, 120))), .14, (8, 64, 256))


FLOORS = ((plain, 2.0), (carpet, 2.0), (planks, 1.6), (tiles, 1.2), (paving, 1.6))
GROUNDS = ((asphalt, 3.0), (paving, 2.4), (grass, 3.0), (sand, 3.0))
WALLS = ((plain, 2.0), (plain, 2.0), (wallpaper, 1.5), (bricks, 1.4), (tiles, 1.0),
         (shelves, 1.8), (planks, 1.6))
