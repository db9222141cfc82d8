# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the executables have in common: how they run, what they tell, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import gc
import json
import os
import signal
import sys
from threading import current_thread, Event, main_thread, Thread, Timer
import time
from typing import Any, Callable, NoReturn, Sequence, TypeVar

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.logging import get_logger
from rclpy.node import Node

from mcn_ros.ros.command_line import warn_of_unknown_parameters

GRACE_S = 1.7  # for a process to end; more than a node takes to leave alone a network that hangs
LOOK_S = 0.1  # between looks whether it has been asked to

# What is wrong with what users give.
ERRORS = (ValueError, OSError, ParameterException, NameValidationException)

T = TypeVar('T')


def until_asked_to_end(work: Callable[[], T], args: Sequence[str] | None = None) -> T | None:
    """
    Do something with rclpy; a signal that asks for an end ends it quietly.

    :param work: what is done.
    :param args: command line, as rclpy has it.
    :return: what ``work`` returns; None if it was not to go on.
    :raises ValueError: for arguments that are none of ROS.
    :raises OSError: if logs cannot be written.
    """
    try:
        with _interrupted_once(args is None), _started(args):
            try:
                return work()
            # Once an end is asked for, all that needs the middleware fails: it raises these.
            except RuntimeError:
                if rclpy.ok():
                    raise
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    return None


@contextmanager
def _interrupted_once(for_ever: bool) -> Iterator[None]:
    """
    Let the first signal that asks for an end raise KeyboardInterrupt, and no other.

    What is being closed is not to be interrupted again, whoever is impatient.

    :param for_ever: whether signals are ignored afterwards: the process is about to end.
    """
    if current_thread() is not main_thread():  # which is who hears signals
        yield
        return
    heard = []

    def interrupt(number: int, frame: Any) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        heard.append(0)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if for_ever else handler)


def _started(args: Sequence[str] | None) -> Any:
    """Start rclpy; say in words of users why that fails."""
    try:
        return rclpy.init(args=args)
    except _rclpy.UnknownROSArgsError as error:
        raise ValueError(f'unknown arguments of ROS: {error}') from error
    except RuntimeError as error:
        rclpy.try_shutdown()
        reason = ' '.join(str(error).split())
        if 'initialize logging' in reason or 'opening file' in reason:
            raise OSError('logs cannot be written: set ROS_LOG_DIR to a folder that can '
                          f'({reason})') from error
        raise ValueError(reason) from error


def run_process(name: str, work: Callable[[], int],
                args: Sequence[str] | None = None) -> NoReturn:
    """
    Do the work of a process that loads a network, and end it, soon where that is asked for.

    A library that loads or compiles a network may hear no signals for seconds; it is then left
    alone. Files are written as a whole or not at all, so nothing is lost.

    :param name: of the node, for the log.
    :param work: makes a node, lets it run and destroys it; returns the exit code.
    :param args: command line, as rclpy has it.
    """
    done = Event()

    def watched() -> int:
        Thread(target=_end_in_time, args=(done,), name='end', daemon=True).start()
        return work()

    gc.freeze()  # what has been imported need not be looked at below, which takes a second
    try:
        code = until_asked_to_end(watched, args) or 0
    except ERRORS as error:
        get_logger(name).error(str(error))
        code = 1
    done.set()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """
    End the process, whatever still hangs in it: signals are ignored by now.

    To unload PyTorch and compiled networks would take seconds, and may crash where one of their
    threads hangs.
    """
    last = Timer(GRACE_S, os._exit, (code,))
    last.daemon = True
    last.start()
    # A lifecycle node refers to itself. Until it is collected, the middleware goes on, and its
    # shared memory would outlive the process.
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _end_in_time(done: Event) -> None:
    while rclpy.ok():
        time.sleep(LOOK_S)
    if not done.wait(GRACE_S):
        os._exit(0)


def run_node(name: str, kind: Callable[[], Node], run: Callable[[Any], dict[str, Any] | None],
             args: Sequence[str] | None = None) -> int:
    """
    Run a node in a process of its own until its work is done, and tell its summary.

    :param name: of the node, for the log.
    :param kind: makes the node.
    :param run: is given the node; returns the summary, None if there is none.
    :return: exit code of the process; what is wrong is one line in the log.
    """
    def work() -> None:
        node = kind()
        try:
            warn_of_unknown_parameters(node)
            summary = run(node)
        finally:
            node.destroy_node()
        if summary is not None:
            tell({'summary': summary})  # of files that are whole now

    try:
        until_asked_to_end(work, args)
    except ERRORS as error:
        get_logger(name).error(str(error))
        return 1
    return 0


def tell(event: dict[str, Any]) -> None:
    """Write a line for the process that waits for it."""
    print(json.dumps(event), flush=True)


def end_of_input() -> Event:
    """Return an event that is set at the end of standard input: nothing more will be sent."""
    ended = Event()
    Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    return ended
