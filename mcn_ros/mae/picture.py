# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A picture of what a network without labels has learned."""

import numpy as np
import torch
from torch import Tensor

from mcn_ros.mae.model import join_patches, patches, Reconstructor, visible_patches
from mcn_ros.network.colours import Colours

GREY = 128  # hidden patches


def normalise(images: Tensor) -> Tensor:
    """Prepare (B, 3, H, W) uint8 RGB images for the network: float, as :class:`Colours` says."""
    mean, std = (torch.tensor(getattr(Colours(), name), device=images.device)[:, None, None]
                 for name in ('mean', 'std'))
    return (images / 255 - mean) / std


@torch.no_grad()
def draw_reconstruction(model: Reconstructor, images: Tensor, seed: int) -> np.ndarray:
    """
    Draw images (left), what of each is visible, and what the network makes of that (right).

    :param model: is not changed.
    :param images: (B, 3, H, W) float, normalised.
    :param seed: of what is visible.
    :return: (B * H, 3 * W, 3) uint8 RGB.
    """
    size, grid = model.patch, [side // model.patch for side in images.shape[2:]]
    target = patches(images, size)
    generator = torch.Generator().manual_seed(seed)
    keep = visible_patches(*target.shape[:2], model.usual_share, generator).to(images.device)
    training = model.training
    found = model.eval().reconstruct(images, keep)  # batch norms learn from all they see
    model.train(training)
    visible = torch.zeros(target.shape[:2], device=images.device).scatter(1, keep, 1)[..., None]
    std, mean = (torch.tensor(value, device=images.device).repeat(size ** 2)
                 for value in (Colours().std, Colours().mean))
    target, found = (255 * (values * std + mean) for values in (target, found))
    rows = [target, visible * target + (1 - visible) * GREY,
            visible * target + (1 - visible) * found]
    rows = torch.cat([join_patches(row, grid, size) for row in rows], dim=3)
    return torch.cat(list(rows), dim=1).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
