# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Sequences: people walk through a scene while the camera drives and pans.

Everything moves evenly in time, so frames at any rate are of the same scene. In the annotation
file, an image has its ``stamp`` in nanoseconds and a ``camera_pose``: position and orientation
(x, y, z, w) of the camera's optical frame in a map with x forwards and z up. Every annotation has
a ``track_id``, which is that of one thing from the first image to the last, and ``position``: the
median of its visible surface in metres, in the optical frame; those of people have
``keypoints_3d``, x, y and z of the joints themselves, which are inside of the body.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Collection, Iterator

import numpy as np

from mcn_ros.data.synthetic.background import draw_place, Place
from mcn_ros.data.synthetic.camera import Camera
from mcn_ros.data.synthetic.groups import ball, Cluster, Group, Item, upright, walker
from mcn_ros.data.synthetic.lens import photograph
from mcn_ros.data.synthetic.maps import MAPS
from mcn_ros.data.synthetic.people import build_person, draw_outfit, Outfit
from mcn_ros.data.synthetic.recipes import EVERYDAY, PLACE_WEIGHTS, Recipe
from mcn_ros.data.synthetic.scenes import arrange, draw_camera
from mcn_ros.data.synthetic.skeleton import STEP, stride
from mcn_ros.data.synthetic.solids import turn_y
from mcn_ros.data.synthetic.view import paint_view, View
from mcn_ros.data.synthetic.weather import Weather, WEATHERS
from mcn_ros.data.synthetic.write import counted, DESCRIPTION, weather_keys, write_views
from mcn_ros.geometry import Size

ON_FEET = (walker, upright, ball)  # groups with people who would have to walk
TURNING = 1.0  # seconds that it takes to turn round
NEAREST, FARTHEST = 1.8, 6.0  # metres away that people walk

# From right, up and back of drawn scenes to forwards, left and up of robots.
TO_MAP = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]])


@dataclass(frozen=True)
class Walk:
    """
    Someone who walks to and fro between two places, at a constant speed but for the turns.

    :param outfit: who it is.
    :param start: (3,) where they turn.
    :param end: (3,) and where they turn again.
    :param speed: metres per second.
    :param ahead: seconds that they have been walking before the sequence starts.
    """

    outfit: Outfit
    start: np.ndarray
    end: np.ndarray
    speed: float
    ahead: float

    def item(self, seconds: float) -> Item:
        """Return the person at a time since the start of the sequence."""
        way = self.end - self.start
        length = np.linalg.norm(way)
        lasts = length / self.speed
        rounds, since = divmod(seconds + self.ahead, lasts + TURNING)
        walked = min(since, lasts) * self.speed
        turned = 180 * max(since - lasts, 0) / TURNING
        heading = np.degrees(np.arctan2(way[0], way[2])) + 180 * (rounds % 2) + turned
        place = (self.end - walked / length * way if rounds % 2
                 else self.start + walked / length * way)
        # Steps become shorter before a turn and longer after it.
        vigour = np.clip(min(since, lasts - since) / .4, 0, 1)
        phase = np.sin(np.pi * walked / (STEP * self.outfit.scale)) * vigour
        someone = build_person(self.outfit, stride(phase))
        return Item('person', someone.solids, someone.joints, someone.printed).moved(
            place, turn_y(heading))


@dataclass(frozen=True)
class Drive:
    """
    A camera that pans and drives a little, to and fro.

    :param camera: at the start.
    :param pan: degrees to either side.
    :param sway: (2,) metres to either side, along x and z.
    :param period: seconds of panning; driving takes longer.
    """

    camera: Camera
    pan: float
    sway: tuple[float, float]
    period: float

    def at(self, seconds: float) -> Camera:
        """Return the camera at a time since the start of the sequence."""
        turn = np.sin(2 * np.pi * seconds / self.period)
        drive = np.sin(2 * np.pi * seconds / (1.6 * self.period))
        x, z = self.sway
        return replace(self.camera, yaw=self.camera.yaw + self.pan * turn,
                       place=(x * drive, z * drive))


@dataclass(frozen=True)
class Sequence:
    """
    A scene in which people walk.

    :param kind: of the place.
    :param seed: that draws the place, the same in every frame.
    :param drive: of the camera.
    :param walks: of people, whose track ids are 1, 2 and so on.
    :param standing: what does not move; its ids go on from there.
    :param weather: that it is seen in.
    """

    kind: str
    seed: int
    drive: Drive
    walks: list[Walk]
    standing: list[Cluster]
    weather: Weather

    def view(self, seconds: float) -> tuple[View, list[int]]:
        """Return what the camera sees at a time, and the track ids of the items."""
        camera = self.drive.at(seconds)
        place = draw_place(np.random.default_rng(self.seed), camera, self.kind)
        people = [walk.item(seconds) for walk in self.walks]
        clusters = [Cluster([item], item.joints.mean(axis=0)) for item in people] + self.standing
        ids = iter(range(1, 1 + sum(len(cluster.items) for cluster in clusters)))
        named = [(cluster, [next(ids) for _ in cluster.items]) for cluster in clusters]
        named.sort(key=lambda pair: (-np.hypot(*(pair[0].anchor - camera.eye)[[0, 2]]),
                                     pair[0].layer))
        view = paint_view(place, [cluster for cluster, _ in named], camera)
        return view, [number for _, numbers in named for number in numbers]


def draw_sequence(seed: int, size: Size, recipe: Recipe = EVERYDAY,
                  weather: str = 'clear') -> Sequence:
    """Return a random sequence; seed, size, recipe and weather determine it."""
    rng = np.random.default_rng(seed)
    day = WEATHERS[weather].draw(rng.spawn(1)[0])
    kinds = [kind for kind in PLACE_WEIGHTS if kind != 'studio']  # which is nowhere
    weights = np.array([PLACE_WEIGHTS[kind] for kind in kinds])
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    camera = draw_camera(rng, size, kind, recipe)
    place_seed = int(rng.integers(2 ** 32))
    place = draw_place(np.random.default_rng(place_seed), camera, kind)
    drive = Drive(camera, rng.uniform(4, 10), (rng.uniform(-.3, .3), rng.uniform(-.2, .2)),
                  rng.uniform(6, 10))
    walks = _draw_walks(rng, place, camera)
    taken = [(walk.start + share * (walk.end - walk.start), Group([], .5, 1.8))
             for walk in walks for share in np.linspace(0, 1, 9)]
    groups = {**recipe.groups, kind: tuple(
        (make, weight) for make, weight in recipe.groups[kind] if make not in ON_FEET)}
    still = replace(recipe, groups=groups, count=(1, 4), apart=False)
    standing = arrange(rng, place, camera, still, taken)
    return Sequence(kind, place_seed, drive, walks, standing, day)


def _draw_walks(rng: np.random.Generator, place: Place, camera: Camera) -> list[Walk]:
    """Return people who cross the picture, one behind the other."""
    count = int(rng.integers(2, 5))
    lanes = np.linspace(NEAREST, min(FARTHEST, place.depth - .8), count)
    walks = []
    for lane in rng.permutation(lanes):
        columns = np.array([rng.uniform(.02, .35), rng.uniform(.65, .98)]) * camera.size[1]
        ends = [camera.ground(column, lane + rng.uniform(-.25, .25))
                for column in rng.permutation(columns)]
        for end in ends:
            end[0] = end[0].clip(.5 - place.left, place.right - .5)
            end[2] = end[2].clip(.5 - place.depth, None)
        walks.append(Walk(draw_outfit(rng), *ends, rng.uniform(.6, 1.3), rng.uniform(0, 8)))
    return walks


def write_sequence(folder: Path, count: int, rate: float, start_ns: int, seed: int, size: Size,
                   recipe: Recipe = EVERYDAY, maps: Collection[str] = tuple(MAPS),
                   progress: bool = False, weather: str = 'clear') -> None:
    """
    Write a sequence as :func:`mcn_ros.data.synthetic.write.write_dataset` writes scenes.

    :param count: number of frames.
    :param rate: frames per second.
    :param start_ns: stamp of the first frame, nanoseconds.
    :param weather: of ``WEATHERS``.
    """
    info = {'description': DESCRIPTION, 'seed': seed, 'size': list(size), 'rate': rate}
    frames = _frames(draw_sequence(seed, size, recipe, weather), count, rate, start_ns, seed,
                     weather_keys(weather))
    write_views(folder, counted(frames, 'frames', count, progress), info, recipe, maps)


def _frames(sequence: Sequence, count: int, rate: float, start_ns: int, seed: int,
            more: dict[str, str]) -> Iterator[tuple[np.ndarray, View, dict, dict]]:
    for index in range(count):
        view, tracks = sequence.view(index / rate)
        # One lens takes all frames: the same tones, blur and noise.
        picture = sequence.weather.see(view, np.random.default_rng((seed, index)))
        image = photograph(np.random.default_rng(seed), picture)
        keys = {'stamp': start_ns + round(index * 1e9 / rate),
                'camera_pose': camera_pose(view.camera), **more}
        yield image, view, keys, _spatial(view, tracks)


def camera_pose(camera: Camera) -> dict[str, list[float]]:
    """Return position and orientation of the optical frame in the map."""
    rotation = TO_MAP @ camera.rotation.T @ np.diag([1, -1, -1])
    return {'position': (TO_MAP @ camera.eye).round(6).tolist(),
            'orientation': _quaternion(rotation).round(9).tolist()}


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """Return (4,) x, y, z, w of a (3, 3) rotation."""
    # The eigenvector of the largest eigenvalue (Bar-Itzhack), which no angle makes inexact.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array([[a - e - i, b + d, c + g, h - f], [b + d, e - a - i, f + h, c - g],
                       [c + g, f + h, i - a - e, d - b], [h - f, c - g, d - b, a + e + i]])
    vector = np.linalg.eigh(matrix)[1][:, -1]
    return vector if vector[3] >= 0 else -vector


def _spatial(view: View, tracks: list[int]) -> dict[int, dict[str, Any]]:
    """Return the keys of the annotations of each thing that tell where and which it is."""
    points = view.shape[0][..., None] * view.camera.rays()
    keys: dict[int, dict[str, Any]] = {}
    for number, (item, track) in enumerate(zip(view.items, tracks), 1):
        surface = points[view.numbers == number]
        if len(surface):
            keys[number] = {'track_id': track,
                            'position': np.median(surface, axis=0).round(4).tolist()}
            if item.joints is not None:
                joints = view.camera.optical(item.joints)
                keys[number]['keypoints_3d'] = joints.round(4).reshape(-1).tolist()
    return keys
