# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
MultiTask-CenterNet: one trunk, one head per task; and its weights file.

Source: F. Heuer et al., "MultiTask-CenterNet (MCN): Efficient and Diverse Multitask Learning using
an Anchor Free Approach", figure 2.

A weights file is a safetensors file whose metadata holds the configuration as JSON, so the
architecture, the classes and the normalisation travel with the weights.
"""

from dataclasses import dataclass, field, replace
import json
import math
import os
from pathlib import Path
from typing import Any, Literal, Mapping, Sequence

from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import nn, Tensor

from mcn_ros.config import from_dict, to_dict
from mcn_ros.geometry import Size, STRIDE
from mcn_ros.network.trunks import build_trunk, trunk_names, TrunkConfig
from mcn_ros.tasks import build_tasks, describe_tasks, TASKS

METADATA_KEY = 'mcn_ros'
FORMAT = 1
LARGEST_SIDE = 8192  # input pixels; what is larger hardly is an input that anybody means


@dataclass(frozen=True)
class ModelConfig:
    """
    Everything that is needed to build a network.

    :param tasks: task name -> fields of the task, for example {'detection': {'classes': [...]}}.
    :param trunk: backbone and neck.
    :param input_size: (height, width) in input pixels that the weights are meant for; multiples
        of 32.
    :param channel_order: order of the colours that the weights of the backbone are for. Images
        always come in as RGB; public CenterNet weights expect BGR.
    :param mean: per channel, of values in 0..1, in ``channel_order``.
    :param std: per channel, of values in 0..1, in ``channel_order``.
    :param preprocessing: how the pixels of the input are made from those of a camera: 'mcn', or
        'centernet' as the public CenterNet weights were trained.
    :raises ValueError: for a task that is unknown or wrongly described, and for bad values.
    """

    tasks: dict[str, Any]
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    input_size: tuple[int, int] = (512, 512)
    channel_order: Literal['rgb', 'bgr'] = 'rgb'
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    preprocessing: Literal['mcn', 'centernet'] = 'mcn'

    def __post_init__(self):
        if any(side <= 0 or side % 32 for side in self.input_size):
            raise ValueError(f'input_size: {self.input_size} are no positive multiples of 32')
        if max(self.input_size) > LARGEST_SIDE:
            raise ValueError(f'input_size: {self.input_size} are not all up to {LARGEST_SIDE}')
        if not all(0 < value < math.inf for value in self.std):
            raise ValueError(f'std: {self.std} are not all positive')
        if not all(math.isfinite(value) for value in self.mean):
            raise ValueError(f'mean: {self.mean} are not all finite')
        unknown = [name for name in self.trunk.own if name not in TASKS]
        if unknown:
            raise ValueError(f'trunk.own: unknown {", ".join(unknown)} '
                             f'(known: {", ".join(TASKS)})')
        build_tasks(self.tasks)


@dataclass(frozen=True)
class Description:
    """
    What the metadata of a weights file says.

    :param format: version of the file format.
    :param model: fields of the :class:`ModelConfig`.
    """

    format: int  # noqa: A003
    model: dict[str, Any]


class MultiTaskNet(nn.Module):
    """
    A shared trunk (or several, see :class:`TrunkConfig`) and one head per task.

    :raises ValueError: for parts of a trunk, or a task and its features, that do not fit together.
    :ivar config: the :class:`ModelConfig`.
    :ivar tasks: task name -> task, in the order of TASKS.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tasks = build_tasks(config.tasks)
        # Every field is written out, so that stored weights keep their meaning when a default of
        # the package changes.
        self.config = replace(config, tasks=describe_tasks(self.tasks))
        self.trunk = build_trunk(config.trunk, list(self.tasks))
        for name, task in self.tasks.items():
            _check_stride(name, getattr(task, 'stride', STRIDE), self.trunk.stride_of(name))
        self.heads = nn.ModuleDict({name: task.build_head(self.trunk.channels_of(name))
                                    for name, task in self.tasks.items()})
        # Buffers, so that they move with the model and are part of exported graphs; they are in
        # the configuration already, so they are not stored a second time.
        # They are in the order of images; the weights are what is turned round.
        step = -1 if config.channel_order == 'bgr' else 1
        for name in ('mean', 'std'):
            value = 255 * torch.tensor(getattr(config, name)[::step])
            self.register_buffer(name, value, persistent=False)
        if step < 0:
            for trunk in self.trunk.members.values():
                trunk.backbone.reverse_colours()

    def normalise(self, images: Tensor) -> Tensor:
        """
        Prepare images for the trunk.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB.
        :return: (B, 3, H, W) float, RGB.
        """
        width = images.shape[3]
        # Colours are innermost in memory. With a whole row at once there is more to do in one go.
        rows = images.permute(0, 2, 3, 1).flatten(2).to(self.mean.dtype)
        rows = (rows - self.mean.repeat(width)) / self.std.repeat(width)
        return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)

    def features(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                 ) -> dict[str, Tensor]:
        """
        Run the trunk alone.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB; H and W multiples of 32.
        :param tasks: names of the tasks.
        :param checkpoint: keep little for backward, recompute the rest.
        :return: task -> (B, channels, H / stride, W / stride); tasks may share a tensor.
        """
        return self.trunk(self.normalise(images), tasks, checkpoint)

    def forward(self, images: Tensor, rows: Mapping[str, Tensor] | None = None,
                ) -> dict[str, dict[str, Tensor]]:
        """
        Run the trunk once and each head on its rows.

        :param images: (B, 3, H, W) uint8 or float 0..255, RGB; H and W multiples of 32.
        :param rows: task name -> (b,) int64 images that the head is run on; a task that is not
            named is not run (lazy evaluation of UberNet, section 3). None: all tasks, all images.
        :return: task name -> {map name: (b, C, H / stride, W / stride) logits}.
        """
        names = list(self.heads) if rows is None else [n for n in self.heads if n in rows]
        features = self.features(images, names)
        if rows is not None:
            features = {name: features[name][rows[name]] for name in names}
        return {name: self.heads[name](features[name]) for name in names}

    def decode(self, outputs: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
        """Return task name -> batched predictions in input pixels, not thresholded."""
        return {name: self.tasks[name].decode(maps) for name, maps in outputs.items()}


def _check_stride(task: str, stride: int, features: int) -> None:
    if stride != features:
        raise ValueError(f'{task}.stride: {stride}, but the features of this task are of stride '
                         f'{features} (trunk.readers)')


def save_model(model: MultiTaskNet, path: str | Path,
               state: Mapping[str, Tensor] | None = None) -> None:
    """
    Write a weights file; an interrupted write leaves the old file as it was.

    :param state: parameters to store in place of the model's own (an average over time, say).
    """
    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous()
               for k, v in (model.state_dict() if state is None else state).items()}
    description = json.dumps(to_dict(Description(FORMAT, to_dict(model.config))))
    partial = path.with_name(path.name + '.partial')
    try:
        save_file(tensors, partial, metadata={METADATA_KEY: description})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
    if not os.path.isfile(path):
        raise ValueError(f'weights: no such file: {path}')
    try:
        with safe_open(path, framework='pt') as file:
            config = _read_config(path, file.metadata() or {})
            config = _choose(config, path, heads, input_size)
            state = {key: file.get_tensor(key) for key in file.keys() if _wanted(key, config)}
    except (SafetensorError, OSError) as error:
        raise ValueError(f'weights: {path} is not a readable safetensors file: {error}') from error
    _check_state(state, config, path)
    model = MultiTaskNet(config)
    model.load_state_dict(state)
    return model.eval()


def _check_state(state: Mapping[str, Tensor], config: ModelConfig, path: str | Path) -> None:
    """Compare the tensors of a file with those of the network that it describes."""
    try:
        with torch.device('meta'):  # shapes only: a damaged configuration may ask for any size
            expected = MultiTaskNet(config).state_dict()
    except (ValueError, RuntimeError, TypeError) as error:  # numbers beyond those of PyTorch
        reason = str(error).partition('\n')[0]
        raise ValueError(f'weights: {path} describes a network that cannot be built: '
                         f'{reason}') from error
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
        if description.format != FORMAT:
            raise ValueError(f'has format {description.format}, this version reads {FORMAT}')
        return from_dict(ModelConfig, description.model, 'model')
    except (ValueError, RecursionError) as error:
        raise ValueError(f'weights: {path}: {error}') from error


def _choose(config: ModelConfig, path: str | Path, heads: Sequence[str] | None,
            input_size: Size | None) -> ModelConfig:
    """Return the configuration with only the wanted heads."""
    names = list(config.tasks) if heads is None else list(heads)
    missing = [name for name in names if name not in config.tasks]
    if missing or not names:
        raise ValueError(f'heads: {", ".join(missing) or "none given"} '
                         f'(known in {Path(path).name}: {", ".join(config.tasks)})')
    tasks = {name: fields for name, fields in config.tasks.items() if name in names}
    return replace(config, tasks=tasks, input_size=tuple(input_size or config.input_size))


def _wanted(key: str, config: ModelConfig) -> bool:
    part, _, rest = key.partition('.')
    name = rest.partition('.')[0]
    if part == 'trunk' and config.trunk.own:
        return name in trunk_names(config.trunk, list(config.tasks))
    return part != 'heads' or name in config.tasks
