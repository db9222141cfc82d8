# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The training of a backbone without labels, top to bottom: :func:`pretrain` is the loop."""

from collections.abc import Mapping, Sequence
from contextlib import closing
import json
import math
from pathlib import Path
import sys
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from mcn_ros.config import from_dict, to_dict
from mcn_ros.files import replaced_file
from mcn_ros.learning.checkpoint import save_checkpoint
from mcn_ros.learning.schedule import relative_rate
from mcn_ros.learning.stop_request import StopRequest
from mcn_ros.mae.config import PretrainConfig
from mcn_ros.mae.crops import crop_batches
from mcn_ros.mae.model import MaskedAutoencoder, Reconstructor, visible_patches
from mcn_ros.mae.picture import draw_reconstruction, normalise
from mcn_ros.mae.sources import find_sources, Source
from mcn_ros.network.backbones.pretrained import read_checkpoint
from mcn_ros.runtime.backends import pick_device

LOG_EVERY = 10  # batches between points of TensorBoard
SHOWN = 4  # images of a picture
CHECKPOINT, BACKBONE, CARD, FRAMES = 'checkpoint.pt', 'backbone.pth', 'backbone.json', 'frames'


def pretrain(config: PretrainConfig) -> float:
    """
    Train a network, or go on with the training that the folder holds.

    Batches and masks depend on their number and the seed alone, so on a CPU a training that was
    interrupted ends with the same weights as one that was not.

    :return: the last loss.
    :raises ValueError: for bad configuration or images, and a folder of another training.
    :raises OSError: if results cannot be written; what was saved before is unchanged.
    :raises FloatingPointError: when the loss is not finite.
    :raises KeyboardInterrupt: after SIGINT or SIGTERM, once the batch is done and all is saved.
    """
    device, folder = pick_device(config.device), Path(config.run)
    model = _start_model(config).to(device)
    optimiser = torch.optim.AdamW(_groups(model, config.weight_decay), betas=(0.9, 0.95))
    first, value = _resume(folder, config, model, optimiser)
    sources, files = find_sources(config.images, config.topics, folder / FRAMES)
    batches = crop_batches(files, config.batch, config.side, config.least_crop, config.seed,
                           range(first, config.steps), config.workers)
    with (closing(SummaryWriter(str(folder / 'tensorboard'), purge_step=first + 1)) as writer,
          closing(batches), StopRequest() as stop,
          tqdm(total=config.steps, initial=first, unit='batch', dynamic_ncols=True) as bar):
        for step, batch in enumerate(batches, first):
            images = normalise(batch.to(device))
            rate = config.learning_rate * relative_rate(step, config.steps, config.warmup_steps)
            loss = _update(model, optimiser, images, _masks(config, model, step).to(device), rate)
            bar.update()
            done = step + 1
            saves = stop.asked or done == config.steps or done % config.save_every == 0
            if saves or done % LOG_EVERY == 0:
                value = loss.item()
                if not math.isfinite(value):
                    raise FloatingPointError(f'step {done}: the loss is {value}')
                writer.add_scalar('train/loss', value, done)
                writer.add_scalar('train/rate', rate, done)
                bar.set_postfix_str(f'loss {value:.3f}', refresh=False)
            if saves:
                _save(folder, config, sources, model, optimiser, done, value)
                picture = draw_reconstruction(model, images[:SHOWN], config.seed)
                _write_png(folder / 'pictures' / f'step_{done:06}.png', picture)
                writer.add_image('train/reconstruction', picture, done, dataformats='HWC')
            if stop.asked and done < config.steps:
                bar.write(f'stopped after step {done}; the same command goes on', sys.stderr)
                raise KeyboardInterrupt
    return value


def _start_model(config: PretrainConfig) -> Reconstructor:
    torch.manual_seed(config.seed)
    model = config.build()
    if config.side % model.patch or config.side < 2 * model.patch:
        raise ValueError(f'side: {config.side} is no multiple of the patch, {model.patch}, '
                         'from twice of it on')
    return model


def _update(model: Reconstructor, optimiser: torch.optim.Optimizer, images: Tensor,
            keep: Tensor, rate: float) -> Tensor:
    """Learn from a batch, normalised; return its loss."""
    for group in optimiser.param_groups:
        group['lr'] = rate
    optimiser.zero_grad()
    loss = model.loss(images, keep)
    loss.backward()
    optimiser.step()
    return loss.detach()


def load_autoencoder(path: Path) -> MaskedAutoencoder:
    """
    Load the network of a training.

    :param path: of its checkpoint.pt.
    :return: on the CPU, in evaluation mode.
    :raises ValueError: for a file that is missing, damaged or of something else.
    """
    checkpoint = read_checkpoint(path)
    try:
        model = from_dict(PretrainConfig, checkpoint['config']).build()
        if not isinstance(model, MaskedAutoencoder):
            raise ValueError(f'but a {type(model).__name__}')
        model.load_state_dict(checkpoint['model'])
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(f'{path}: holds no masked autoencoder: {reason}') from error
    return model.eval()


def _masks(config: PretrainConfig, model: Reconstructor, step: int) -> Tensor:
    """Return the visible patches of a batch."""
    state = int(np.random.default_rng((config.seed, step)).integers(2 ** 63))
    generator = torch.Generator().manual_seed(state)
    count = (config.side // model.patch) ** 2
    return visible_patches(config.batch, count, model.share(generator), generator)


def _groups(model: Reconstructor, decay: float) -> list[dict[str, Any]]:
    """Return the parameters whose weights decay, and those whose do not."""
    parts = list(model.named_parameters())
    plain = [value for name, value in parts if value.ndim == 1 or 'token' in name]
    kept = {id(value) for value in plain}
    return [{'params': [value for _, value in parts if id(value) not in kept],
             'weight_decay': decay}, {'params': plain, 'weight_decay': 0.0}]


def _resume(folder: Path, config: PretrainConfig, model: Reconstructor,
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


def _save(folder: Path, config: PretrainConfig, sources: Sequence[Source], model: Reconstructor,
          optimiser: torch.optim.Optimizer, step: int, loss: float) -> None:
    """Write all that is needed to go on, and the backbone, perhaps with its decoder."""
    save_checkpoint(folder / BACKBONE, {'state_dict': model.public_state()})
    card = {'method': config.method, 'backbone': config.model.backbone, 'side': config.side,
            'batch': config.batch, 'steps': step, 'loss': loss,
            'frames': sum(source.frames for source in sources),
            'sources': [to_dict(source) for source in sources]}
    with replaced_file(folder / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1) + '\n')
    # What is done is done: the checkpoint comes last.
    save_checkpoint(folder / CHECKPOINT, {
        'config': to_dict(config), 'step': step, 'loss': loss, 'model': model.state_dict(),
        'optimiser': optimiser.state_dict()})


def _write_png(path: Path, picture: np.ndarray) -> None:
    data = cv2.imencode('.png', picture[..., ::-1])[1].tobytes()
    with replaced_file(path) as partial:
        partial.write_bytes(data)
