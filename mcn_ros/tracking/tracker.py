# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which object of a frame is which one of the frames before: ids, from predictions and stamps.

Association in stages as in ByteTrack (Y. Zhang et al., "ByteTrack: Multi-Object Tracking by
Associating Every Detection Box", ECCV 2022): sure objects first; what has not been found then may
be one of the unsure ones, which keep a track alive, but neither begin nor confirm one; or one that
is seen in part, as who comes out from behind somebody; or one that is near on the ground, where
that is known. Only what is left may be one of those without an id. Time is that of the stamps, so
frames may be left out. A person that several heads see is one object.
"""

from dataclasses import dataclass, replace
from itertools import count
import re
from types import MappingProxyType
from typing import Iterator, Mapping

import numpy as np

from mcn_ros.structures import select, Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import (
    assign, joint_similarity, others, overlaps_and_shares)
from mcn_ros.tracking.objects import link, Objects, own_order
from mcn_ros.tracking.tracks import in_image, Tracks
from mcn_ros.vocabulary import PERSON

SAME, SAME_UNSURE = 0.2, 0.35  # overlap from which on a sure, an unsure object is that of a track
REACH, SPEED = 1.0, 2.0  # metres, and metres per second: farther away on the ground is no track
GROUND = 0.3  # how much a metre on the ground costs, where boxes that do not overlap cost 1
WITHIN = 0.7  # share of the smaller one of two boxes that is in the other, where one is a part
JOINTS = 0.3  # how much equal joints count, where equal boxes count 1
JOINT_SCORE = 0.2  # of a joint that is compared
CONFIRM, CONFIRM_NS = 2, 300_000_000  # matches that make an id, and how far apart they may be


@dataclass(frozen=True)
class Thresholds:
    """
    What a tracker is told.

    :param high: score from which on an object is sure, and may begin a track.
    :param low: score below which an object is none.
    :param lost: seconds after which a track that is not found has ended.
    """

    high: float = 0.3  # that of what is published
    low: float = 0.2
    lost: float = 1.0


def id_prefix(camera: str) -> str:
    """Return how ids of a camera begin: with a letter, and of [a-z0-9_] only, as names in ROS."""
    if not camera:
        return 't'
    name = re.sub('[^a-z0-9_]', '_', camera.strip('/').lower())
    return f'{name}_' if name[0].isalpha() else f't{name}_'


class Tracker:
    """
    Ids of the objects of one camera.

    :param tasks: task name -> task; those whose predictions have ids are tracked.
    :param prefix: of the ids, see :func:`id_prefix`.
    :param numbers: of the ids; no number is to come twice, whatever else takes from it.
    """

    def __init__(self, tasks: Mapping[str, Task], prefix: str = 't',
                 numbers: Iterator[int] | None = None):
        self.heads = [name for name, task in tasks.items() if 'ids' in task.prediction.ROWS]
        self._prefix = prefix
        self._numbers = count(1) if numbers is None else numbers
        # Objects without a class are people.
        names = {name: tasks[name].classes or (PERSON,) for name in self.heads}
        known = {text: index for index, text in enumerate(sorted(set().union(*names.values())))}
        self._labels = [np.array([known[text] for text in names[name]]) for name in self.heads]
        skeletons = [tasks[name].joints for name in self.heads if tasks[name].joints]
        self._skeleton = skeletons[0] if skeletons else None
        self._sigmas = self._skeleton.sigmas if self._skeleton else ()
        self._nothing = Objects(
            np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0),
            np.zeros((0, len(self._sigmas), 2)), np.zeros((0, 2)),
            np.zeros((0, len(self.heads)), np.int64))
        self.forget()

    def forget(self) -> None:
        """End all tracks; their ids do not come again."""
        self._time_ns: int | None = None
        self._tracks = Tracks.begin(self._nothing, 0)

    def update(self, time_ns: int, predictions: Mapping[str, Structure],
               thresholds: Thresholds = Thresholds(),
               places: Mapping[str, np.ndarray] = MappingProxyType({})) -> dict[str, Structure]:
        """
        Give the objects of a frame their ids.

        :param time_ns: stamp of the frame. One that is the last one again has no ids; one that
            goes back, or forward by more than a track lasts, ends all tracks.
        :param predictions: task name -> prediction in the pixels of the camera, not thresholded;
            any part of the heads, which are the same objects whoever sees them.
        :param places: task name -> (N, 2) metres on the ground, NaN where not known, in a frame
            that does not turn with the camera.
        :return: the predictions with ids, '' for objects without a track that is confirmed.
        """
        if time_ns == self._time_ns:
            return dict(predictions)
        if self._time_ns is not None and time_ns < self._time_ns:
            self.forget()
        before_ns = time_ns if self._time_ns is None else self._time_ns
        # Where nothing was seen before, nothing that is seen can be confirmed.
        first = self._time_ns is None or time_ns - before_ns > 1e9 * thresholds.lost
        self._time_ns = time_ns
        objects = self._objects(predictions, places, thresholds.low)
        sure = objects.scores >= thresholds.high
        tracks = select(self._tracks, time_ns - self._tracks.seen_ns <= 1e9 * thresholds.lost)
        tracks = tracks.predict((time_ns - before_ns) / 1e9)
        rows, found, whole = self._associate(tracks, objects, sure, time_ns)
        old = select(tracks, rows)
        counted = np.where(sure[found], self._count(old, time_ns, before_ns), old.matches)
        matched = self._confirm(old.find(select(objects, found), whole, time_ns), counted)
        lasting = (tracks.numbers > 0) | (time_ns - tracks.seen_ns <= CONFIRM_NS)
        missed = others(len(tracks), rows)
        missed = missed[lasting[missed]]
        self._tracks = matched.join(select(tracks, missed)) if len(missed) else matched
        numbers = np.zeros(len(objects), np.int64)
        numbers[found] = matched.numbers
        begun = others(len(objects), found)
        begun = begun[sure[begun]]
        if len(begun):
            new = Tracks.begin(select(objects, begun), time_ns)
            new = self._confirm(new, np.full(len(new), CONFIRM if first else 1))
            numbers[begun] = new.numbers
            self._tracks = self._tracks.join(new)
        return {**predictions, **self._with_ids(predictions, objects, numbers)}

    def _objects(self, predictions: Mapping[str, Structure], places: Mapping[str, np.ndarray],
                 low: float) -> Objects:
        """Return the objects of all heads, those that are the same as one."""
        objects = self._nothing
        for column, name in enumerate(self.heads):
            if name in predictions:
                found = self._read(column, predictions[name], places.get(name), low)
                objects = link(objects, found, column).ordered() if len(objects) else found
        return objects

    def _read(self, column: int, prediction: Structure, places: np.ndarray | None,
              low: float) -> Objects:
        """Return the objects of a head; what is no box, nobody can follow."""
        boxes = prediction.boxes.astype(float)
        usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        keep = np.flatnonzero(usable & (prediction.scores >= low))
        labels = self._labels[column][
            prediction.classes[keep] if 'classes' in prediction.ROWS else np.zeros_like(keep)]
        order = own_order(boxes[keep], labels, prediction.scores[keep])
        keep, labels, num = keep[order], labels[order], len(keep)
        joints = np.full((num, *self._nothing.joints.shape[1:]), np.nan)
        if 'keypoints' in prediction.ROWS and prediction.skeleton == self._skeleton:
            seen = prediction.keypoint_scores[keep] >= JOINT_SCORE
            joints = np.where(seen[..., None], prediction.keypoints[keep], np.nan)
        rows = np.full((num, len(self.heads)), -1)
        rows[:, column] = keep
        return Objects(boxes[keep], labels, prediction.scores[keep].astype(float), joints,
                       np.full((num, 2), np.nan) if places is None else places[keep], rows)

    def _associate(self, tracks: Tracks, objects: Objects, sure: np.ndarray,
                   time_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """
        Pair tracks with objects, in stages: what is left of one goes into the next.

        :param sure: (N,) bool, which of the objects are.
        :return: (P,) rows of tracks, of objects, and whether all of the object is seen.
        """
        boxes, named = tracks.motion.boxes, tracks.numbers > 0
        overlap, within = overlaps_and_shares(boxes, objects.boxes)
        apart = np.linalg.norm(tracks.places[:, None] - objects.places, axis=2)  # perhaps NaN
        reach = REACH + SPEED * (time_ns - tracks.placed_ns[:, None]) / 1e9
        possible = (tracks.labels[:, None] == objects.labels) & ~(apart > reach)
        cost = 1 - overlap + GROUND * np.nan_to_num(apart)
        # Joints of all pairs would take long, and say nothing of those that are far apart.
        near, by = np.nonzero(overlap > 0)
        cost[near, by] -= JOINTS * joint_similarity(
            in_image(tracks.joints, boxes)[near], objects.joints[by], objects.boxes[by],
            self._sigmas)
        stages = ((named, sure, cost, overlap >= SAME, True),
                  (named, ~sure, cost, overlap >= SAME_UNSURE, True),
                  (named, sure, 1 - within - overlap, within >= WITHIN, False),
                  (named, sure, np.nan_to_num(apart), apart <= reach, True),
                  (~named, sure, cost, overlap >= SAME, True))
        rows, found, wholes = [], [], []
        lost, free = np.ones(len(tracks), bool), np.ones(len(objects), bool)
        for whose, which, cost, enough, whole in stages:
            left, candidates = np.flatnonzero(whose & lost), np.flatnonzero(which & free)
            if len(left) and len(candidates):
                part = np.ix_(left, candidates)
                ours, theirs = assign(cost[part], possible[part])
                ours, theirs = left[ours], candidates[theirs]
                keep = enough[ours, theirs]
                ours, theirs = ours[keep], theirs[keep]
                lost[ours] = free[theirs] = False
                rows, found = [*rows, *ours.tolist()], [*found, *theirs.tolist()]
                wholes += [whole] * len(ours)
        return np.array(rows, np.int64), np.array(found, np.int64), np.array(wholes, bool)

    @staticmethod
    def _count(tracks: Tracks, time_ns: int, before_ns: int) -> np.ndarray:
        """
        Return how many matches tracks have that are found once more.

        A match counts with the one before it if that was not long ago, or, where frames are rare,
        in the last frame. The first match of a track is the object that it begins with.
        """
        follows = (time_ns - tracks.seen_ns <= CONFIRM_NS) | (tracks.seen_ns == before_ns)
        return np.where(follows, tracks.matches + 1, 1)

    def _confirm(self, tracks: Tracks, matches: np.ndarray) -> Tracks:
        """Note how many matches tracks have; some get an id."""
        numbers = tracks.numbers.copy()
        for row in np.flatnonzero((matches >= CONFIRM) & (numbers == 0)):
            numbers[row] = next(self._numbers)
        return replace(tracks, matches=matches, numbers=numbers)

    def _with_ids(self, predictions: Mapping[str, Structure], objects: Objects,
                  numbers: np.ndarray) -> dict[str, Structure]:
        texts = [f'{self._prefix}{number}' if number else '' for number in numbers.tolist()]
        found = {}
        for column, name in enumerate(self.heads):
            if name in predictions:
                ids = [''] * len(predictions[name])
                for row, text in zip(objects.rows[:, column].tolist(), texts):
                    if row >= 0:
                        ids[row] = text
                found[name] = replace(predictions[name], ids=np.array(ids, str))
        return found
