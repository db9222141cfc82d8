# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The picture of a reconstruction."""

import numpy as np
import pytest
import torch

from mcn_ros.mae.convolutional import ConvolutionalConfig, Spark
from mcn_ros.mae.model import AutoencoderConfig, MaskedAutoencoder, SIZES
from mcn_ros.mae.picture import draw_reconstruction, normalise


def test_it_is_of_the_image_the_mask_and_the_reconstruction():
    torch.manual_seed(0)
    model, pixels = MaskedAutoencoder(SIZES['toy']), torch.randint(256, (1, 3, 48, 48)).byte()
    picture = draw_reconstruction(model, normalise(pixels), 0).astype(int)
    image, masked, made = np.split(picture, 3, axis=1)
    assert np.abs(image - pixels[0].permute(1, 2, 0).numpy()).max() <= 1
    hidden = (masked == 128).all(axis=2)
    assert hidden.mean() == pytest.approx(0.75, abs=0.01)
    same = np.abs(made - image).max(axis=2) <= 1
    assert same[~hidden].all() and same[hidden].mean() < 0.5


def test_norm_pix_is_taken_back(monkeypatch):
    model = MaskedAutoencoder(AutoencoderConfig('vit_toy_p8', 64, 1, norm_pix=True))
    monkeypatch.setattr(model, 'forward', lambda images, keep: torch.zeros(1, 36, 192))
    pixels = torch.full((1, 3, 48, 48), 90, dtype=torch.uint8)
    picture = draw_reconstruction(model, normalise(pixels), 0).astype(int)
    # One mean is for all three colours, which are normalised in different ways.
    assert np.abs(picture[:, 96:] - 90).max() < 12


def test_the_network_is_as_it_was():
    torch.manual_seed(0)
    model = Spark(ConvolutionalConfig('shufflenet_v2_x0_5', 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    picture = draw_reconstruction(model, torch.randn(2, 3, 64, 64), 0)
    assert picture.shape == (2 * 64, 3 * 64, 3) and model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
