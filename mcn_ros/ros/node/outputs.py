# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What is published for a camera: the results of each head, and the overlay of all of them.

Only what somebody subscribes to is brought to camera pixels and made a message. All publishers are
reliable, so that every subscriber can be matched.
"""

from types import MappingProxyType
from typing import Any, Collection, Mapping

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from mcn_ros.data.results import (
    COMPRESSED_TYPE, describe, HeadInfo, heads_to_json, HEADS_TOPIC, IMAGE_TYPE, OVERLAY_TOPIC,
    TEXT_TYPE)
from mcn_ros.ros.node.class_filter import select_classes
from mcn_ros.ros.node.conversions import image_to_png, message_class, rgb_to_image
from mcn_ros.ros.node.converters import CONVERTERS
from mcn_ros.ros.node.parameters import HeadParameters, Parameters
from mcn_ros.structures import select, Structure
from mcn_ros.tasks import describe_tasks, Task
from mcn_ros.tracking import Tracker
from mcn_ros.visualization import draw, DRAWINGS, OPAQUE


PICTURES = IMAGE_TYPE, COMPRESSED_TYPE  # of which a queue would hold old ones back


def create_publisher(node: LifecycleNode, topic: str, msgtype: str,
                     latched: bool = False) -> LifecyclePublisher:
    """Create a publisher; a latched one keeps its last message for those who come later."""
    if latched:
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return node.create_lifecycle_publisher(message_class(msgtype), topic, qos)
    return node.create_lifecycle_publisher(
        message_class(msgtype), topic, QoSProfile(depth=1 if msgtype in PICTURES else 10),
        qos_overriding_options=QoSOverridingOptions.with_default_policies())


class PngPublisher:
    """
    A topic of images, and beside it one of the same images as PNG files.

    The other is called as those of image_transport are, whose JPEG would change labels.

    :ivar publishers: of both topics.
    """

    def __init__(self, node: LifecycleNode, topic: str):
        self.publishers = [create_publisher(node, topic, IMAGE_TYPE),
                           create_publisher(node, f'{topic}/compressed', COMPRESSED_TYPE)]

    def get_subscription_count(self) -> int:
        """Return how many subscribe to either."""
        return sum(publisher.get_subscription_count() for publisher in self.publishers)

    def publish(self, message: Image) -> None:
        """Publish an image on those topics that somebody subscribes to."""
        for publisher, convert in zip(self.publishers, (lambda image: image, image_to_png)):
            if publisher.get_subscription_count():
                publisher.publish(convert(message))


class HeadOutput:
    """
    The topics of a head.

    :param prefix: of the topics.
    :ivar topic: that has the predictions, without the prefix.
    :ivar publishers: of all of them.
    :raises ValueError: for predictions that there are no messages for, or no drawing.
    """

    def __init__(self, node: LifecycleNode, prefix: str, name: str, task: Task, head: HeadInfo):
        for table, what in ((CONVERTERS, 'messages'), (DRAWINGS, 'drawing')):
            if task.prediction not in table:
                known = ', '.join(kind.__name__ for kind in table)
                raise ValueError(f'head {name}: no {what} of predictions of type '
                                 f'{head.prediction} (known: {known})')
        self.task, self.topic, self._name = task, head.topic, name
        self._converter = CONVERTERS[task.prediction]
        self._results = [
            PngPublisher(node, prefix + topic) if index in self._converter.png else
            create_publisher(node, prefix + topic, msgtype)
            for index, (topic, msgtype) in enumerate(head.topics.items())]
        self._infos = [create_publisher(node, prefix + topic, msgtype, latched=True)
                       for topic, msgtype in head.info.items()]
        self.publishers = [
            publisher for result in self._results for publisher in
            (result.publishers if isinstance(result, PngPublisher) else [result])] + self._infos

    @property
    def is_subscribed(self) -> bool:
        """Return whether somebody subscribes to results."""
        return any(publisher.get_subscription_count() for publisher in self._results)

    def announce(self, header: Header, parameters: HeadParameters) -> None:
        """Publish the latched description."""
        for publisher in self._infos:
            publisher.publish(self._converter.info(header, self.task, parameters))

    def of_classes(self, prediction: Structure, parameters: HeadParameters) -> Structure:
        """Return the objects that pass the class filter; what has no classes as it is."""
        if 'classes' not in prediction.ROWS:
            return prediction
        wanted = select_classes(self._name, parameters.classes, self.task.classes)
        return select(prediction, wanted[prediction.classes])

    def choose(self, prediction: Structure, parameters: HeadParameters) -> Structure:
        """Return the objects that are certain enough, best first; a map as it is."""
        if 'scores' not in prediction.ROWS:
            return prediction
        return select(prediction, self.chosen(prediction, parameters))

    def chosen(self, prediction: Structure, parameters: HeadParameters) -> np.ndarray:
        """Return the rows of those objects."""
        certain = np.flatnonzero(prediction.scores >= parameters.score_threshold)
        return certain[:parameters.max_detections]

    def message(self, prediction: Structure, header: Header, parameters: HeadParameters) -> Any:
        """Return the message of the first topic, which has the predictions."""
        shown = self._converter.shown(prediction, parameters)
        return self._converter.messages[0](shown, header, self.task, parameters)

    def publish(self, prediction: Structure, header: Header, parameters: HeadParameters) -> None:
        """Publish results on the topics that somebody subscribes to."""
        if not self.is_subscribed:
            return
        shown = self._converter.shown(prediction, parameters)
        for publisher, convert in zip(self._results, self._converter.messages, strict=True):
            if publisher.get_subscription_count():
                publisher.publish(convert(shown, header, self.task, parameters))


class Outputs:
    """
    All results of one camera.

    :param prefix: of the topics, '~/' or '~/<camera>/'.
    :param tasks: task name -> task, of the heads that run.
    :param tracker: of the objects of the camera.
    :ivar heads: name of the head -> its topics.
    :raises ValueError: for a head whose predictions or topics cannot be published.
    """

    def __init__(self, node: LifecycleNode, prefix: str, tasks: Mapping[str, Task],
                 tracker: Tracker):
        self._node = node
        self._tracker = tracker
        heads = describe(tasks, describe_tasks(tasks))
        self._heads_message = String(data=heads_to_json(heads))
        self._heads = create_publisher(node, prefix + HEADS_TOPIC, TEXT_TYPE, latched=True)
        self.heads = {name: HeadOutput(node, prefix, name, tasks[name], head)
                      for name, head in heads.items()}
        self._overlay = create_publisher(node, prefix + OVERLAY_TOPIC, IMAGE_TYPE)
        # As pictures have it: what would hide the image is drawn only where there is nothing else.
        clear = [name for name, task in tasks.items() if task.prediction not in OPAQUE]
        self._overlay_heads = clear or list(tasks)

    def announce(self, header: Header, parameters: Parameters) -> None:
        """Publish the latched descriptions."""
        self._heads.publish(self._heads_message)
        for name, output in self.heads.items():
            output.announce(header, parameters.of(name))

    def wanted(self, predictions: Mapping[str, Structure], parameters: Parameters,
               also: Collection[str] = ()) -> dict[str, Structure]:
        """
        Return what somebody wants of the predictions of a frame, by the class filter.

        :param predictions: task name -> structure in camera pixels, not thresholded; what nobody
            wants is not asked for.
        :param also: heads that are wanted although nobody subscribes to their results.
        """
        drawn = self._overlay_heads if self._overlay.get_subscription_count() else ()
        return {name: output.of_classes(predictions[name], parameters.of(name))
                for name, output in self.heads.items()
                if name in drawn or name in also or output.is_subscribed}

    def choose(self, wanted: Mapping[str, Structure],
               parameters: Parameters) -> dict[str, Structure]:
        """Return what is certain enough to be published."""
        return {name: self.heads[name].choose(prediction, parameters.of(name))
                for name, prediction in wanted.items()}

    def track(self, time_ns: int, wanted: Mapping[str, Structure], parameters: Parameters,
              ground: Mapping[str, np.ndarray] = MappingProxyType({})) -> dict[str, Structure]:
        """
        Return what is to be published, with ids.

        :param time_ns: when the frame was taken.
        :param wanted: see :meth:`wanted`; what is not certain enough to be published may keep the
            track of an object.
        :param ground: head -> where on the ground those are that :meth:`choose` returns, see
            :class:`mcn_ros.tracking.Tracker`.
        """
        if not parameters.tracking:
            self._tracker.forget()
            return self.choose(wanted, parameters)
        places = {}
        for name, known in ground.items():
            places[name] = np.full((len(wanted[name]), 2), np.nan)
            places[name][self.heads[name].chosen(wanted[name], parameters.of(name))] = known
        tracked = self._tracker.update(time_ns, wanted, parameters.thresholds, places)
        return self.choose(tracked, parameters)

    def publish(self, image: np.ndarray, results: Mapping[str, Structure], header: Header,
                parameters: Parameters, text: str) -> None:
        """
        Publish the results of a frame, then its overlay.

        :param image: (H, W, 3) uint8 RGB.
        :param results: see :meth:`track`.
        :param header: that of the image.
        :param text: to be written into the overlay.
        """
        for name, prediction in results.items():
            self.heads[name].publish(prediction, header, parameters.of(name))
        drawn = {name: results[name] for name in self._overlay_heads if name in results}
        if drawn and self._overlay.get_subscription_count():
            names = {name: self.heads[name].task.classes for name in drawn}
            heads = {name: parameters.of(name) for name in drawn}
            picture = draw(image, drawn, names,
                           score_thresholds={n: h.score_threshold for n, h in heads.items()},
                           keypoint_thresholds={n: h.keypoint_threshold for n, h in heads.items()},
                           text=text if parameters.overlay_text else '')
            self._overlay.publish(rgb_to_image(picture, header))

    def forget_tracks(self) -> None:
        """End all tracks of objects."""
        self._tracker.forget()

    def destroy(self) -> None:
        """Take the topics back."""
        publishers = [p for output in self.heads.values() for p in output.publishers]
        for publisher in [*publishers, self._heads, self._overlay]:
            self._node.destroy_lifecycle_publisher(publisher)
