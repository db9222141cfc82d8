# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batches of random parts of images, for learning without labels."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from mcn_ros.data.coco import read_image
from mcn_ros.data.frames import IMAGE_SUFFIXES
from mcn_ros.data.listing import list_files

LARGEST_ASPECT = 4 / 3  # of a part, width by height or the reverse
AHEAD = 2  # batches that are prepared while the network learns


def find_images(folders: Sequence[str]) -> list[Path]:
    """
    Return the image files of folders, in order.

    :raises ValueError: for a folder that does not exist, or has no images.
    """
    files = []
    for folder in folders:
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise ValueError(f'images: {folder!r} is no folder')
        found = list_files(path, IMAGE_SUFFIXES)
        if not found:
            raise ValueError(f'images: {folder!r} has no images ({", ".join(IMAGE_SUFFIXES)})')
        files += found
    return files


def random_crop(image: np.ndarray, side: int, least: float, random: np.random.Generator,
                ) -> np.ndarray:
    """
    Cut a random part of an image, bring it to a size, and mirror every other one.

    :param image: (H, W, 3) uint8.
    :param side: of the result, in pixels.
    :param least: share of the image's area that a part has at least.
    :param random: where chance comes from.
    :return: (side, side, 3) uint8.
    """
    area = random.uniform(least, 1) * image.shape[0] * image.shape[1]
    aspect = math.exp(random.uniform(-1, 1) * math.log(LARGEST_ASPECT))
    height, width = (min(max(round(length), 1), limit) for length, limit in
                     zip((math.sqrt(area / aspect), math.sqrt(area * aspect)), image.shape))
    top, left = (random.integers(0, limit - length + 1) for length, limit in
                 zip((height, width), image.shape))
    part = image[top:top + height, left:left + width]
    smooth = cv2.INTER_AREA if min(height, width) > side else cv2.INTER_CUBIC
    part = cv2.resize(part, (side, side), interpolation=smooth)
    return part[:, ::-1] if random.random() < 0.5 else part


def crop_batches(files: Sequence[Path], batch: int, side: int, least: float, seed: int,
                 steps: range, workers: int) -> Iterator[Tensor]:
    """
    Yield the batches of a training; each depends on its number and the seed alone.

    :param files: images, any of which may be in any batch.
    :param batch: images per batch.
    :param side: of the images, in pixels.
    :param least: see :func:`random_crop`.
    :param steps: numbers of the batches.
    :param workers: threads that read images.
    :return: (batch, 3, side, side) uint8, RGB.
    :raises ValueError: for an image that cannot be read; names it.
    """
    def crop(step: int, place: int) -> np.ndarray:
        random = np.random.default_rng((seed, step, place))
        return random_crop(read_image(files[random.integers(len(files))]), side, least, random)

    def stack(parts: Sequence[Future]) -> Tensor:
        images = np.stack([part.result() for part in parts])
        return torch.from_numpy(images).permute(0, 3, 1, 2)

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[list[Future]] = deque()
        for step in steps:
            waiting.append([pool.submit(crop, step, place) for place in range(batch)])
            if len(waiting) > AHEAD:
                yield stack(waiting.popleft())
        while waiting:
            yield stack(waiting.popleft())
