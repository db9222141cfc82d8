# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that begin with what another one has learned."""

from copy import deepcopy
from dataclasses import fields
from typing import Mapping

from torch import nn, Tensor

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_detectors
from mcn_ros.network.features import PYRAMID
from mcn_ros.network.pyramid_head import map_of, PyramidHead
from mcn_ros.network.skip_head import SkipHead
from mcn_ros.network.trunks.shared import check_colours, SharedTrunk
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
    does not have, stay as they are; but a head on a pyramid begins with the towers of another one
    there, and with the classes of that. Where it has a trunk for each task, a shared one starts
    from its shared one.

    :param model: changed in place; not at all in case of an error.
    :param paths: of a weights file for all of it; or stream of the trunk or task -> file. Tasks
        that are not named start from the file of their stream. Or, as 'trunk.neck', the name of
        any part: of that, all weights are taken whose names and shapes agree.
    :return: what was taken and what was not, a line for each.
    :raises ValueError: for a file that cannot be read, for one whose trunk is another or is for
        other colours, and for what is neither stream nor task.
    """
    streams = list(model.trunk.streams())
    known = dict.fromkeys((*streams, *model.tasks))
    files = dict.fromkeys(known, paths) if isinstance(paths, str) else dict(paths)
    parts = [name for name in files if name not in known
             and name in dict(model.named_modules()) and name]
    unknown = [name for name in files if name not in (*known, *parts)]
    if unknown:
        raise ValueError(f'initial_weights: unknown {", ".join(unknown)} '
                         f'(known: {", ".join(known)}, and parts such as trunk.neck)')
    for task in model.tasks:
        stream = model.trunk.stream_of(task)
        if stream in files:
            files.setdefault(task, files[stream])
    new, lines = deepcopy(model), []
    sources = {path: load_model(path) for path in dict.fromkeys(files.values())}
    for path, source in sources.items():
        lines += _start_trunk(new, source, path, [s for s in streams if files.get(s) == path])
    lines += [f'{task}: {_start_head(new, sources[path], task)}'
              for task, path in files.items() if task in model.tasks]
    lines += [_start_part(new, sources[files[part]], part, files[part]) for part in parts]
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


def _start_part(model: MultiTaskNet, source: MultiTaskNet, part: str, path: str) -> str:
    """Take over what agrees of a part of a network; return in words what came of it."""
    for name, module in model.named_modules():
        if isinstance(module, SharedTrunk) and f'{name}.backbone.'.startswith(f'{part}.'):
            try:
                other = source.get_submodule(name)
                check_colours(module, other)
            except (AttributeError, ValueError) as error:
                raise ValueError(f'initial_weights: {part}: {path} has {error}') from error
    mine, theirs = model.state_dict(), source.state_dict()
    names = [name for name in mine if name.startswith(f'{part}.')]
    taken = {name: theirs[name] for name in names
             if name in theirs and theirs[name].shape == mine[name].shape}
    if not taken:
        raise ValueError(f'initial_weights: {part}: {path} has nothing that fits')
    model.load_state_dict(taken, strict=False)
    return f'{part}: {len(taken)} of {len(names)} weights from {path}'


def _start_head(model: MultiTaskNet, source: MultiTaskNet, task: str) -> str:
    """Take over the head of a task; return in words what came of it."""
    mine, theirs = model.tasks[task], source.tasks.get(task)
    if theirs is None:
        return (_start_from_people(model, source, task) or _start_from_towers(model, source, task)
                or 'starts anew, there is no such head')
    state, start = source.heads[task].state_dict(), model.heads[task].state_dict()
    others = mine.classes != theirs.classes
    if (not mine.same_maps(theirs) or _layers(state) != _layers(start)
            or others and not mine.class_map):
        return f'starts anew, the task there has another {differing(mine, theirs)}'
    new = []
    if others:
        new, pairs = _match_classes(mine, theirs)
        channel_map, first = mine.class_map
        pairs += [(row, row) for row in range(first)]
        for key in _last_weights(model.heads[task], channel_map):
            state[key] = _copy_rows(start[key], state[key], pairs)
    model.heads[task].load_state_dict(state)
    return _in_words('taken', new)


def _start_from_towers(model: MultiTaskNet, source: MultiTaskNet, task: str) -> str:
    """Take over the towers of a head of another kind, and their classes; '' if there is none."""
    mine, own = model.tasks[task], _pyramid_of(model.heads[task])
    for name, theirs in source.tasks.items():
        other = _pyramid_of(source.heads[name])
        if own and other and mine.class_map and theirs.class_map and (
                _shapes(own.towers.state_dict()) == _shapes(other.towers.state_dict())):
            new, pairs = _match_classes(mine, theirs)
            own.towers.load_state_dict(other.towers.state_dict())
            for level in PYRAMID:
                layer = own.maps[map_of(mine.class_map[0], level)]
                origin = other.maps[map_of(theirs.class_map[0], level)].state_dict()
                start = layer.state_dict()
                for values in start.values():
                    values[:mine.class_map[1]] = 0  # what is no class: as likely as not
                layer.load_state_dict({key: _copy_rows(values, origin[key], pairs)
                                       for key, values in start.items()})
            return _in_words(f'begins with the towers of {name}', new)
    return ''


def _pyramid_of(head: nn.Module) -> PyramidHead | None:
    return next((each for each in head.modules() if isinstance(each, PyramidHead)), None)


def _match_classes(mine: Task, theirs: Task) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the classes that the other does not know, and pairs of channels of all others."""
    first, other = mine.class_map[1], theirs.class_map[1]
    new = [name for name in mine.classes if name not in theirs.classes]
    return new, [(first + row, other + theirs.classes.index(name))
                 for row, name in enumerate(mine.classes) if name not in new]


def _in_words(what: str, new: list[str]) -> str:
    return f'{what}, but for the new {", ".join(new)}' if new else what


def differing(mine: Task, theirs: Task) -> str:
    """Return in what a task is not as another: the names of fields, or the kind."""
    if type(mine) is not type(theirs):
        return 'kind'
    return ', '.join(field.name for field in fields(mine)
                     if getattr(mine, field.name) != getattr(theirs, field.name))


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _layers(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the layers of a head, whose numbers of outputs may differ."""
    return {name: tuple(value.shape[1:]) for name, value in state.items()}


def _last_weights(head: nn.Module, channel_map: str) -> list[str]:
    """
    Return the names of the weights whose rows are the channels of a map.

    They are those of the convolution that it ends with, of each level if it has some, or all.
    """
    if any(isinstance(module, SkipHead) for module in head.modules()):
        return list(head.state_dict())
    names = {channel_map, *(map_of(channel_map, level) for level in PYRAMID)}
    last = {}
    for name, module in head.named_modules():
        before, _, rest = name.rpartition('maps.')
        own = rest.partition('.')[0]
        if isinstance(module, nn.Conv2d) and own in names:
            last[before, own] = name
    return [f'{layer}.{part}' for layer in last.values() for part in ('weight', 'bias')]


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
