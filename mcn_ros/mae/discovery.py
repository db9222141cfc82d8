# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Communities of image files, one after the other: masks, pictures and scores of each."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mcn_ros.data.coco_file import Record
from mcn_ros.data.labels import draw_objects
from mcn_ros.data.masks import encode_mask
from mcn_ros.files import replaced_file
from mcn_ros.geometry import Size
from mcn_ros.mae.baselines import measure_baselines
from mcn_ros.mae.film import draw_film
from mcn_ros.mae.model import MaskedAutoencoder
from mcn_ros.mae.partitions import IGNORED
from mcn_ros.mae.pixels import enlarge, refine
from mcn_ros.mae.pretrain import normalise
from mcn_ros.mae.relations import relate, RelationConfig
from mcn_ros.mae.reveal import grow_revealed
from mcn_ros.mae.scores import measure
from mcn_ros.mae.segmentation import segment, Segmentation, SegmentationConfig
from mcn_ros.mae.windows import relate_windows, windows
from mcn_ros.structures import IGNORE, UNKNOWN_REGION

FILMS, MAPS = 'growth', 'foreground'


@dataclass(frozen=True)
class DiscoveryConfig:
    """
    How communities of images are found.

    :param side: the shorter side that images are brought to, in pixels; a multiple of the patch.
    :param window: side of what the network sees at a time, in pixels; a multiple of the patch.
    :param relation: how patches are related.
    :param segmentation: how communities are made of that.
    :param refined: let the masks follow edges of the image.
    :param sure: pixels of a lower confidence are unknown in the maps of the foreground.
    """

    side: int
    window: int
    relation: RelationConfig = field(default_factory=RelationConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    refined: bool = False
    sure: float = 0.5

    def check(self, patch: int) -> None:
        """Raise ValueError for sides that do not fit the patches of a network, and the like."""
        for name in ('side', 'window'):
            value = getattr(self, name)
            if value % patch or value < 2 * patch:
                raise ValueError(f'{name}: {value} is no multiple of the patch, {patch}, from '
                                 'twice of it on')
        if not 0 <= self.sure <= 1:
            raise ValueError(f'sure: {self.sure} is not in 0..1')
        if self.segmentation.growth == 'revealed' and self.side > self.window:
            raise ValueError(f'growth: revealed communities have to fit in one window of '
                             f'{self.window} pixels, and the side is {self.side}')

    def grid(self, size: Size, patch: int) -> Size:
        """Return the rows and columns of patches of an image of a size, (height, width)."""
        scale = self.side / min(size)
        rows, columns = (max(round(length * scale / patch), 1) for length in size)
        return rows, columns


class Discovery:
    """
    Finds the communities of images, and writes pictures of them.

    :param model: an autoencoder, in evaluation mode.
    :param config: how.
    :param out: folder of the results: growth/*.png and foreground/*.png.
    """

    def __init__(self, model: MaskedAutoencoder, config: DiscoveryConfig, out: Path) -> None:
        self.model, self.config, self.out = model, config, out
        self.patch = model.encoder.patch
        config.check(self.patch)

    def __call__(self, image: np.ndarray, name: str, record: Record | None = None,
                 ) -> dict[str, Any]:
        """
        Find the communities of an image.

        :param image: (H, W, 3) uint8 RGB.
        :param name: of its pictures, without an ending.
        :param record: what is known of its objects.
        :return: as JSON has it: 'annotations' of its communities with 'score' and 'foreground',
            'decided', 'agreement'; with a record, 'scores' by name of what they are of.
        """
        size, grid = image.shape[:2], self.config.grid(image.shape[:2], self.patch)
        small = _resized(image, (grid[0] * self.patch, grid[1] * self.patch))
        relation, found = self._segment(small, grid)
        pixels = enlarge(found.labels, small.shape[:2])
        if self.config.refined:
            pixels = refine(pixels, small, self.patch)
        pixels = enlarge(pixels, size)
        front = _front(found)
        foreground = None if front is None else np.isin(pixels, front)
        self._write(FILMS, name, draw_film(image, found)[..., ::-1])
        self._write(MAPS, name, self._map(found, foreground, size))
        result = {'annotations': _annotations(found, pixels, front or []),
                  'decided': front is not None, 'agreement': round(found.agreement, 4)}
        if record is not None:
            segments = known_segments(record)
            result['scores'] = {
                'communities': measure(segments, found.labels, pixels, foreground, relation),
                **measure_baselines(image, segments, grid, self._baseline)}
        return result

    @property
    def _baseline(self) -> SegmentationConfig:
        """Return the same for what has no network, which cannot be revealed."""
        config = self.config.segmentation
        growth = 'relations' if config.growth == 'revealed' else config.growth
        return replace(config, growth=growth)

    def _segment(self, image: np.ndarray, grid: Size) -> tuple[np.ndarray, Segmentation]:
        device = next(self.model.parameters()).device
        tensor = _tensor(image).to(device)
        window = self.config.window // self.patch
        single = len(list(windows(grid, window))) == 1
        relation = (relate(self.model, tensor, self.config.relation) if single else
                    relate_windows(self.model, tensor, window, self.config.relation))
        return relation, segment(relation, grid, self.config.segmentation,
                                 partial(grow_revealed, self.model, tensor))

    def _map(self, found: Segmentation, foreground: np.ndarray | None, size: Size) -> np.ndarray:
        """Return labels for the task foreground, (H, W) uint8: 0 no, 1 yes, 255 unknown."""
        if foreground is None:
            return np.full(size, IGNORE, np.uint8)
        unsure = enlarge(found.confidence, size) < self.config.sure
        return np.where(unsure, np.uint8(IGNORE), foreground.astype(np.uint8))

    def _write(self, folder: str, name: str, picture: np.ndarray) -> None:
        data = cv2.imencode('.png', picture)[1].tobytes()
        with replaced_file(self.out / folder / f'{name}.png') as partial_file:
            partial_file.write_bytes(data)


def known_segments(record: Record) -> np.ndarray:
    """Return the segments of an image, (H, W) int64: 0 the ground, 1, 2, ..., 255 not known."""
    regions = draw_objects(record).astype(np.int64)
    segments = regions + (regions >= IGNORED)
    segments[regions == UNKNOWN_REGION] = IGNORED
    return segments


def _front(found: Segmentation) -> list[int] | None:
    """Return the communities that are foreground; None where that is not decided."""
    return (None if found.foreground is None
            else np.unique(found.labels[found.foreground]).tolist())


def _annotations(found: Segmentation, pixels: np.ndarray, front: list[int],
                 ) -> list[dict[str, Any]]:
    """Return an annotation for each community, but for ids; refined, one may be gone."""
    return [{'category_id': 1, 'iscrowd': 0, **encode_mask(pixels == label),
             'score': round(float(found.confidence[found.labels == label].mean()), 4),
             'foreground': label in front} for label in np.unique(pixels).tolist()]


def _tensor(image: np.ndarray) -> Tensor:
    return normalise(torch.from_numpy(image).permute(2, 0, 1)[None])


def _resized(image: np.ndarray, size: Size) -> np.ndarray:
    """Bring an image to a size, as images were brought to that of the training."""
    smooth = cv2.INTER_AREA if min(image.shape[:2]) > min(size) else cv2.INTER_CUBIC
    return cv2.resize(image, size[::-1], interpolation=smooth)
