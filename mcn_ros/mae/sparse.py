# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
A convolutional backbone that sees the visible cells of an image, as if there were no others.

Source: K. Tian et al., "Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked
Modeling", ICLR 2023. Zeros in the place of hidden cells are not enough: each convolution would
carry what is visible a bit further into them, and batch norms would average over them.
"""

from collections.abc import Sequence

from torch import nn, Tensor

from mcn_ros.network.backbones.backbone import Backbone

CELL = 32  # side of what is hidden or visible, in pixels: the coarsest stride
STRIDES = (4, 8, 16, 32)  # of the maps that are looked at
POOLING = nn.MaxPool2d, nn.AvgPool2d


class SparseBackbone(nn.Module):
    """
    A backbone whose layers see visible cells only.

    It is wrapped, not rebuilt: its weights keep their names and shapes, and where all is visible
    it computes what it did. Layers that act on each place for itself, and leave zeros as they
    are, need nothing.

    :param backbone: of convolutions, poolings and batch norms; becomes a part of this module.
    :ivar channels: of the maps that :meth:`forward` gives.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self._mask = VisibleCells()
        for name, module in list(backbone.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                backbone.set_submodule(name, VisibleBatchNorm(module, self._mask))
            elif isinstance(module, (nn.Conv2d, *POOLING)):
                module.register_forward_hook(self._hide)
        self.backbone = backbone
        self._looked_at = [backbone.strides.index(stride) for stride in STRIDES]
        self.channels = tuple(backbone.channels[index] for index in self._looked_at)

    def forward(self, images: Tensor, visible: Tensor) -> list[Tensor]:
        """
        Map images to maps that are zero where cells are hidden.

        :param images: (B, 3, H, W) float, normalised; H and W multiples of 32.
        :param visible: (B, 1, H / 32, W / 32) bool.
        :return: those of stride 4, 8, 16 and 32, each (B, channels, H / stride, W / stride).
        """
        self._mask.cells = visible
        try:
            maps = self.backbone(images * self._mask.at(images.shape[2:]))
        finally:
            self._mask.cells = None
        return [maps[index] for index in self._looked_at]

    def _hide(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output * self._mask.at(output.shape[2:])


class VisibleCells:
    """
    Which cells of the images of a batch are visible, at any resolution.

    :ivar cells: (B, 1, rows, columns) bool, None between batches.
    """

    def __init__(self) -> None:
        self.cells: Tensor | None = None

    def at(self, size: Sequence[int]) -> Tensor:
        """Return them enlarged to (B, 1, height, width), whole multiples of the cells."""
        assert self.cells is not None, 'layers of a sparse backbone run within it'
        height, width = (side // count for side, count in zip(size, self.cells.shape[2:]))
        return self.cells.repeat_interleave(height, dim=2).repeat_interleave(width, dim=3)


class VisibleBatchNorm(nn.BatchNorm2d):
    """
    A batch norm whose statistics are those of visible places, and that leaves zeros elsewhere.

    :param norm: whose parameters and statistics it shares.
    :param mask: what is visible.
    """

    def __init__(self, norm: nn.BatchNorm2d, mask: VisibleCells) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, device='meta')
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)
        self._mask = mask

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        visible = self._mask.cells[:, 0]
        rows, columns = visible.shape[1:]
        cells = x.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))  # B, C, rows, y, columns, x
        cells = cells.permute(0, 2, 4, 1, 3, 5)
        normalised = super().forward(cells[visible])
        result = normalised.new_zeros(cells.shape)
        result[visible] = normalised
        return result.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
