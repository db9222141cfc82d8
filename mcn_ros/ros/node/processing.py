# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is done with the images that cameras have: decoded, looked at, given ids and published.

All of it is in the order of importance: results in the image are published as soon as they are
there, then the cameras together wait for depth that has not come yet.
"""

import time
from typing import Any, Callable, Mapping, Sequence

from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from std_msgs.msg import Header

from mcn_ros.ros.node.camera import Camera
from mcn_ros.ros.node.diagnostics import FAILED, one_line, REPEAT_S, UNDECODABLE
from mcn_ros.ros.node.humans import Humans
from mcn_ros.ros.node.inference import BatchResult
from mcn_ros.ros.node.parameters import Parameters
from mcn_ros.ros.node.resilience import ResilientPredictor
from mcn_ros.ros.node.spatial_output import View
from mcn_ros.structures import Structure


class ImageObserver:
    """Learns what becomes of images, in the thread that works on them."""

    def on_predicted(self, num_images: int, seconds: float) -> None:
        """Do nothing: the network has looked at images."""

    def on_published(self, camera: Camera, header: Header) -> None:
        """Do nothing: the results of the image with this header have been published."""

    def on_dropped(self, camera: Camera, header: Header | None, cause: str,
                   error: Exception) -> None:
        """
        Do nothing: an image gives no results.

        :param header: None if not even that could be read.
        :param cause: UNDECODABLE or FAILED of :mod:`mcn_ros.ros.node.diagnostics`.
        """


class ImageProcessor:
    """
    Works on the newest images of cameras.

    :param node: whose clock, logger and context are used.
    :param observer: is told what becomes of images.
    :param parameters: gives those of the node as they are now.
    :param predictor: the network.
    :param humans: people as REP 155 has them, None without.
    :param limit_batch: called with the most images at once, where a batch was too large.
    """

    def __init__(self, node: LifecycleNode, observer: ImageObserver,
                 parameters: Callable[[], Parameters], predictor: ResilientPredictor,
                 humans: Humans | None, limit_batch: Callable[[int], None]):
        self._node, self._observer, self._parameters = node, observer, parameters
        self._predictor, self._humans, self._limit_batch = predictor, humans, limit_batch

    def process(self, cameras: Sequence[Camera]) -> None:
        """Work on the newest images of some cameras; no image that is wrong stops it."""
        headers, images = {}, {}
        for camera in cameras:
            try:
                msg = camera.take()
                if msg is not None:
                    headers[camera] = msg.header
                    images[camera] = camera.decode(msg, self._parameters().max_pixels)
            # Whatever the middleware and a decoder may raise: only this image is lost.
            except Exception as error:
                self._drop(camera, headers.get(camera), UNDECODABLE, error)
        batch = self._predict(images)
        for camera, error in batch.failures.items():
            self._drop(camera, headers[camera], FAILED, error)
        published = {}
        for camera, prediction in batch.results.items():
            try:
                published[camera] = self._publish(camera, images[camera], prediction,
                                                  headers[camera])
            # Whatever drawing and the middleware may raise: only this image is lost.
            except Exception as error:
                self._drop(camera, headers[camera], FAILED, error)
        # All else is published now, so depth may be waited for, by all cameras together.
        deadline = time.monotonic() + self._parameters().depth_wait
        for camera, (results, view) in published.items():
            if camera.space is not None:
                camera.space.publish(images[camera].shape[:2], results, headers[camera],
                                     self._parameters(), deadline, view)

    def _predict(self, images: Mapping[Camera, Any]) -> BatchResult:
        if not images:
            return BatchResult()
        start = time.perf_counter()
        batch = self._predictor.run(images)
        self._observer.on_predicted(len(images), time.perf_counter() - start)
        if batch.too_large is not None:
            most = len(images) // 2
            self._limit_batch(most)
            self._node.get_logger().warning(
                f'{len(images)} images at once failed: {one_line(batch.too_large)}; from now on '
                f'at most {most}')
        return batch

    def _publish(self, camera: Camera, image: Any, prediction: Mapping[str, Any],
                 header: Header) -> tuple[dict[str, Structure], View | None]:
        """Publish the results of an image; return them, and what is known of them in space."""
        parameters = self._parameters()
        latencies = camera.statistics.latencies_ms()
        text = f'{camera.statistics.rate:.1f} frames/s'
        if len(latencies):
            text += f', {latencies[-1]:.0f} ms'
        also = set() if camera.space is None else camera.space.wanted
        if self._humans is not None:
            also.add(self._humans.head)
        objects = camera.outputs.wanted(prediction, parameters, also)
        view = None
        if camera.space is not None and parameters.tracking:
            view = camera.space.glance(image.shape[:2], camera.outputs.choose(objects, parameters),
                                       header, parameters)
        results = camera.outputs.track(camera.taken_ns(header), objects, parameters,
                                       {} if view is None else view.ground)
        camera.outputs.publish(image, results, header, parameters, text)
        if self._humans is not None:
            self._humans.publish(camera.name, results[self._humans.head], image.shape[:2], header,
                                 parameters.tracking_lost)
        stamp = Time.from_msg(header.stamp, clock_type=self._node.get_clock().clock_type)
        latency = (self._node.get_clock().now() - stamp).nanoseconds / 1e9
        camera.statistics.add_processed(latency if stamp.nanoseconds else None)
        self._observer.on_published(camera, header)
        return results, view

    def _drop(self, camera: Camera, header: Header | None, cause: str, error: Exception) -> None:
        if not self._node.context.ok():  # the process is being ended, so publishing fails
            return
        camera.statistics.add_dropped(cause, one_line(error))
        self._node.get_logger().error(f'{camera.topic}: image dropped: {one_line(error)}',
                                      throttle_duration_sec=REPEAT_S)
        self._observer.on_dropped(camera, header, cause, error)
