# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures side by side."""

import numpy as np
import pytest

from mcn_ros.visualization import contact_sheet


def test_contact_sheet_shows_every_picture_once():
    shades = [20, 60, 100, 140, 180]
    images = [np.full(size + (3,), shade, np.uint8) for shade, size in
              zip(shades, [(480, 640), (640, 480), (30, 40), (48, 64), (1, 1)])]
    sheet = contact_sheet(images, columns=3, width=600, gap=4)
    assert sheet.shape[1] == 600 and sheet.dtype == np.uint8
    present, counts = np.unique(sheet[..., 0], return_counts=True)
    assert set(present) == {*shades, 255}
    for image, shade in zip(images, shades):
        rows, columns = np.nonzero(sheet[..., 0] == shade)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == len(rows)  # a rectangle of its own
        assert width / height == pytest.approx(image.shape[1] / image.shape[0], rel=0.05)


def test_contact_sheet_of_one_picture():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(contact_sheet([image], columns=1, width=40), image)
