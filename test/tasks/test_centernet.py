# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The exact tasks, against CenterNet's rules written out one object and one cell at a time.

All coordinates are multiples of an eighth of a pixel, so float32 is exact.
"""

import math

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.geometry import Grid
from mcn_ros.network.features import single
from mcn_ros.network.heads import HeadConfig
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import build_tasks
from mcn_ros.tasks.centernet import CenterNetDetectionTask, CenterNetPoseTask, MAX_LOGIT
from mcn_ros.tasks.detection import DetectionTask
from mcn_ros.tasks.heatmap import draw_heatmap, encode_heatmap
from mcn_ros.vocabulary import COCO_SKELETON

GRID = Grid(16, 20, 4)
LIMIT = 6
DETECTION = CenterNetDetectionTask(('a', 'b', 'c'), HeadConfig(8), LIMIT, max_predictions=30)
POSE = CenterNetPoseTask(head=HeadConfig(8), max_people=LIMIT, max_predictions=12)
SEEDS = pytest.mark.parametrize('seed', range(6))
JOINTS = 17


def random_boxes(rng, count):
    """Return boxes of which many reach out of the input, and some are not in it at all."""
    corners = rng.integers([-160, -160], [720, 600], (count, 2))
    return (np.hstack([corners, corners + rng.integers(8, 300, (count, 2))]) / 8).astype('f4')


def random_instances(seed, count=9):
    rng = np.random.default_rng(seed)
    return Instances(random_boxes(rng, count), rng.integers(0, 3, count), np.ones(count, 'f4'),
                     rng.random(count) < 0.3)


def random_poses(seed, count=9):
    rng = np.random.default_rng(seed)
    points = (rng.integers(-40, 760, (count, JOINTS, 2)) / 8).astype('f4')
    known = (rng.random((count, JOINTS)) < 0.5) & (rng.random(count) < 0.6)[:, None]
    points[~known] = np.nan
    return Poses(random_boxes(rng, count), np.ones(count, 'f4'), points, known.astype('f4'),
                 rng.random(count) < 0.3)


def random_outputs(task, seed, batch=2, scale=2.0):
    generator = torch.manual_seed(seed)
    shapes = task.build_head(single(4))({'features': torch.zeros(1, 4, 16, 20)})
    outputs = {name: scale * torch.randn(batch, *maps.shape[1:], generator=generator)
               for name, maps in shapes.items()}
    outputs['size'] += 4
    return outputs


def encode(task, annotations):
    return stack([task.encode(annotation, GRID) for annotation in annotations])


def heatmaps_of(targets, name='heatmap'):
    return draw_heatmap(targets, name, (16, 20))


def radius_of(height, width):
    """Return the smallest of CornerNet's roots, as its code has them."""
    total, area = math.ceil(height) + math.ceil(width), math.ceil(height) * math.ceil(width)
    roots = [(total + math.sqrt(total ** 2 - 4 * area * 0.3 / 1.7)) / 2,
             (2 * total + math.sqrt(4 * total ** 2 - 16 * 0.3 * area)) / 2,
             (-1.4 * total + math.sqrt(1.96 * total ** 2 + 11.2 * 0.3 * area)) / 2]
    return max(0, int(min(roots)))


def draw(heatmap, cell, radius):
    for row, column in np.ndindex(*heatmap.shape):
        across, down = abs(column - cell[0]), abs(row - cell[1])
        if max(across, down) <= radius:
            value = math.exp(-18 * (across ** 2 + down ** 2) / (2 * radius + 1) ** 2)
            heatmap[row, column] = max(heatmap[row, column], value)


def objects(boxes):
    """Return (row, centre, cell, size, radius) of each object that is learned, in cells."""
    found = []
    for row, box in enumerate(boxes[:LIMIT].tolist()):
        left, top, right, bottom = (
            min(max(value / 4, 0), last) for value, last in zip(box, (19, 15, 19, 15)))
        if right > left and bottom > top:
            center = (left + right) / 2, (top + bottom) / 2
            found.append((row, center, tuple(map(int, center)), (right - left, bottom - top),
                          radius_of(bottom - top, right - left)))
    return found


@SEEDS
def test_targets_of_objects(seed):
    annotation = random_instances(seed)
    targets = DETECTION.encode(annotation, GRID)
    expected = objects(annotation.boxes)
    heatmap = np.zeros((3, 16, 20))
    for row, _, cell, _, radius in expected:
        draw(heatmap[annotation.classes[row]], cell, radius)
    np.testing.assert_allclose(heatmaps_of(stack([targets]))[0], heatmap, atol=1e-6)
    count = len(expected)
    assert targets['weights'][:, 0].tolist() == [1] * count + [0] * (LIMIT - count)
    for number, (_, center, cell, size, _) in enumerate(expected):
        assert targets['cells'][number, 0] == cell[1] * 20 + cell[0]
        assert targets['size'][number].tolist() == list(size)
        assert targets['offset'][number, 0].tolist() == [center[0] - cell[0], center[1] - cell[1]]


def test_what_is_out_of_sight_makes_no_room_for_others():
    boxes = np.array([[200, 0, 300, 50]] * LIMIT + [[8, 8, 24, 24]], np.float32)
    annotation = Instances(boxes, np.zeros(LIMIT + 1, int), np.ones(LIMIT + 1, 'f4'))
    assert not DETECTION.encode(annotation, GRID)['weights'].any()
    assert DetectionTask(max_objects=LIMIT).encode(annotation, GRID)['weights'].sum() == 1


@SEEDS
def test_targets_of_people(seed):
    annotation = random_poses(seed)
    targets = POSE.encode(annotation, GRID)
    expected = objects(annotation.boxes)
    heatmap, joint_heatmap = np.zeros((16, 20)), np.zeros((JOINTS, 16, 20))
    for number, (row, _, cell, _, radius) in enumerate(expected):
        draw(heatmap, cell, radius)
        labelled = annotation.keypoint_scores[row] > 0
        # Of a person without joints, there is nothing but the centre to learn.
        assert targets['weights'][number, 0] == labelled.any()
        for joint in range(JOINTS):
            x, y = annotation.keypoints[row, joint].tolist()
            seen = bool(labelled[joint]) and 0 <= x < 80 and 0 <= y < 64
            assert targets['joint_valid'][number, joint] == seen
            if not seen:
                continue
            column, line = int(x / 4), int(y / 4)
            draw(joint_heatmap[joint], (column, line), radius)
            assert targets['joint_cells'][number, joint] == line * 20 + column
            assert targets['joint_offset'][number, joint].tolist() == [x / 4 - column,
                                                                       y / 4 - line]
            from_cell = targets['displacement'][number, joint] + targets['offset'][number, 0]
            assert from_cell.tolist() == [x / 4 - cell[0], y / 4 - cell[1]]
    batch = stack([targets])
    np.testing.assert_allclose(heatmaps_of(batch)[0, 0], heatmap, atol=1e-6)
    np.testing.assert_allclose(heatmaps_of(batch, 'joint_heatmap')[0], joint_heatmap, atol=1e-6)
    assert not targets['joint_valid'][len(expected):].any()


def focal(logits, target):
    total, peaks = 0.0, 0
    for logit, value in zip(logits.double().flatten().tolist(), target.flatten().tolist()):
        p = min(max(1 / (1 + math.exp(-logit)), 1e-4), 1 - 1e-4)
        if value == 1:
            peaks += 1
            total -= math.log(p) * (1 - p) ** 2
        else:
            total -= math.log(1 - p) * p ** 2 * (1 - value) ** 4
    return total / (peaks or 1)


def l1(maps, places):
    """Return the mean error; places: (image, first channel, flat cell, pair of numbers)."""
    error = sum(abs(maps[image, channel + k].flatten()[cell].item() - numbers[k])
                for image, channel, cell, numbers in places for k in range(2))
    return error / (2 * len(places) + 1e-4)


@SEEDS
def test_losses_of_objects(seed):
    annotations = [random_instances(seed), random_instances(seed + 100)]
    outputs, targets = random_outputs(DETECTION, seed, scale=6.0), encode(DETECTION, annotations)
    assert (outputs['heatmap'].abs() > MAX_LOGIT).any()
    sizes, offsets = [], []
    for image, annotation in enumerate(annotations):
        for _, (x, y), (column, row), size, _ in objects(annotation.boxes):
            sizes.append((image, 0, row * 20 + column, size))
            offsets.append((image, 0, row * 20 + column, (x - column, y - row)))
    losses = DETECTION.loss(outputs, targets)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx({
        'heatmap': focal(outputs['heatmap'], heatmaps_of(targets)),
        'size': l1(outputs['size'], sizes), 'offset': l1(outputs['offset'], offsets)}, rel=1e-5)


@SEEDS
def test_losses_of_people(seed):
    annotations = [random_poses(seed), random_poses(seed + 100)]
    outputs, targets = random_outputs(POSE, seed), encode(POSE, annotations)
    places = {name: [] for name in ('size', 'offset', 'displacement', 'joint_offset')}
    for image, annotation in enumerate(annotations):
        for row, center, cell, size, _ in objects(annotation.boxes):
            labelled, flat = annotation.keypoint_scores[row] > 0, cell[1] * 20 + cell[0]
            if labelled.any():
                places['size'].append((image, 0, flat, size))
                places['offset'].append(
                    (image, 0, flat, (center[0] - cell[0], center[1] - cell[1])))
            for joint in np.flatnonzero(labelled).tolist():
                x, y = (annotation.keypoints[row, joint] / 4).tolist()
                if 0 <= x < 20 and 0 <= y < 16:
                    places['displacement'].append(
                        (image, 2 * joint, flat, (x - cell[0], y - cell[1])))
                    places['joint_offset'].append(
                        (image, 0, int(y) * 20 + int(x), (x - int(x), y - int(y))))
    expected = {name: l1(outputs[name], found) for name, found in places.items()}
    for name in ('heatmap', 'joint_heatmap'):
        expected[name] = focal(outputs[name], heatmaps_of(targets, name))
    losses = POSE.loss(outputs, targets)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        expected, rel=1e-5)


def heatmap_loss(logits, columns):
    maps = {name: torch.zeros(1, 2, *logits.shape[2:]) for name in ('size', 'offset')}
    places = {'cells': torch.zeros(1, 1, 1, dtype=torch.int64), 'weights': torch.zeros(1, 1, 1),
              'size': torch.zeros(1, 1, 2), 'offset': torch.zeros(1, 1, 1, 2)}
    peaks = np.array([[0, column, 0, 0] for column in columns])  # of a single cell each
    heatmap = encode_heatmap('heatmap', peaks, np.zeros((0, 5)), np.ones(1, bool), (1, 4))
    return DETECTION.loss({'heatmap': logits, **maps}, {**stack([heatmap]), **places})['heatmap']


def test_what_is_certain_no_longer_learns():
    logits = torch.tensor([[[[20.0, -20.0, 9.0, 0.0]]]], requires_grad=True)
    heatmap_loss(logits, [1, 3]).backward()
    assert (logits.grad == 0).flatten().tolist() == [True, True, False, False]
    p = 1 / (1 + math.exp(-MAX_LOGIT))
    assert p == pytest.approx(1 - 1e-4, abs=1e-12)


def test_nothing_known_is_no_loss():
    nothing = Instances(np.zeros((0, 4), 'f4'), np.zeros(0, int), np.zeros(0, 'f4'))
    losses = DETECTION.loss(random_outputs(DETECTION, 0, 1), encode(DETECTION, [nothing]))
    assert losses['size'] == losses['offset'] == 0


def peaks(scores, count):
    """Return (score, channel, row, column) of the best local maxima of (C, H, W) in 0..1."""
    found = []
    for channel, row, column in np.ndindex(*scores.shape):
        near = scores[channel, max(0, row - 1):row + 2, max(0, column - 1):column + 2]
        if scores[channel, row, column] == near.max():
            found.append((scores[channel, row, column], channel, row, column))
    return sorted(found, reverse=True)[:count]


def box_at(maps, row, column):
    x, y = maps['offset'][:, row, column] + [column, row]
    width, height = maps['size'][:, row, column]
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def image_of(outputs, image=0):
    """Return the maps of one image in float64, heatmaps as probabilities."""
    maps = {name: values[image].double() for name, values in outputs.items()}
    return {name: (values.sigmoid() if name.endswith('heatmap') else values).numpy()
            for name, values in maps.items()}


@SEEDS
def test_decoding_objects(seed):
    outputs = random_outputs(DETECTION, seed)
    outputs['size'] -= 3
    found = DETECTION.decode(outputs)
    for image in range(2):
        maps = image_of(outputs, image)
        expected = peaks(maps['heatmap'], 30)
        assert len(expected) == 30
        boxes = np.array([box_at(maps, row, column) for _, _, row, column in expected])
        assert (boxes[:, 2:] < boxes[:, :2]).any()  # inside out, as they are
        np.testing.assert_allclose(found.boxes[image], 4 * boxes, atol=1e-4)
        np.testing.assert_allclose(found.scores[image], [peak[0] for peak in expected], atol=1e-6)
        assert found.classes[image].tolist() == [peak[1] for peak in expected]


def snap(joint, box, candidates):
    """Return the nearest candidate (x, y), if it is good enough, or the joint as it is."""
    likely = [point for score, point in candidates if score > 0.1]
    if not likely:
        return joint
    nearest = min(likely, key=lambda point: math.dist(point, joint))
    inside = (box[:2] <= nearest).all() and (nearest <= box[2:]).all()
    near = math.dist(nearest, joint) <= 0.3 * (box[2:] - box[:2]).max()
    return nearest if inside and near else joint


@SEEDS
def test_decoding_people(seed):
    outputs = random_outputs(POSE, seed)
    outputs['size'] += 4
    found, maps = POSE.decode(outputs), image_of(outputs)
    candidates = [[(score, maps['joint_offset'][:, row, column] + [column, row])
                   for score, _, row, column in peaks(maps['joint_heatmap'][[joint]], 12)]
                  for joint in range(JOINTS)]
    snapped = 0
    for number, (score, _, row, column) in enumerate(peaks(maps['heatmap'], 12)):
        box = box_at(maps, row, column)
        np.testing.assert_allclose(found.boxes[0, number], 4 * box, atol=1e-4)
        assert found.scores[0, number].item() == pytest.approx(score, abs=1e-6)
        for joint in range(JOINTS):
            regressed = maps['displacement'][2 * joint:2 * joint + 2, row, column] + [column, row]
            expected = snap(regressed, box, candidates[joint])
            snapped += expected is not regressed
            np.testing.assert_allclose(found.keypoints[0, number, joint], 4 * expected, atol=1e-4)
    assert 0 < snapped < 12 * JOINTS


def test_a_mirrored_displacement_points_the_other_way():
    outputs = random_outputs(POSE, 0)
    mirrored = POSE.mirror(outputs)['displacement']
    for joint, other in enumerate(COCO_SKELETON.flip):
        for axis, sign in enumerate((-1, 1)):
            expected = sign * outputs['displacement'][:, 2 * other + axis].flip(2)
            assert torch.equal(mirrored[:, 2 * joint + axis], expected)


@pytest.mark.parametrize('kind, name', [
    *(('detection', name) for name in ('spread', 'max_overlap', 'iou_loss', 'relative', 'reads')),
    *(('pose', name) for name in ('spread', 'iou_loss', 'relative', 'belief'))])
def test_what_centernet_does_not_have_is_refused(kind, name):
    value = getattr(build_tasks({kind: {}})[kind], name)
    with pytest.raises(ValueError, match=rf'^{kind} \(kind centernet_{kind}\): {kind}.{name}: '
                                         'unknown key'):
        build_tasks({kind: {'kind': f'centernet_{kind}', name: value}})
