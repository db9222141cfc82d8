# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Where the frames of depth are in another frame, as tf2 knows it.

What is asked for is the transform at the time of an image, never the latest one: on a robot that
turns, what is 5 m away is elsewhere a moment later.
"""

from importlib import import_module
import time

from builtin_interfaces.msg import Time as Stamp
import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from mcn_ros.data.image_formats import shown
from mcn_ros.data.messages import time_ns
from mcn_ros.spatial.transform import transform_from_msg

# Why there is no transform.
UNKNOWN = 'transform unknown'  # a frame, or what is between the two
EARLY = 'transform not yet known'  # at the time of the image
LATE = 'transform too old'  # what is known begins after the image
_PAUSE_S = 0.005


class TransformError(ValueError):
    """
    There is no transform for an image.

    :ivar cause: UNKNOWN, EARLY or LATE.
    """

    def __init__(self, cause: str, text: str):
        super().__init__(text)
        self.cause = cause


class Transforms:
    """
    A listener to /tf and /tf_static, which the executor of the node has to feed.

    :param node: that subscribes.
    :param target: frame that transforms lead to.
    :raises ValueError: for a name that is none in tf2, and where tf2_ros is not installed.
    """

    def __init__(self, node: Node, target: str):
        if target.startswith('/'):
            raise ValueError(f'target_frame: {target!r}: no frame has a slash at the beginning')
        try:
            self._tf2 = import_module('tf2_ros')
        except ImportError as error:
            raise ValueError(f'target_frame: {target!r} needs tf2_ros, which is not installed: '
                             f'{error} (apt install ros-$ROS_DISTRO-tf2-ros-py)') from error
        self.target = target
        # Without a node it has no service; and of jumps of time the node tells anyway.
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, node, spin_thread=False)

    def find(self, source: str, stamp: Stamp, timeout_s: float) -> np.ndarray:
        """
        Return the transform from a frame, (3, 4); called in a thread that is not the executor's.

        :param source: frame of the depth.
        :param stamp: of the image.
        :param timeout_s: how long the transform may still come, by the steady clock: that of ROS
            may stand still.
        :raises TransformError: if there is none.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                msg = self._buffer.lookup_transform(self.target, source, Time.from_msg(stamp))
                return transform_from_msg(msg.transform)
            except self._tf2.TransformException as error:
                cause = self._cause(error, source, stamp)
                if cause == LATE or time.monotonic() >= deadline:
                    raise TransformError(cause, f'{cause}, from frame {shown(source)} to '
                                         f'{shown(self.target)}: {error}') from error
            time.sleep(_PAUSE_S)

    def _cause(self, error: Exception, source: str, stamp: Stamp) -> str:
        if not isinstance(error, self._tf2.ExtrapolationException):
            return UNKNOWN
        try:
            latest = self._buffer.get_latest_common_time(self.target, source)
        except self._tf2.TransformException:  # what there was has been forgotten meanwhile
            return UNKNOWN
        return EARLY if latest.nanoseconds < time_ns(stamp) else LATE

    def forget(self) -> None:
        """Forget transforms of before, as the time has jumped; static ones stay."""
        self._buffer.clear()

    def destroy(self) -> None:
        """Listen no more."""
        self._listener.unregister()
