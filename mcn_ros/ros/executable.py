# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How the executables run, report to the process that started them, and end."""

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

GRACE_S = 1.7  # for a process to end; longer than a node waits for a network that hangs
POLL_S = 0.1  # between checks for a shutdown

# What is wrong with what users give.
ERRORS = (ValueError, OSError, ParameterException, NameValidationException)

T = TypeVar('T')


def run_until_shutdown(work: Callable[[], T], args: Sequence[str] | None = None) -> T | None:
    """
    Run a function with rclpy; SIGINT and SIGTERM end it quietly.

    :param work: the function.
    :param args: command line, as rclpy has it.
    :return: what ``work`` returns; None after a signal.
    :raises ValueError: for arguments that are none of ROS.
    :raises OSError: if logs cannot be written.
    """
    try:
        with _single_interrupt(args is None), _init_rclpy(args):
            try:
                return work()
            # After a shutdown, all that needs the middleware raises these.
            except RuntimeError:
                if rclpy.ok():
                    raise
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    return None


@contextmanager
def _single_interrupt(for_ever: bool) -> Iterator[None]:
    """
    Let the first SIGINT or SIGTERM raise KeyboardInterrupt; later ones must not interrupt closing.

    :param for_ever: whether signals are ignored afterwards: the process is about to end.
    """
    if current_thread() is not main_thread():  # the one that receives signals
        yield
        return
    received = []

    def interrupt(number: int, frame: Any) -> None:
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        received.append(0)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if for_ever else handler)


def _init_rclpy(args: Sequence[str] | None) -> Any:
    """Start rclpy, with errors that users understand."""
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
    Run the work of a process that loads a network, and end the process soon after a signal.

    A library that loads or compiles a network may block for seconds; the process does not wait for
    it. Files are written as a whole or not at all, so nothing is lost.

    :param name: of the node, for the log.
    :param work: makes a node, lets it run and destroys it; returns the exit code.
    :param args: command line, as rclpy has it.
    """
    finished = Event()

    def watched() -> int:
        Thread(target=_exit_after_grace, args=(finished,), name='end', daemon=True).start()
        return work()

    gc.freeze()  # imported objects need no collection below, which takes a second
    try:
        code = run_until_shutdown(watched, args) or 0
    except ERRORS as error:
        get_logger(name).error(str(error))
        code = 1
    finished.set()
    _exit_process(code)


def _exit_process(code: int) -> NoReturn:
    """
    End the process, whatever still hangs in it; signals are ignored by now.

    Unloading PyTorch and compiled networks takes seconds, and may crash where one of their threads
    hangs.
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


def _exit_after_grace(finished: Event) -> None:
    while rclpy.ok():
        time.sleep(POLL_S)
    if not finished.wait(GRACE_S):
        os._exit(0)


def run_node(name: str, kind: Callable[[], Node], run: Callable[[Any], dict[str, Any] | None],
             args: Sequence[str] | None = None) -> int:
    """
    Run a node in a process of its own until its work is done, and write its summary.

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
            write_event({'summary': summary})  # of files that are whole now

    try:
        run_until_shutdown(work, args)
    except ERRORS as error:
        get_logger(name).error(str(error))
        return 1
    return 0


def write_event(event: dict[str, Any]) -> None:
    """Write an event as a line of JSON, for the process that has started this one."""
    print(json.dumps(event), flush=True)


def end_of_input() -> Event:
    """Return an event that is set at the end of standard input: nothing more will be sent."""
    ended = Event()
    Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    return ended
