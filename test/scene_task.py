# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A task whose type the package does not know: what the image as a whole shows."""

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from mcn_ros.colors import LIGHT
from mcn_ros.data.labels import READERS
from mcn_ros.data.results import LABELS, Result, RESULTS
from mcn_ros.evaluation.scorers import Scorer, SCORERS
from mcn_ros.evaluation.topic_truth import Truth, TRUTHS
from mcn_ros.network.heads import Head, HeadConfig
from mcn_ros.tasks import Task, TASKS
from mcn_ros.visualization import DRAWINGS
from mcn_ros.visualization.labels import label


@dataclass(frozen=True)
class Scene:
    """
    What an image as a whole shows.

    :param chances: (C,) float32, that of each class.
    """

    ROWS: ClassVar[tuple[str, ...]] = ('chances',)
    size: ClassVar[None] = None

    chances: Any

    def warp(self, affine, size):
        return self

    def cut(self, size, min_visible):
        return self

    def join(self, other):
        return replace(self, chances=(self.chances + other.chances) / 2)

    def nothing(self):
        return replace(self, chances=np.full_like(self.chances, 1 / len(self.chances)))


class SceneHead(nn.Module):
    """Logits of the whole image: the mean of those of its cells."""

    def __init__(self, head: Head):
        super().__init__()
        self.head = head

    def forward(self, features):
        return {name: values.mean((2, 3), keepdim=True)
                for name, values in self.head(features).items()}


@dataclass(frozen=True)
class SceneTask(Task):
    """A class for the image."""

    annotation: ClassVar[type] = Scene
    figure: ClassVar[str] = 'accuracy'

    classes: tuple[str, ...] = ('dark', 'bright')
    head: HeadConfig = field(default_factory=HeadConfig)

    @property
    def losses(self) -> dict[str, float]:
        return {'cross_entropy': 1.0}

    def build_head(self, shapes):
        return SceneHead(Head(shapes, {'logits': len(self.classes)}, self.head))

    def encode(self, annotation, grid) -> dict[str, Tensor]:
        return {'chances': torch.from_numpy(annotation.chances)}

    def loss(self, outputs, targets) -> dict[str, Tensor]:
        logits = outputs['logits'].float()[:, :, 0, 0]
        return {'cross_entropy': functional.cross_entropy(logits, targets['chances'])}

    def counts(self, targets) -> dict[str, Tensor]:
        return {'cross_entropy': torch.tensor(float(len(targets['chances'])))}

    def decode(self, outputs):
        return Scene(outputs['logits'][:, :, 0, 0].float().softmax(dim=1))

    def mirror(self, outputs):
        return outputs

    def same_maps(self, other):
        return isinstance(other, SceneTask)


class SceneScorer(Scorer):
    """How often the likeliest class is the right one."""

    MEANINGS: ClassVar[dict[str, str]] = {
        'accuracy': 'share of the images whose likeliest class is the right one'}
    IMAGE_FIGURE: ClassVar[str] = 'whether the likeliest class is the right one'

    def __init__(self, *options):
        super().__init__(*options)
        self._right = []

    def measure(self, annotation, prediction):
        return bool(annotation.chances.argmax() == prediction.chances.argmax())

    def accumulate(self, measured):
        self._right.append(measured)

    def result(self):
        return {'accuracy': float(np.mean(self._right)) if self._right else None}


def read(labels):
    """Read the key ``scene`` of an image."""
    found = labels.record.entry.get('scene')
    return found and Scene(np.float32([name == found for name in labels.task.classes]))


def from_msg(message, described):
    """Decode a vision_msgs/Classification."""
    chances = {result.class_id: result.score for result in message.results}
    return Scene(np.float32([chances[name] for name in described.classes]))


def draw(canvas, scene, names):
    """Name the likeliest class in the middle of the picture."""
    height, width = canvas.pixels.shape[:2]
    return [label(names[scene.chances.argmax()], np.array(LIGHT), canvas.style,
                  point=(width / 2, height / 2))]


TASKS['scene'] = SceneTask
READERS[Scene] = read
SCORERS[Scene] = SceneScorer
DRAWINGS[Scene] = draw
RESULTS[Scene] = Result({'': 'vision_msgs/msg/Classification'}, LABELS, from_msg, 'scenes')
TRUTHS[Scene] = Truth(
    'vision_msgs/msg/Classification', lambda message, task, labels: from_msg(message, task))

if find_spec('rclpy'):
    from vision_msgs.msg import Classification, ObjectHypothesis

    from mcn_ros.ros.node.conversions import label_info_msg
    from mcn_ros.ros.node.converters import Converter, CONVERTERS

    CONVERTERS[Scene] = Converter(
        (lambda scene, header, task, parameters: Classification(header=header, results=[
            ObjectHypothesis(class_id=name, score=float(chance))
            for name, chance in zip(task.classes, scene.chances)]),),
        lambda header, task, parameters: label_info_msg(task.classes, header))
