# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the executables have in common: how they run, what they tell, and how they end."""

import gc
import json
import os
import signal
import sys
from threading import Event, Thread
import time
from typing import Any, Callable, NoReturn, Sequence, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node

GRACE_S = 1.7  # for a process to end; more than a node takes to leave alone a network that hangs
LOOK_S = 0.1  # between looks whether it has been asked to

T = TypeVar('T')


def until_asked_to_end(work: Callable[[], T], args: Sequence[str] | None = None) -> T | None:
    """
    Do something with rclpy; a signal that asks for an end ends it quietly.

    :param work: what is done.
    :param args: command line, as rclpy has it.
    :return: what ``work`` returns; None if it was not to go on.
    """
    try:
        with rclpy.init(args=args):
            try:
                return work()
            # Once an end is asked for, all that needs the middleware fails: it raises these.
            except RuntimeError:
                if rclpy.ok():
                    raise
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    return None


def run_process(work: Callable[[], int], args: Sequence[str] | None = None) -> NoReturn:
    """
    Do the work of a process that loads a network, and end it, soon where that is asked for.

    A library that loads or compiles a network may hear no signals for seconds; it is then left
    alone. Files are written as a whole or not at all, so nothing is lost.

    :param work: makes a node, lets it run and destroys it; returns the exit code.
    :param args: command line, as rclpy has it.
    """
    done = Event()

    def watched() -> int:
        Thread(target=_end_in_time, args=(done,), name='end', daemon=True).start()
        return work()

    # It interrupts the loading of a network, as SIGINT does, rather than what follows it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.freeze()  # what has been imported need not be looked at below, which takes a second
    code = until_asked_to_end(watched, args) or 0
    done.set()
    # A lifecycle node refers to itself. Until it is collected, the middleware goes on, and its
    # shared memory would outlive the process.
    gc.collect()
    # Everything is closed. To unload PyTorch and compiled networks would take seconds, and may
    # crash where one of their threads hangs.
    for stream in (sys.stdout, sys.stderr):
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
            summary = run(node)
        finally:
            node.destroy_node()
        if summary is not None:
            tell({'summary': summary})  # of files that are whole now

    try:
        until_asked_to_end(work, args)
    except (ValueError, OSError, ParameterException) as error:
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
