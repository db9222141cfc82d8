# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Images wait in the middleware until the network wants one.

An executor takes every message as soon as it comes, and makes an object of it: milliseconds of
processor time for each image, also for those that are replaced by a newer one before anyone looks
at them. So executors do not serve these subscriptions. The thread that runs the network waits for
them itself and takes the newest image of each when it is free. The middleware keeps one
image of a camera. Most number them, so what was replaced is known without having been received.
"""

from contextlib import ExitStack
from operator import attrgetter
import time
from typing import Any, Callable, Mapping, Protocol, Sequence, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

RCLError = _rclpy.RCLError
FOREVER = -1  # as a time to wait, in nanoseconds
RETRY_S = 0.5  # after the middleware could not wait
MAX_QUEUED = 100  # images of one camera that are looked through; the default QoS keeps one
MOST_PUBLISHERS = 100  # of one camera that are remembered


class Source(Protocol):
    """What messages come from: its subscription of now, None if it has none."""

    subscription: Subscription | None


SourceT = TypeVar('SourceT', bound=Source)


class PolledCallbackGroup(CallbackGroup):
    """
    The callback group of subscriptions that are polled: executors do not serve them.

    Nor do they serve QoS events of such a subscription: with Fast DDS, messages that are not taken
    would wake them up again and again.
    """

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Numbering:
    """The numbers that publishers give to their messages."""

    def __init__(self):
        self._last: dict[bytes, int] = {}

    def count_missed(self, info: Mapping[str, Any],
                     count_publishers: Callable[[], int]) -> int | None:
        """
        Return how many messages of a publisher came between its last one and this one.

        :param info: what rclpy says of the message.
        :param count_publishers: returns how many publishers the topic has.
        :return: 0 for the first message of a publisher; None if it cannot be known: where the
            middleware numbers nothing (Cyclone DDS), or there are several publishers that rclpy
            does not tell apart (before June 2025).
        """
        publisher = info.get('publisher_gid')
        number = info.get('publication_sequence_number')
        if number is None or not (publisher or count_publishers() == 1):
            self._last.clear()
            return None
        key = bytes(publisher['data']) if publisher else b'the only one'
        last = self._last.pop(key, number - 1)
        self._last[key] = number
        if len(self._last) > MOST_PUBLISHERS:
            del self._last[next(iter(self._last))]
        return max(0, number - last - 1)


def take_newest(subscription: Subscription) -> tuple[Any, Mapping[str, Any]] | None:
    """
    Return the newest message and what rclpy says of it; None if there is none.

    Older ones, of a subscription that keeps several, are thrown away.
    """
    newest = None
    try:
        with subscription.handle:
            for _ in range(MAX_QUEUED):
                message = subscription.handle.take_message(subscription.msg_type, False)
                if message is None:
                    break
                newest = message
    except InvalidHandle:  # it has just been destroyed
        pass
    return newest


def take_serialised(subscription: Subscription) -> list[bytes]:
    """Return what has come, oldest first, as it was sent: no objects are made of it."""
    messages = []
    try:
        with subscription.handle:
            while (len(messages) < MAX_QUEUED and (
                    message := subscription.handle.take_message(subscription.msg_type, True))):
                messages.append(message[0])
    except InvalidHandle:  # it has just been destroyed
        pass
    return messages


def has_message(subscription: Subscription, context: Context, patience_s: float = 0.0) -> bool:
    """Return whether a message can be taken, or comes within a time."""
    return bool(_wait([subscription], context, None, int(patience_s * 1e9)))


def offered_reliability(publishers: Sequence[TopicEndpointInfo]) -> ReliabilityPolicy:
    """
    Return the best reliability that all publishers offer.

    Best effort matches every publisher, but without a transport made for it DDS loses large
    images that way; so it is not asked for where all publishers are reliable.
    """
    reliable = [p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers]
    both = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
    return both[0] if reliable and all(reliable) else both[1]


class Intake:
    """
    Where a thread waits for messages of several sources.

    :param sources: what is waited for.
    :param context: of rclpy.
    :param waited_for: source -> the subscription that is waited for now, None if there is none.
    """

    def __init__(self, sources: Sequence[SourceT], context: Context,
                 waited_for: Callable[[SourceT], Subscription | None] = attrgetter(
                     'subscription')):
        self._sources = sources
        self._context = context
        self._waited_for = waited_for
        self._guard = GuardCondition(None, None, context)

    def wait(self) -> list[SourceT] | None:
        """
        Wait until there are messages, or for :meth:`wake`.

        :return: the sources that have one; None if none will come any more, as rclpy has ended.
            Where the middleware cannot wait, none after a moment.
        """
        current = {source: self._waited_for(source) for source in self._sources}
        present = [subscription for subscription in current.values() if subscription is not None]
        try:
            ready = _wait(present, self._context, self._guard, FOREVER)
        except (InvalidHandle, RCLError):
            if not self._context.ok():
                return None
            # Of the middleware; who looks at the cameras meets it too, and tells.
            time.sleep(RETRY_S)
            return []
        return [source for source, subscription in current.items() if subscription in ready]

    def wake(self) -> None:
        """End the wait of now, or the next one: subscriptions are others, or no more is wanted."""
        self._guard.trigger()


def _wait(subscriptions: Sequence[Subscription], context: Context, guard: GuardCondition | None,
          timeout_ns: int) -> list[Subscription]:
    """Wait for messages; return the subscriptions that have one."""
    with ExitStack() as used:  # what is destroyed meanwhile lives on until it is not waited for
        entered = []
        for subscription in subscriptions:
            try:
                used.enter_context(subscription.handle)
                entered.append(subscription)
            except InvalidHandle:  # it has just been destroyed
                pass
        if not entered and guard is None:
            return []
        used.enter_context(context.handle)
        wait_set = _rclpy.WaitSet(len(entered), int(guard is not None), 0, 0, 0, 0, context.handle)
        wait_set.clear_entities()
        for subscription in entered:
            wait_set.add_subscription(subscription.handle)
        if guard is not None:
            wait_set.add_guard_condition(guard.handle)
        wait_set.wait(timeout_ns)
        ready = wait_set.get_ready_entities('subscription')
        return [subscription for subscription in entered if subscription.handle.pointer in ready]
