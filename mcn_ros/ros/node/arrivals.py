# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How often images come where the middleware does not number them.

How many were replaced while the network was at work is then unknown, but not how long one of them
is after another: from an image that is taken to the next one that comes. A thread notes when that
is there, once for each image that is taken, however many follow.
"""

from threading import Lock, Thread
import time
from typing import Any, Mapping, Protocol, Sequence

from rclpy.context import Context
from rclpy.subscription import Subscription

from mcn_ros.ros.node.intake import has_message, Intake

PATIENCE_S = 1.5  # for the thread to end


class Arrivals:
    """
    The times between an image of a camera and the next one.

    :ivar lock: is held while an image is taken.
    :ivar awaited: whether it is to be noted when the next image is there.
    """

    def __init__(self):
        self.lock = Lock()
        self.awaited = False
        self._last_ns = 0  # when the image that was taken last had come
        self._next_ns = 0  # when another one was seen to be there

    def note(self) -> None:
        """Note that there is an image."""
        self._next_ns, self.awaited = time.time_ns(), False

    def measure(self, info: Mapping[str, Any]) -> float | None:
        """
        Return how long after the image before it the one came that followed that.

        :param info: what rclpy says of the image that has been taken, which may be a later one.
        :return: seconds; None for the first image, and where clocks do not allow it.
        """
        # Cyclone DDS only knows when it was sent.
        came_ns = info['received_timestamp'] or info['source_timestamp']
        interval_ns = min(came_ns, self._next_ns or came_ns) - self._last_ns
        known = self._last_ns > 0 and interval_ns > 0
        self._last_ns, self._next_ns, self.awaited = came_ns, 0, True
        return interval_ns / 1e9 if known else None


class CameraLike(Protocol):
    """What a thread of arrivals needs of a camera."""

    subscription: Subscription | None
    arrivals: Arrivals


class ArrivalThread:
    """
    A thread that notes arrivals; where all images are numbered, it sleeps.

    :param cameras: whose arrivals are noted.
    :param context: of rclpy.
    """

    def __init__(self, cameras: Sequence[CameraLike], context: Context):
        self._context = context
        self._intake = Intake(cameras, context, _awaited)
        self._stopping = False
        self._thread = Thread(target=self._run, name='arrivals', daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look again at what is awaited."""
        self._intake.wake()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self.wake()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._stopping and (cameras := self._intake.wait()) is not None:
            for camera in cameras:
                with camera.arrivals.lock:
                    # Who takes images may have been quicker.
                    subscription = _awaited(camera)
                    if subscription is not None and has_message(subscription, self._context):
                        camera.arrivals.note()


def _awaited(camera: CameraLike) -> Subscription | None:
    return camera.subscription if camera.arrivals.awaited else None
