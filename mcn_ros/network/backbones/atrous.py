# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Atrous convolutions: the last stages at a finer resolution, with the same weights.

Source: L.-C. Chen et al., "DeepLab", 2016; which convolution of a block is dilated is as in
torchvision's ResNet-50.
"""

from torch import nn

from mcn_ros.network.backbones.backbone import Backbone


def densify(backbone: Backbone, output_stride: int) -> None:
    """
    Let no stage be coarser than a stride.

    A map of half the stride has the numbers of the one that it replaces in every second row and
    column, exactly. Names and shapes of weights stay.

    :param backbone: changed in place.
    :param output_stride: input pixels per cell that stages have at most.
    :raises ValueError: for a backbone without a stage of this stride, or whose coarser ones have
        more than convolutions that look equally far to all sides; nothing is changed then.
    """
    if output_stride not in backbone.strides:
        raise ValueError(f'output_stride: {output_stride} is not one of '
                         f'{", ".join(map(str, backbone.strides))}')
    coarse = [(stage, stride) for stage, stride in zip(backbone.stages, backbone.strides)
              if stride > output_stride]
    modules = [module for stage, _ in coarse for module in stage.modules()]
    if any(isinstance(module, nn.MaxPool2d) or isinstance(module, nn.Conv2d)
           and module.padding != _padding(module) for module in modules):
        raise ValueError(f'output_stride: {output_stride} is not for a backbone that pools, or '
                         'pads to one side, in stages that are coarser')
    dilation = 1
    for stage, stride in coarse:
        before, dilation = dilation, stride // output_stride
        for conv in stage.modules():
            if isinstance(conv, nn.Conv2d):
                # What halved sees the neighbours that it saw; all others had twice as far to them.
                _dilate(conv, dilation if conv.stride == (1, 1) else before)
    backbone.strides = tuple(min(stride, output_stride) for stride in backbone.strides)


def _padding(conv: nn.Conv2d) -> tuple[int, ...]:
    return tuple(side // 2 * step for side, step in zip(conv.kernel_size, conv.dilation))


def _dilate(conv: nn.Conv2d, dilation: int) -> None:
    conv.stride, conv.dilation = (1, 1), (dilation, dilation)
    conv.padding = _padding(conv)
