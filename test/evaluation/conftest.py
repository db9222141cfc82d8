# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags of results, written without ROS by the definitions that lie in the repository."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mcn_ros.data.results import describe, heads_to_json
from mcn_ros.tasks import build_tasks, describe_tasks

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {'vision_msgs': ROOT / 'standalone' / 'vision_msgs' / 'msg',
           'mcn_ros_msgs': ROOT / 'mcn_ros_msgs' / 'msg'}
SECOND = 1_000_000_000


class Messages:
    """Makes messages, and writes them to a bag."""

    def __init__(self):
        self.store = get_typestore(Stores.ROS2_KILTED)
        for package, folder in FOLDERS.items():
            types = {}
            for path in folder.glob('*.msg'):
                types.update(get_types_from_msg(path.read_text(), f'{package}/msg/{path.stem}'))
            self.store.register(types)

    def make(self, kind, **fields):
        """Make a message such as 'std_msgs/String'; fields that are not given are empty."""
        kind = kind.replace('/', '/msg/')
        values = []
        for name, description in self.store.fielddefs[kind][1]:
            values.append(fields[name] if name in fields else self._empty(description))
        return self.store.types[kind](*values)

    def _empty(self, description):
        what, detail = description
        if what == 1:
            return '' if detail[0] == 'string' else 0
        return self.make(detail.replace('/msg/', '/')) if what == 2 else []

    def header(self, stamp_ns):
        stamp = self.make('builtin_interfaces/Time', sec=stamp_ns // SECOND,
                          nanosec=stamp_ns % SECOND)
        return self.make('std_msgs/Header', stamp=stamp)

    def bbox(self, box):
        left, top, right, bottom = box
        center = self.make('vision_msgs/Point2D', x=(left + right) / 2, y=(top + bottom) / 2)
        return self.make('vision_msgs/BoundingBox2D', size_x=right - left, size_y=bottom - top,
                         center=self.make('vision_msgs/Pose2D', position=center))

    def detections(self, stamp_ns, *objects):
        """Make a Detection2DArray of (box, class id, score)."""
        made = []
        for box, class_id, score in objects:
            hypothesis = self.make('vision_msgs/ObjectHypothesis', class_id=class_id, score=score)
            result = self.make('vision_msgs/ObjectHypothesisWithPose', hypothesis=hypothesis)
            result.pose.covariance = np.zeros(36)
            made.append(self.make('vision_msgs/Detection2D', bbox=self.bbox(box),
                                  results=[result]))
        return self.make('vision_msgs/Detection2DArray', header=self.header(stamp_ns),
                         detections=made)

    def poses(self, stamp_ns, *boxes):
        """Make a HumanPose2DArray of people with all joints in the centre, but no nose."""
        people = []
        for left, top, right, bottom in boxes:
            x, y = (left + right) / 2, (top + bottom) / 2
            joints = [self.make('mcn_ros_msgs/Keypoint2D', score=0.5, state=2, position=self.make(
                'vision_msgs/Point2D', x=x, y=y)) for _ in range(17)]
            joints[0].position.x = joints[0].position.y = float('nan')
            people.append(self.make('mcn_ros_msgs/HumanPose2D', score=0.8, keypoints=joints,
                                    bbox=self.bbox((left, top, right, bottom))))
        return self.make('mcn_ros_msgs/HumanPose2DArray', header=self.header(stamp_ns),
                         poses=people)

    def labels(self, stamp_ns, labels):
        """Make a mono8 image."""
        height, width = labels.shape
        return self.make('sensor_msgs/Image', header=self.header(stamp_ns), height=height,
                         width=width, step=width, encoding='mono8', data=labels.reshape(-1))

    def heads(self, **tasks):
        """Make what a node tells of its heads, of name -> config."""
        built = build_tasks(tasks)
        return self.make('std_msgs/String', data=heads_to_json(
            describe(built, describe_tasks(built))))

    def label_info(self, names):
        """Make a LabelInfo of id -> name."""
        return self.make('vision_msgs/LabelInfo', class_map=[
            self.make('vision_msgs/VisionClass', class_id=number, class_name=name)
            for number, name in names.items()])

    def write(self, path, *entries):
        """Write (topic, time in ns, message) to a new bag; return its path."""
        connections = {}
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            for topic, time_ns, message in entries:
                kind = message.__msgtype__
                if (topic, kind) not in connections:
                    connections[topic, kind] = writer.add_connection(
                        topic, kind, typestore=self.store)
                data = self.store.serialize_cdr(message, kind)
                writer.write(connections[topic, kind], time_ns, data)
        return path


@pytest.fixture(scope='session')
def messages():
    return Messages()


@pytest.fixture(scope='session')
def seconds():
    """Return a function: seconds -> nanoseconds."""
    return lambda value: round(value * SECOND)
