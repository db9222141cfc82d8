# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colours of pictures, changed by affines of red, green and blue."""

import cv2
import numpy as np
import torch
from torch import Tensor

# Weights of red, green and blue in the brightness of a colour (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])


def mean_brightness(image: np.ndarray) -> float:
    """Return the mean brightness of an image (H, W, 3) uint8 RGB, 0..255."""
    # cv2.mean takes ten times longer.
    return float(LUMA @ cv2.sumElems(image)[:3]) / (image.shape[0] * image.shape[1])


def recolor(images: Tensor, colors: Tensor) -> Tensor:
    """
    Change the colours of images, on their device; results are not limited to 0..255.

    :param images: (B, 3, H, W) uint8 RGB, whose channels are innermost in memory.
    :param colors: (B, 3, 4) float32, affines of RGB.
    :return: (B, 3, H, W) float32, in the same order in memory.
    """
    pixels = images.permute(0, 2, 3, 1)
    if images.device.type == 'cpu':
        # Matrices of three columns are what PyTorch is slow at there, by a factor of fifty.
        result = torch.empty(pixels.shape)
        for picture, color, out in zip(pixels.numpy(), colors.numpy(), result.numpy()):
            cv2.transform(picture.astype(np.float32), color, dst=out)
        return result.permute(0, 3, 1, 2)
    return _recolor(pixels, colors).permute(0, 3, 1, 2)


def _recolor(pixels: Tensor, colors: Tensor) -> Tensor:
    """Return colours (B, H, W, 3) float32 in one operation of a device that is good at it."""
    matrix, offset = colors[:, :, :3].transpose(1, 2), colors[:, None, :, 3]
    return torch.baddbmm(offset, pixels.flatten(1, 2).float(), matrix).view(pixels.shape)
