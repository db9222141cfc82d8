# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Networks from public CenterNet checkpoints, and weights under CenterNet's names again.

Source: X. Zhou et al., "Objects as Points", and its code, xingyizhou/CenterNet. A checkpoint is a
PyTorch file of ``{'epoch', 'state_dict'}`` and perhaps the state of an optimiser. Nothing in it
says what network it is of: that is told from names and shapes.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from mcn_ros.centernet.names import (
    Architecture, ARCHITECTURES, DROPPED, head_names, HEADS)
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import (
    counters, own_name, read_checkpoint, refuse, shown, state_dict)
from mcn_ros.network.trunks import OwnTrunksConfig, SharedTrunk
from mcn_ros.tasks import build_tasks
from mcn_ros.vocabulary import COCO_CLASSES, SKELETONS

# CenterNet's, of values in 0..1, in the order of its channels: blue, green, red.
MEAN = (0.40789654, 0.44719302, 0.47026115)
STD = (0.28863828, 0.27408164, 0.27809835)
INPUT_SIZE = (512, 512)


@dataclass(frozen=True)
class Checkpoint:
    """
    What a checkpoint of CenterNet holds, under the names of this package.

    :param path: of the file.
    :param architecture: a key of ``ARCHITECTURES``.
    :param task: what its heads are for.
    :param fields: of the task.
    :param trunk: weights of a :class:`SharedTrunk`.
    :param head: weights of the head.
    :param dropped: what was left out -> why.
    """

    path: Path
    architecture: str
    task: str
    fields: dict[str, Any]
    trunk: dict[str, Tensor]
    head: dict[str, Tensor]
    dropped: dict[str, str]


def read_centernet(path: str | Path, classes: Sequence[str] = ()) -> Checkpoint:
    """
    Read a checkpoint of CenterNet: all of it but what is known to be of no use, or an error.

    :param path: of a PyTorch file; no code in it is run.
    :param classes: names of the classes of a detector, in its order. Not given, 80 are those of
        COCO in the order of their ids, and others are class_1, class_2, ...
    :raises ValueError: for a file that cannot be read, an architecture that is not one of
        ``ARCHITECTURES``, weights that are missing, unknown, of a wrong shape or type or not
        finite (the first few are named), and for names of other than so many classes.
    """
    content = read_checkpoint(path)
    state = _plain_numbers(path, state_dict(path, content))
    architecture = _architecture_of(path, state)
    task, fields = _task_of(path, state, classes)
    found = _translate(path, state, architecture, task, fields)
    dropped = {name: reason for name, reason in DROPPED.items()
               if any(key.startswith(f'{name}.') for key in state)}
    if 'state_dict' in content:
        dropped |= {shown(key): 'of the training, not of the network' for key in content
                    if key != 'state_dict'}
    return Checkpoint(Path(path), architecture, task, fields, _below('trunk', found),
                      _below('head', found), dropped)


def build_network(checkpoints: Sequence[Checkpoint], input_size: Size = INPUT_SIZE,
                  ) -> MultiTaskNet:
    """
    Build the network of one checkpoint, or one network of several.

    :param checkpoints: of one architecture, each of another task. One whose trunk has other
        weights than that of the first has it for its own: the network then has two trunks.
    :param input_size: (height, width) in input pixels that the weights are meant for.
    :return: the network in evaluation mode, on the CPU.
    :raises ValueError: for checkpoints that do not go together.
    """
    first, *others = checkpoints
    for other in others:
        if other.architecture != first.architecture:
            raise ValueError(f'{other.path}: its trunk is {other.architecture}, that of '
                             f'{first.path} is {first.architecture}; they have to be the same')
        if other.task == first.task:
            raise ValueError(f'{other.path}: for {other.task}, as is {first.path}')
    own = tuple(other.task for other in others if not _equal(other.trunk, first.trunk))
    trunk = ARCHITECTURES[first.architecture].trunk
    if own:
        trunk = OwnTrunksConfig(trunk.backbone, trunk.neck, trunk.channels, trunk.deformable,
                                own)
    model = MultiTaskNet(ModelConfig(
        {checkpoint.task: checkpoint.fields for checkpoint in checkpoints}, trunk, input_size,
        'bgr', MEAN, STD, 'centernet'))
    for checkpoint in checkpoints:
        stream = model.trunk.streams()[model.trunk.stream_of(checkpoint.task)]
        stream.load_state_dict(checkpoint.trunk)
        model.heads[checkpoint.task].load_state_dict(checkpoint.head)
    return model.eval()


def centernet_state(model: MultiTaskNet, task: str) -> dict[str, Tensor]:
    """
    Return weights under the names of CenterNet, what a ``state_dict`` of a checkpoint holds.

    It is what :func:`read_centernet` reads, without what that leaves out. Order of colours, mean
    and standard deviation are those of the model, which the checkpoint would not tell.

    :param task: a task of the model, whose trunk and head are wanted.
    :raises ValueError: for a trunk or a head that CenterNet does not have.
    """
    trunk = model.trunk.streams()[model.trunk.stream_of(task)]
    architecture = next((each for each in ARCHITECTURES.values()
                         if isinstance(trunk, SharedTrunk) and each.trunk == trunk.config), None)
    if architecture is None:
        raise ValueError(f'trunk: {model.config.trunk} is not one of {", ".join(ARCHITECTURES)}')
    settings = model.tasks[task]
    if task not in HEADS or settings.head.layout != 'per_map' or settings.relative:
        raise ValueError(f'{task}: CenterNet has heads for {" and ".join(HEADS)}, none with a '
                         'shared layout or relative maps')
    state = {**_above('trunk', trunk.state_dict()),
             **_above('head', model.heads[task].state_dict())}
    return {_public_name(architecture, task, settings.head.width, name): value
            for name, value in state.items()}


def _plain_numbers(path: str | Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights, which have a prefix in the file of a network on several GPUs."""
    def plain(value: Any) -> bool:
        return (isinstance(value, Tensor) and value.layout == torch.strided
                and value.device.type == 'cpu' and not value.is_quantized
                and not value.is_complex()
                # A large tensor can be made of one number, and of a small file.
                and value.numel() * value.element_size() <= value.untyped_storage().nbytes())

    refuse(path, 'holds no plain numbers as', [key for key, v in state.items() if not plain(v)])
    prefix = 'module.' if all(key.startswith('module.') for key in state) else ''
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _architecture_of(path: str | Path, state: Mapping[str, Tensor]) -> str:
    """Return the architecture whose trunk has most of these names, if most of them are there."""
    names = state.keys() - counters(state).keys()

    def likeness(architecture: str) -> float:
        expected = _trunk_names(architecture)
        return len(expected & names) / len(expected | names)

    best = max(ARCHITECTURES, key=likeness)
    if likeness(best) < 0.5:
        raise ValueError(f'{path}: of no known architecture (known: {", ".join(ARCHITECTURES)})')
    return best


@cache
def _trunk_names(architecture: str) -> frozenset[str]:
    """Return CenterNet's names of the weights of a trunk."""
    found = ARCHITECTURES[architecture]
    with torch.device('meta'):
        state = SharedTrunk(found.trunk).state_dict()
    return frozenset(_public_name(found, 'detection', 1, f'trunk.{name}')
                     for name in state.keys() - counters(state).keys())


def _task_of(path: str | Path, state: Mapping[str, Tensor], classes: Sequence[str],
             ) -> tuple[str, dict[str, Any]]:
    """Return the task that the heads are for, and its fields."""
    width = _outputs(path, state, 'hm.0') if 'hm.0.weight' in state else 0
    last = '.2' if width else ''
    # Decoded exactly as there.
    head = {'head': {'width': width}}
    if not any(name.startswith('hps.') for name in state):
        return 'detection', {'kind': 'centernet_detection', **head, 'classes': _class_names(
            path, _outputs(path, state, f'hm{last}'), classes)}
    if classes:
        raise ValueError(f'classes: given, but {path} is for poses')
    joints = _outputs(path, state, f'hps{last}') / 2
    for skeleton in SKELETONS.values():
        if skeleton.num_keypoints == joints:
            return 'pose', {'kind': 'centernet_pose', **head, 'skeleton': skeleton.name}
    known = ', '.join(f'{each.name} with {each.num_keypoints}' for each in SKELETONS.values())
    raise ValueError(f'{path}: no known skeleton has {joints:g} joints (known: {known})')


def _outputs(path: str | Path, state: Mapping[str, Tensor], layer: str) -> int:
    name = f'{layer}.weight'
    if name not in state or state[name].dim() != 4 or not len(state[name]):
        raise ValueError(f'{path}: lacks {name}, a convolution that CenterNet has')
    return len(state[name])


def _class_names(path: str | Path, count: int, classes: Sequence[str]) -> list[str]:
    if classes and len(classes) != count:
        raise ValueError(f'classes: {len(classes)} given, but {path} has {count}')
    if count == len(COCO_CLASSES):
        return list(classes or COCO_CLASSES)
    return list(classes or [f'class_{number + 1}' for number in range(count)])


def _translate(path: str | Path, state: Mapping[str, Tensor], architecture: str, task: str,
               fields: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return all weights of trunk and head by the names here; strict."""
    found_in = ARCHITECTURES[architecture]
    width = fields['head']['width']
    with torch.device('meta'):
        trunk = SharedTrunk(found_in.trunk)
        head = build_tasks({task: fields})[task].build_head(trunk.shapes(task))
    expected = {**_above('trunk', trunk.state_dict()), **_above('head', head.state_dict())}
    names = _names(found_in, task, width)
    own = {name: own_name(names, name) for name in state}
    what = f'{architecture} for {task}'
    refuse(path, f'is no {what}: it has unknown',
           [name for name, mapped in own.items() if mapped != '' and mapped not in expected])
    found = {mapped: state[name] for name, mapped in own.items() if mapped}
    missing = expected.keys() - found.keys() - counters(expected).keys()
    refuse(path, f'is no {what}: it lacks',
           sorted(_public_name(found_in, task, width, name) for name in missing))
    refuse(path, f'is no {what}: it has another shape of',
           [name for name, mapped in own.items()
            if mapped and state[name].shape != expected[mapped].shape])
    zeros = {name: torch.zeros_like(value, device='cpu')
             for name, value in counters(expected).items()}
    refuse(path, 'has no floating-point numbers as',
           [name for name, mapped in own.items() if mapped in found and mapped not in zeros
            and not state[name].is_floating_point()])
    # As they will be stored: larger ones of 64 bits are infinite then.
    refuse(path, 'has numbers that are not finite as',
           [name for name, mapped in own.items() if mapped in found
            and not state[name].to(expected[mapped].dtype).isfinite().all()])
    return zeros | found


def _names(architecture: Architecture, task: str, width: int) -> dict[str, str | None]:
    """Return CenterNet's names -> those of trunk and head together, None for what is dropped."""
    return {**{theirs: f'trunk.{ours}' for theirs, ours in architecture.names.items()},
            **{theirs: f'head.{ours}' for theirs, ours in head_names(task, width).items()},
            **dict.fromkeys(DROPPED)}


def _public_name(architecture: Architecture, task: str, width: int, name: str) -> str:
    """Return CenterNet's name of a weight of trunk or head."""
    names = _names(architecture, task, width)
    found = own_name({ours: theirs for theirs, ours in names.items() if ours}, name)
    assert found, name
    return found


def _above(part: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f'{part}.{name}': value for name, value in state.items()}


def _below(part: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f'{part}.'): value for name, value in state.items()
            if name.startswith(f'{part}.')}


def _equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())
