# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages as the files of bags store them."""

from typing import NamedTuple

MSG_ENCODING = 'ros2msg'  # the definitions that are understood, others are left out


class Channel(NamedTuple):
    """
    What the messages of one kind in a file have in common.

    :param topic: where they were recorded.
    :param msgtype: such as 'sensor_msgs/msg/Image'.
    :param definition: of the type, '' where there is none.
    """

    topic: str
    msgtype: str
    definition: str


class StoredMessage(NamedTuple):
    """
    A message.

    :param channel: number of its channel in the file.
    :param recorded_ns: time of the recording, nanoseconds.
    :param data: serialized message.
    """

    channel: int
    recorded_ns: int
    data: bytes
