# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images of any size in, predictions in camera pixels out."""

from dataclasses import replace
import gc
import weakref

from hypothesis import assume, given, settings, strategies
import numpy as np
import pytest
import torch

from mcn_ros.centernet.views import CenterNetViews
from mcn_ros.geometry import BORDER, letterbox, resample, RESAMPLINGS
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.runtime import load_predictor, Predictor, RuntimeConfig
from mcn_ros.runtime.backends import BACKENDS
from mcn_ros.runtime.parity import compare
from mcn_ros.runtime.views import Views
from mcn_ros.structures import ClassMap
from mcn_ros.weights_file import save_model

NAMES = 'detection', 'pose', 'segmentation'
INPUT = (64, 96)


def build(names=NAMES, seed=0, preprocessing='mcn'):
    torch.manual_seed(seed)
    tasks = {name: {'head': {'width': 8}} for name in names}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    model = MultiTaskNet(ModelConfig(tasks, trunk, INPUT, preprocessing=preprocessing))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
        for head in model.heads.values():  # outputs that differ from place to place
            for layers in head.maps.values():
                layers[-1].weight *= 20
    return model


@pytest.fixture(scope='module')
def predictor():
    return Predictor(build(), RuntimeConfig('cpu', 'torch'))


def brightness_backend(graph, device, dtype):
    """
    Return a network that sees one bright thing.

    Its box encloses the bright input pixels, its joints are corners of the box, and its class map,
    at stride 4, is 1 where the input is bright.
    """
    def see(image):
        bright = image.mean(axis=2) > 170
        rows, columns = bright.nonzero()
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return np.array(box, np.float32), bright[2::4, 2::4].astype(np.uint8)

    def run(images):
        boxes, labels = (np.stack(each) for each in zip(*map(see, images)))
        boxes, scores = boxes[:, None], np.ones((len(images), 1), np.float32)
        joints = boxes.reshape(-1, 1, 1, 2, 2).repeat(9, axis=2).reshape(-1, 1, 18, 2)[:, :, :17]
        outputs = {'detection/boxes': boxes, 'detection/scores': scores,
                   'detection/classes': np.zeros((len(images), 1), np.int64),
                   'pose/boxes': boxes, 'pose/scores': scores, 'pose/keypoints': joints,
                   'pose/keypoint_scores': np.ones((len(images), 1, 17), np.float32),
                   'segmentation/labels': labels}
        return [outputs[name] for name in graph.names]

    return run


@pytest.fixture(scope='module')
def seer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKENDS, 'brightness', brightness_backend)
        return Predictor(build(), RuntimeConfig('cpu', 'brightness'))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def tiles(height, width, seed=0):
    """Return an image that keeps its contrast when it is reduced."""
    blocks = noise(-(-height // 16), -(-width // 16), seed)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)[:height, :width].copy()


@settings(max_examples=60)
@given(strategies.integers(20, 700), strategies.integers(20, 700), strategies.data())
def test_predictions_are_in_camera_pixels(seer, height, width, data):
    one_input_pixel = max(height / INPUT[0], width / INPUT[1])
    least = int(6 * one_input_pixel) + 1  # large enough to be seen in the input
    assume(min(height, width) > least)
    left = data.draw(strategies.integers(0, width - least))
    top = data.draw(strategies.integers(0, height - least))
    right = data.draw(strategies.integers(left + least, width))
    bottom = data.draw(strategies.integers(top + least, height))
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255

    found = seer(image)
    box = found['detection'].boxes[0]
    np.testing.assert_allclose(box, [left, top, right, bottom], atol=1.01 * one_input_pixel)
    assert (box >= 0).all() and (box <= [width, height, width, height]).all()
    np.testing.assert_array_equal(found['pose'].boxes[0], box)
    joints = found['pose'].keypoints[0]
    np.testing.assert_allclose(joints[0], [left, top], atol=1.01 * one_input_pixel)
    np.testing.assert_allclose(joints[1], [right, bottom], atol=1.01 * one_input_pixel)

    labels = found['segmentation'].labels
    assert labels.shape == (height, width) and labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1}
    # Labels are right everywhere but near the edges, within a cell of four input pixels.
    distance = np.ceil(4 * one_input_pixel).astype(int)
    near = np.zeros((height, width), bool)
    for rows in (top, bottom):
        near[max(0, rows - distance):rows + distance] = True
    for columns in (left, right):
        near[:, max(0, columns - distance):columns + distance] = True
    np.testing.assert_array_equal(labels[~near], image[~near][:, 0] // 255)


def test_the_backend_of_a_device_sees_the_same(predictor):
    chosen = Predictor(build(), RuntimeConfig('cpu'))
    assert chosen.backend in BACKENDS and chosen.why.startswith('the fastest that works here')
    image = tiles(300, 200)
    found, expected = chosen(image), predictor(image)
    assert list(found) == list(expected)
    for name, differences in compare(_batch(found), _batch(expected)).items():
        for values in vars(differences).values():
            assert np.max(values, initial=0) < 0.01, name


def _batch(predictions):
    """Return the predictions of an image as those of a batch."""
    return {name: replace(value, **{rows: getattr(value, rows)[None] for rows in value.ROWS
                                    if getattr(value, rows) is not None})
            for name, value in predictions.items()}


def test_the_weights_are_left_to_the_backend(monkeypatch):
    """Where a backend has its own, those in PyTorch do not stay in memory."""
    model = build()
    weights = [weakref.ref(parameter) for parameter in model.parameters()]
    monkeypatch.setitem(BACKENDS, 'nothing', lambda graph, device, dtype: lambda images: [])
    predictor = Predictor(model, RuntimeConfig('cpu', 'nothing'))
    del model
    gc.collect()
    assert predictor.heads and not any(reference() is not None for reference in weights)


@pytest.mark.parametrize('height, width', [(1, 1), (1, 400), (400, 1), (3, 5), (2000, 11)])
def test_extreme_shapes(predictor, height, width):
    found = predictor(noise(height, width))
    for name in ('detection', 'pose'):
        boxes = found[name].boxes
        assert np.isfinite(boxes).all() and (boxes >= 0).all()
        assert (boxes <= [width, height, width, height]).all()
    labels = found['segmentation'].labels
    assert labels.shape == (height, width) and labels.max() <= 80


def test_types_of_predictions(predictor):
    found = predictor(noise(50, 70))
    assert list(found) == predictor.heads == list(NAMES)
    detection, pose = found['detection'], found['pose']
    assert detection.boxes.shape == (100, 4) and pose.keypoints.shape == (100, 17, 2)
    assert detection.boxes.dtype == pose.keypoints.dtype == detection.scores.dtype == np.float32
    assert detection.classes.dtype == np.int64 and found['segmentation'].labels.dtype == np.uint8
    for structure in (detection, pose):
        assert (np.diff(structure.scores) <= 0).all()
        assert structure.scores.min() >= 0 and structure.scores.max() <= 1
    assert found['segmentation'].stride == 1


@pytest.mark.parametrize('height, width, pad', [(64, 64, (0, 16)), (32, 96, (16, 0)),
                                                (128, 128, (0, 32)), (64, 80, (0, 8))])
def test_padding_to_the_shape_of_the_input_changes_nothing(predictor, height, width, pad):
    image = tiles(height, width)
    padded = np.pad(image, [(pad[0],) * 2, (pad[1],) * 2, (0, 0)], constant_values=BORDER)
    found, expected = predictor(image), predictor(padded)
    shift = np.array([pad[1], pad[0]])
    limit = [width, height, width, height]
    for name in ('detection', 'pose'):
        np.testing.assert_array_equal(found[name].scores, expected[name].scores)
        boxes = np.clip(expected[name].boxes - np.tile(shift, 2), 0, limit)
        np.testing.assert_allclose(found[name].boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(found['pose'].keypoints, expected['pose'].keypoints - shift,
                               atol=1e-3)
    window = expected['segmentation'].labels[pad[0]:pad[0] + height, pad[1]:pad[1] + width]
    np.testing.assert_array_equal(found['segmentation'].labels, window)


def test_the_input_is_the_letterboxed_image(monkeypatch):
    inputs = []

    def backend(graph, device, dtype):
        empty = [np.zeros(shape, dtype)
                 for shape, dtype in zip(graph.layout.shapes, graph.layout.dtypes)]
        return lambda images: inputs.append(images) or empty

    monkeypatch.setitem(BACKENDS, 'recorder', backend)
    recorder = Predictor(build(['pose']), RuntimeConfig('cpu', 'recorder'))
    image = tiles(128, 96)  # fitted into 64 x 96 it is 64 x 48, in the middle
    assert not recorder(image)['pose'].scores.any()
    images, = inputs
    assert images.shape == (1, *INPUT, 3) and images.dtype == np.uint8
    assert images.flags.c_contiguous and images.flags.writeable
    assert (images[:, :, :24] == BORDER).all() and (images[:, :, 72:] == BORDER).all()
    means = image.reshape(64, 2, 48, 2, 3).mean(axis=(1, 3))  # RGB stays RGB
    assert np.abs(images[0, :, 24:72] - means).max() < 1


def recorder(graph, device, dtype):
    """Return a network that sees a box beyond every border; it keeps its inputs as ``seen``."""
    def run(images):
        run.seen.append(images)
        outputs = dict(zip(graph.names, (
            np.zeros((len(images), *shape[1:]), dtype)
            for shape, dtype in zip(graph.layout.shapes, graph.layout.dtypes))))
        for name in outputs.keys() & {'detection/boxes', 'pose/boxes'}:
            outputs[name] += np.float32([-400, -400, 400, 400])
        return [outputs[name] for name in graph.names]

    run.seen = []
    return run


def record(monkeypatch, views=Views(), **settings):
    monkeypatch.setitem(BACKENDS, 'torch', recorder)
    return Predictor(build(['detection', 'pose'], **settings), RuntimeConfig('cpu', 'torch'),
                     views=views)


@pytest.mark.parametrize('preprocessing', RESAMPLINGS)
def test_the_input_is_that_of_the_weights(monkeypatch, preprocessing):
    predictor, image = record(monkeypatch, preprocessing=preprocessing), tiles(100, 70)
    predictor(image)
    expected = resample(image, letterbox((100, 70), INPUT), INPUT, RESAMPLINGS[preprocessing])
    np.testing.assert_array_equal(predictor.run.seen[0][0], expected)
    assert expected[0, 0, 0] == RESAMPLINGS[preprocessing].border


def test_original_pixels_have_inputs_of_their_own_size(monkeypatch):
    predictor = record(monkeypatch, Views('original'))
    images = [tiles(64, 96), tiles(31, 33), tiles(64, 96, 1)]
    assert len(predictor.batch(images)) == 3
    assert [seen.shape for seen in predictor.run.seen] == [
        (1, 96, 128, 3), (1, 32, 64, 3), (1, 96, 128, 3)]
    np.testing.assert_array_equal(predictor.run.seen[0][0, 16:80, 16:112], images[0])
    predictor.batch(images[::2])
    assert predictor.run.seen[-1].shape == (2, 96, 128, 3)


def test_predictions_of_original_pixels_are_where_those_of_the_input_are():
    model = build(['detection', 'pose'])
    image = tiles(64, 96)
    padded = np.pad(image, [(15, 16), (15, 16), (0, 0)], constant_values=BORDER)
    found = Predictor(model, RuntimeConfig('cpu'), views=CenterNetViews('original'))
    assert found.backend == 'torch'
    found, expected = found(image), found(padded)
    for name in ('detection', 'pose'):
        np.testing.assert_allclose(found[name].scores, expected[name].scores, atol=1e-5)
        np.testing.assert_allclose(found[name].boxes[0], expected[name].boxes[0] - 15, atol=0.01)


def test_views_in_several_scales_are_put_together(monkeypatch):
    predictor = record(monkeypatch, Views('original', (0.5, 1.0, 2.0)))
    found = predictor(tiles(64, 96))
    assert [seen.shape[1:3] for seen in predictor.run.seen] == [(64, 64), (96, 128), (160, 224)]
    assert found['detection'].boxes.max() == 96
    runtime = RuntimeConfig('cpu', 'torch')
    twice = Predictor(build(['detection']), runtime, views=Views(scales=(1.0, 1.0)))
    once = Predictor(build(['detection']), runtime)
    found, expected = twice(tiles(64, 96))['detection'], once(tiles(64, 96))['detection']
    np.testing.assert_array_equal(found.boxes[0], expected.boxes[0])
    assert found.scores[0] == expected.scores[0] and (np.diff(found.scores) <= 0).all()


def test_boxes_are_cut_at_the_border_where_views_say_so(monkeypatch):
    image = tiles(64, 96)
    for views, box in ((Views(), [0, 0, 96, 64]), (CenterNetViews(), [-400, -400, 400, 400])):
        found = record(monkeypatch, views)(image)
        for name in ('detection', 'pose'):
            np.testing.assert_allclose(found[name].boxes[0], box)


def test_what_views_cannot_be_had(tmp_path):
    with pytest.raises(ValueError, match='scales: maps .* without: detection, pose'):
        Predictor(build(), RuntimeConfig('cpu'), views=Views(scales=(1.0, 2.0)))
    with pytest.raises(ValueError, match="^backend: 'openvino' runs inputs of one size only"):
        load_predictor(tmp_path / 'nothing', None, RuntimeConfig('cpu', 'openvino'),
                       views=Views('original'))


def test_a_batch_is_its_images(predictor):
    images = [tiles(64, 96, 0), tiles(200, 90, 1), tiles(33, 120, 2)]
    for image, found in zip(images, predictor.batch(images), strict=True):
        alone = predictor(image)
        np.testing.assert_allclose(found['detection'].scores, alone['detection'].scores, atol=1e-5)
        # Which of two equally likely objects comes first may depend on the batch.
        clear = np.abs(np.diff(alone['detection'].scores)) > 1e-4
        rows = [0] if clear[0] else []
        rows += [i for i in range(1, 99) if clear[i - 1] and clear[i]]
        assert len(rows) > 5
        np.testing.assert_allclose(found['detection'].boxes[rows], alone['detection'].boxes[rows],
                                   atol=0.05)
        same = found['segmentation'].labels == alone['segmentation'].labels
        assert same.shape == image.shape[:2] and same.mean() > 0.99


def test_a_batch_of_different_images_keeps_their_order(seer):
    images = []
    for index, (height, width) in enumerate([(64, 96), (300, 200), (100, 400)]):
        images.append(np.zeros((height, width, 3), np.uint8))
        images[-1][height // 4:height // 2, width // 4:width // (3 - index // 2)] = 255
    for image, found in zip(images, seer.batch(images), strict=True):
        alone = seer(image)
        np.testing.assert_array_equal(found['detection'].boxes, alone['detection'].boxes)
        np.testing.assert_array_equal(found['segmentation'].labels, alone['segmentation'].labels)


def test_views_are_images_too(predictor):
    image = tiles(90, 120)
    expected = predictor(np.ascontiguousarray(image[::-1, ::-1, ::-1]))
    found = predictor(image[::-1, ::-1, ::-1])
    np.testing.assert_array_equal(found['detection'].boxes, expected['detection'].boxes)
    image.flags.writeable = False
    predictor(image)


def test_an_image_is_not_changed(predictor):
    image = tiles(90, 120)
    before = image.copy()
    predictor(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('image', [
    np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5, 1), np.uint8),
    np.zeros((4, 5, 3), np.float32), np.zeros((4, 5, 3), np.int16), np.zeros((0, 5, 3), np.uint8),
    np.zeros((4, 0, 3), np.uint8), np.zeros((1, 4, 5, 3), np.uint8), np.uint8(3)])
def test_bad_images(predictor, image):
    with pytest.raises(ValueError, match=r'^image: expected \(H, W, 3\) uint8 RGB, got \('):
        predictor(image)
    with pytest.raises(ValueError, match='^image: '):
        predictor.batch([noise(4, 5), image])


def test_warm_up(predictor):
    predictor.warm_up()
    predictor.warm_up((10, 20), 2)


@pytest.mark.parametrize('arguments, named', [
    (('tpu',), "device: 'tpu' is not available"), (('cpu', 'magic'), "backend: 'magic'"),
    (('cpu', 'auto', 'int4'), "precision: 'int4'"),
    (('cpu', 'cuda_graph'), "backend: 'cuda_graph' cannot be used")])
def test_bad_choices(tmp_path, arguments, named):
    with pytest.raises(ValueError, match=named):
        Predictor(build(['detection']), RuntimeConfig(*arguments))
    # The weights are not even looked at.
    with pytest.raises(ValueError, match=named):
        load_predictor(tmp_path / 'nothing', None, RuntimeConfig(*arguments))


def test_attributes(predictor):
    assert predictor.device == 'cpu' and predictor.precision == 'float32'
    assert predictor.backend == 'torch' and predictor.why == 'as asked for'
    assert predictor.heads == list(predictor.tasks) == list(NAMES)
    assert predictor.input_size == INPUT


@pytest.mark.parametrize('heads', [None, [], ['pose'], ['segmentation', 'detection']])
def test_load(predictor, tmp_path, heads):
    path = tmp_path / 'w.safetensors'
    save_model(build(), path)
    for weights in (path, str(path)):
        loaded = load_predictor(weights, heads, RuntimeConfig('cpu', 'torch'))
        assert loaded.heads == [name for name in NAMES if not heads or name in heads]
    image = tiles(90, 120)
    found, expected = loaded(image), predictor(image)
    assert list(found) == loaded.heads
    for name, structure in found.items():
        for rows in (rows for rows in structure.ROWS if getattr(structure, rows) is not None):
            np.testing.assert_array_equal(getattr(structure, rows), getattr(expected[name], rows))


def test_load_errors_are_one_line(tmp_path):
    path = tmp_path / 'w.safetensors'
    save_model(build(['pose']), path)
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(path.read_bytes()[:5000])
    for arguments, named in [((tmp_path / 'no',), 'no such file'), ((damaged,), str(damaged)),
                             ((path, ['nonsense']), 'nonsense')]:
        with pytest.raises(ValueError) as info:
            load_predictor(*arguments, runtime=RuntimeConfig('cpu'))
        assert named in str(info.value) and '\n' not in str(info.value)


def test_a_map_that_nobody_reads_is_not_warped(seer, monkeypatch):
    warped = []
    warp = ClassMap.warp
    monkeypatch.setattr(ClassMap, 'warp', lambda *args: warped.append(args) or warp(*args))
    found = seer(tiles(90, 120) | 192)
    assert len(found['detection']) and len(found['pose']) and not warped
    assert found['segmentation'].labels.shape == (90, 120) and len(warped) == 1
