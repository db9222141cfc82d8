# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Weights files: a network on disk.

A weights file is a safetensors file whose metadata holds the configuration as JSON, so the
architecture, the classes and the normalisation travel with the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import Tensor

from mcn_ros.config import brief, from_dict, to_dict
from mcn_ros.files import replaced_file
from mcn_ros.geometry import Size
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.tasks import KINDS

METADATA_KEY = 'mcn_ros'
FORMAT = 2  # what is written; format 1 is read, too


@dataclass(frozen=True)
class Description:
    """
    What the metadata of a weights file says.

    :param format: version of the file format.
    :param model: fields of the :class:`ModelConfig`.
    """

    format: int  # noqa: A003
    model: dict[str, Any]


@dataclass(frozen=True)
class _FirstTrunk:
    """
    A trunk as format 1 describes it.

    :param readers: names of the tasks whose features are what the detector in the neck says; if
        there are none, it is part of everybody's features.
    """

    backbone: str = 'shufflenet_v2_x1_0'
    neck: str = 'top_down'
    channels: int = 64
    deformable: bool = False
    readers: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


def save_model(model: MultiTaskNet, path: str | Path,
               state: Mapping[str, Tensor] | None = None) -> None:
    """
    Write a weights file; an interrupted write leaves the old file as it was.

    :param state: parameters to store in place of the model's own (an average over time, say).
    :raises OSError: if it cannot be written.
    """
    tensors = {k: v.detach().cpu().contiguous()
               for k, v in (model.state_dict() if state is None else state).items()}
    description = json.dumps(to_dict(Description(FORMAT, to_dict(model.config))))
    with replaced_file(Path(path)) as partial:
        try:
            save_file(tensors, partial, metadata={METADATA_KEY: description})
        except SafetensorError as error:  # such as of a full disk
            raise OSError(str(error)) from error


def read_config(path: str | Path, heads: Sequence[str] | None = None) -> ModelConfig:
    """Return what network a weights file has, see :func:`load_model`; its weights are not read."""
    with _opened(path) as file:
        config = _read_config(path, file.metadata() or {})
    return config.of_tasks(_choose(config, path, heads))


def load_model(path: str | Path, heads: Sequence[str] | None = None,
               input_size: Size | None = None) -> MultiTaskNet:
    """
    Read a weights file; nothing is built unless the whole file fits.

    :param path: a file written by :func:`save_model`.
    :param heads: names of the heads to build; the others are neither built nor read. None: all.
    :param input_size: (height, width) in place of the stored one.
    :return: the network in evaluation mode, on the CPU.
    :raises ValueError: for a file that is missing, damaged or not from this package, and for heads
        that it does not have.
    """
    with _opened(path) as file:
        config = _read_config(path, file.metadata() or {})
        names = _choose(config, path, heads)
        config = replace(config, input_size=tuple(input_size or config.input_size))
        whole = _build_empty(config, path)
        state = {key: file.get_tensor(key) for key in file.keys() if whole.needs(key, names)}
    _check_state(state, {key: value for key, value in whole.state_dict().items()
                         if whole.needs(key, names)}, path)
    model = MultiTaskNet(config.of_tasks(names))
    model.load_state_dict(state)
    return model.eval()


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    if not os.path.isfile(path):
        raise ValueError(f'weights: no such file: {path}')
    try:
        with safe_open(path, framework='pt') as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ValueError(f'weights: {path} is not a readable safetensors file: {error}') from error


def _build_empty(config: ModelConfig, path: str | Path) -> MultiTaskNet:
    """Build the network that a file describes, without memory for any numbers."""
    try:
        with torch.device('meta'):  # shapes only: a damaged configuration may ask for any size
            return MultiTaskNet(config)
    except (ValueError, RuntimeError, TypeError) as error:  # numbers beyond those of PyTorch
        reason = str(error).partition('\n')[0]
        raise ValueError(f'weights: {path} describes a network that cannot be built: '
                         f'{reason}') from error


def _check_state(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: str | Path,
                 ) -> None:
    """Compare the tensors of a file with those of the network that it describes."""
    different = [k for k in expected.keys() | state.keys() if k not in expected
                 or k not in state or _kind(expected[k]) != _kind(state[k])]
    if different:
        raise ValueError(f'weights: {path} does not fit its own configuration in '
                         f'{len(different)} tensors, first {min(different)}')
    broken = [k for k, v in state.items() if not v.to(expected[k].dtype).isfinite().all()]
    if broken:
        raise ValueError(f'weights: {path} has values that are not finite in {len(broken)} '
                         f'tensors, first {min(broken)}')


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    """Return what has to be the same of a tensor and of what it is stored as."""
    return tuple(tensor.shape), tensor.is_floating_point(), tensor.is_complex()


def _read_config(path: str | Path, metadata: Mapping[str, str]) -> ModelConfig:
    if METADATA_KEY not in metadata:
        raise ValueError(f'weights: {path} was not written by mcn_ros (its metadata has no '
                         f'{METADATA_KEY!r})')
    try:
        description = from_dict(Description, json.loads(metadata[METADATA_KEY]))
        if description.format not in (1, FORMAT):
            raise ValueError(f'has format {description.format}, this version reads 1 to {FORMAT}')
        model = description.model if description.format == FORMAT else convert(description.model)
        if isinstance(model.get('tasks'), Mapping):
            model = {**model, 'tasks': {name: _name_kind(name, values)
                                        for name, values in model['tasks'].items()}}
        return from_dict(ModelConfig, model, 'model')
    except (ValueError, RecursionError) as error:
        raise ValueError(f'weights: {path}: {error}') from error


def convert(model: Mapping[str, Any]) -> dict[str, Any]:
    """
    Bring the configuration of a network from format 1 to that of today.

    :param model: fields of the configuration.
    :raises ValueError: for a trunk or tasks that are wrongly described.
    """
    first = from_dict(_FirstTrunk, model.get('trunk', {}), 'model.trunk')
    trunk = {'kind': 'shared', **to_dict(first)}
    for name in ('readers', 'own'):
        del trunk[name]
    tasks = model.get('tasks')
    if not isinstance(tasks, Mapping):
        raise ValueError(f'model.tasks: expected a mapping, got {brief(tasks)}')
    if first.own:
        trunk |= {'kind': 'separate', 'own': [name for name in first.own if name in tasks]}
    if first.neck == 'nanodet' and not first.readers:
        trunk['neck'] = 'nanodet_joint'
    return {**model, 'trunk': trunk, 'tasks': {
        name: _convert_task(fields, name in first.readers) for name, fields in tasks.items()}}


def _convert_task(fields: Any, reads: bool) -> Any:
    """
    Name what a task reads, of which format 1 has the stride.

    :raises ValueError: for a stride that what it reads does not have.
    """
    if not isinstance(fields, Mapping):
        return fields
    stride = fields.get('stride', 4)
    if stride != (8 if reads else 4):
        raise ValueError(f'stride: {brief(stride)}, but the features of this task are of another')
    changed = {name: value for name, value in fields.items() if name != 'stride'}
    return {**changed, 'reads': 'readings'} if reads else changed


def _name_kind(name: str, values: Any) -> Any:
    """Name the kind of a task of CenterNet, which in early files of both formats is a field."""
    kind = values.get('kind', name) if isinstance(values, Mapping) else None
    if f'centernet_{kind}' not in KINDS or not isinstance(values.get('reference'), bool):
        return values
    unused = {'reference': values['reference']}
    if values['reference']:
        unused |= {field.name: field.default for field in fields(KINDS[kind])}
        kind = f'centernet_{kind}'
    known = {field.name for field in fields(KINDS[kind])}
    return {'kind': kind, **{key: value for key, value in values.items() if key != 'kind' and (
        key in known or key not in unused or value != unused[key])}}


def _choose(config: ModelConfig, path: str | Path, heads: Sequence[str] | None) -> list[str]:
    """Return the names of the wanted heads."""
    names = list(config.tasks) if heads is None else list(heads)
    missing = [name for name in names if name not in config.tasks]
    if missing or not names:
        raise ValueError(f'heads: {", ".join(missing) or "none given"} '
                         f'(known in {Path(path).name}: {", ".join(config.tasks)})')
    return names
