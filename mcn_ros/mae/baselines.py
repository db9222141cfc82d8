# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What communities of a network have to be compared with: relations and answers without one."""

from typing import Any

import cv2
import numpy as np
import torch

from mcn_ros.geometry import Size
from mcn_ros.mae.partitions import IGNORED
from mcn_ros.mae.pixels import enlarge
from mcn_ros.mae.pretrain import normalise
from mcn_ros.mae.scores import measure, overlap, patch_truth
from mcn_ros.mae.segmentation import segment, SegmentationConfig

WIDTH = 0.5  # of the Gaussian of colours, squared, in units of their deviation
CENTRE = 0.5  # of each side of the image: the square in its middle


def colour_relation(image: np.ndarray, grid: Size) -> np.ndarray:
    """
    Relate patches by their mean colours alone.

    :param image: (H, W, 3) uint8.
    :return: (N, N) float64 in 0..1.
    """
    means = cv2.resize(image.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy(means).permute(2, 0, 1)[None]
    colours = normalise(pixels)[0].flatten(1).T.double().numpy()
    distances = np.square(colours[:, None] - colours).sum(axis=2)
    return np.exp(-distances / WIDTH)


def distance_relation(grid: Size) -> np.ndarray:
    """Relate patches by how near they are, (N, N) float64 in 0..1."""
    places = np.stack(np.indices(grid), axis=-1).reshape(-1, 2)
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    return 1 - distances / max(distances.max(), 1)


def measure_baselines(image: np.ndarray, segments: np.ndarray, grid: Size,
                      config: SegmentationConfig) -> dict[str, dict[str, Any]]:
    """
    Measure what needs no network.

    :param image: (H, W, 3) uint8.
    :param segments: (H, W) int: 0 the ground, 1, 2, ... things, 255 not known.
    :param grid: rows and columns of patches.
    :param config: of the communities; those of baselines grow by relations, or not.
    :return: name -> what :func:`mcn_ros.mae.scores.measure` returns. 'ceiling' is the truth in
        patches; the last two are foregrounds only.
    """
    found = {}
    for name, relation in (('colour', colour_relation(image, grid)),
                           ('distance', distance_relation(grid))):
        communities = segment(relation, grid, config)
        found[name] = measure(
            segments, communities.labels, enlarge(communities.labels, segments.shape),
            None if communities.foreground is None
            else enlarge(communities.foreground, segments.shape), relation)
    truth, _ = patch_truth(segments, grid)
    pixels = enlarge(truth, segments.shape)
    found['ceiling'] = measure(segments, truth, pixels, (pixels > 0) & (pixels != IGNORED))
    everything = np.ones(segments.shape, bool)
    return {**found, 'all': overlap(segments, everything),
            'centre': overlap(segments, _centre(segments.shape))}


def _centre(size: Size) -> np.ndarray:
    inside = np.zeros(size, bool)
    rows, columns = (slice(round(side * (1 - CENTRE) / 2), round(side * (1 + CENTRE) / 2))
                     for side in size)
    inside[rows, columns] = True
    return inside
