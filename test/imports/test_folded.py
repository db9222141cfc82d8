# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A folded convolution, and the two layers that it becomes."""

import torch
from torch import nn

from mcn_ros.imports.folded import identity_with_bias


def test_the_two_layers_answer_what_the_one_does():
    folded = nn.Conv2d(3, 5, 3)
    conv, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5).eval()
    state = identity_with_bias(folded.bias.detach(), norm)
    conv.load_state_dict({'weight': folded.weight.detach()})
    norm.load_state_dict(state)  # all of it
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(norm(conv(images)), folded(images), rtol=1e-6, atol=1e-6)
