# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""People whom two tasks find, in one list: what both see counts, what one sees counts half."""

from dataclasses import replace
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from mcn_ros.structures import Instances
from mcn_ros.tasks.centers import in_order
from mcn_ros.tasks.overlap import shared_areas
from mcn_ros.tasks.task import Objects
from mcn_ros.vocabulary import PERSON

# Boxes that overlap by more than this (intersection over union) are of one person.
SAME = 0.6


class People(NamedTuple):
    """
    People in B images.

    :param boxes: (B, K, 4) xyxy in input pixels.
    :param scores: (B, K) in 0..1; 0 for what is none.
    """

    boxes: Tensor
    scores: Tensor


def people_among(objects: Objects | None) -> People | None:
    """
    Return the people among objects.

    :return: one for each object, of score 0 where it is something else; None where people are no
        class, or there are no objects.
    """
    if objects is None or PERSON not in objects.names:
        return None
    return People(objects.boxes, objects.scores * (
        objects.classes == objects.names.index(PERSON)))


def merge_people(one: People, other: People) -> People:
    """
    Merge two lists of people.

    Two that are of one person become one: the mean of their boxes, weighted by their scores, with
    the mean of their scores. Where a list has nobody, its score is 0. Of several that could be of
    one person, the most likely ones are.

    :return: (B, K of one + K of other) people, each in its place; those of the other list that are
        in the first already have the score 0.
    """
    shared, union = shared_areas(one.boxes, other.boxes)
    likely = one.scores[:, :, None] * other.scores[:, None]
    pairs = torch.where(shared > SAME * union, likely, 0)  # (B, K, L)
    best = torch.maximum(pairs.amax(dim=2, keepdim=True), pairs.amax(dim=1, keepdim=True))
    pairs = ((pairs >= best) & (pairs > 0)).float()
    scores = (pairs @ other.scores[..., None]).squeeze(2)  # of the partner, or 0
    weighted = (one.boxes * one.scores[..., None] + pairs @ (
        other.boxes * other.scores[..., None])) / (one.scores + scores).clamp(min=1e-9)[..., None]
    boxes = torch.where((scores > 0)[..., None], weighted, one.boxes)
    alone = other.scores * (1 - pairs.amax(dim=1))
    return People(torch.cat([boxes, other.boxes], dim=1),
                  torch.cat([one.scores + scores, alone], dim=1) / 2)


def merge_into(objects: Instances, names: tuple[str, ...], others: Objects | None) -> Instances:
    """
    Merge the people whom another task finds into objects.

    :param objects: of a batch, (B, K).
    :param names: of the classes, of which one is the person.
    :param others: None where there is no such task.
    :return: the K most likely of all, best first.
    """
    others = people_among(others)
    if others is None:
        return objects
    person = names.index(PERSON)
    mine = people_among(Objects(objects.boxes, objects.scores, objects.classes, names))
    boxes, scores = merge_people(mine, others)
    count = objects.scores.shape[1]
    is_other = objects.classes != person
    own = torch.where(is_other, objects.scores, scores[:, :count])
    scores, order = torch.cat([own, scores[:, count:]], dim=1).sort(
        dim=1, descending=True, stable=True)
    added = torch.full_like(order[:, count:], person)
    classes = torch.cat([objects.classes, added], dim=1)
    order = order[:, :count]
    return replace(objects, boxes=in_order(boxes, order), scores=scores[:, :count],
                   classes=in_order(classes, order))


class MergesPeople:
    """
    What tasks have in common whose predictions are objects, with people of another task merged in.

    :ivar classes: names of the classes.
    :ivar merge_with: name of the other task; '' for none.
    """

    classes: tuple[str, ...]
    merge_with: str

    def check_people(self, name: str) -> None:
        """Refuse to merge people with objects of which none can be a person."""
        if self.merge_with and PERSON not in self.classes:
            raise ValueError(f'{name}.merge_with: there is no class {PERSON} (classes: '
                             f'{", ".join(self.classes)})')

    def objects(self, prediction: Instances) -> Objects:
        """Return the objects that are decoded."""
        return Objects(prediction.boxes, prediction.scores, prediction.classes, self.classes)

    def refine(self, prediction: Instances, outputs: dict[str, Tensor],
               objects: Callable[[str], Objects | None]) -> Instances:
        """Merge the people of another task with those among the objects."""
        return merge_into(prediction, self.classes, objects(self.merge_with))
