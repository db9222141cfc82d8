# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The robot of test/ros, for what tries the node."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import threading

import pytest
from rclpy.parameter import Parameter

from mcn_ros.trials.fuzzed_node import FuzzedNode
from mcn_ros.trials.fuzzer import Fuzzer
from mcn_ros.trials.hostile import MAX_PIXELS

spec = spec_from_file_location(
    'robot', Path(__file__).resolve().parents[1] / 'ros' / 'conftest.py')
robot = module_from_spec(spec)
spec.loader.exec_module(robot)
ros, world = robot.ros, robot.world


@pytest.fixture
def fuzz(world, capsys):
    """Return a function that runs a fuzzer against a node in another thread."""
    world.kind = FuzzedNode
    stop = threading.Event()
    threads = []

    def run(count=12, kind=Fuzzer, own={}, **of_node):
        world.start(max_pixels=MAX_PIXELS, **of_node)
        world.executor.remove_node(world.peer)

        def spin():
            while not stop.is_set():
                world.executor.spin_once(timeout_sec=0.02)

        threads.append(threading.Thread(target=spin))
        threads[0].start()
        fuzzer = kind(parameter_overrides=[
            Parameter(name, value=value) for name, value in {'count': count, **own}.items()])
        try:
            return fuzzer.run()
        finally:
            fuzzer.destroy_node()

    world.peer.destroy_publisher(world.peer.images)
    yield run
    stop.set()
    for thread in threads:
        thread.join()
