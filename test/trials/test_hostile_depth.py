# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a depth camera sends: right before it is damaged, and the same with the same seed."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from mcn_ros.spatial.camera_model import CameraModel
from mcn_ros.spatial.depth import depth_from_image, points_from_cloud
from mcn_ros.spatial.surface import Surface, surface_of_cloud
from mcn_ros.trials.hostile_depth import depth_messages, hostile_depth, METRES, on_the_wire

SIZE = 24, 32
HEADER = Header(frame_id='eye')


def test_image_and_cloud_are_of_one_wall():
    info, msg = depth_messages('image', SIZE, HEADER)
    surface = Surface(depth_from_image(msg), CameraModel.from_info(info, True).resize(SIZE))
    points = points_from_cloud(depth_messages('points', SIZE, HEADER)[0])
    np.testing.assert_allclose(surface.all_points(), points, atol=1e-6)
    np.testing.assert_allclose(surface_of_cloud(points).depth, METRES, atol=1e-5)


@pytest.mark.parametrize('source, index', [('image', 0), ('image', 1), ('points', 0)])
def test_damage_goes_by_seed_and_index(source, index):
    # As text: what is between the fields of a serialised message is not the same each time.
    damaged = [repr(hostile_depth(depth_messages(source, SIZE, HEADER)[index], *seed))
               for seed in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert damaged[0] == damaged[1] and len(set(damaged)) == 3


def test_damage_on_the_wire_goes_by_seed_and_index():
    message = depth_messages('points', SIZE, HEADER)[0]
    sizes = [len(on_the_wire(message, 0, index)) for index in range(20)]
    assert sizes == [len(on_the_wire(message, 0, index)) for index in range(20)]
    assert 4 < len(set(sizes)) and len(serialize_message(message)) in sizes
