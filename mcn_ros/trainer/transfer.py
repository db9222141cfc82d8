# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that begin with what another one has learned."""

from dataclasses import fields, replace
from typing import Mapping

import torch
from torch import nn, Tensor

from mcn_ros.model import load_model, ModelConfig, MultiTaskNet
from mcn_ros.network.nanodet import CLASSES, READINGS
from mcn_ros.network.trunks import SHARED
from mcn_ros.tasks import Task
from mcn_ros.vocabulary import COCO_CLASSES


def start_from_weights(model: MultiTaskNet, path: str) -> list[str]:
    """
    Take over the trunk of another network, and of its heads what there is of the same kind.

    Classes are matched by name: those that the other network does not know, and heads that it
    does not have, stay as they are. Where it has a trunk for each task, a shared one starts from
    its shared one.

    :param model: changed in place; not at all in case of an error.
    :param path: of a weights file.
    :return: what was taken and what was not, a line for each.
    :raises ValueError: for a file that cannot be read, and for one whose trunk is another or is
        for other colours.
    """
    source = load_model(path)
    _check_trunks(model.config, source.config, path)
    trunks, told = source.trunk.members, []
    for name, trunk in model.trunk.members.items():
        origin = next(each for each in (name, SHARED, *trunks) if each in trunks)
        trunk.load_state_dict(trunks[origin].state_dict())
        told.append(f'trunk ({name}): from {path} ({origin})')
    told += [f'{task}: {_start_head(model, source, task)}' for task in model.tasks]
    told += [f'{task} of {path}: not used' for task in source.tasks if task not in model.tasks]
    if model.config.preprocessing != source.config.preprocessing:
        told.append(f'preprocessing: {model.config.preprocessing}, that of {path} is '
                    f'{source.config.preprocessing}')
    return told


def _check_trunks(wanted: ModelConfig, found: ModelConfig, path: str) -> None:
    if replace(wanted.trunk, own=()) != replace(found.trunk, own=()):
        raise ValueError(f'initial_weights: {path} has another architecture: {found.trunk}, not '
                         f'{wanted.trunk}')
    for name in ('channel_order', 'mean', 'std'):
        mine, theirs = getattr(wanted, name), getattr(found, name)
        if mine != theirs:
            raise ValueError(f'initial_weights: {path} is for {name} {theirs}, the model has '
                             f'{mine}')


def _start_head(model: MultiTaskNet, source: MultiTaskNet, task: str) -> str:
    """Take over the head of a task; return in words what came of it."""
    mine, theirs = model.tasks[task], source.tasks.get(task)
    if theirs is None:
        return 'starts anew, there is no such head'
    state, own = source.heads[task].state_dict(), model.heads[task].state_dict()
    if not mine.same_maps(theirs) or _layers(state) != _layers(own):
        return f'starts anew, the task there has another {differing(mine, theirs)}'
    new = []
    if mine.class_map:
        new = [name for name in mine.classes if name not in theirs.classes]
        channel_map, first = mine.class_map
        pairs = [(row, row) for row in range(first)]
        pairs += [(first + row, first + theirs.classes.index(name))
                  for row, name in enumerate(mine.classes) if name not in new]
        layer = _last_layer(model.heads[task], channel_map)
        for key, value in own.items():
            if key.startswith(f'{layer}.'):
                state[key] = _chosen(value, state[key], pairs)
    model.heads[task].load_state_dict(state)
    return f'taken, but for the new {", ".join(new)}' if new else 'taken'


def differing(mine: Task, theirs: Task) -> str:
    """Return in what a task is not as another: the names of fields, or the kind."""
    if type(mine) is not type(theirs):
        return 'kind'
    return ', '.join(field.name for field in fields(mine)
                     if getattr(mine, field.name) != getattr(theirs, field.name))


def _layers(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the layers of a head, whose numbers of outputs may differ."""
    return {name: tuple(value.shape[1:]) for name, value in state.items()}


def _last_layer(head: nn.Module, channel_map: str) -> str:
    return [name for name, module in head.named_modules()
            if isinstance(module, nn.Conv2d) and f'maps.{channel_map}.' in name][-1]


def _chosen(value: Tensor, source: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Return a copy whose rows are those of the source, for (own, source's) pairs of rows."""
    value = value.clone()
    for row, origin in pairs:
        value[row] = source[origin]
    return value


def start_from_detector(model: MultiTaskNet) -> None:
    """
    Let the detection head answer what the detector says; from there on it learns.

    :param model: with the nanodet neck; a detection head that has no direct way to what the
        detector says, or speaks in cells rather than relative to the object, is left as it is.
    """
    task = model.tasks.get('detection')
    if task is None or not (task.head.width == 0 or task.head.direct) or not task.relative:
        return
    maps = model.heads['detection'].maps
    first = maps['heatmap'][0].in_channels - READINGS
    known = [(row, first + COCO_CLASSES.index(name)) for row, name in enumerate(task.classes)
             if name in COCO_CLASSES]
    _start(maps['heatmap'][0], known)
    for number, name in enumerate(('size', 'offset')):
        channel = first + CLASSES + 2 * number
        _start(maps[name][0], [(0, channel), (1, channel + 1)])


@torch.no_grad()
def _start(layer: nn.Conv2d, pairs: list[tuple[int, int]]) -> None:
    """Let outputs equal inputs, for (output, input) pairs of channels; other outputs stay."""
    for row, column in pairs:
        layer.weight[row] = 0
        layer.weight[row, column] = 1
        layer.bias[row] = 0
