# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Random views of a sample: one affine of the pixels' places, one affine of their colours.

After CenterNet's augmentation (X. Zhou, D. Wang, P. Kraehenbuehl, "Objects as Points", section 5):
random scale, crop, flip and colour jitter.
"""

from dataclasses import dataclass, field, fields, replace
import math
from typing import Any, Literal, Mapping

import cv2
import numpy as np

from mcn_ros.data.centernet_views import centernet_view
from mcn_ros.data.pending_image import PendingImage
from mcn_ros.data.recolor import LUMA, mean_brightness
from mcn_ros.geometry import (
    compose, crop, determinant, resample, Resampling, RESAMPLINGS, scaling, Size)
from mcn_ros.structures import Sample, Structure

# Beyond this, a view around an object would teach what blur looks like.
MAX_MAGNIFICATION = 2.0


@dataclass(frozen=True)
class AugmentConfig:
    """
    How much a view may differ from the whole image; ``NEUTRAL`` changes nothing.

    :param style: 'centernet' for views that are drawn as CenterNet's code does, with its numbers,
        see :mod:`mcn_ros.data.centernet_views`; it goes with none of the other settings.
    :param scale: range of the magnification, relative to the whole image fitted into the input.
    :param shift: share, 0..1, of the way that a crop (or a small image in a larger input) can move
        before the image leaves the input, or empty border enters it.
    :param focus: task -> probability that a view shows one of its objects, in the size that
        ``focus_size`` says, rather than anything in any size. Where objects are few and small,
        most of a view teaches little about them; for people, those with joints are chosen.
    :param focus_size: range of the longer side of that object, relative to the shorter side of the
        view. It lies inside of the view if it is not larger, anywhere.
    :param mosaic: probability that a view is four, of half the size, of as many images (A.
        Bochkovskiy et al., "YOLOv4", 2020, section 3.3). With ``focus``, and chosen as often, a
        batch holds four times as many people as images.
    :param degrees: largest rotation to either side.
    :param flip: probability of mirroring left and right.
    :param brightness: largest relative change of all colours.
    :param contrast: largest relative change of the distance to the mean brightness.
    :param saturation: largest relative change of the distance to gray.
    :param hue: largest rotation of the colours about the gray axis, degrees.
    :param gray: probability of removing all colour.
    :param min_visible: an object of which a smaller share of its box is left in the input is no
        longer an object to find, but nor is it background: it becomes a crowd.
    """

    style: Literal['mcn', 'centernet'] = 'mcn'
    scale: tuple[float, float] = (0.6, 1.4)
    shift: float = 1.0
    focus: dict[str, float] = field(default_factory=dict)
    focus_size: tuple[float, float] = (0.3, 1.0)
    mosaic: float = 0.0
    degrees: float = 0.0
    flip: float = 0.5
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 8.0
    gray: float = 0.02
    min_visible: float = 0.2

    def __post_init__(self):
        if self.style == 'centernet':
            self._check_alone()
        for name in ('scale', 'focus_size'):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f'{name}: {(low, high)} is not a range of positive numbers')
        if not 0 <= sum(self.focus.values()) <= 1 or min(self.focus.values(), default=0) < 0:
            raise ValueError(f'focus: {self.focus} are no probabilities of which one can happen')
        for name in ('shift', 'mosaic', 'flip', 'brightness', 'contrast', 'saturation', 'gray',
                     'min_visible'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name}: {getattr(self, name)} is not in 0..1')

    def _check_alone(self):
        """Refuse settings that a style with its own numbers does not look at."""
        plain = AugmentConfig()
        changed = [f.name for f in fields(self) if f.name != 'style'
                   and getattr(self, f.name) != getattr(plain, f.name)]
        if changed:
            raise ValueError('style: centernet has its own numbers, leave out '
                             f'{", ".join(changed)}')


NEUTRAL = AugmentConfig(scale=(1.0, 1.0), shift=0.0, flip=0.0, brightness=0.0, contrast=0.0,
                        saturation=0.0, hue=0.0, gray=0.0)


def augment(sample: Sample, size: Size, rng: np.random.Generator,
            config: AugmentConfig, resampling: Resampling = RESAMPLINGS['mcn']) -> Sample:
    """
    Return a random view of a sample.

    :param sample: in camera pixels; its image may be a :class:`PendingImage`.
    :param size: (height, width) of the view, input pixels.
    :param rng: draws the same numbers for every view, whatever the sample contains.
    :param resampling: how inference makes an input of an image.
    :return: a sample in input pixels, ready to be encoded.
    :raises UnreadableImage: if a pending image cannot be read.
    """
    if config.style == 'centernet':
        image, _ = _read(sample.image)
        return centernet_view(replace(sample, image=image), size, rng, resampling)
    box = choose_object(sample.annotations, rng, config)
    affine = random_affine(sample.image.shape[:2], size, rng, config, box)
    image, reduction = _read(sample.image, reduction_of(affine, resampling))
    # Colours first: the border must come out as inference has it.
    pixels = resample(jitter_colors(image, rng, config), compose(affine, scaling(reduction)),
                      size, resampling)
    annotations = {name: value.warp(affine, size) for name, value in sample.annotations.items()}
    return replace(sample, image=pixels, annotations=annotations).cut(config.min_visible)


def _read(image: np.ndarray | PendingImage, reduction: float = 1) -> tuple[np.ndarray, int]:
    return image.read(reduction) if isinstance(image, PendingImage) else (image, 1)


def reduction_of(affine: np.ndarray, resampling: Resampling) -> float:
    """Return how many rows and columns of an image become one in a view."""
    if not resampling.squares:  # pixels are not averaged
        return 1
    return 1 / math.sqrt(abs(determinant(affine)))


def least_reduction(source: Size, target: Size, config: AugmentConfig, resampling: Resampling,
                    ) -> float:
    """Return the least of :func:`reduction_of` that any view of an image can have."""
    if config.style == 'centernet' or any(config.focus.values()) or not resampling.squares:
        return 1
    return 1 / (config.scale[1] * min(target[0] / source[0], target[1] / source[1]))


def random_affine(source: Size, target: Size, rng: np.random.Generator, config: AugmentConfig,
                  box: np.ndarray | None = None) -> np.ndarray:
    """
    Draw a view of an image.

    The centre is uniform among those for which a crop lies inside of the image, or a small image
    inside of the input: so objects are cut by the view no more than its magnification demands.

    :param box: (4,) xyxy in camera pixels: show this, in the size and place that ``focus_size``
        allows, rather than the image.
    :return: (2, 3) affine, camera pixels -> input pixels.
    """
    scale, across, down, turn, flip = rng.uniform(size=5)
    low, high = (math.log(v) for v in (config.scale if box is None else config.focus_size))
    factor = math.exp(low + (high - low) * scale)
    input_size = np.array([target[1], target[0]])
    if box is None:
        middle, sides = np.array([source[1], source[0]]) / 2, input_size
        factor *= min(target[0] / source[0], target[1] / source[1])
        room = np.abs(middle - sides / 2 / factor)
    else:
        middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        factor = min(factor * min(target) / max(sides), MAX_MAGNIFICATION)
        room = np.maximum(input_size / factor - sides, 0) / 2
    center = middle + config.shift * room * (2 * np.array([across, down]) - 1)
    degrees = config.degrees * (2 * turn - 1)
    return crop(center, factor, target, degrees, bool(flip < config.flip))


def choose_object(annotations: Mapping[str, Any], rng: np.random.Generator,
                  config: AugmentConfig) -> np.ndarray | None:
    """
    Draw what a view is to show.

    :return: box (4,) xyxy in camera pixels; None for nothing in particular.
    :raises ValueError: for a task whose annotations have no objects.
    """
    which, row = rng.uniform(size=2)
    for name, probability in config.focus.items():
        which -= probability
        if which < 0:
            boxes = _subjects(name, annotations[name]) if name in annotations else ()
            return boxes[int(row * len(boxes))] if len(boxes) else None
    return None


def _subjects(name: str, annotation: Structure) -> np.ndarray:
    if 'boxes' not in annotation.ROWS:
        raise ValueError(f'focus: {name} has no objects that a view could show')
    return annotation.subjects()


def jitter_colors(image: np.ndarray, rng: np.random.Generator,
                  config: AugmentConfig) -> np.ndarray:
    """
    Change brightness, contrast, saturation and hue at random.

    All four are affine in RGB, so one matrix does them, rounds once and clips once.

    :param image: (H, W, 3) uint8 RGB.
    :return: (H, W, 3) uint8 RGB.
    """
    draws = rng.uniform(-1, 1, size=5)
    brightness = 1 + config.brightness * draws[0]
    contrast = 1 + config.contrast * draws[1]
    saturation = 1 + config.saturation * draws[2]
    if (draws[4] + 1) / 2 < config.gray:
        saturation = 0.0
    to_gray = np.tile(LUMA, (3, 1))
    colors = to_gray + saturation * (_hue_rotation(config.hue * draws[3]) - to_gray)
    mean = mean_brightness(image)
    matrix = brightness * contrast * colors
    offset = np.full((3, 1), brightness * (1 - contrast) * mean)
    return cv2.transform(image, np.hstack([matrix, offset]))


def _hue_rotation(degrees: float) -> np.ndarray:
    """Return the (3, 3) rotation about the gray axis (Rodrigues); gray stays gray."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cos * np.eye(3) + sin * cross + (1 - cos) / 3
