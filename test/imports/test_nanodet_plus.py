# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NanoDet-Plus-m from ONNX: the same maps, and files that are damaged or something else."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import helper, numpy_helper
import onnxruntime
import pytest
import torch

from mcn_ros.imports.nanodet_plus import (
    CONFIG, CONVS, LAST, NEVER, read, read_tensors, THEIR_BINS, with_all_bins)
from mcn_ros.model import MultiTaskNet
from mcn_ros.network.pyramid_head import levels_of
from mcn_ros.tasks.distances import BINS, flatten, read_distances, SIDES
from mcn_ros.vocabulary import COCO_CLASSES

SHARED = Path(__file__).parents[3] / 'shared/data'
PUBLIC, IMAGES = SHARED / 'weights/nanodet_plus_m.onnx', SHARED / 'coco_val/images'


def shapes():
    """Return number of a convolution in the file -> shape of its weights."""
    with torch.device('meta'):
        model = MultiTaskNet(CONFIG)
    outputs = len(COCO_CLASSES) + SIDES * THEIR_BINS
    return {**{number: model.get_submodule(name).weight.shape for number, name in CONVS.items()},
            **{number: (outputs, 96, 1, 1) for number in LAST.values()}}


def write(path, tensors):
    """Write a file of nothing but weights: halves of weights, and biases."""
    graph = helper.make_graph([], 'graph', [], [], [
        numpy_helper.from_array(values.astype(np.float16 if name.endswith('w_h') else np.float32),
                                name) for name, values in tensors.items()])
    onnx.save(helper.make_model(graph), str(path))
    return path


@pytest.fixture(scope='module')
def tensors():
    """Return weights by the names of the file."""
    rng, found = np.random.default_rng(0), {}
    for number, shape in shapes().items():
        found[f'Conv_{number}.w_h'] = rng.normal(size=shape)
        found[f'Conv_{number}.b'] = rng.normal(size=shape[0])
    return found


@pytest.fixture(scope='module')
def model(tensors, tmp_path_factory):
    return read(write(tmp_path_factory.mktemp('onnx') / 'a.onnx', tensors))


def test_every_weight_is_taken(model, tensors):
    for number, name in CONVS.items():
        weight = tensors[f'Conv_{number}.w_h'].astype(np.float16)
        torch.testing.assert_close(model.get_parameter(f'{name}.weight').detach(),
                                   torch.from_numpy(weight).float())
    for level, number in LAST.items():
        head = model.heads['detection'].maps
        bias = torch.from_numpy(tensors[f'Conv_{number}.b']).float()
        torch.testing.assert_close(head[f'scores_{level}'].bias.detach(),
                                   bias[:len(COCO_CLASSES)])
        own = head[f'distances_{level}'].bias.detach().view(SIDES, BINS)
        assert (own == NEVER).sum(dim=1).tolist() == [1] * SIDES
    assert len(set(CONVS.values())) == len(CONVS)


def test_two_readings_are_equal(model, tensors, tmp_path):
    again = read(write(tmp_path / 'a.onnx', tensors)).state_dict()
    assert all(torch.equal(values, again[name]) for name, values in model.state_dict().items())


def test_distances_are_from_the_middle_of_a_cell():
    weight = torch.randn(SIDES * THEIR_BINS, 6, 1, 1)
    bias = torch.randn(SIDES * THEIR_BINS)
    seen = torch.randn(6)
    theirs = (weight[..., 0, 0] @ seen + bias).view(SIDES, THEIR_BINS).softmax(dim=1)
    all_weights, all_biases = with_all_bins(weight, bias)
    found = read_distances(all_weights[..., 0, 0] @ seen + all_biases)
    corner = (theirs * torch.arange(THEIR_BINS)).sum(dim=1)
    torch.testing.assert_close(found, corner + torch.tensor([0.5, 0.5, -0.5, -0.5]))


@pytest.mark.parametrize('change, named', [
    (lambda found: found.pop('Conv_3.w_h'), 'is no NanoDet-Plus-m: it lacks Conv_3.w'),
    (lambda found: found.pop('Conv_513.b'), 'it lacks Conv_513.b'),
    (lambda found: found.update({'Conv_5.b': np.zeros(1)}), 'has unknown 5'),
    (lambda found: found.update({'Conv_4.b': np.zeros(1)}), 'has another shape of Conv_4.b'),
    (lambda found: found.update({'Conv_4.b': np.full(58, np.nan)}),
     'has numbers that are not finite as Conv_4.b'),
    (lambda found: found.clear(), 'it lacks Conv_0.w, Conv_0.b')])
def test_another_network_is_refused(tensors, tmp_path, change, named):
    found = dict(tensors)
    change(found)
    path = write(tmp_path / 'b.onnx', found)
    with pytest.raises(ValueError) as info:
        read(path)
    assert str(info.value).startswith(f'{path}: ') and named in str(info.value)


@pytest.mark.parametrize('content', [None, b'', b'nonsense', bytes(range(256))])
def test_a_file_that_is_no_onnx_is_one_line(tmp_path, content):
    path = tmp_path / 'c.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r'c\.onnx: (cannot be read as ONNX|is no NanoDet)') as e:
        read(path)
    assert '\n' not in str(e.value)


def test_a_cut_file_is_one_line(tensors, tmp_path):
    path = write(tmp_path / 'd.onnx', tensors)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match='d.onnx: cannot be read as ONNX'):
        read(path)


@pytest.mark.parametrize('dims', [[1 << 40], [3, 3]])
def test_a_tensor_that_is_not_as_large_as_it_says(tmp_path, dims):
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), 'Conv_0.b')
    tensor.dims[:] = dims
    path = tmp_path / 'e.onnx'
    path.write_bytes(helper.make_model(
        helper.make_graph([], 'graph', [], [], [tensor])).SerializeToString())
    with pytest.raises(ValueError, match='e.onnx: cannot be read as ONNX'):
        read_tensors(path)


def test_no_other_file_is_read(tmp_path):
    (tmp_path / 'secret').write_bytes(bytes(16))
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), 'Conv_0.b')
    onnx.external_data_helper.set_external_data(tensor, 'secret')
    tensor.ClearField('raw_data')
    path = tmp_path / 'f.onnx'
    path.write_bytes(helper.make_model(
        helper.make_graph([], 'graph', [], [], [tensor])).SerializeToString())
    with pytest.raises(ValueError, match='f.onnx: cannot be read as ONNX: Conv_0.b is in another'):
        read_tensors(path)


@pytest.mark.skipif(not PUBLIC.exists(), reason='the public weights are not there')
@pytest.mark.parametrize('size', [(416, 416), (320, 512)])
def test_the_maps_are_those_of_the_public_graph(size):
    model = read(PUBLIC)
    pixels = cv2.cvtColor(cv2.imread(str(sorted(IMAGES.iterdir())[0])), cv2.COLOR_BGR2RGB)
    images = torch.from_numpy(cv2.resize(pixels, size[::-1])).permute(2, 0, 1)[None]
    with torch.no_grad():
        outputs = model(images)['detection']
        inputs = model.normalise(images).flip(1).numpy()
    session = onnxruntime.InferenceSession(str(PUBLIC), providers=['CPUExecutionProvider'])
    scores, bins = np.split(session.run(None, {'data': inputs})[0], [len(COCO_CLASSES)], axis=2)
    assert scores.max() > 0.3
    found = torch.sigmoid(flatten(levels_of(outputs, 'scores'))).numpy()
    np.testing.assert_allclose(found, scores, atol=1e-4)
    own = flatten(levels_of(outputs, 'distances')).unflatten(2, (SIDES, BINS))
    same = torch.cat([own[:, :, :2, 1:], own[:, :, 2:, :-1]], dim=2).flatten(2)
    np.testing.assert_allclose(same.numpy(), bins, atol=1e-4)
    # What the bin that is not theirs takes away from the others is nothing.
    corner = (torch.from_numpy(bins).unflatten(2, (SIDES, THEIR_BINS)).softmax(dim=3)
              * torch.arange(THEIR_BINS)).sum(dim=3)
    torch.testing.assert_close(read_distances(own.flatten(2)),
                               corner + torch.tensor([0.5, 0.5, -0.5, -0.5]), atol=1e-4, rtol=0)
