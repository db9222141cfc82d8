# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pretrained weights for backbones: from ImageNet by torchvision, or from a checkpoint."""

import collections
from pathlib import Path
import pickle
from typing import Any, Mapping

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones.backbone import Backbone

NAMED = 3  # so many wrong names are given in an error, which has to stay readable


def load_backbone(backbone: Backbone, source: str | Path) -> None:
    """
    Fill a backbone with pretrained weights; all of it, or an error.

    The names in a checkpoint are those of the public one (``Backbone.public_names``), perhaps
    below a prefix such as ``backbone.``, which is found. Whatever lies outside of the prefix is
    not looked at; inside of it every name must be known.

    :param backbone: changed in place; not at all in case of an error.
    :param source: ``imagenet`` (downloads), or a PyTorch file that holds a state dict, directly
        or as ``state_dict``.
    :raises ValueError: for a source that cannot be had or read, and for missing, unknown or
        wrongly shaped weights, of which the first few are named.
    """
    weights = _imagenet(backbone) if source == 'imagenet' else _read(Path(source))
    prefix = _prefix(backbone, weights, source)
    own = backbone.state_dict()
    found, unknown = {}, []
    for name, value in weights.items():
        if not name.startswith(prefix):
            continue
        mapped = _own_name(backbone, name.removeprefix(prefix))
        if mapped in own:
            found[mapped] = value
        elif mapped != '':
            unknown.append(name)
    # Files older than PyTorch 0.4.1 have no such counters, and only a BatchNorm2d that averages
    # over all batches would use them.
    counters = {name: value for name, value in own.items()
                if name.endswith('.num_batches_tracked')}
    found = counters | found
    _refuse(source, 'lacks', [name for name in own if name not in found])
    _refuse(source, 'has unknown', unknown)
    _refuse(source, 'has another shape of',
            [name for name, value in own.items() if found[name].shape != value.shape])
    backbone.load_state_dict(found)


def load_neck(neck: nn.Module, source: str | Path) -> None:
    """
    Fill that part of a neck of which there are public checkpoints; all of it, or an error.

    :param neck: one with a detector, changed in place; not at all in case of an error.
    :param source: a PyTorch file, as for :func:`load_backbone`.
    :raises ValueError: as :func:`load_backbone`, and for other necks.
    """
    if not hasattr(neck, 'detector'):
        raise ValueError(f'{source}: of all necks only nanodet has pretrained weights')
    load_backbone(neck.detector, source)


def _imagenet(backbone: Backbone) -> Mapping[str, Tensor]:
    if backbone.imagenet is None:
        raise ValueError('imagenet: torchvision has no weights for this backbone')
    try:
        return backbone.imagenet.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f'imagenet: cannot download {backbone.imagenet.url}: {error}') from error


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).partition('\n')[0] or type(error).__name__
        raise ValueError(f'{path}: cannot be read as a checkpoint: {reason}') from error
    if isinstance(content, Mapping):
        content = content.get('state_dict', content)
    if not isinstance(content, Mapping):
        raise ValueError(f'{path}: holds no state dict')
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _prefix(backbone: Backbone, weights: Mapping[str, Tensor], source: str | Path) -> str:
    """Return the prefix below which most names are those of the backbone."""
    own, votes = backbone.state_dict(), collections.Counter()
    for name in weights:
        parts = name.split('.')
        for start in range(len(parts)):
            if _own_name(backbone, '.'.join(parts[start:])) in own:
                votes[''.join(f'{part}.' for part in parts[:start])] += 1
    best = votes.most_common(2)
    if not best:
        raise ValueError(f'{source}: holds no backbone of this kind (looked for '
                         f'{", ".join(backbone.public_names)}, also below a prefix)')
    if len(best) == 2 and best[0][1] == best[1][1]:
        raise ValueError(f'{source}: holds two such backbones, {best[0][0]}* and {best[1][0]}*')
    return best[0][0]


def _own_name(backbone: Backbone, name: str) -> str | None:
    """Return the name here of a public one, '' if it is known to be left out, else None."""
    parts = name.split('.')
    for end in range(len(parts), 0, -1):
        head = '.'.join(parts[:end])
        if head in backbone.public_names:
            own = backbone.public_names[head]
            return '' if own is None else '.'.join([own, *parts[end:]])
    return None


def _refuse(source: str | Path, what: str, names: list[str]) -> None:
    if names:
        more = f' and {len(names) - NAMED} more' if len(names) > NAMED else ''
        raise ValueError(f'{source}: {what} {", ".join(names[:NAMED])}{more}')
