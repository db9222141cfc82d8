# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where in a person a joint is, as a choice among all cells of the person."""

import torch
from torch import Tensor
from torch.nn import functional

# The cells of a person: its box, so many times as wide and high, and a cell more on each side.
WINDOW = 1.2

# Cells where a joint of another person is at least so likely are left out.
OTHERS = 0.3

# A target reaches so far, in standard deviations, and is no narrower than this, in cells.
REACH, MIN_SIGMA = 3.0, 0.6

# Share of the area of a box that a person covers, about: COCO's similarity is relative to that.
COVERED = 0.53


def location_loss(logits: Tensor, targets: dict[str, Tensor], sigmas: Tensor) -> Tensor:
    """
    Return how far, in the mean, the places where joints seem to be are from where they are.

    It is the Kullback-Leibler divergence between where a joint is and where it is believed to be.

    A softmax over the cells of the person: at every joint the gradient is of order 1, however many
    cells there are, so it learns from far fewer images than the focal loss, which has to find the
    few peaks among all cells of the image. After the keypoint head of Mask R-CNN (K. He et al.,
    ICCV 2017, section 5), with half the tolerance of COCO's similarity in place of a single cell.

    :param logits: joint heatmap (B, J, H, W).
    :param targets: of :meth:`mcn_ros.tasks.pose.PoseTask.encode`, of a batch.
    :param sigmas: (J,) of the skeleton.
    :return: scalar, 0 when no joint is labelled.
    """
    image, person, joint = targets['joint_valid'].nonzero(as_tuple=True)  # N joints
    if not len(image):
        return logits.sum() * 0
    width = logits.shape[3]
    squares = _squares(targets['joint_cells'][image, person, joint], logits)
    size = targets['size'][image, person]
    sigma = (COVERED * size.prod(dim=1)).sqrt() * sigmas.to(size.device)[joint]
    sigma = sigma.clamp(min=MIN_SIGMA)[:, None, None]
    near = squares <= (REACH * sigma) ** 2
    others = targets['joint_heatmap'][image, joint] > OTHERS
    middle = targets['cells'].shape[2] // 2  # of the cells of a person, that of its centre
    window = _window(targets['cells'][image, person, middle], size, width, logits.shape[2])
    usable = window & ~others | near

    found, target = (values.masked_fill(~usable, -1e4).flatten(1).log_softmax(dim=1)
                     for values in (logits.float()[image, joint], -squares / (2 * sigma ** 2)))
    return functional.kl_div(found, target, log_target=True, reduction='sum') / len(image)


def _squares(cells: Tensor, logits: Tensor) -> Tensor:
    """Return the squared distances of all cells from flat cells (N,): (N, H, W)."""
    height, width = logits.shape[2:]
    across = torch.arange(width, device=cells.device) - (cells % width)[:, None]
    down = torch.arange(height, device=cells.device) - (cells // width)[:, None]
    return (across[:, None] ** 2 + down[:, :, None] ** 2).float()


def _window(centers: Tensor, size: Tensor, width: int, height: int) -> Tensor:
    """Return which cells are those of people, (N, H, W) bool, from flat centres and (N, 2)."""
    reach = size * WINDOW / 2 + 1
    across = torch.arange(width, device=size.device) - (centers % width)[:, None]
    down = torch.arange(height, device=size.device) - (centers // width)[:, None]
    return (across.abs() <= reach[:, :1])[:, None] & (down.abs() <= reach[:, 1:])[:, :, None]
