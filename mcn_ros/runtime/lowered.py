# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Graphs whose network is stored and computed in another precision.

Unlike autocasting, which converts every weight at every use, this converts once. Batch norms are
folded into the convolutions before them: their variances do not fit into 16 bits.
"""

from copy import deepcopy

import torch
from torch import nn, Tensor
from torch.func import functional_call
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import DeformConv2d

from mcn_ros.model import MultiTaskNet
from mcn_ros.runtime.inference_graph import InferenceGraph

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, DeformConv2d)


def lowered(graph: InferenceGraph, dtype: torch.dtype) -> InferenceGraph:
    """
    Return a copy of a graph whose trunk and heads compute in another precision.

    Pixels are normalised in float32, and predictions are float32, as in the graph itself.
    """
    graph = deepcopy(graph)
    fold_batch_norms(graph)
    for module in graph.modules():
        if isinstance(module, CONVOLUTIONS):
            module.to(dtype)
        if isinstance(module, MultiTaskNet):
            for backbone in module.trunk.backbones():
                backbone.stages[0].register_forward_pre_hook(
                    lambda stage, arguments: (arguments[0].to(dtype), *arguments[1:]))
            for head in module.heads.values():  # some features are float32 in any case
                head.register_forward_pre_hook(lambda head, arguments: (
                    {name: values.to(dtype) for name, values in arguments[0].items()},))
    return graph


@torch.no_grad()
def fold_batch_norms(graph: InferenceGraph) -> None:
    """Put every batch norm that follows a convolution into its weights; the network changes."""
    pairs = _pairs(graph)
    for norm, conv in pairs.items():
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias, transpose=isinstance(conv, nn.ConvTranspose2d))
    for parent in list(graph.modules()):
        for name, child in list(parent.named_children()):
            if child in pairs:
                setattr(parent, name, nn.Identity())


def _pairs(graph: InferenceGraph) -> dict[nn.BatchNorm2d, nn.Module]:
    """Return batch norm -> the convolution whose output it gets; nothing is computed for that."""
    outputs: dict[int, tuple[nn.Module, Tensor]] = {}  # kept, so that no id comes twice
    pairs = {}

    def leave(module: nn.Module, arguments: tuple, output: Tensor) -> None:
        outputs[id(output)] = module, output

    def enter(module: nn.Module, arguments: tuple[Tensor]) -> None:
        if id(arguments[0]) in outputs:
            pairs[module] = outputs[id(arguments[0])][0]

    hooks = [module.register_forward_hook(leave) for module in graph.modules()
             if isinstance(module, CONVOLUTIONS)]
    hooks += [module.register_forward_pre_hook(enter) for module in graph.modules()
              if isinstance(module, nn.BatchNorm2d)]
    state = {name: tensor.to('meta') for name, tensor in
             (*graph.named_parameters(), *graph.named_buffers())}
    images = torch.empty((1, *graph.size, 3), dtype=torch.uint8, device='meta')
    functional_call(graph, state, images)
    for hook in hooks:
        hook.remove()
    return pairs
