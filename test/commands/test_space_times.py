# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node measured with depth and without: real processes over real topics, a tiny network."""

import pytest

from mcn_ros.benchmark.space import WITH, WITHOUT
from mcn_ros.commands import space_times
from mcn_ros.runtime import RuntimeConfig

pytest.importorskip('rclpy')


def test_the_same_images_with_depth_and_without(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(space_times, 'TURNS', 1)
    row = space_times.measure(str(tiny_weights), RuntimeConfig('cpu', 'torch'), 1.0, tmp_path,
                              least_s=1.0)
    assert row['in_space'] > 0 and row['size'] == [480, 640]
    for name in (WITHOUT, WITH):
        assert row['ms'][name]['frames'] > 1 and 0 < row['ms'][name]['p50']
