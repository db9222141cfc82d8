# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Windows cover images, and what they tell of the same patches is averaged."""

import numpy as np
import pytest
import torch

from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.mae.relations import relate, RelationConfig
from mcn_ros.mae.windows import relate_windows, window_starts, windows

ONE_IN = RelationConfig('one_in')


@pytest.mark.parametrize('count, side, starts', [
    (4, 4, [0]), (3, 4, [0]), (6, 4, [0, 2]), (9, 4, [0, 2, 4, 5]), (5, 1, [0, 1, 2, 3, 4])])
def test_windows_overlap_by_half(count, side, starts):
    assert window_starts(count, side) == starts


def test_windows_cover_all():
    seen = np.zeros((7, 9), int)
    for rows, columns in windows(seen.shape, 4):
        seen[rows, columns] += 1
        assert (rows.stop - rows.start, columns.stop - columns.start) == (4, 4)
    assert seen.min() == 1
    assert list(windows((3, 2), 4)) == [(slice(0, 3), slice(0, 2))]


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


def test_the_relation_is_the_mean_of_the_windows(toy):
    image = torch.randn(1, 3, 16, 48, generator=torch.Generator().manual_seed(0))
    found = relate_windows(toy, image, 4, ONE_IN)  # 2 x 6 patches, windows from 0 and 2
    left, right = (relate(toy, image[..., start:start + 32], ONE_IN) for start in (0, 16))
    assert found[0, 1] == pytest.approx(left[0, 1])  # of the first window alone
    assert found[4, 5] == pytest.approx(right[2, 3])
    # Patches 2 and 3 are in both, and the first two of the second.
    assert found[2, 3] == pytest.approx((left[2, 3] + right[0, 1]) / 2)
    assert found[2, 8] == pytest.approx((left[2, 6] + right[0, 4]) / 2)  # in the row below
    assert np.isnan(found[0, 4]) and np.isnan(found[6, 5])
    np.testing.assert_array_equal(found, found.T)


def test_one_window_is_the_image(toy):
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(relate_windows(toy, image, 4, ONE_IN),
                                  relate(toy, image, ONE_IN))
