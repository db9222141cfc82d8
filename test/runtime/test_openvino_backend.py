# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""OpenVINO: compiled once, for single images, without a word to anybody."""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
import torch

from mcn_ros.runtime import openvino_backend
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import convert, openvino, openvino_obstacle
from mcn_ros.weights_file import save_model

CPU = torch.device('cpu')
pytestmark = pytest.mark.skipif(bool(openvino_obstacle(CPU, torch.float32)),
                                reason='OpenVINO is not installed')


def test_a_network_is_compiled_once(make_network, images, monkeypatch):
    expected = openvino(InferenceGraph(make_network()), CPU, torch.float32)(images)

    def fail(*_):
        raise AssertionError('compiled again')

    monkeypatch.setattr(openvino_backend, 'convert', fail)
    run = openvino(InferenceGraph(make_network()), CPU, torch.float32)
    for found, values in zip(run(images), expected, strict=True):
        np.testing.assert_array_equal(found, values)
    for other in (InferenceGraph(make_network(mean=(0.1, 0.2, 0.3))),
                  InferenceGraph(make_network(), maps=True)):
        with pytest.raises(AssertionError, match='compiled again'):
            openvino(other, CPU, torch.float32)


def test_shapes_are_static(graph):
    model = convert(graph)
    assert str(model.input(0).get_partial_shape()) == '[1,64,96,3]'
    for output, name, shape in zip(model.outputs, graph.names, graph.layout.shapes, strict=True):
        assert output.get_any_name() == name
        partial = output.get_partial_shape()
        assert [side.get_length() for side in partial] == [1, *shape[1:]]


def test_several_images_give_what_each_gives(graph, images):
    backend = openvino(graph, CPU, torch.float32)
    alone = [backend(image[None]) for image in images]
    assert len(images) > 1
    for found, *rows in zip(backend(images), *alone, strict=True):
        np.testing.assert_array_equal(found, np.concatenate(rows))


def test_the_same_images_give_the_same_bits(graph, images):
    backend = openvino(graph, CPU, torch.float32)
    first, again = backend(images), backend(images)
    for found, values in zip(first, again):
        np.testing.assert_array_equal(found, values)


def test_no_usage_is_reported(tmp_path):
    """The library would note in the home folder whom it reports as."""
    program = ('import sys\nfrom mcn_ros.runtime.openvino_backend import import_openvino\n'
               'print(import_openvino().__name__, "openvino_telemetry" in sys.modules)')
    environment = {**os.environ, 'HOME': str(tmp_path),
                   'PYTHONPATH': str(Path(openvino_backend.__file__).parents[2])}
    result = subprocess.run([sys.executable, '-c', program], env=environment, text=True,
                            capture_output=True, timeout=120)
    assert result.stdout == 'openvino False\n', result.stderr
    assert not list(tmp_path.iterdir())


def test_signals_are_handled_after_it_ended_in_another_thread(network, tmp_path):
    """The library takes the stack of the signal handlers along; in a process of its own."""
    program = """
import os, signal, sys, threading
import numpy, torch
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.openvino_backend import openvino
from mcn_ros.weights_file import load_model
signal.signal(signal.SIGUSR1, lambda *_: print('handled'))
kept = [openvino(InferenceGraph(load_model(sys.argv[1])), torch.device('cpu'), torch.float32)]
kept[0](numpy.zeros((1, 64, 96, 3), numpy.uint8))
thread = threading.Thread(target=kept.clear)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
"""
    save_model(network, tmp_path / 'w.safetensors')
    environment = {**os.environ, 'PYTHONPATH': str(Path(openvino_backend.__file__).parents[2])}
    result = subprocess.run([sys.executable, '-c', program, str(tmp_path / 'w.safetensors')],
                            env=environment, text=True, capture_output=True, timeout=120)
    assert (result.returncode, result.stdout) == (0, 'handled\n'), result.stderr
