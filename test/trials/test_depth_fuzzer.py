# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The fuzz test of depth itself: against a node that is right, and against nodes that are not."""

import pytest

from mcn_ros.ros.node.spatial_output import SpatialOutput
from mcn_ros.trials import depth_fuzzer
from mcn_ros.trials.depth_fuzzer import DepthFuzzer


@pytest.mark.parametrize('source, kinds', [
    ('image', {'Image', 'Image on the wire', 'CameraInfo', 'CameraInfo on the wire'}),
    ('points', {'PointCloud2', 'PointCloud2 on the wire'})])
def test_the_node_passes(fuzz, source, kinds):
    summary = fuzz(24, DepthFuzzer, {'source': source}, depth__source=source)
    assert summary['num_wrong'] == 0, summary['wrong']
    assert set(summary['fates']) == kinds
    assert {fate for found in summary['fates'].values() for fate in found} == {
        'answered', 'refused'}


def test_depth_that_changes_what_is_in_the_image_is_found(fuzz, world):
    refuse = SpatialOutput._refuse

    def shift(output, *args):
        refuse(output, *args)
        found = type(world.predictor).predict

        def shifted(predictor, image):
            result = found(predictor, image)
            result['detection'].boxes[:] += 5.0
            return result

        world.monkeypatch.setattr(type(world.predictor), 'predict', shifted)

    world.monkeypatch.setattr(SpatialOutput, '_refuse', shift)
    summary = fuzz(6, DepthFuzzer, depth__source='image')
    assert 'detection of the good image' in summary['wrong'][0]


def test_a_node_without_results_in_space_is_found(fuzz, world):
    world.monkeypatch.setattr(depth_fuzzer, 'SPACE_S', 0.3)
    world.monkeypatch.setattr(SpatialOutput, 'publish', lambda *_: None)
    with pytest.raises(TimeoutError, match='no results in space of warm_up_0'):
        fuzz(6, DepthFuzzer, depth__source='image')
