# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Where the joints of a person are: a belief over places, from what is regressed and what is seen.

The prior is a Gaussian around the place that the person's centre points to, the evidence is the
joint heatmap. Of the belief, the answer is the place where the expected similarity to the truth is
highest, in the sense of COCO's object keypoint similarity (OKS): between two likely places close
to each other rather than on the stronger of them.
"""

from typing import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mcn_ros.tasks.constants import constant

# A belief is over so many places, across and down, which reach so far from the regressed one, in
# units of the mean side of the person's box.
PLACES, REACH = 21, 0.35

# How far a regressed joint is usually off, in the same unit.
SPREAD = 0.18

# Share of the area of a box that a person covers, about: COCO's similarity is relative to that.
COVERED = 0.53


def believe(heatmap: Tensor, points: Tensor, sides: Tensor) -> Tensor:
    """
    Return how likely each joint is at each place around where it is expected.

    :param heatmap: (B, J, H, W) logits.
    :param points: (B, K, J, 2) xy in grid cells, where the joints are expected.
    :param sides: (B, K) in grid cells, the mean side of each person.
    :return: (B, J, K, PLACES, PLACES) logarithms of probabilities, float32; rows are y.
    """
    steps = _steps(points)
    # In the units of the map from here on: each person's numbers are far fewer than its places'.
    reach = sides[:, None, :, None, None, None] * _to_map(torch.stack(
        torch.meshgrid(steps, steps, indexing='xy'), dim=2), heatmap)
    places = (_to_map(points, heatmap) - 1).transpose(1, 2)[:, :, :, None, None] + reach
    prior = -(steps / SPREAD) ** 2 / 2
    evidence = _read(heatmap, places.flatten(2, 4)).unflatten(2, places.shape[2:5])
    return (evidence + prior[:, None] + prior).flatten(3).log_softmax(3).unflatten(
        3, (PLACES, PLACES))


def decide(belief: Tensor, sigmas: Sequence[float]) -> tuple[Tensor, Tensor]:
    """
    Return the place of the highest expected similarity.

    :param belief: (B, J, K, PLACES, PLACES) of :func:`believe`.
    :param sigmas: of the J joints, as the skeleton has them.
    :return: (B, J, K, 2) xy from where the joint was expected, in units of the person's side; and
        the expected similarity (B, J, K) at the best of the PLACES.
    """
    probability, steps = belief.exp(), _steps(belief)
    tolerance = 2 * _tolerance(sigmas, belief)
    kernel = _similarity(steps - steps[:, None], tolerance[:, None, None])[:, None]
    expected = kernel @ probability @ kernel  # the kernel is symmetric and separable
    similarity, best = expected.flatten(3).max(dim=3)
    # Between the places: the mean of the belief around the best one (a step of mean shift).
    across, down = (_similarity(steps - steps[index][..., None], tolerance[:, None, None])
                    for index in (best % PLACES, best // PLACES))
    near = probability * across[..., None, :] * down[..., None]
    x, y = ((near.sum(dim=dim) * steps).sum(dim=3) for dim in (3, 4))
    return torch.stack([x, y], dim=3) / near.sum(dim=(3, 4))[..., None].clamp(min=1e-9), similarity


def location_loss(logits: Tensor, expected: Tensor, targets: dict[str, Tensor],
                  sigmas: Sequence[float]) -> Tensor:
    """
    Return the mean Kullback-Leibler divergence from the beliefs to where the joints are.

    The gradient at every joint is of order 1, however many cells there are, so it learns from far
    fewer images than the focal loss, which has to find the few peaks among all cells of the image.
    After the keypoint head of Mask R-CNN (K. He et al., ICCV 2017, section 5), with half the
    tolerance of COCO's similarity in place of a single cell.

    :param logits: joint heatmap (B, J, H, W).
    :param expected: (B, K, J, 2) xy in grid cells, the regressed places; a constant here. One that
        is too far off is taken to be just near enough, as the heatmap can learn from it as well.
    :param targets: of :meth:`mcn_ros.tasks.pose.PoseTask.encode`, of a batch.
    :param sigmas: of the J joints, as the skeleton has them.
    :return: scalar, 0 when no joint is labelled.
    """
    valid = targets['joint_valid'].transpose(1, 2)  # (B, J, K)
    cells, width = targets['joint_cells'], logits.shape[3]
    points = torch.stack([cells % width, cells // width], dim=3) + targets['joint_offset']
    sides = targets['size'].clamp(min=1).prod(dim=2).sqrt()
    limit = 0.8 * REACH
    errors = (expected.detach() - points) / sides[..., None, None]
    errors = errors.clamp(-limit, limit)
    belief = believe(logits, points + errors * sides[..., None, None], sides)
    steps = _steps(belief)
    tolerance = _tolerance(sigmas, belief)[:, None, None]
    # The truth lies at minus the error, from where the joint is expected.
    across, down = (-((steps + error[..., None]) / tolerance) ** 2 / 2
                    for error in errors.transpose(1, 2).unbind(dim=3))
    truth = (across[..., None, :] + down[..., None]).flatten(3).log_softmax(dim=3)
    divergence = functional.kl_div(belief.flatten(3), truth, log_target=True, reduction='none')
    return torch.where(valid, divergence.sum(dim=3), 0).sum() / valid.sum().clamp(min=1)


def sample(heatmap: Tensor, points: Tensor) -> Tensor:
    """
    Read each channel of a map at points of its own, between the cells, too.

    :param heatmap: (B, J, H, W).
    :param points: (B, J, N, 2) xy in grid cells; outside of the grid, the nearest cell counts.
    :return: (B, J, N) float32.
    """
    return _read(heatmap, _to_map(points, heatmap) - 1)


def _to_map(distances: Tensor, heatmap: Tensor) -> Tensor:
    """Return distances (..., 2) xy, in cells, in units of half the map."""
    height, width = heatmap.shape[2:]
    return distances * constant([2 / width, 2 / height], distances)


def _read(heatmap: Tensor, points: Tensor) -> Tensor:
    """Read a map at points (B, J, N, 2) of -1 to 1, from border to border."""
    # Channels are innermost where convolutions leave them: compilers bring this few of them
    # outside in a quarter of the time when they are told to.
    planes = heatmap.float().permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)
    values = functional.grid_sample(
        planes.reshape(-1, 1, *heatmap.shape[2:]), points.flatten(0, 1)[:, None],
        padding_mode='border', align_corners=False)
    return values.reshape(points.shape[:3])


def _steps(like: Tensor) -> Tensor:
    return torch.linspace(-REACH, REACH, PLACES, device=like.device)


def _tolerance(sigmas: Sequence[float], like: Tensor) -> Tensor:
    """Return the standard deviations of joints (J,) in units of the person's mean side."""
    return constant([sigma * COVERED ** 0.5 for sigma in sigmas], like)


def _similarity(distances: Tensor, tolerance: Tensor) -> Tensor:
    return torch.exp(-(distances / tolerance) ** 2 / 2)
