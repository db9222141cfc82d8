# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Tasks: everything the package knows about one kind of output, one file per task.

A task is a frozen dataclass: it is the configuration, it is picklable, and it is stored in the
weights file. Tasks never import each other. To add one, write its file and name it in ``TASKS``.
"""

from collections import ChainMap
from typing import Any, Mapping

from mcn_ros.config import brief, from_dict, to_dict
from mcn_ros.tasks.boundaries import BoundariesTask
from mcn_ros.tasks.centernet import CenterNetDetectionTask, CenterNetPoseTask
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.distance_detection import DistanceDetectionTask
from mcn_ros.tasks.foreground import ForegroundTask
from mcn_ros.tasks.normals import NormalsTask
from mcn_ros.tasks.parts import PartsTask
from mcn_ros.tasks.pose import PoseTask
from mcn_ros.tasks.saliency import SaliencyTask
from mcn_ros.tasks.segmentation import SegmentationTask
from mcn_ros.tasks.semantic_boundaries import SemanticBoundariesTask
from mcn_ros.tasks.task import Objects, Task
from mcn_ros.tasks.window_pose import WindowPoseTask

__all__ = ['build_tasks', 'describe_tasks', 'EXACT', 'KINDS', 'Objects', 'Task', 'TASKS',
           'usual_names']

TASKS: dict[str, type[Task]] = {
    'detection': DetectionTask,
    'distance_detection': DistanceDetectionTask,
    'pose': PoseTask,
    'window_pose': WindowPoseTask,
    'segmentation': SegmentationTask,
    'boundaries': BoundariesTask,
    'normals': NormalsTask,
    'saliency': SaliencyTask,
    'parts': PartsTask,
    'semantic_boundaries': SemanticBoundariesTask,
    'foreground': ForegroundTask,
}

# The same to the digit of CenterNet's code: for its weights, not for anything new.
EXACT: dict[str, type[Task]] = {
    'centernet_detection': CenterNetDetectionTask,
    'centernet_pose': CenterNetPoseTask,
}
# What a task can be; a view, which has what is added to TASKS.
KINDS: Mapping[str, type[Task]] = ChainMap(EXACT, TASKS)


def usual_names() -> tuple[str, ...]:
    """Return the names that heads usually have: the first kind with each structure of labels."""
    first: dict[type, str] = {}
    for kind, task in TASKS.items():
        first.setdefault(task.annotation, kind)
    return tuple(first.values())


def build_tasks(configs: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Task]:
    """
    Build tasks from {name: {field: value}}.

    A name is that of a kind, a key of ``KINDS``, or any other beside the key ``kind``: so a
    network can have several tasks of a kind.

    :return: name -> task, in the order of ``KINDS``; those of a kind in the order given.
    :raises ValueError: for no task at all, an unknown kind or an unknown field.
    """
    kinds = {name: _kind(name, config) for name, config in configs.items()}
    unknown = [name for name, kind in kinds.items() if kind not in KINDS]
    if unknown or not configs:
        raise ValueError(f'heads: {unknown or "none given"} (known: {", ".join(KINDS)})')
    return {name: _build(name, kind, configs[name] or {})
            for kind in KINDS for name in configs if kinds[name] == kind}


def describe_tasks(tasks: Mapping[str, Task]) -> dict[str, dict[str, Any]]:
    """Return from what :func:`build_tasks` makes the same tasks, every field written out."""
    kinds = {cls: kind for kind, cls in KINDS.items()}
    return {name: {'kind': kinds[type(task)], **to_dict(task)} for name, task in tasks.items()}


def _kind(name: str, config: Any) -> Any:
    if not isinstance(config or {}, Mapping):
        raise ValueError(f'{name}: expected a mapping, got {brief(config)}')
    return (config or {}).get('kind', name)


def _build(name: str, kind: str, config: Mapping[str, Any]) -> Task:
    values = {key: value for key, value in config.items() if key != 'kind'}
    try:
        return from_dict(KINDS[kind], values, name)
    except ValueError as error:  # which names the field, and perhaps the kind
        raise ValueError(str(error) if name == kind else f'{name} (kind {kind}): {error}'
                         ) from error
