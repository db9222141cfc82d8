# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The distance of real people, by real depth cameras."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mcn_ros.benchmark.depth_scene import objects
from mcn_ros.spatial.camera_model import CameraModel
from mcn_ros.spatial.depth import DepthRange
from mcn_ros.spatial.lift import lift
from mcn_ros.spatial.subjects import Subjects
from mcn_ros.spatial.surface import Surface
from mcn_ros.vocabulary import PERSON

FOLDER = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'rgbd_people'
EVERY = 4  # images
SMALLEST = 500  # pixels of a person who counts


@pytest.mark.skipif(not FOLDER.is_dir(), reason='images with depth are not part of the package')
def test_people_are_where_their_own_pixels_are():
    """The boxes are the true ones, and there is no mask: what is behind people is in the boxes."""
    errors, count = [], 0
    cameras = json.loads((FOLDER / 'intrinsics.json').read_text())
    for name, camera in list(cameras.items())[::EVERY]:
        depth = read(f'depth/{name}.png').astype(np.float32) / 1000
        surface = Surface(DepthRange().cut(depth), CameraModel(
            depth.shape, *(camera[key] for key in ('fx', 'fy', 'cx', 'cy'))))
        _, regions, figures, _ = cv2.connectedComponentsWithStats(read(f'labels/{name}.png'))
        people = [number for number, figure in enumerate(figures)
                  if number and figure[cv2.CC_STAT_AREA] >= SMALLEST]
        corners = figures[people][:, :2]
        boxes = objects(*np.hstack([corners, corners + figures[people][:, 2:4]]))
        found = lift(surface, Subjects.of_objects(boxes, [PERSON]))
        truth = np.array([np.nanmedian(surface.depth[regions == people[row]])
                          for row in found.rows])
        errors += np.abs(found.depths / truth - 1).tolist()
        count += len(people)
    assert len(errors) == count > 30
    assert np.median(errors) <= 0.03


def read(name):
    return cv2.imread(str(FOLDER / name), cv2.IMREAD_UNCHANGED)
