# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Objects, people and classes in space -> messages: pure functions, without a node, clock or TF.

What an object is, its score and its id are taken from its message in the image, so both say the
same. The header has the stamp of the image and the frame of the coordinates, on everything.
"""

from array import array
import math
import sys
from typing import Collection, Sequence

from geometry_msgs.msg import Point, Pose, Vector3
from mcn_ros_msgs.msg import (
    HumanPose2D, HumanPose2DArray, HumanPose3D, HumanPose3DArray, Keypoint2D, Keypoint3D)
import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D, Detection2D, Detection2DArray, Detection3D, Detection3DArray,
    ObjectHypothesisWithPose)

from mcn_ros.spatial.joints import SpatialJoints
from mcn_ros.spatial.lift import SpatialObjects
from mcn_ros.spatial.subjects import Mask
from mcn_ros.spatial.surface import Surface

UNKNOWN_ROTATION = math.pi ** 2  # the variance, of each of the three angles
# A point of the semantic cloud; the padding lets each begin where a float may begin.
_POINT = np.dtype({'names': ['point', 'label'], 'formats': [('=f4', 3), 'u1'],
                   'offsets': [0, 12], 'itemsize': 16})


def detections_3d_to_msg(detections: Detection2DArray, objects: SpatialObjects,
                         header: Header) -> Detection3DArray:
    """
    Encode the objects whose distance is known.

    :param detections: all objects in the image.
    :param objects: where those of them are, by their rows.
    """
    return Detection3DArray(header=header, detections=[
        Detection3D(header=header, id=detections.detections[row].id,
                    bbox=_box_to_msg(objects, index),
                    results=_results(detections.detections[row], objects, index))
        for index, row in enumerate(objects.rows.tolist())])


def _results(detection: Detection2D, objects: SpatialObjects,
             index: int) -> list[ObjectHypothesisWithPose]:
    covariance = np.diag([0.0] * 3 + [UNKNOWN_ROTATION] * 3)
    covariance[:3, :3] = objects.covariances[index]
    results = []
    for known in detection.results:
        result = ObjectHypothesisWithPose(hypothesis=known.hypothesis)
        result.pose.pose.position = _point(objects.positions[index].tolist())
        result.pose.covariance = covariance.ravel()
        results.append(result)
    return results


def _box_to_msg(objects: SpatialObjects, index: int) -> BoundingBox3D:
    """Return a box along the axes of the frame around what is seen of an object."""
    low, high = objects.low[index], objects.high[index]
    x, y, z = (high - low).tolist()
    return BoundingBox3D(center=Pose(position=_point(((low + high) / 2).tolist())),
                         size=Vector3(x=x, y=y, z=z))


def _point(place: Sequence[float]) -> Point:
    x, y, z = place
    return Point(x=x, y=y, z=z)


def poses_3d_to_msg(poses: HumanPose2DArray, people: SpatialObjects, joints: SpatialJoints,
                    header: Header) -> HumanPose3DArray:
    """
    Encode the people whose distance is known, with all their joints.

    :param poses: all people in the image.
    :param people: where those of them are, by their rows.
    :param joints: where the joints of these are.
    """
    return HumanPose3DArray(header=header, poses=[
        _person(poses.poses[row], _box_to_msg(people, index), joints, index)
        for index, row in enumerate(people.rows.tolist())])


def _person(person: HumanPose2D, box: BoundingBox3D, joints: SpatialJoints,
            index: int) -> HumanPose3D:
    places = zip(joints.positions[index].tolist(), joints.sigmas[index].tolist())
    return HumanPose3D(id=person.id, score=person.score, bbox=box, keypoints=[
        _keypoint(keypoint, place, sigma)
        for keypoint, (place, sigma) in zip(person.keypoints, places)])


def _keypoint(keypoint: Keypoint2D, place: Sequence[float], sigma: float) -> Keypoint3D:
    state = keypoint.state
    if state != Keypoint2D.NOT_ESTIMATED and math.isnan(sigma):
        state = Keypoint3D.NO_DEPTH
    return Keypoint3D(position=_point(place), sigma=sigma, score=keypoint.score, state=state)


def semantic_cloud_msg(surface: Surface, mask: Mask, header: Header,
                       classes: Collection[str] = ()) -> PointCloud2:
    """
    Encode what each point is: x, y, z and a label, 0 for background and 255 for unknown.

    :param mask: labels of the pixels of the surface.
    :param header: its frame is that of the surface.
    :param classes: points of others are NaN; () for all points.
    """
    cloud = np.zeros(surface.size, _POINT)
    cloud['point'], cloud['label'] = surface.all_points(), mask.labels
    if classes:
        wanted = [mask.label(name) for name in classes if name in mask.classes]
        cloud['point'][~np.isin(mask.labels, wanted)] = np.nan
    height, width = surface.size
    fields = [PointField(name=name, offset=offset, datatype=datatype, count=1)
              for name, offset, datatype in [
                  ('x', 0, PointField.FLOAT32), ('y', 4, PointField.FLOAT32),
                  ('z', 8, PointField.FLOAT32), ('label', 12, PointField.UINT8)]]
    msg = PointCloud2(header=header, height=height, width=width, fields=fields,
                      is_bigendian=sys.byteorder == 'big', point_step=_POINT.itemsize,
                      row_step=_POINT.itemsize * width, is_dense=False)
    msg.data = array('B', cloud.tobytes())  # an array is taken over as it is
    return msg
