# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Tasks: everything the package knows about one kind of output, one file per task.

A task is a frozen dataclass: it is the configuration, it is picklable, and it is stored in the
weights file. Tasks never import each other. To add one, write its file and name it in ``TASKS``.
"""

from typing import Any, Mapping, Protocol

from torch import nn, Tensor

from mcn_ros.config import from_dict
from mcn_ros.geometry import Grid
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.pose import PoseTask
from mcn_ros.tasks.segmentation import SegmentationTask


class Task(Protocol):
    """
    What a task can do; B images, grid of (H, W) cells.

    One that can learn from another network also has ``distance(outputs, theirs)``, a scalar loss.
    """

    def build_head(self, in_channels: int) -> nn.Module:
        """Return a module: (B, in_channels, H, W) features -> {map name: (B, C, H, W) logits}."""

    def encode(self, annotation: Any, grid: Grid) -> dict[str, Tensor]:
        """Return the targets of one image; the annotation is in input pixels."""

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return named scalar losses, not weighted, of the maps against stacked targets."""

    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return for each loss how many things it is the mean of (at least 1): a scalar float."""

    def decode(self, outputs: dict[str, Tensor]) -> Any:
        """Return batched predictions in input pixels; static shapes, nothing thresholded."""

    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image of what the given maps describe."""


TASKS: dict[str, type] = {
    'detection': DetectionTask,
    'pose': PoseTask,
    'segmentation': SegmentationTask,
}


def build_tasks(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Task]:
    """
    Build tasks from {task name: {field: value}}, in the order of ``TASKS``.

    :raises ValueError: for no task at all, an unknown task or an unknown field.
    """
    unknown = [name for name in configs if name not in TASKS]
    if unknown or not configs:
        raise ValueError(f'heads: {unknown or "none given"} (known: {", ".join(TASKS)})')
    return {name: from_dict(cls, configs[name] or {}, name)
            for name, cls in TASKS.items() if name in configs}
