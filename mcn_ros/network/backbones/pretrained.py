# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pretrained weights for backbones: from ImageNet by torchvision, or from a checkpoint."""

import collections
from pathlib import Path
from typing import Any, Mapping
import zipfile

import torch
from torch import nn, Tensor

from mcn_ros.network.backbones.backbone import Backbone
from mcn_ros.network.nanodet import Detector

# So many wrong names are given in an error, and so much of each: it has to stay readable.
NAMED, LONGEST = 3, 200


def load_backbone(backbone: Backbone, source: str | Path) -> None:
    """
    Fill a backbone with pretrained weights; all of it, or an error.

    The names in a checkpoint are those of the public one (``Backbone.public_names``), perhaps
    below a prefix such as ``backbone.``, which is found. Whatever lies outside of the prefix is
    not looked at; inside of it every name must be known.

    :param backbone: changed in place; not at all in case of an error.
    :param source: ``imagenet`` (downloads), or a PyTorch file that holds a state dict, directly
        or as ``state_dict``.
    :raises ValueError: for a source that cannot be had or read, and for weights that are missing,
        unknown, of a wrong shape or not finite, of which the first few are named.
    """
    weights = _imagenet(backbone) if source == 'imagenet' else _weights(Path(source))
    prefix = _prefix(backbone, weights, source)
    own = backbone.state_dict()
    found, unknown = {}, []
    for name, value in weights.items():
        if not name.startswith(prefix):
            continue
        mapped = own_name(backbone.public_names, name.removeprefix(prefix))
        if mapped in own:
            found[mapped] = value
        elif mapped != '':
            unknown.append(name)
    found = counters(own) | found
    refuse(source, 'lacks', [name for name in own if name not in found])
    refuse(source, 'has unknown', unknown)
    refuse(source, 'has another shape of',
           [name for name, value in own.items() if found[name].shape != value.shape])
    refuse(source, 'has numbers that are not finite as',
           [name for name, value in found.items() if not value.isfinite().all()])
    backbone.load_state_dict(found)


def load_detectors(trunk: nn.Module, source: str | Path) -> None:
    """
    Fill that part of necks of which there are public checkpoints; all of it, or an error.

    :param trunk: whose necks have detectors, changed in place; not at all in case of an error.
    :param source: a PyTorch file, as for :func:`load_backbone`.
    :raises ValueError: as :func:`load_backbone`, and for other necks.
    """
    detectors = [module for module in trunk.modules() if isinstance(module, Detector)]
    if not detectors:
        raise ValueError(f'{source}: of all necks only those of nanodet have pretrained weights')
    for detector in detectors:
        load_backbone(detector, source)


def _imagenet(backbone: Backbone) -> Mapping[str, Tensor]:
    if backbone.imagenet is None:
        raise ValueError('imagenet: torchvision has no weights for this backbone')
    try:
        return backbone.imagenet.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f'imagenet: cannot download {backbone.imagenet.url}: {error}') from error


def _weights(path: Path) -> Mapping[str, Tensor]:
    weights = state_dict(path, read_checkpoint(path))
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}


def read_checkpoint(path: str | Path) -> Any:
    """
    Read a PyTorch file of whatever origin; of what is in it, nothing is run.

    :param path: of the file; it may be of any age of PyTorch.
    :return: numbers, tensors (on the CPU) and containers of them.
    :raises ValueError: for a file that is missing or damaged, or holds anything else.
    """
    try:
        _check_archive(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    # A damaged pickle is a program that can fail in any way.
    except Exception as error:
        reason = str(error).partition('\n')[0] or type(error).__name__
        if reason.startswith('Weights only'):  # it goes on with how to run what is in the file
            reason = 'damaged, or more than numbers: no code of a file is ever run'
        raise ValueError(f'{path}: cannot be read as a checkpoint: {shown(reason)}') from error


def _check_archive(path: str | Path) -> None:
    """Let no small file become a large one in memory; PyTorch does not compress its own."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ValueError('a compressed archive')


def state_dict(source: str | Path, content: Any) -> Mapping[str, Any]:
    """
    Return the weights of a checkpoint: what it holds as ``state_dict``, or directly.

    :param content: of the checkpoint.
    :raises ValueError: if it holds none.
    """
    if isinstance(content, Mapping):
        content = content.get('state_dict', content)
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise ValueError(f'{source}: holds no state dict')
    return content


def counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """
    Return the counters of batches among weights.

    Files older than PyTorch 0.4.1 have none, and only a BatchNorm2d that averages over all
    batches would use them.
    """
    return {name: value for name, value in state.items() if name.endswith('.num_batches_tracked')}


def _prefix(backbone: Backbone, weights: Mapping[str, Tensor], source: str | Path) -> str:
    """Return the prefix below which most names are those of the backbone."""
    own, votes = backbone.state_dict(), collections.Counter()
    for name in weights:
        parts = name.split('.')
        for start in range(len(parts)):
            if own_name(backbone.public_names, '.'.join(parts[start:])) in own:
                votes[''.join(f'{part}.' for part in parts[:start])] += 1
    best = votes.most_common(2)
    if not best:
        raise ValueError(f'{source}: holds no backbone of this kind (looked for '
                         f'{", ".join(backbone.public_names)}, also below a prefix)')
    if len(best) == 2 and best[0][1] == best[1][1]:
        raise ValueError(f'{source}: holds two such backbones, {best[0][0]}* and {best[1][0]}*')
    return best[0][0]


def own_name(names: Mapping[str, str | None], name: str) -> str | None:
    """
    Translate the name of a weight.

    :param names: beginnings of public names, whole up to a dot -> what is in their place here;
        ``None`` for what is left out. The longest one counts.
    :param name: the public name.
    :return: the name here, '' if it is known to be left out, else None.
    """
    parts = name.split('.')
    for end in range(len(parts), 0, -1):
        head = '.'.join(parts[:end])
        if head in names:
            own = names[head]
            return '' if own is None else '.'.join([own, *parts[end:]])
    return None


def public_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state of what has ``public_names``, such as a backbone, by these names."""
    public = {own: name for name, own in module.public_names.items() if own}
    state = {}
    for name, value in module.state_dict().items():
        start = max((start for start in public if f'{name}.'.startswith(f'{start}.')), key=len)
        state[public[start] + name.removeprefix(start)] = value
    return state


def refuse(source: str | Path, what: str, names: list[str]) -> None:
    """
    Refuse a checkpoint in which something is wrong with some weights; none, and it may pass.

    :param what: is wrong with the names, of which the first few are told.
    :raises ValueError: if there are any.
    """
    if names:
        more = f' and {len(names) - NAMED} more' if len(names) > NAMED else ''
        raise ValueError(f'{source}: {what} {", ".join(map(shown, names[:NAMED]))}{more}')


def shown(text: Any) -> str:
    """Return what a file says in a form that a terminal can be given: short, and one line."""
    text = str(text)[:LONGEST]
    return text if text.isprintable() else ascii(text)
