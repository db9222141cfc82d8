# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People: bodies, clothes, hair and faces around the joints of a pose."""

from dataclasses import dataclass

import numpy as np

from mcn_ros.data.synthetic.canvas import GARMENT
from mcn_ros.data.synthetic.palette import cloth, HAIR, SKIN
from mcn_ros.data.synthetic.skeleton import (
    Arm, draw_pose, place_joints, Pose, REFERENCE_HEIGHT)
from mcn_ros.data.synthetic.solids import Blob, blob, Color, moved, Solid
from mcn_ros.data.synthetic.textures import garment
from mcn_ros.vocabulary import COCO_SKELETON

# Parts of a person, as the map of owners has them.
HEAD, TORSO, PELVIS, HAIR_PART = 0, 1, 2, 3
UPPER_ARM, FOREARM, THIGH, SHIN = (4, 5), (6, 7), (8, 9), (10, 11)
NECK = 12
SKIRT = GARMENT + PELVIS

_FACE = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


def _own_parts() -> dict[str, set[int]]:
    parts = {name: {HEAD} for name in _FACE}
    for i, side in enumerate(('left', 'right')):
        parts[f'{side}_shoulder'] = {TORSO, NECK, UPPER_ARM[i]}
        parts[f'{side}_elbow'] = {UPPER_ARM[i], FOREARM[i]}
        parts[f'{side}_wrist'] = {FOREARM[i]}
        parts[f'{side}_hip'] = {TORSO, PELVIS, THIGH[i]}
        parts[f'{side}_knee'] = {THIGH[i], SHIN[i], PELVIS}
        parts[f'{side}_ankle'] = {SHIN[i]}
    return parts


# The parts that show a joint; any other part of the same person hides it.
OWN_PARTS = _own_parts()


@dataclass(frozen=True)
class Outfit:
    """
    Who a person is and what they wear.

    :param height: metres.
    :param girth: factor on all thicknesses.
    :param head: factor on the size of the head; children have larger ones.
    :param sleeves: share of the arm that the top covers.
    :param legs: share of the leg that the trousers cover; 0 for a skirt.
    :param hair: short, long, bun, bald, cap or beanie.
    """

    height: float
    girth: float
    head: float
    skin: Color
    top: Color
    bottom: Color
    shoes: Color
    hair_color: Color
    sleeves: float
    legs: float
    hair: str
    open_jacket: Color | None
    pattern: np.ndarray | None
    print_color: Color
    glasses: bool
    beard: bool

    @property
    def scale(self) -> float:
        """Return the height as a share of that of the skeleton."""
        return self.height / REFERENCE_HEIGHT


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Return a random person."""
    child = rng.random() < 0.15
    skin = np.clip(np.array(SKIN[rng.integers(len(SKIN))]) + rng.normal(0, 6, 3), 20, 250)
    hair = rng.choice(['short', 'long', 'bun', 'bald', 'cap', 'beanie'],
                      p=[.42, .26, .09, .06, .11, .06])
    hair_color = cloth(rng) if hair in ('cap', 'beanie') else HAIR[rng.integers(len(HAIR))]
    return Outfit(
        height=rng.uniform(1.0, 1.4) if child else rng.uniform(1.55, 1.9),
        girth=rng.uniform(0.88, 1.25), head=1.2 if child else 1.0, skin=skin,
        top=cloth(rng), bottom=cloth(rng, dark=0.7), shoes=cloth(rng, dark=0.6),
        hair_color=hair_color, sleeves=rng.choice([0.0, 0.27, 1.0], p=[.1, .4, .5]),
        legs=rng.choice([0.0, 0.45, 1.0], p=[.12, .18, .7]), hair=str(hair),
        open_jacket=cloth(rng) if rng.random() < 0.2 else None,
        pattern=garment(rng) if rng.random() < 0.5 else None, print_color=cloth(rng, dark=0.2),
        glasses=rng.random() < 0.15, beard=hair in ('short', 'bald') and rng.random() < 0.3)


@dataclass(frozen=True)
class Print:
    """
    A pattern on the trunk.

    :param tile: (N, N) float32 in 0..1.
    :param tint: (3,) factor on the colours where the tile is 1.
    :param ends: (2, 3) neck and pelvis.
    """

    tile: np.ndarray
    tint: np.ndarray
    ends: np.ndarray


@dataclass(frozen=True)
class Person:
    """
    Someone at the origin, who looks along +z.

    :param solids: what they are made of.
    :param joints: (17, 3), the COCO joints.
    :param places: all places and frames by name, see :mod:`mcn_ros.data.synthetic.skeleton`.
    :param printed: pattern of the top, if it has one.
    """

    solids: list[Solid]
    joints: np.ndarray
    places: dict[str, np.ndarray]
    printed: Print | None


def draw_person(rng: np.random.Generator, kind: str, seat: float = 0.0,
                carries: bool = False) -> Person:
    """
    Return a random person.

    :param kind: of the pose, a key of POSES in skeleton.py.
    :param seat: metres; height of the seat of who sits.
    :param carries: hold the right hand up in front.
    """
    outfit = draw_outfit(rng)
    pose = draw_pose(rng, kind, seat / outfit.scale)
    if carries:
        pose.arms = pose.arms[0], Arm(rng.uniform(15, 40), 8, 20, rng.uniform(80, 105))
    return build_person(outfit, pose)


def build_person(outfit: Outfit, pose: Pose) -> Person:
    """Return someone in a pose."""
    scale, joints = outfit.scale, place_joints(pose)
    solids = _legs(outfit, joints) + _torso(outfit, joints) + _arms(outfit, joints)
    solids = moved(solids + _head(outfit, joints), scale=scale)
    places = {name: place if name.endswith('frame') else place * scale
              for name, place in joints.items()}
    printed = None
    if outfit.pattern is not None:
        tint = np.clip(np.asarray(outfit.print_color) / np.maximum(outfit.top, 25), .1, 4)
        printed = Print(outfit.pattern, tint, np.array([places['neck'], places['pelvis']]))
    named = np.array([places[name] for name in COCO_SKELETON.keypoint_names])
    return Person(solids, named, places, printed)


def _ball(place: np.ndarray, radius: float) -> tuple[float, ...]:
    return (*place, radius)


def _between(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    return start + share * (end - start)


def _limb(start: np.ndarray, end: np.ndarray, radii: tuple[float, float], covered: float,
          cover: Color, skin: Color, part: int) -> list[Blob]:
    """Return a limb whose first part is covered by cloth, which is a little wider."""
    limb = blob([_ball(start, radii[0]), _ball(end, radii[1])], skin, part)
    if covered <= 0:
        return [limb]
    wide = 1.12
    until = _between(start, end, min(covered, 1))
    ending = radii[0] + (radii[1] - radii[0]) * min(covered, 1)
    sleeve = blob([_ball(start, wide * radii[0]), _ball(until, wide * ending)], cover, part,
                  bias=0.02)
    return [sleeve] if covered >= 1 else [limb, sleeve]


def _arms(outfit: Outfit, joints: dict[str, np.ndarray]) -> list[Solid]:
    solids: list[Solid] = []
    for i, side in enumerate(('left', 'right')):
        shoulder, elbow, wrist, hand = (joints[f'{side}_{n}']
                                        for n in ('shoulder', 'elbow', 'wrist', 'hand'))
        g = outfit.girth
        solids += _limb(shoulder, elbow, (.056 * g, .041 * g), 2 * outfit.sleeves, outfit.top,
                        outfit.skin, UPPER_ARM[i])
        solids += _limb(elbow, wrist, (.041 * g, .029 * g), 2 * outfit.sleeves - 1, outfit.top,
                        outfit.skin, FOREARM[i])
        palm = _between(wrist, hand, 0.6)
        solids.append(blob([_ball(wrist, .027), _ball(palm, .038), _ball(hand, .022)],
                           outfit.skin, FOREARM[i], chain=True))
    return solids


def _legs(outfit: Outfit, joints: dict[str, np.ndarray]) -> list[Solid]:
    solids: list[Solid] = []
    g = outfit.girth
    for i, side in enumerate(('left', 'right')):
        hip, knee, ankle, heel, toe = (joints[f'{side}_{n}']
                                       for n in ('hip', 'knee', 'ankle', 'heel', 'toe'))
        solids += _limb(hip, knee, (.088 * g, .058 * g), 2 * outfit.legs, outfit.bottom,
                        outfit.skin, THIGH[i])
        covered = 2 * outfit.legs - 1
        leg = outfit.bottom if covered >= 1 else outfit.skin
        loose = 1.15 if covered >= 1 else 1.0
        calf = _between(knee, ankle, 0.35) + [0, 0, -0.01]
        solids.append(blob([_ball(knee, .056 * g * loose), _ball(calf, .055 * g * loose),
                            _ball(ankle, .04 * loose)], leg, SHIN[i], chain=True))
        up = np.array([0, .04, 0])
        solids.append(blob([_ball(heel + up, .042), _ball(ankle, .04), _ball(toe + up, .036)],
                           outfit.shoes, SHIN[i], bias=0.015))
    if outfit.legs == 0:
        solids.append(_skirt(outfit, joints))
    return solids


def _skirt(outfit: Outfit, joints: dict[str, np.ndarray]) -> Blob:
    radius = .12 * outfit.girth
    hems = [_ball(_between(joints[f'{side}_hip'], joints[f'{side}_knee'], 0.85), radius)
            for side in ('left', 'right')]
    hips = [_ball(joints[f'{side}_hip'], .1 * outfit.girth) for side in ('left', 'right')]
    return blob(hips + hems, outfit.bottom, SKIRT, bias=0.06)


def _torso(outfit: Outfit, joints: dict[str, np.ndarray]) -> list[Solid]:
    g, frame = outfit.girth, joints['torso_frame']
    pelvis, neck = joints['pelvis'], joints['neck']

    def at(x: float, y: float, z: float, radius: float) -> tuple[float, ...]:
        """Return a sphere; y is a share of the way from the pelvis to the neck."""
        return _ball(pelvis + frame @ [x * g, 0, z] + y * (neck - pelvis), radius * g)

    hips = [_ball(joints[f'{side}_hip'] + [0, .02, 0], .098 * g) for side in ('left', 'right')]
    waist = [at(x, .3, 0, .105) for x in (-.06, .06)]
    chest = [at(x, .72, .01, .115) for x in (-.08, .08)]
    shoulders = [at(x, .92, 0, .06) for x in (-.145, .145)]
    collar = [at(0, 1.0, -.005, .058)]
    trunk = Blob(np.array(hips + waist + chest + shoulders + collar), outfit.top, TORSO,
                 ((0, 1, 2, 3), (2, 3, 4, 5), (4, 5, 6, 7), (6, 7, 8)))
    solids: list[Solid] = [trunk, blob(hips + [at(0, .12, 0, .1)], outfit.bottom, PELVIS,
                                       bias=0.03)]
    if outfit.open_jacket is not None:
        solids.append(blob([at(0, .25, .095, .03), at(0, .9, .085, .035)], outfit.open_jacket,
                           TORSO, bias=0.02))
    solids.append(blob([_ball(neck, .058), _ball(_between(neck, joints['head'], .55), .054)],
                       outfit.skin, NECK, bias=-0.02))
    return solids


def _head(outfit: Outfit, joints: dict[str, np.ndarray]) -> list[Solid]:
    frame, middle, size = joints['head_frame'], joints['head'], outfit.head

    def at(x: float, y: float, z: float, radius: float) -> tuple[float, ...]:
        return _ball(middle + size * (frame @ [x, y, z]), radius * size)

    skin = np.asarray(outfit.skin)
    skull = blob([at(0, .035, -.005, .092), at(0, -.03, .03, .07), at(0, -.07, .045, .045)],
                 skin, HEAD)
    # A feature is painted after the skull only where it is on the near side of it.
    solids: list[Solid] = [skull]
    for x in (-1, 1):
        solids += [blob([at(x * .085, .0, -.008, .024)], skin * .92, HEAD),
                   blob([at(x * .034, .02, .082, .0145)], (240, 238, 232), HEAD, bias=-.03),
                   blob([at(x * .034, .02, .09, .0095)], (45, 32, 28), HEAD, bias=-.03),
                   blob([at(x * .018, .045, .088, .006), at(x * .052, .045, .078, .006)],
                        np.asarray(outfit.hair_color) * .6, HEAD, bias=-.03)]
        if outfit.glasses:
            solids.append(blob([at(x * .034, .018, .094, .021)], (60, 60, 70), HEAD, bias=-.03))
    solids += [blob([at(0, .01, .088, .012), at(0, -.015, .1, .017)], skin * .93, HEAD,
                    bias=-.03),
               blob([at(-.022, -.055, .082, .007), at(.022, -.055, .082, .007)],
                    (176, 84, 80), HEAD, bias=-.03)]
    if outfit.beard:
        solids.append(blob([at(-.03, -.075, .05, .038), at(.03, -.075, .05, .038)],
                           outfit.hair_color, HEAD, bias=-.02))
    return solids + _hair(outfit, at)


def _hair(outfit: Outfit, at) -> list[Solid]:
    color, kind = outfit.hair_color, outfit.hair
    if kind == 'bald':
        return []
    crown = [at(0, .06, -.02, .092), at(0, .03, -.035, .088)]
    fringe = [at(-.045, .105, .035, .04), at(.045, .105, .035, .04), at(0, .115, .0, .05)]
    solids: list[Solid] = [blob(crown, color, HAIR_PART), blob(fringe, color, HAIR_PART)]
    if kind == 'long':
        solids += [blob([at(0, .02, -.05, .09), at(0, -.16, -.06, .075)], color, HAIR_PART),
                   *(blob([at(x, .05, -.01, .035), at(x, -.12, -.005, .03)], color, HAIR_PART)
                     for x in (-.085, .085))]
    if kind == 'bun':
        solids.append(blob([at(0, .12, -.09, .045)], color, HAIR_PART))
    if kind == 'cap':
        solids += [blob([at(0, .085, .0, .088), at(0, .06, -.02, .093)], color, HAIR_PART,
                        bias=.02),
                   blob([at(-.03, .075, .1, .015), at(.03, .075, .1, .015),
                         at(0, .07, .14, .012)], np.asarray(color) * .8, HAIR_PART)]
    if kind == 'beanie':
        solids.append(blob([at(0, .09, -.01, .09), at(0, .06, -.02, .1)], color, HAIR_PART,
                           bias=.03))
    return solids
