# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Which object of a frame is which one of the frames before: ids, from predictions and stamps.

Two stages of association as in ByteTrack (Y. Zhang et al., "ByteTrack: Multi-Object Tracking by
Associating Every Detection Box", ECCV 2022): sure objects first; what has not been found then may
be one of the unsure ones, which keep a track alive, but neither begin nor confirm one. Time is
that of the stamps, so frames may be left out. A person that several heads see is one object.
"""

from dataclasses import dataclass, replace
from itertools import count
import re
from typing import ClassVar, Iterator, Mapping

import numpy as np

from mcn_ros.structures import select, Structure
from mcn_ros.tasks import Task
from mcn_ros.tracking.association import assign, joint_similarity, others, overlaps
from mcn_ros.tracking.kalman import begin, Motion
from mcn_ros.tracking.objects import link, Objects
from mcn_ros.vocabulary import PERSON

SAME = 0.2  # overlap from which on an object is that of a track
JOINTS = 0.3  # how much equal joints count, where equal boxes count 1
JOINT_SCORE = 0.2  # of a joint that is compared
BEGIN = 0.5  # score from which on a new track begins
CONFIRM, CONFIRM_NS = 2, 300_000_000  # matches that make an id, and how far apart they may be


@dataclass(frozen=True)
class Thresholds:
    """
    What a tracker is told.

    :param high: score from which on an object is sure.
    :param low: score below which an object is none.
    :param lost: seconds after which a track that is not found has ended.
    """

    high: float = 0.4
    low: float = 0.1
    lost: float = 1.0


@dataclass(frozen=True)
class Tracks:
    """
    What is known of objects from the frames before.

    :param mean: see :class:`mcn_ros.tracking.kalman.Motion`; as is ``covariance``.
    :param labels: (T,) int64, see :class:`Objects`.
    :param joints: (T, J, 2) float64, in sides of the box from its top left corner.
    :param seen_ns: (T,) int64, stamp of the frame in which it was found last.
    :param matches: (T,) int64, how many there were towards its id.
    :param numbers: (T,) int64, that of its id; 0 without.
    """

    ROWS: ClassVar[tuple[str, ...]] = (
        'mean', 'covariance', 'labels', 'joints', 'seen_ns', 'matches', 'numbers')

    mean: np.ndarray
    covariance: np.ndarray
    labels: np.ndarray
    joints: np.ndarray
    seen_ns: np.ndarray
    matches: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def begin(cls, objects: Objects, time_ns: int) -> 'Tracks':
        """Return new tracks."""
        none = np.zeros(len(objects), np.int64)
        return cls(*begin(objects.boxes), objects.labels, in_box(objects.joints, objects.boxes),
                   none + time_ns, none + 1, none)

    @property
    def motion(self) -> Motion:
        """Return where they are."""
        return Motion(self.mean, self.covariance)

    def join(self, other: 'Tracks') -> 'Tracks':
        """Return the tracks of both."""
        return Tracks(*(np.concatenate([getattr(self, name), getattr(other, name)])
                        for name in self.ROWS))

    def predict(self, seconds: float) -> 'Tracks':
        """Return where they are when a time has passed."""
        mean, covariance = self.motion.predict(seconds)
        return replace(self, mean=mean, covariance=covariance)

    def find(self, objects: Objects, time_ns: int) -> 'Tracks':
        """Return all of the tracks, each with the object that it was found to be."""
        mean, covariance = self.motion.correct(objects.boxes)
        joints = in_box(objects.joints, objects.boxes)
        return replace(self, mean=mean, covariance=covariance,
                       joints=np.where(np.isnan(joints), self.joints, joints),
                       seen_ns=np.full_like(self.seen_ns, time_ns))


def in_box(joints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return joints (N, J, 2) in sides of their boxes (N, 4)."""
    return (joints - boxes[:, None, :2]) / (boxes[:, 2:] - boxes[:, :2])[:, None]


def in_image(joints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return joints in pixels again, see :func:`in_box`."""
    return boxes[:, None, :2] + joints * (boxes[:, 2:] - boxes[:, :2])[:, None]


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
            np.zeros((0, len(self._sigmas), 2)), np.zeros((0, len(self.heads)), np.int64))
        self.forget()

    def forget(self) -> None:
        """End all tracks; their ids do not come again."""
        self._time_ns: int | None = None
        self._tracks = Tracks.begin(self._nothing, 0)

    def update(self, time_ns: int, predictions: Mapping[str, Structure],
               thresholds: Thresholds = Thresholds()) -> dict[str, Structure]:
        """
        Give the objects of a frame their ids.

        :param time_ns: stamp of the frame. One that is the last one again has no ids; one that
            goes back, or forward by more than a track lasts, ends all tracks.
        :param predictions: task name -> prediction in the pixels of the camera, not thresholded;
            any part of the heads, which are the same objects whoever sees them.
        :return: the predictions with ids, '' for objects without a track that is confirmed.
        """
        if time_ns == self._time_ns:
            return dict(predictions)
        if self._time_ns is not None and time_ns < self._time_ns:
            self.forget()
        before_ns = time_ns if self._time_ns is None else self._time_ns
        self._time_ns = time_ns
        objects = self._objects(predictions, thresholds.low)
        tracks = select(self._tracks, time_ns - self._tracks.seen_ns <= 1e9 * thresholds.lost)
        tracks = tracks.predict((time_ns - before_ns) / 1e9)
        sure, unsure = self._stages(tracks, objects, thresholds)
        rows, found = np.concatenate([sure, unsure], axis=1)
        matched = select(tracks, rows).find(select(objects, found), time_ns)
        matched = self._confirm(matched, self._count(select(tracks, sure[0]), time_ns, before_ns))
        missed = select(tracks, others(len(tracks), rows))
        new = select(objects, others(len(objects), found))
        new = select(new, new.scores >= max(BEGIN, thresholds.high))
        self._tracks = matched.join(missed).join(Tracks.begin(new, time_ns))
        numbers = np.zeros(len(objects), np.int64)
        numbers[found] = matched.numbers
        return {**predictions, **self._with_ids(predictions, objects, numbers)}

    def _objects(self, predictions: Mapping[str, Structure], low: float) -> Objects:
        """Return the objects of all heads, those that are the same as one."""
        objects = self._nothing
        for column, name in enumerate(self.heads):
            if name in predictions:
                found = self._read(column, predictions[name], low)
                objects = link(objects, found, column).ordered() if len(objects) else found
        return objects

    def _read(self, column: int, prediction: Structure, low: float) -> Objects:
        """Return the objects of a head; what is no box, nobody can follow."""
        boxes = prediction.boxes.astype(float)
        usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        keep = np.flatnonzero(usable & (prediction.scores >= low))
        found, num = select(prediction, keep), len(keep)
        joints = np.full((num, *self._nothing.joints.shape[1:]), np.nan)
        if 'keypoints' in prediction.ROWS and prediction.skeleton == self._skeleton:
            seen = found.keypoint_scores >= JOINT_SCORE
            joints = np.where(seen[..., None], found.keypoints, np.nan)
        rows = np.full((num, len(self.heads)), -1)
        rows[:, column] = keep
        classes = found.classes if 'classes' in found.ROWS else np.zeros(num, np.int64)
        return Objects(boxes[keep], self._labels[column][classes], found.scores.astype(float),
                       joints, rows).ordered()

    def _stages(self, tracks: Tracks, objects: Objects, thresholds: Thresholds,
                ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of both stages, (2, P): rows of tracks and of objects."""
        sure = objects.scores >= thresholds.high
        first = self._match(tracks, objects, np.arange(len(tracks)), np.flatnonzero(sure))
        left = others(len(tracks), first[0])
        return first, self._match(tracks, objects, left, np.flatnonzero(~sure))

    def _match(self, tracks: Tracks, objects: Objects, rows: np.ndarray, candidates: np.ndarray,
               ) -> np.ndarray:
        """Return the pairs (2, P) of some tracks and some objects."""
        tracks, objects = select(tracks, rows), select(objects, candidates)
        boxes = tracks.motion.boxes
        overlap = overlaps(boxes, objects.boxes)
        cost = 1 - overlap
        # Joints of all pairs would take long, and say nothing of those that are far apart.
        near, by = np.nonzero(overlap > 0)
        cost[near, by] -= JOINTS * joint_similarity(
            in_image(tracks.joints, boxes)[near], objects.joints[by], objects.boxes[by],
            self._sigmas)
        ours, theirs = assign(cost, tracks.labels[:, None] == objects.labels)
        keep = overlap[ours, theirs] >= SAME
        return np.stack([rows[ours[keep]], candidates[theirs[keep]]])

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
        """Note how many matches the first ones of some tracks have; some get an id."""
        counted, numbers = tracks.matches.copy(), tracks.numbers.copy()
        counted[:len(matches)] = matches
        for row in np.flatnonzero((counted >= CONFIRM) & (numbers == 0)):
            numbers[row] = next(self._numbers)
        return replace(tracks, matches=counted, numbers=numbers)

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
