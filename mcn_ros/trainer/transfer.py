# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that begin with what another one has learned."""

from copy import deepcopy
from dataclasses import fields
from typing import Mapping

from torch import nn, Tensor

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_detectors
from mcn_ros.tasks import Task
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.weights_file import load_model


def build_model(config: TrainConfig) -> MultiTaskNet:
    """Build the network of a run, with pretrained parts."""
    model = MultiTaskNet(config.model)
    if config.backbone_weights:
        for backbone in model.trunk.backbones():
            load_backbone(backbone, config.backbone_weights)
    if config.neck_weights:
        load_detectors(model.trunk, config.neck_weights)
        for name, task in model.tasks.items():
            task.start_from_detector(model.heads[name], model.trunk.shapes(name))
    return model


def start_from_weights(model: MultiTaskNet, paths: str | Mapping[str, str]) -> list[str]:
    """
    Take over the trunk of another network, and of its heads what there is of the same kind.

    Classes are matched by name: those that the other network does not know, and heads that it
    does not have, stay as they are. Where it has a trunk for each task, a shared one starts from
    its shared one.

    :param model: changed in place; not at all in case of an error.
    :param paths: of a weights file for all of it; or stream of the trunk or task -> file.
    :return: what was taken and what was not, a line for each.
    :raises ValueError: for a file that cannot be read, for one whose trunk is another or is for
        other colours, and for what is neither stream nor task.
    """
    streams = list(model.trunk.streams())
    known = dict.fromkeys((*streams, *model.tasks))
    files = dict.fromkeys(known, paths) if isinstance(paths, str) else dict(paths)
    unknown = [name for name in files if name not in known]
    if unknown:
        raise ValueError(f'initial_weights: unknown {", ".join(unknown)} '
                         f'(known: {", ".join(known)})')
    new, lines = deepcopy(model), []
    sources = {path: load_model(path) for path in dict.fromkeys(files.values())}
    for path, source in sources.items():
        _check_colours(model.config, source.config, path)
        lines += _start_trunk(new, source, path, [s for s in streams if files.get(s) == path])
    lines += [f'{task}: {_start_head(new, sources[path], task)}'
              for task, path in files.items() if task in model.tasks]
    for path, source in sources.items():
        lines += [f'{task} of {path}: not used' for task in source.tasks
                  if files.get(task) != path or task not in model.tasks]
        if model.config.preprocessing != source.config.preprocessing:
            lines.append(f'preprocessing: {model.config.preprocessing}, that of {path} is '
                         f'{source.config.preprocessing}')
    model.load_state_dict(new.state_dict())
    return lines


def _start_trunk(model: MultiTaskNet, source: MultiTaskNet, path: str, streams: list[str],
                 ) -> list[str]:
    """Fill some streams of a trunk; return in words what they were filled by."""
    try:
        origins = model.trunk.start_from(source.trunk, streams)
    except ValueError as error:
        raise ValueError(f'initial_weights: {path} has {error}') from error
    return [f'trunk ({name}): from {path} ({origin})' for name, origin in origins.items()]


def _check_colours(config: ModelConfig, source: ModelConfig, path: str) -> None:
    for name in ('channel_order', 'mean', 'std'):
        mine, theirs = getattr(config, name), getattr(source, name)
        if mine != theirs:
            raise ValueError(f'initial_weights: {path} is for {name} {theirs}, the model has '
                             f'{mine}')


def _start_head(model: MultiTaskNet, source: MultiTaskNet, task: str) -> str:
    """Take over the head of a task; return in words what came of it."""
    mine, theirs = model.tasks[task], source.tasks.get(task)
    if theirs is None:
        return _start_from_people(model, source, task) or 'starts anew, there is no such head'
    state, start = source.heads[task].state_dict(), model.heads[task].state_dict()
    if not mine.same_maps(theirs) or _layers(state) != _layers(start):
        return f'starts anew, the task there has another {differing(mine, theirs)}'
    new = []
    if mine.class_map:
        new = [name for name in mine.classes if name not in theirs.classes]
        channel_map, first = mine.class_map
        pairs = [(row, row) for row in range(first)]
        pairs += [(first + row, first + theirs.classes.index(name))
                  for row, name in enumerate(mine.classes) if name not in new]
        layer = _last_layer(model.heads[task], channel_map)
        for key, value in start.items():
            if key.startswith(f'{layer}.'):
                state[key] = _copy_rows(value, state[key], pairs)
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


def _copy_rows(value: Tensor, source: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Return a copy whose rows are those of the source, for pairs (row, row of the source)."""
    value = value.clone()
    for row, origin in pairs:
        value[row] = source[origin]
    return value


def _start_from_people(model: MultiTaskNet, source: MultiTaskNet, task: str) -> str:
    """Take over the maps of a pose head that say where people are; '' if there is none."""
    start = model.heads[task].state_dict()
    for name, theirs in source.tasks.items():
        state = source.heads[name].state_dict()
        if model.tasks[task].part_of(theirs) and _layers(start).items() <= _layers(state).items():
            model.heads[task].load_state_dict({key: state[key] for key in start})
            return f'taken from {name}'
    return ''
