# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The training of a masked autoencoder, top to bottom: :func:`pretrain` is the loop."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
import io
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from mcn_ros.config import from_dict, to_dict
from mcn_ros.files import replaced_file
from mcn_ros.mae.crops import crop_batches, find_images
from mcn_ros.mae.model import (AutoencoderConfig, EPSILON, hidden_share, join_patches,
                               MaskedAutoencoder, patches, USUAL_SHARE, visible_patches)
from mcn_ros.network.backbones.pretrained import read_checkpoint
from mcn_ros.network.colours import Colours
from mcn_ros.runtime.backends import pick_device

LOG_EVERY = 10  # batches between points of TensorBoard
SHOWN = 4  # images of a picture
GREY = 128  # hidden patches in it
CHECKPOINT, BACKBONE = 'checkpoint.pt', 'backbone.pth'


@dataclass(frozen=True)
class PretrainConfig:
    """
    Everything that makes a training of a masked autoencoder.

    :param images: folders of images; 10,000 and more are worth it.
    :param run: folder of the results, from which a training that was interrupted goes on.
    :param model: the parts of the autoencoder.
    :param side: of the images that it sees, in pixels; a multiple of the patch.
    :param batch: images per step.
    :param steps: number of batches.
    :param learning_rate: the highest one; it rises for ``warmup_steps`` and falls to 0.
    :param warmup_steps: see there.
    :param weight_decay: of all weights but biases, norms and tokens.
    :param least_crop: share of an image's area that a part of it has at least.
    :param save_every: batches between checkpoints, with a picture each.
    :param workers: threads that read images.
    :param seed: of weights, parts and masks.
    :param device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    :raises ValueError: for values that make no sense.
    """

    images: tuple[str, ...]
    run: str
    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    side: int = 256
    batch: int = 64
    steps: int = 50_000
    learning_rate: float = 1e-3
    warmup_steps: int = 2_500
    weight_decay: float = 0.05
    least_crop: float = 0.2
    save_every: int = 500
    workers: int = 2
    seed: int = 0
    device: str = 'auto'

    def __post_init__(self) -> None:
        for name in ('side', 'batch', 'steps', 'learning_rate', 'save_every', 'workers'):
            if getattr(self, name) <= 0:
                raise ValueError(f'{name}: {getattr(self, name)} is not positive')
        for name in ('warmup_steps', 'weight_decay', 'seed'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name}: {getattr(self, name)} is negative')
        if not 0 < self.least_crop <= 1:
            raise ValueError(f'least_crop: {self.least_crop} is not in 0..1, without 0')
        if not self.images:
            raise ValueError('images: no folder')


def pretrain(config: PretrainConfig) -> float:
    """
    Train an autoencoder, or go on with the training that the folder holds.

    Batches and masks depend on their number and the seed alone, so on a CPU a training that was
    interrupted ends with the same weights as one that was not.

    :return: the last loss.
    :raises ValueError: for bad configuration or images, and a folder of another training.
    :raises OSError: if results cannot be written; what was saved before is unchanged.
    :raises FloatingPointError: when the loss is not finite.
    """
    device, files = pick_device(config.device), find_images(config.images)
    folder, model = Path(config.run), _start_model(config).to(device)
    optimiser = torch.optim.AdamW(_groups(model, config.weight_decay), betas=(0.9, 0.95))
    first, value = _resume(folder, config, model, optimiser)
    batches = crop_batches(files, config.batch, config.side, config.least_crop, config.seed,
                           range(first, config.steps), config.workers)
    with (closing(SummaryWriter(str(folder / 'tensorboard'), purge_step=first + 1)) as writer,
          closing(batches),
          tqdm(total=config.steps, initial=first, unit='batch', dynamic_ncols=True) as bar):
        for step, batch in enumerate(batches, first):
            images = normalise(batch.to(device))
            rate = config.learning_rate * relative_rate(step, config)
            loss = _update(model, optimiser, images, _masks(config, model, step).to(device), rate)
            bar.update()
            done = step + 1
            saves = done == config.steps or done % config.save_every == 0
            if saves or done % LOG_EVERY == 0:
                value = loss.item()
                if not math.isfinite(value):
                    raise FloatingPointError(f'step {done}: the loss is {value}')
                writer.add_scalar('train/loss', value, done)
                writer.add_scalar('train/rate', rate, done)
                bar.set_postfix_str(f'loss {value:.3f}', refresh=False)
            if saves:
                _save(folder, config, model, optimiser, done, value)
                picture = draw_reconstruction(model, images[:SHOWN], config.seed)
                _write_png(folder / 'pictures' / f'step_{done:06}.png', picture)
                writer.add_image('train/reconstruction', picture, done, dataformats='HWC')
    return value


def _start_model(config: PretrainConfig) -> MaskedAutoencoder:
    torch.manual_seed(config.seed)
    model = MaskedAutoencoder(config.model)
    patch = model.encoder.patch
    if config.side % patch or config.side < 2 * patch:
        raise ValueError(f'side: {config.side} is no multiple of the patch, {patch}, '
                         'from twice of it on')
    return model


def _update(model: MaskedAutoencoder, optimiser: torch.optim.Optimizer, images: Tensor,
            keep: Tensor, rate: float) -> Tensor:
    """Learn from a batch, normalised; return its loss."""
    for group in optimiser.param_groups:
        group['lr'] = rate
    optimiser.zero_grad()
    loss = model.loss(images, keep)
    loss.backward()
    optimiser.step()
    return loss.detach()


def normalise(images: Tensor) -> Tensor:
    """Prepare (B, 3, H, W) uint8 RGB images for the network: float, as :class:`Colours` says."""
    mean, std = (torch.tensor(getattr(Colours(), name), device=images.device)[:, None, None]
                 for name in ('mean', 'std'))
    return (images / 255 - mean) / std


def relative_rate(step: int, config: PretrainConfig) -> float:
    """Return the learning rate of a step relative to the highest: a linear rise, half a cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def draw_reconstruction(model: MaskedAutoencoder, images: Tensor, seed: int) -> np.ndarray:
    """
    Draw images (left), what of each is visible, and what the network makes of that (right).

    :param model: is not changed.
    :param images: (B, 3, H, W) float, normalised.
    :param seed: of what is visible.
    :return: (B * H, 3 * W, 3) uint8 RGB.
    """
    size, grid = model.encoder.patch, [side // model.encoder.patch for side in images.shape[2:]]
    target = patches(images, size)
    generator = torch.Generator().manual_seed(seed)
    keep = visible_patches(*target.shape[:2], USUAL_SHARE, generator).to(images.device)
    found = model(images, keep)
    if model.config.norm_pix:  # of hidden patches, colour and contrast are not learned
        variance, mean = torch.var_mean(target, dim=2, keepdim=True)
        found = found * (variance + EPSILON).sqrt() + mean
    visible = torch.zeros(target.shape[:2], device=images.device).scatter(1, keep, 1)[..., None]
    std, mean = (torch.tensor(value, device=images.device).repeat(size ** 2)
                 for value in (Colours().std, Colours().mean))
    target, found = (255 * (values * std + mean) for values in (target, found))
    rows = [target, visible * target + (1 - visible) * GREY,
            visible * target + (1 - visible) * found]
    rows = torch.cat([join_patches(row, grid, size) for row in rows], dim=3)
    return torch.cat(list(rows), dim=1).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()


def load_autoencoder(path: Path) -> MaskedAutoencoder:
    """
    Load the network of a training.

    :param path: of its checkpoint.pt.
    :return: on the CPU, in evaluation mode.
    :raises ValueError: for a file that is missing, damaged or of something else.
    """
    checkpoint = read_checkpoint(path)
    try:
        model = MaskedAutoencoder(from_dict(PretrainConfig, checkpoint['config']).model)
        model.load_state_dict(checkpoint['model'])
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(f'{path}: holds no masked autoencoder: {reason}') from error
    return model.eval()


def _masks(config: PretrainConfig, model: MaskedAutoencoder, step: int) -> Tensor:
    """Return the visible patches of a batch."""
    state = int(np.random.default_rng((config.seed, step)).integers(2 ** 63))
    generator = torch.Generator().manual_seed(state)
    count = (config.side // model.encoder.patch) ** 2
    return visible_patches(config.batch, count, hidden_share(generator), generator)


def _groups(model: MaskedAutoencoder, decay: float) -> list[dict[str, Any]]:
    """Return the parameters whose weights decay, and those whose do not."""
    parts = list(model.named_parameters())
    plain = [value for name, value in parts if value.ndim == 1 or name.endswith('token')]
    kept = {id(value) for value in plain}
    return [{'params': [value for _, value in parts if id(value) not in kept],
             'weight_decay': decay}, {'params': plain, 'weight_decay': 0.0}]


def _resume(folder: Path, config: PretrainConfig, model: MaskedAutoencoder,
            optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Load a checkpoint if there is one; return the number of batches done and the last loss."""
    path = folder / CHECKPOINT
    if not path.exists():
        return 0, math.nan
    checkpoint = read_checkpoint(path)
    try:
        described = from_dict(PretrainConfig, checkpoint['config'])
        changed = _changes(to_dict(described), to_dict(config))
        if changed:
            raise ValueError(f'other settings ({changed}); choose another run folder')
        model.load_state_dict(checkpoint['model'])
        optimiser.load_state_dict(checkpoint['optimiser'])
        return checkpoint['step'], checkpoint['loss']
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(f'{path}: does not fit this training: {reason}') from error


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which settings differ, but for those that do not change what is learned."""
    free = {'run', 'save_every', 'workers', 'device'}
    return ', '.join(f'{name}: {before[name]}, not {now[name]}' for name in now
                     if name not in free and before[name] != now[name])


def _save(folder: Path, config: PretrainConfig, model: MaskedAutoencoder,
          optimiser: torch.optim.Optimizer, step: int, loss: float) -> None:
    """Write all that is needed to go on, and the backbone by the names of public checkpoints."""
    own = {name: public for public, name in model.backbone.public_names.items() if name}
    state = {}
    for name, value in model.backbone.state_dict().items():
        start = next(start for start in own if f'{name}.'.startswith(f'{start}.'))
        state[own[start] + name.removeprefix(start)] = value
    _write(folder / BACKBONE, {'state_dict': state})
    # What is done is done: the checkpoint comes last.
    _write(folder / CHECKPOINT, {
        'config': to_dict(config), 'step': step, 'loss': loss, 'model': model.state_dict(),
        'optimiser': optimiser.state_dict()})


def _write(path: Path, content: Mapping[str, Any]) -> None:
    # By way of memory: when a file fails, PyTorch does not say why.
    memory = io.BytesIO()
    torch.save(content, memory)
    with replaced_file(path) as partial:
        partial.write_bytes(memory.getbuffer())


def _write_png(path: Path, picture: np.ndarray) -> None:
    data = cv2.imencode('.png', picture[..., ::-1])[1].tobytes()
    with replaced_file(path) as partial:
        partial.write_bytes(data)
