# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The shapes that scenes are made of, in three dimensions.

Lengths are metres. The world is right-handed: x to the right, y up, z towards the viewer; the
ground is y = 0. A thing is modelled around the origin, looking along +z.
"""

from dataclasses import dataclass, replace
import math
import types
from typing import Iterable, Mapping, Sequence

import numpy as np

Color = Sequence[float]  # red, green, blue in 0..255


@dataclass(frozen=True)
class Face:
    """
    A flat polygon.

    :param points: (N, 3) corners, counter-clockwise as seen from outside.
    :param color: its colour in full light.
    :param part: which part of its thing it is, 0..31.
    :param texture: (h, w, 3) uint8 RGB stretched over the face, whose four corners start at the
        texture's top left one and go on clockwise or counter-clockwise; None for plain colour.
    :param glows: lamps and screens are as bright in the shade.
    :param two_sided: visible from behind as well (sheets: leaves, signs).
    :param decals: flat details on the face, in the order of painting.
    :param bias: metres that it counts as nearer when it is decided what is painted last.
    """

    points: np.ndarray
    color: Color
    part: int = 0
    texture: np.ndarray | None = None
    glows: bool = False
    two_sided: bool = False
    decals: tuple['Face', ...] = ()
    bias: float = 0.0


@dataclass(frozen=True)
class Blob:
    """
    A rounded body: the union of convex hulls of spheres.

    :param spheres: (N, 4) centre and radius.
    :param color: its colour in full light.
    :param part: which part of its thing it is, 0..31.
    :param pieces: sphere indices of each hull; by default one hull of all of them.
    :param bias: metres that it counts as nearer when it is decided what is painted last.
    """

    spheres: np.ndarray
    color: Color
    part: int = 0
    pieces: tuple[tuple[int, ...], ...] = ()
    bias: float = 0.0


Solid = Face | Blob


def turn_x(degrees: float) -> np.ndarray:
    """Return the rotation about x; it tips an upright thing forward."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(degrees: float) -> np.ndarray:
    """Return the rotation about y; it turns the front of a thing to the right of the picture."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(degrees: float) -> np.ndarray:
    """Return the rotation about z; it raises what is on the +x side."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def moved(solids: Iterable[Solid], offset: Sequence[float] = (0, 0, 0),
          rotation: np.ndarray | None = None, scale: float = 1.0) -> list[Solid]:
    """Return solids scaled, then rotated, then shifted."""
    matrix = scale * (np.eye(3) if rotation is None else rotation)
    return [_moved(solid, matrix, np.asarray(offset, float), scale) for solid in solids]


def _moved(solid: Solid, matrix: np.ndarray, offset: np.ndarray, scale: float) -> Solid:
    bias = solid.bias * scale
    if isinstance(solid, Blob):
        centers = solid.spheres[:, :3] @ matrix.T + offset
        spheres = np.hstack([centers, solid.spheres[:, 3:] * scale])
        return replace(solid, spheres=spheres, bias=bias)
    decals = tuple(_moved(decal, matrix, offset, scale) for decal in solid.decals)
    return replace(solid, points=solid.points @ matrix.T + offset, decals=decals, bias=bias)


def blob(spheres: Sequence[Sequence[float]], color: Color, part: int = 0,
         chain: bool = False, bias: float = 0.0) -> Blob:
    """Return a body of spheres (x, y, z, radius); a chain joins each one with the next only."""
    pieces = tuple((i, i + 1) for i in range(len(spheres) - 1)) if chain else ()
    return Blob(np.asarray(spheres, float), color, part, pieces, bias)


def ring(radius: float, tube: float, color: Color, center: Sequence[float] = (0, 0, 0),
         segments: int = 20) -> Blob:
    """Return a tyre or a rim, standing in the plane x = constant."""
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    points = [(center[0], center[1] + radius * np.sin(a), center[2] + radius * np.cos(a), tube)
              for a in angles]
    return blob(points, color, chain=True)


def box(size: Sequence[float], color: Color, center: Sequence[float], part: int = 0,
        front: tuple[Face, ...] = ()) -> list[Face]:
    """
    Return the six faces of a box.

    :param size: extent along x, y, z.
    :param center: of the box.
    :param front: decals of the face that looks along +z, relative to the centre of the box.
    """
    x, y, z = np.asarray(size, float) / 2
    corners = {
        'front': [(-x, y, z), (-x, -y, z), (x, -y, z), (x, y, z)],
        'back': [(x, y, -z), (x, -y, -z), (-x, -y, -z), (-x, y, -z)],
        'right': [(x, y, z), (x, -y, z), (x, -y, -z), (x, y, -z)],
        'left': [(-x, y, -z), (-x, -y, -z), (-x, -y, z), (-x, y, z)],
        'top': [(-x, y, -z), (-x, y, z), (x, y, z), (x, y, -z)],
        'bottom': [(-x, -y, z), (-x, -y, -z), (x, -y, -z), (x, -y, z)]}
    faces = [Face(np.array(points), color, part, decals=front if name == 'front' else ())
             for name, points in corners.items()]
    return moved(faces, center)


def prism(profile: Sequence[tuple[float, float]], half_widths: Sequence[float] | float,
          colors: Sequence[Color], side: Color, decals: tuple[Face, ...] = (),
          details: Mapping[int, tuple[Face, ...]] = types.MappingProxyType({})) -> list[Face]:
    """
    Return a body with the same outline at either side, along x.

    :param profile: (z, y) corners, counter-clockwise as seen from +x with +z to the left, that is
        from the lower front backwards and up.
    :param half_widths: half the extent along x, at each corner or everywhere.
    :param colors: of the N strips between corner i and i + 1.
    :param side: colour of the two side faces.
    :param decals: details of the +x side; mirrored on the other one.
    :param details: decals of the strips, by the number of the strip.
    """
    outline = np.array(profile, float)
    widths = np.broadcast_to(np.asarray(half_widths, float), len(outline))
    plus = np.column_stack([widths, outline[:, 1], outline[:, 0]])
    minus = plus * [-1, 1, 1]
    mirrored = tuple(replace(d, points=d.points * [-1, 1, 1]) for d in decals)
    faces = [Face(plus, side, decals=decals), Face(minus[::-1], side, decals=mirrored)]
    after = np.roll(np.arange(len(outline)), -1)
    faces += [Face(np.array([plus[i], minus[i], minus[j], plus[j]]), color,
                   decals=details.get(i, ()))
              for i, j, color in zip(range(len(outline)), after, colors)]
    return faces


def lathe(profile: Sequence[tuple[float, float]], colors: Sequence[Color | Sequence[Color]],
          segments: int = 16, top: Color | None = None) -> list[Face]:
    """
    Return a body of revolution about y.

    :param profile: (radius, y) from the bottom up.
    :param colors: of the bands between two radii: one colour, or several for its segments in turn.
    :param top: colour of the lid; None if the profile ends in a point.
    """
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    circle = np.column_stack([np.sin(angles), np.zeros(segments + 1), np.cos(angles)])
    rings = [radius * circle + [0, y, 0] for radius, y in profile]
    faces = []
    for low, high, color in zip(rings, rings[1:], colors):
        several = not np.isscalar(color[0])
        for i in range(segments):
            corners = np.array([high[i], low[i], low[i + 1], high[i + 1]])
            faces.append(Face(corners, color[i % len(color)] if several else color))
    if top is not None:
        faces.append(Face(rings[-1][:-1], top))
    return faces


def sheet(points: Sequence[Sequence[float]], color: Color, texture: np.ndarray | None = None,
          glows: bool = False) -> Face:
    """Return a flat detail or a thin sheet that is seen from both sides."""
    return Face(np.asarray(points, float), color, texture=texture, glows=glows, two_sided=True)


def disc(radius: float, color: Color, center: Sequence[float], axis: str = 'z',
         segments: int = 14) -> Face:
    """Return a round sheet that looks along an axis."""
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    u, v, w = radius * np.cos(angles), radius * np.sin(angles), np.zeros(segments)
    points = {'x': (w, u, v), 'y': (v, w, u), 'z': (u, v, w)}[axis]
    return sheet(np.column_stack(points) + center, color)
