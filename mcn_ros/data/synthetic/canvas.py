# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Painting solids: a canvas that knows what every pixel shows.

The painter's algorithm: what is farther away is painted first. The canvas is finer than the
picture by a whole factor, so that averaging smoothes the edges; the map of surfaces is written by
the same fills as the colours, which makes masks and all other maps exact.
"""

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from mcn_ros.data.synthetic.camera import Camera, Light, NEAR
from mcn_ros.data.synthetic.solids import Blob, Face, Solid

# Canvas pixels per picture pixel, along each side.
FINENESS = 2

# An owner is THING * number of the thing + part of it; 0 is the background.
THING = 32

# A part + GARMENT is what is worn on the part: it is the same part when a pixel is given to who
# has most of it.
GARMENT = 16

# OpenCV's fills take fixed-point coordinates with so many fractional bits.
_FRACTION = 4
_FARTHEST = 30000 << _FRACTION

# How a rounded body is shaded: share of its radius, shift towards the light, brightness.
_TONES = ((1.0, 0.0, 0.72), (0.86, 0.1, 0.83), (0.66, 0.22, 0.93), (0.38, 0.4, 1.03))

_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_FLAT_CIRCLE = np.insert(_CIRCLE[::2], 1, 0, axis=1)


@dataclass
class _Rows:
    """
    Solids laid out for painting, decals after their faces; N solids, P points in all of them.

    :param solids: N of them.
    :param owners: (N,) what their pixels belong to.
    :param parents: (N,) the row of the face that a decal is on, else the own row.
    :param points: (P, 3) corners and centres.
    :param starts: (N,) first point of each solid.
    """

    solids: list[Solid]
    owners: list[int]
    parents: np.ndarray
    points: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, things: Sequence[tuple[int, Sequence[Solid]]]) -> '_Rows':
        solids: list[Solid] = []
        owners, parents = [], []
        for number, parts in things:
            for solid in parts:
                parent = len(solids)
                decals = solid.decals if isinstance(solid, Face) else ()
                solids += (solid, *decals)
                owners += [THING * number + solid.part] * (1 + len(decals))
                parents += [parent] * (1 + len(decals))
        places = [_points(solid) for solid in solids]
        starts = np.cumsum([0, *map(len, places)])[:-1]
        return cls(solids, owners, np.array(parents), np.concatenate(places), starts)

    def normals(self) -> np.ndarray:
        """Return (N, 3) unit normals of the faces; that of a blob means nothing."""
        last = len(self.points) - 1
        a, b, c = (self.points[np.minimum(self.starts + i, last)] for i in range(3))
        normals = np.cross(b - a, c - a)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Split values of points into one array for each solid."""
        return np.split(values, self.starts[1:])


class Canvas:
    """
    A picture in the making.

    :param background: (H, W, 3) uint8 RGB, which is the size of the picture.
    :param camera: of that size.
    :param light: of the scene.
    """

    def __init__(self, background: np.ndarray, camera: Camera, light: Light):
        height, width = background.shape[:2]
        size = width * FINENESS, height * FINENESS
        self.camera, self.light = camera, light
        self.colors = cv2.resize(background, size, interpolation=cv2.INTER_LINEAR)
        self.surfaces = np.zeros(size[::-1], np.uint16)
        self.solids: list[Solid | None] = [None]  # by the number of their surface; 0: the place
        self._owners = [0]
        towards = camera.rotation @ light.direction
        self._lit_side = towards[:2] * [1, -1]

    def paint(self, things: Sequence[tuple[int, Sequence[Solid]]]) -> None:
        """Paint a group of things, (number, solids) each, into one another by depth."""
        if not any(solids for _, solids in things):
            return
        rows = _Rows.of(things)
        pixels, depths = self.camera.project(rows.points)
        nearest = np.minimum.reduceat(depths, rows.starts)
        counts = np.diff(rows.starts, append=len(depths))
        depth = np.add.reduceat(depths, rows.starts) / counts
        brightness, visible = self._light_faces(rows)
        colors = self.light.shade(np.array([s.color for s in rows.solids]), brightness, depth)
        keys = (depth - [solid.bias for solid in rows.solids])[rows.parents]
        spots = rows.split(pixels)
        visible &= nearest > NEAR
        visible &= visible[rows.parents]
        surfaces = self._number(rows, visible)
        for i in np.argsort(-keys, kind='stable'):
            if not visible[i]:
                continue
            solid = rows.solids[i]
            if isinstance(solid, Blob):
                radii = self.camera.focal * solid.spheres[:, 3] / depths[rows.starts[i]:][:len(
                    solid.spheres)]
                self._paint_blob(solid, spots[i], radii, colors[i], surfaces[i])
            else:
                fixed = _fixed(spots[i], FINENESS)
                cv2.fillPoly(self.colors, [fixed], colors[i].tolist(), shift=_FRACTION)
                cv2.fillPoly(self.surfaces, [fixed], surfaces[i], shift=_FRACTION)
                if solid.texture is not None:
                    self._stretch(solid.texture, spots[i], brightness[i], depth[i])

    def _number(self, rows: _Rows, visible: np.ndarray) -> list[int]:
        """Return the surface of every solid that will be painted; a decal is of its face's."""
        surfaces = [0] * len(rows.solids)
        for row, parent in enumerate(rows.parents):
            if visible[row] and row == parent:
                surfaces[row] = len(self.solids)
                self.solids.append(rows.solids[row])
                self._owners.append(rows.owners[row])
            surfaces[row] = surfaces[parent]
        assert len(self.solids) <= np.iinfo(self.surfaces.dtype).max, len(self.solids)
        return surfaces

    def cast_shadows(self, solids: Sequence[Solid]) -> None:
        """Darken the ground where solids keep the light away; call before they are painted."""
        height, width = self.colors.shape[0] // FINENESS, self.colors.shape[1] // FINENESS
        mask = np.zeros((height, width), np.uint8)
        steep = self.light.direction / self.light.direction[1]
        if not solids:
            return
        places = [_rim(solid) for solid in solids]
        points = np.concatenate(places)
        spots, depth = self.camera.project(points - points[:, 1:2] * steep)
        starts = np.cumsum([0, *map(len, places)])[:-1]
        # Beside or behind the camera the ground is not in the picture.
        far = (depth <= NEAR) | (np.abs(spots).max(axis=1) > 20 * max(height, width))
        hidden = np.logical_or.reduceat(far, starts)
        for outline, skip in zip(np.split(spots.astype(np.float32), starts[1:]), hidden):
            if not skip:
                hull = cv2.convexHull(outline)[:, 0]
                cv2.fillConvexPoly(mask, _fixed(hull, 1), 255, shift=_FRACTION)
        mask = cv2.GaussianBlur(mask, (0, 0), self.light.softness)
        mask = cv2.resize(mask, self.colors.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        keep = np.rint(255 * (1 - self.light.shadow * np.arange(256) / 255)).astype(np.uint8)
        factor = cv2.merge([cv2.LUT(mask, keep)] * 3)
        cv2.multiply(self.colors, factor, self.colors, scale=1 / 255)

    def overlay(self, owner: int, tile: np.ndarray, tint: np.ndarray, ends: np.ndarray) -> None:
        """
        Print a pattern on a part of a thing, as it is seen.

        :param owner: THING * number of the thing + part.
        :param tile: (N, N) float32 in 0..1, how much of the tint a place gets; it repeats itself.
        :param tint: (3,) factor on the colours.
        :param ends: (2, 3) top and bottom of the part, between which the tile fits once.
        """
        spots, depths = self.camera.project(ends)
        (x, y), axis = spots[0] * FINENESS, (spots[1] - spots[0]) * FINENESS
        length = np.linalg.norm(axis)
        if depths.min() <= NEAR or not 6 < length < 4 * max(self.surfaces.shape):
            return
        height, width = self.surfaces.shape
        center, reach = (x, y) + axis / 2, 1.1 * length
        left, top = np.clip(center - reach, 0, [width, height]).astype(int)
        right, bottom = np.clip(center + reach, 0, [width, height]).astype(int)
        mask = self.owners[self.surfaces[top:bottom, left:right]] == owner
        if not mask.any():
            return
        down = axis / len(tile)
        matrix = np.array([[down[1], down[0], x - left], [-down[0], down[1], y - top]])
        laid = cv2.warpAffine(tile, matrix, mask.shape[::-1], borderMode=cv2.BORDER_WRAP)
        region = self.colors[top:bottom, left:right]
        factor = 1 + laid[mask][:, None] * (tint - 1)
        region[mask] = np.minimum(region[mask] * factor, 255)

    def picture(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (H, W, 3) uint8 RGB, and (H, W) uint16: whose most of each pixel is."""
        size = self.colors.shape[1] // FINENESS, self.colors.shape[0] // FINENESS
        colors = cv2.resize(self.colors, size, interpolation=cv2.INTER_AREA)
        return colors, self.owners[self.seen()]

    @property
    def owners(self) -> np.ndarray:
        """Return the owner of each surface, (S,) uint16."""
        return np.array(self._owners, np.uint16)

    def seen(self) -> np.ndarray:
        """Return (H, W) uint16: the surface that each pixel of the picture shows."""
        voters = self.owners & ~np.uint16(GARMENT)
        quarters = [self.surfaces[i::2, j::2] for i in (0, 1) for j in (0, 1)]
        a, b, c, d = (voters[quarter] for quarter in quarters)
        winner = np.where((b == c) | (b == d), 1, np.where(c == d, 2, 0))
        winner[(a == b) | (a == c) | (a == d)] = 0
        return np.choose(winner, quarters)

    def _light_faces(self, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
        """Return the brightness of every solid, and whether its outside is seen."""
        normals = rows.normals()
        outside = np.einsum('ij,ij->i', normals, self.camera.eye - rows.points[rows.starts]) > 0
        normals[~outside] *= -1
        ambient = self.light.ambient
        brightness = ambient + (1 - ambient) * np.maximum(normals @ self.light.direction, 0)
        brightness = brightness[rows.parents]
        whole = np.array([isinstance(solid, Blob) or solid.glows for solid in rows.solids])
        both = np.array([isinstance(solid, Blob) or solid.two_sided for solid in rows.solids])
        both |= rows.parents != np.arange(len(both))
        return np.where(whole, 1.0, brightness), outside | both

    def _paint_blob(self, solid: Blob, spots: np.ndarray, radii: np.ndarray, color: np.ndarray,
                    surface: int) -> None:
        largest = radii.max() * FINENESS
        # A body of few pixels needs few tones: their mean.
        tones = _TONES if largest > 6 else _TONES[1:3] if largest > 2 else _TONES[1:2]
        pieces = solid.pieces or (tuple(range(len(radii))),)
        for number, (share, shift, brightness) in enumerate(tones):
            share = share if number else 1.0
            centers = spots + shift * radii[:, None] * self._lit_side
            circles = centers[:, None] + share * radii[:, None, None] * _CIRCLE
            shaded = np.minimum(brightness * color, 255).tolist()
            for piece in pieces:
                outline = circles[list(piece)].reshape(-1, 2).astype(np.float32)
                outline = cv2.convexHull(outline)[:, 0] if len(piece) > 1 else outline
                fixed = _fixed(outline, FINENESS)
                cv2.fillConvexPoly(self.colors, fixed, shaded, shift=_FRACTION)
                if number == 0:
                    cv2.fillConvexPoly(self.surfaces, fixed, surface, shift=_FRACTION)

    def _stretch(self, texture: np.ndarray, spots: np.ndarray, brightness: float,
                 depth: float) -> None:
        """Lay a texture over a quadrilateral that has just been filled."""
        height, width = self.surfaces.shape
        fine = spots * FINENESS
        left, top = np.clip(np.floor(fine.min(axis=0)), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(fine.max(axis=0)), 0, [width, height]).astype(int)
        if right - left < 2 or bottom - top < 2:
            return
        rows, columns = texture.shape[:2]
        source = np.array([[0, 0], [0, rows], [columns, rows], [columns, 0]], np.float32)
        target = (fine - [left, top]).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        tint = self.light.shade(np.full((1, 3), 255.0), np.array([brightness]), np.array([depth]))
        laid = cv2.warpPerspective(texture, matrix, (right - left, bottom - top),
                                   borderMode=cv2.BORDER_REPLICATE)
        laid = cv2.multiply(laid, (*(tint[0] / 255).tolist(), 0))
        inside = np.zeros(laid.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, _fixed(target, 1), 1, shift=_FRACTION)
        cv2.copyTo(laid, inside, self.colors[top:bottom, left:right])


def _points(solid: Solid) -> np.ndarray:
    return solid.spheres[:, :3] if isinstance(solid, Blob) else solid.points


def _rim(solid: Solid) -> np.ndarray:
    """Return points whose shadows enclose that of a solid."""
    if isinstance(solid, Face):
        return solid.points
    centers, radii = solid.spheres[:, :3], solid.spheres[:, 3]
    return (centers[:, None] + radii[:, None, None] * _FLAT_CIRCLE).reshape(-1, 3)


def _fixed(points: np.ndarray, fineness: int) -> np.ndarray:
    """Return OpenCV's fixed-point coordinates, which count from pixel centres."""
    fixed = np.rint((points * fineness - 0.5) * (1 << _FRACTION))
    return fixed.clip(-_FARTHEST, _FARTHEST).astype(np.int32)
