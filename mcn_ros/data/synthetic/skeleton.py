# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Human poses in three dimensions: joint angles to the places of the 17 COCO joints.

A body stands at the origin and looks along +z; its left is +x. Angles are degrees: 0 everywhere is
a person at attention. Lengths are metres, for a person of 1.72 m and scaled from there.
"""

from dataclasses import dataclass, field

import numpy as np

from mcn_ros.data.synthetic.solids import turn_x, turn_y, turn_z

REFERENCE_HEIGHT = 1.72

_DOWN = np.array([0.0, -1.0, 0.0])
_HIP, _SHOULDER = 0.09, 0.175  # half widths
_TORSO, _NECK = 0.50, 0.19  # hips to shoulders, shoulders to the middle of the head
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.42, 0.41, 0.29, 0.25
STEP = 0.72  # length of a step of :func:`stride`
_ANKLE = 0.08  # height of the ankle above the sole

# Features of the head, seen from its middle.
_FACE = {'nose': (0, -0.015, 0.105), 'eye': (0.034, 0.02, 0.088), 'ear': (0.083, 0.0, -0.005)}

_SIDES = (('left', 1), ('right', -1))


@dataclass
class Arm:
    """
    Angles of an arm.

    :param swing: forwards from hanging down.
    :param spread: away from the body.
    :param twist: inwards about its own axis; where the elbow bends to.
    :param elbow: bend of the elbow.
    """

    swing: float = 0.0
    spread: float = 6.0
    twist: float = 0.0
    elbow: float = 8.0


@dataclass
class Leg:
    """
    Angles of a leg.

    :param swing: forwards from standing.
    :param spread: away from the other leg.
    :param knee: bend of the knee.
    """

    swing: float = 0.0
    spread: float = 3.0
    knee: float = 3.0


@dataclass
class Pose:
    """
    What a body does.

    :param arms: left and right.
    :param legs: left and right.
    :param lean: of the upper body, forwards.
    :param tilt: of the upper body, to its left.
    :param twist: of the upper body against the hips, to its left.
    :param nod: of the head, forwards.
    :param look: of the head, to its left.
    :param seat: height of the seat that carries the body; 0 if the feet do.
    """

    arms: tuple[Arm, Arm] = field(default_factory=lambda: (Arm(), Arm()))
    legs: tuple[Leg, Leg] = field(default_factory=lambda: (Leg(), Leg()))
    lean: float = 0.0
    tilt: float = 0.0
    twist: float = 0.0
    nod: float = 0.0
    look: float = 0.0
    seat: float = 0.0


def place_joints(pose: Pose) -> dict[str, np.ndarray]:
    """
    Return the places of the joints, by COCO name, and of some more that a body is drawn with.

    Also head (its middle), neck, pelvis, left_hand, right_toe and so on, each
    (3,); and the (3, 3) rotations head_frame and torso_frame. The lowest sole is at y = 0,
    or the hips are on the seat.
    """
    torso = turn_x(pose.lean) @ turn_z(-pose.tilt) @ turn_y(pose.twist)
    head = torso @ turn_x(pose.nod) @ turn_y(pose.look)
    neck = torso @ [0, _TORSO, 0]
    middle = neck + head @ [0, _NECK, 0.015]
    joints = {'pelvis': np.zeros(3), 'neck': neck, 'head': middle,
              'nose': middle + head @ _FACE['nose']}
    for (side, sign), arm, leg in zip(_SIDES, pose.arms, pose.legs):
        mirror = np.array([sign, 1, 1])
        for feature in ('eye', 'ear'):
            joints[f'{side}_{feature}'] = middle + head @ (mirror * _FACE[feature])
        joints.update(_place_arm(side, sign, arm, neck, torso))
        joints.update(_place_leg(side, sign, leg))
    lowest = min(joints[f'{side}_{end}'][1] for side, _ in _SIDES for end in ('heel', 'toe'))
    lift = np.array([0, pose.seat + 0.09 if pose.seat else -lowest, 0])
    joints = {name: place + lift for name, place in joints.items()}
    return {**joints, 'head_frame': head, 'torso_frame': torso}


def _place_arm(side: str, sign: int, arm: Arm, neck: np.ndarray,
               torso: np.ndarray) -> dict[str, np.ndarray]:
    upper = torso @ turn_z(sign * arm.spread) @ turn_x(-arm.swing) @ turn_y(-sign * arm.twist)
    lower = upper @ turn_x(-arm.elbow)
    shoulder = neck + torso @ [sign * _SHOULDER, -0.03, 0]
    elbow = shoulder + _UPPER_ARM * upper @ _DOWN
    wrist = elbow + _FOREARM * lower @ _DOWN
    return {f'{side}_shoulder': shoulder, f'{side}_elbow': elbow, f'{side}_wrist': wrist,
            f'{side}_hand': wrist + 0.09 * lower @ _DOWN}


def _place_leg(side: str, sign: int, leg: Leg) -> dict[str, np.ndarray]:
    upper = turn_z(sign * leg.spread) @ turn_x(-leg.swing)
    lower = upper @ turn_x(leg.knee)
    hip = np.array([sign * _HIP, 0.0, 0.0])
    knee = hip + _THIGH * upper @ _DOWN
    ankle = knee + _SHIN * lower @ _DOWN
    # The foot follows the shin half way: it rolls off the ground behind the body.
    foot = turn_y(sign * 8) @ turn_x(0.5 * (leg.knee - leg.swing))
    return {f'{side}_hip': hip, f'{side}_knee': knee, f'{side}_ankle': ankle,
            f'{side}_heel': ankle + foot @ [0, -_ANKLE, -0.05],
            f'{side}_toe': ankle + foot @ [0, -_ANKLE, 0.17]}


def draw_pose(rng: np.random.Generator, kind: str, seat: float = 0.0) -> Pose:
    """
    Return a random pose.

    :param kind: a key of ``POSES``.
    :param seat: height of the seat of who sits, for a person of 1.72 m.
    """
    pose = POSES[kind](rng)
    pose.nod, pose.look = pose.nod + rng.normal(6, 8), rng.normal(0, 22)
    pose.twist += rng.normal(0, 6)
    pose.tilt += rng.normal(0, 2.5)
    if kind == 'sit':
        pose.seat = seat
    return pose


def _free_arm(rng: np.random.Generator) -> Arm:
    """Return one of the things that an arm does while its owner stands or sits."""
    gestures = (
        Arm(rng.normal(4, 8), rng.uniform(4, 14), rng.uniform(0, 30), rng.uniform(5, 30)),
        Arm(rng.normal(4, 8), rng.uniform(4, 14), rng.uniform(0, 30), rng.uniform(5, 30)),
        Arm(rng.normal(5, 6), rng.uniform(8, 18), rng.uniform(20, 60), rng.uniform(60, 100)),
        Arm(-12, 38, 75, 95),  # hand on the hip
        Arm(rng.uniform(70, 110), rng.uniform(0, 25), 0, rng.uniform(0, 25)),  # pointing
        Arm(rng.uniform(25, 50), rng.uniform(5, 20), 35, rng.uniform(110, 140)),  # telephone
        Arm(rng.uniform(-5, 20), rng.uniform(75, 110), 0, rng.uniform(0, 100)),  # aside, waving
        Arm(rng.uniform(150, 178), rng.uniform(-5, 25), 0, rng.uniform(0, 50)))  # up
    return gestures[rng.choice(len(gestures), p=(.2, .2, .18, .12, .08, .08, .07, .07))]


def _stand(rng: np.random.Generator) -> Pose:
    legs = tuple(Leg(rng.normal(0, 4), rng.uniform(1, 9), abs(rng.normal(0, 6)))
                 for _ in range(2))
    arms = _free_arm(rng), _free_arm(rng)
    if rng.random() < 0.12:  # crossed
        arms = Arm(28, 4, 62, 98), Arm(22, 4, 62, 105)
    return Pose(arms, legs, lean=rng.normal(1, 3))


def _walk(rng: np.random.Generator, stride: float = 26, bend: float = 20) -> Pose:
    phase = rng.choice([-1, 1]) * rng.uniform(0.35, 1)
    legs = tuple(Leg(s * phase * stride, 2, max(2, bend - s * phase * bend) * rng.uniform(.6, 1.2))
                 for s in (1, -1))
    arms = tuple(Arm(-s * phase * stride * 0.9, 6, 15, bend * rng.uniform(.6, 1.4))
                 for s in (1, -1))
    if rng.random() < 0.3:
        arms = arms[0], _free_arm(rng)
    return Pose(arms, legs, lean=rng.uniform(0, 6), twist=-phase * 6)


def stride(phase: float, swing: float = 26.0, bend: float = 20.0) -> Pose:
    """Return a pose of walking; phase goes from -1, the right leg in front, to 1 and back."""
    return Pose(tuple(Arm(-s * phase * swing * 0.9, 6, 15, bend) for s in (1, -1)),
                tuple(Leg(s * phase * swing, 2, max(2.0, bend - s * phase * bend))
                      for s in (1, -1)), lean=3.0, twist=-phase * 6)


def _run(rng: np.random.Generator) -> Pose:
    pose = _walk(rng, stride=rng.uniform(35, 55), bend=rng.uniform(35, 55))
    for arm in pose.arms:
        arm.elbow = rng.uniform(70, 110)
    pose.lean = rng.uniform(6, 18)
    return pose


def _sit(rng: np.random.Generator) -> Pose:
    legs = tuple(Leg(rng.uniform(80, 92), rng.uniform(2, 14), rng.uniform(65, 100))
                 for _ in range(2))
    arms = tuple(Arm(rng.uniform(15, 45), rng.uniform(3, 12), rng.uniform(5, 40),
                     rng.uniform(30, 75)) if rng.random() < 0.75 else _free_arm(rng)
                 for _ in range(2))
    return Pose(arms, legs, lean=rng.uniform(-10, 14))


def _bend(rng: np.random.Generator) -> Pose:
    lean = rng.uniform(35, 85)
    legs = tuple(Leg(rng.uniform(5, 30), rng.uniform(2, 10), rng.uniform(10, 45))
                 for _ in range(2))
    arms = tuple(Arm(lean * rng.uniform(0.6, 1.3), rng.uniform(0, 15), 0, rng.uniform(0, 35))
                 for _ in range(2))
    return Pose(arms, legs, lean=lean, nod=-rng.uniform(0, 30))


def _crouch(rng: np.random.Generator) -> Pose:
    swing = rng.uniform(75, 115)
    legs = tuple(Leg(swing + rng.normal(0, 5), rng.uniform(4, 18), swing + rng.uniform(10, 30))
                 for _ in range(2))
    arms = tuple(Arm(rng.uniform(30, 80), rng.uniform(0, 20), 10, rng.uniform(10, 70))
                 for _ in range(2))
    return Pose(arms, legs, lean=rng.uniform(15, 40))


def _cheer(rng: np.random.Generator) -> Pose:
    pose = _stand(rng)
    up = rng.uniform(125, 175)
    pose.arms = tuple(Arm(rng.normal(0, 10), up + rng.normal(0, 8), 0, rng.uniform(0, 50))
                      for _ in range(2))
    return pose


POSES = {'stand': _stand, 'walk': _walk, 'run': _run, 'sit': _sit, 'bend': _bend,
         'crouch': _crouch, 'cheer': _cheer}
