# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colours are the same on every device, and the mean is that of all pixels."""

import numpy as np
import pytest
import torch

from mcn_ros.data.recolor import _recolor, LUMA, mean_brightness, recolor


def test_all_ways_to_change_colours_are_the_affine():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (2, 6, 5, 3), np.uint8)).permute(0, 3, 1, 2)
    colors = torch.from_numpy(rng.normal(size=(2, 3, 4)) * [1, 1, 1, 90]).float()
    expected = torch.einsum('bij,bjhw->bihw', colors[..., :3].double(), images.double())
    expected += colors[..., 3, None, None]
    elsewhere = _recolor(images.permute(0, 2, 3, 1), colors).permute(0, 3, 1, 2)
    for found in (recolor(images, colors), elsewhere):
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_the_mean_brightness_is_that_of_all_pixels():
    image = np.random.default_rng(1).integers(0, 256, (7, 9, 3), np.uint8)
    assert mean_brightness(image) == pytest.approx((image @ LUMA).mean())
