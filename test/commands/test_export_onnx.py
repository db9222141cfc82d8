# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Exported files: what they say of themselves, and that they do what the network does."""

import ast
import contextlib
import importlib.util
import io
import json
from pathlib import Path
import re

import cv2
import numpy as np
import pytest
import torch

from mcn_ros.commands import export_onnx
from mcn_ros.commands.export_onnx import main
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import load_predictor, RuntimeConfig
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.vocabulary import COCO_SKELETON
from mcn_ros.weights_file import load_model, save_model

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')

EXAMPLE = Path(__file__).resolve().parents[2] / 'examples' / 'onnx_image.py'
SIZE = (64, 96)
TASKS = {'detection': {'classes': ['cat', 'dog'], 'head': {'width': 8}},
         'pose': {'head': {'width': 8}},
         'segmentation': {'classes': ['cat'], 'head': {'width': 8}}}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Write weights of a small network that sees different things in different places."""
    torch.manual_seed(0)
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=8)
    model = MultiTaskNet(ModelConfig(TASKS, trunk, SIZE, mean=(0.4, 0.5, 0.6)))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
        for head in model.heads.values():
            for layers in head.maps.values():
                layers[-1].weight *= 300
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    save_model(model, path)
    return path


@pytest.fixture(scope='module')
def exported(weights):
    """Return the file of all heads."""
    path = weights.with_name('new') / 'mcn.onnx'
    main(['--weights', str(weights), '--out', str(path)])
    return path


@pytest.fixture(scope='module')
def maps(weights):
    """Return the file of the maps of one head, at another size, and what the command said."""
    path = weights.with_name('maps.onnx')
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main(['--weights', str(weights), '--out', str(path), '--maps', '--heads', 'pose',
              '--size', '32', '64'])
    return path, output.getvalue()


@pytest.fixture(scope='module')
def example():
    spec = importlib.util.spec_from_file_location('onnx_image', EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def images(count):
    return np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), np.uint8)


def tiles(height, width):
    """Return an image that hardly changes when it is scaled."""
    blocks = np.random.default_rng(1).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_CUBIC)


def open_session(path):
    return onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])


def test_a_file_does_what_the_network_does(weights, exported):
    graph = InferenceGraph(load_model(weights))
    session = open_session(exported)
    assert [entry.name for entry in session.get_inputs()] == ['images']
    assert tuple(entry.name for entry in session.get_outputs()) == graph.names
    assert {'detection/boxes', 'pose/keypoints', 'segmentation/labels'} <= set(graph.names)
    for count in (1, 2, 5):
        found = session.run(None, {'images': images(count)})
        with torch.no_grad():
            expected = graph(torch.from_numpy(images(count)))
        for name, array, tensor in zip(graph.names, found, expected, strict=True):
            assert array.dtype == tensor.numpy().dtype and array.shape == tuple(tensor.shape)
            if name.endswith('scores') and name.count('/') == 1 and 'keypoint' not in name:
                np.testing.assert_allclose(array, tensor.numpy(), atol=1e-4)


def test_maps_are_logits(weights, maps):
    path, output = maps
    assert 'logits' in output and 'pose/heatmap (N, 1, 8, 16)' in output
    session = open_session(path)
    graph = InferenceGraph(load_model(weights, ['pose'], (32, 64)), maps=True)
    assert tuple(entry.name for entry in session.get_outputs()) == graph.names
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), np.uint8)
    with torch.no_grad():
        for array, tensor in zip(session.run(None, {'images': pixels}),
                                 graph(torch.from_numpy(pixels)), strict=True):
            np.testing.assert_allclose(array, tensor.numpy(), atol=1e-3)
    assert session.get_modelmeta().custom_metadata_map.keys() == {'input', 'normalisation', 'pose'}


def test_a_file_says_all_that_is_needed(exported):
    entries = open_session(exported).get_modelmeta().custom_metadata_map
    about = {name: json.loads(text) for name, text in entries.items()}
    assert about.keys() == {'input', 'normalisation', *TASKS}
    assert about['input'] == {'name': 'images', 'size': [64, 96], 'layout': 'NHWC', 'border': 114,
                              'dtype': 'uint8', 'channels': 'rgb'}
    assert about['normalisation']['mean'] == [0.4, 0.5, 0.6]
    assert about['normalisation']['channel_order'] == 'rgb' and about['normalisation']['applied']
    assert about['detection'] == {'classes': ['cat', 'dog']}
    assert about['segmentation'] == {'classes': ['cat'], 'stride': 4}
    skeleton = about['pose']['skeleton']
    assert tuple(skeleton['keypoint_names']) == COCO_SKELETON.keypoint_names
    assert tuple(map(tuple, skeleton['edges'])) == COCO_SKELETON.edges
    assert tuple(skeleton['flip']) == COCO_SKELETON.flip


def test_a_difference_is_told_and_nothing_is_written(weights, maps, tmp_path, monkeypatch,
                                                     capsys):
    def export(graph):
        with torch.no_grad():  # the network that the file is compared with is another one now
            next(graph.model.heads['pose'].parameters()).mul_(1.1)
        return maps[0].read_bytes()

    monkeypatch.setattr(export_onnx, 'export', export)
    with pytest.raises(SystemExit) as info:
        main(['--weights', str(weights), '--out', str(tmp_path / 'x.onnx'), '--maps',
              '--heads', 'pose', '--size', '32', '64'])
    assert info.value.code == 1 and not list(tmp_path.iterdir())
    assert re.search(r'apart by .* in logits\n$', capsys.readouterr().err)


@pytest.mark.parametrize('extra, named', [
    (['--weights', 'nothing.safetensors'], 'nothing.safetensors'),
    (['--heads', 'depth'], 'depth'), (['--size', '30', '64'], 'input_size')])
def test_what_is_wrong_is_told_in_one_line(weights, tmp_path, capsys, extra, named):
    with pytest.raises(SystemExit) as info:
        main(['--weights', str(weights), '--out', str(tmp_path / 'x.onnx'), *extra])
    error = capsys.readouterr().err
    assert info.value.code == 1 and named in error and error.count('\n') == 1


def test_missing_libraries_are_named(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export_onnx, 'find_spec', lambda name: None if 'script' in name else name)
    with pytest.raises(SystemExit):
        main(['--weights', str(weights), '--out', str(tmp_path / 'x.onnx')])
    assert 'pip install onnxscript' in capsys.readouterr().err


# ---- The example ----

def test_the_example_needs_nothing_of_this_package():
    tree = ast.parse(EXAMPLE.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}
    assert imported == {'cv2', 'json', 'numpy', 'onnxruntime', 'sys'}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


# Of these sizes, the image becomes whole pixels of the input: both then see the same.
@pytest.mark.parametrize('size', [(64, 96), (128, 96), (64, 80), (192, 288)])
def test_the_example_finds_what_the_predictor_finds(weights, exported, example, size):
    session, about = example.load(exported)
    image = tiles(*size)
    found = example.see(session, about, image)
    expected = load_predictor(weights, None, RuntimeConfig('cpu', 'torch'))(image)
    for task, structure in expected.items():
        for name in structure.ROWS:
            wanted = getattr(structure, name)
            if wanted is None:
                continue
            mine = found[f'{task}/{name}']
            assert mine.shape == wanted.shape, name
            if name == 'labels':
                assert (mine == wanted).mean() > 0.98
            elif name == 'scores':
                np.testing.assert_allclose(mine, wanted, atol=1e-3)
            else:  # equally likely objects may come in another order
                rows = np.flatnonzero(np.diff(structure.scores[:10], prepend=2) < -2e-3)
                rows = [row for row in rows
                        if structure.scores[row] - structure.scores[row + 1] > 2e-3]
                assert rows
                np.testing.assert_allclose(mine[rows], wanted[rows], atol=0.05)


def test_the_example_speaks(exported, example, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / 'image.png'), tiles(128, 96))
    monkeypatch.setattr(example, 'SCORE', 0.0)
    monkeypatch.setattr(example, 'JOINT_SCORE', 0.0)
    monkeypatch.setattr(example.sys, 'argv', ['', str(exported), str(tmp_path / 'image.png')])
    example.main()
    output = capsys.readouterr().out
    assert re.search(r'^(cat|dog) \d\.\d\d \[', output, re.MULTILINE)
    assert re.search(r'^pose \d\.\d\d .*nose -?\d+,-?\d+', output, re.MULTILINE)
    assert '% of the image' in output
