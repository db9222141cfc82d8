# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
What holds for every task: a new line in KINDS is tested here without a change.

Annotations are made by the type of annotation, and compared by it with what the task decodes.
"""

from dataclasses import fields, replace
import json
import math
import pickle

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mcn_ros.config import from_dict, to_dict
from mcn_ros.data.batch import collate, stack
from mcn_ros.geometry import Grid, STRIDE
from mcn_ros.gpu.watch import GraphWatch
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.features import PYRAMID, pyramid, single
from mcn_ros.network.heads import HeadConfig
from mcn_ros.network.pyramid_head import map_of
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.structures import (
    ClassMap, IGNORE, Instances, Poses, RegionMap, Sample, ScalarMap, select, to_numpy,
    UNKNOWN_REGION, VectorMap)
from mcn_ros.tasks import build_tasks, describe_tasks, KINDS, TASKS
from mcn_ros.tasks.boundaries import BoundariesTask
from mcn_ros.tasks.normals import NormalsTask
from mcn_ros.tasks.segmentation import SegmentationTask

SIZE = (64, 96)
GRID = Grid.of_input(SIZE)
CHANNELS = 8
SHAPES = {**single(CHANNELS), **pyramid(CHANNELS)}
# No box in images as small as these is as large as what coarse levels answer.
COARSE = {f'distances_{level}' for level in ('p4', 'p5', 'p6')}
# A box of this size has a place of the finest level in it.
LEAST_HALF = 8


def lattice(rng, count):
    """
    Return (count, 2) points in input pixels in cells that are no neighbours.

    A heatmap cannot hold two peaks side by side, and one cell has one offset.
    """
    cells = rng.choice(GRID.height // 2 * GRID.width // 2, count, replace=False)
    corners = 8 * np.stack([cells % (GRID.width // 2), cells // (GRID.width // 2)], axis=1)
    return corners + rng.uniform(0.1, 3.9, (count, 2))


def random_boxes(task, rng, count):
    centers = lattice(rng, count)
    # CenterNet's code cuts boxes at the corners of the last cells.
    ends = np.array(SIZE[::-1]) - STRIDE * type(task).__name__.startswith('CenterNet')
    half = rng.uniform(0.2, 1, (count, 2)) * np.minimum(centers, ends - centers)
    if type(task).__name__.startswith('Distance'):
        centers = np.clip(centers, LEAST_HALF, ends - LEAST_HALF)
        half = np.maximum(half, LEAST_HALF)
    return np.hstack([centers - half, centers + half]).astype(np.float32)


def random_instances(task, rng):
    count = rng.integers(1, 8)
    return Instances(random_boxes(task, rng, count), rng.integers(0, len(task.classes), count),
                     np.ones(count, np.float32))


def random_poses(task, rng):
    count, joints = rng.integers(1, 4), task.joints.num_keypoints
    known = rng.random((count, joints)) < 0.8
    known[:, 0] = True
    points = lattice(rng, count * joints).reshape(count, joints, 2).astype(np.float32)
    points[~known] = np.nan
    return Poses(random_boxes(task, rng, count), np.ones(count, np.float32), points,
                 known.astype(np.float32), skeleton=task.joints)


def random_class_map(task, rng):
    values = np.array([*range(len(task.classes) + 1), IGNORE], np.uint8)
    cells = rng.choice(values, (GRID.height, GRID.width))
    return ClassMap(cells.repeat(4, axis=0).repeat(4, axis=1))


def random_scalar_map(task, rng):
    cells = rng.choice(np.array([0, 1, IGNORE], np.uint8), (GRID.height, GRID.width))
    return ScalarMap(cells.repeat(4, axis=0).repeat(4, axis=1))


def random_region_map(task, rng):
    regions = len(task.classes) + 2
    blocks = rng.choice(np.array([*range(regions + 1), UNKNOWN_REGION], np.uint16),
                        (GRID.height // 4, GRID.width // 4))
    classes = np.array([*range(len(task.classes)), -1, -1])
    return RegionMap(blocks.repeat(16, axis=0).repeat(16, axis=1), classes)


def random_vector_map(task, rng):
    vectors = rng.normal(size=(GRID.height // 2, GRID.width // 2, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors[rng.random(vectors.shape[:2]) < 0.2] = np.nan
    return VectorMap(vectors.repeat(8, axis=0).repeat(8, axis=1))


def poor_instances(task):
    some = random_instances(task, np.random.default_rng(0))
    return {'none': select(some, slice(0, 0)),
            'crowds': replace(some, crowd=np.ones(len(some), bool)),
            'outside': replace(some, boxes=some.boxes + 1000),
            'unlabelled': replace(select(some, slice(0, 0)),
                                  labelled_classes=np.zeros(len(task.classes), bool))}


def poor_poses(task):
    some = random_poses(task, np.random.default_rng(0))
    return {'none': select(some, slice(0, 0)),
            'crowds': replace(some, crowd=np.ones(len(some), bool)),
            'outside': replace(some, boxes=some.boxes + 1000, keypoints=some.keypoints - 1000),
            'no joints': replace(some, keypoints=np.full_like(some.keypoints, np.nan),
                                 keypoint_scores=np.zeros_like(some.keypoint_scores))}


def poor_class_maps(task):
    labels = np.zeros(SIZE, np.uint8)
    return {'background': ClassMap(labels), 'ignored': ClassMap(labels + np.uint8(IGNORE)),
            'unlabelled': ClassMap(labels, np.zeros(len(task.classes), bool))}


def poor_scalar_maps(task):
    values = np.zeros(SIZE, np.uint8)
    return {'nothing': ScalarMap(values), 'ignored': ScalarMap(values + np.uint8(IGNORE))}


def poor_region_maps(task):
    labels = np.zeros(SIZE, np.uint16)
    found = {'nothing': RegionMap(labels, np.zeros(0, np.int64)),
             'ignored': RegionMap(labels + np.uint16(UNKNOWN_REGION), np.zeros(0, np.int64))}
    if task.classes:
        some = random_region_map(task, np.random.default_rng(0))
        found['unlabelled'] = replace(some, labelled_classes=np.zeros(len(task.classes), bool))
    return found


def poor_vector_maps(task):
    return {'ignored': VectorMap(np.full((*SIZE, 3), np.nan, np.float32))}


def assert_instances(found, expected, atol=0.01, joint_atol=None):
    certain = found.scores > 0.5  # they are the first
    assert certain.sum() == len(expected)
    assert (np.diff(found.scores) <= 0).all()
    # A cell beside the peak may answer the same box, but not with the same certainty.
    rows = [np.abs(found.boxes[certain] - box).sum(axis=1).argmin() for box in expected.boxes]
    assert len(set(rows)) == len(rows)
    np.testing.assert_allclose(found.boxes[rows], expected.boxes, atol=atol)
    if joint_atol is None:
        np.testing.assert_array_equal(found.classes[rows], expected.classes)
        return
    labelled = expected.keypoint_scores > 0
    np.testing.assert_allclose(found.keypoints[rows][labelled], expected.keypoints[labelled],
                               atol=joint_atol)
    # A joint outside of its person's box, or on the edge, need not find its heatmap peak.
    inside = ((expected.keypoints > expected.boxes[:, None, :2] + 2 * joint_atol)
              & (expected.keypoints < expected.boxes[:, None, 2:] - 2 * joint_atol)).all(axis=2)
    assert (found.keypoint_scores[rows][labelled & inside] > 0.5).all()


def assert_poses(found, expected, atol=0.01, joint_atol=None):
    assert found.skeleton == expected.skeleton
    assert_instances(found, expected, atol, joint_atol or atol)


def assert_class_map(found, expected, atol=None):
    labels = found.warp(np.eye(2, 3), SIZE).labels
    known = expected.labels != IGNORE
    assert labels.shape == SIZE and known.any()
    np.testing.assert_array_equal(labels[known], expected.labels[known])


def assert_scalar_map(found, expected, atol=None):
    # One value of a cell: between two of them, a map that is warped goes from one to the other.
    values, step = found.values, found.stride
    labels = expected.values[step // 2::step, step // 2::step]
    assert found.size == SIZE and (labels != IGNORE).any()
    np.testing.assert_array_equal(values[labels != IGNORE] > 0.5, labels[labels != IGNORE])


def assert_contours(found, expected, atol=0.01):
    if isinstance(found, ScalarMap):
        values, truth = found.values[None], expected.contours().values[None]
    else:
        values = found.planes
        truth = expected.class_contours(len(values)).planes
    step = found.stride
    parts = np.stack([truth[:, row::step, column::step] for row in range(step)
                      for column in range(step)])
    yes, no = (parts == 1).any(axis=0), (parts == 0).all(axis=0)
    assert found.size == SIZE and yes.any() and no.any()
    # Of what is learned by heart, a few cells in a hundred may be beside a line.
    wrong = np.concatenate([values[yes] < 0.5, values[no] > 0.5])
    assert wrong.mean() <= (0.02 if atol >= 1 else 0)


def assert_vector_map(found, expected, atol=0.01):
    step = found.stride
    vectors = expected.vectors[step // 2::step, step // 2::step]
    known = ~np.isnan(vectors).any(axis=2)
    assert found.size == SIZE and known.any()
    cosines = (found.vectors[known] * vectors[known]).sum(axis=1)
    if atol >= 1:  # learned by heart: nearly all are within 30 degrees
        assert np.mean(cosines > np.sqrt(0.75)) > 0.9, np.quantile(cosines, (0.01, 0.05, 0.1, 0.5))
    else:
        assert cosines.min() > 0.999


RANDOM = {Instances: random_instances, Poses: random_poses, ClassMap: random_class_map,
          RegionMap: random_region_map, ScalarMap: random_scalar_map,
          VectorMap: random_vector_map}
POOR = {Instances: poor_instances, Poses: poor_poses, ClassMap: poor_class_maps,
        RegionMap: poor_region_maps, ScalarMap: poor_scalar_maps, VectorMap: poor_vector_maps}
ASSERT_SAME = {Instances: assert_instances, Poses: assert_poses, ClassMap: assert_class_map,
               RegionMap: assert_contours, ScalarMap: assert_scalar_map,
               VectorMap: assert_vector_map}


def variants():
    """Yield every task as it is by default, with one and few classes, and each switch thrown."""
    for name, cls in KINDS.items():
        task = cls()
        yield pytest.param(task, id=name)
        if task.classes:
            yield pytest.param(replace(task, classes=('person',)), id=f'{name}-person')
            task = replace(task, classes=('person', 'car', 'dog'))
        for field in fields(task):
            if isinstance(getattr(task, field.name), bool):
                thrown = replace(task, **{field.name: not getattr(task, field.name)})
                yield pytest.param(thrown, id=f'{name}-{field.name}')
        if any(field.name == 'spread' for field in fields(task)):
            yield pytest.param(replace(task, spread=0.4), id=f'{name}-spread')
    yield pytest.param(BoundariesTask(criterion='balanced'), id='boundaries-balanced')
    yield pytest.param(NormalsTask(criterion='l1'), id='normals-l1')
    pyramid_head = HeadConfig(8, 'shared')
    yield pytest.param(SegmentationTask(('person', 'car'), head=pyramid_head, reads='pyramid'),
                       id='segmentation-pyramid')


TASK_VARIANTS = pytest.mark.parametrize('task', list(variants()))
EACH_TASK = pytest.mark.parametrize('task', [cls() for cls in KINDS.values()], ids=KINDS)


def maps_of(task, fill=torch.zeros, batch=1):
    """Return free maps, shaped as those of the task's head."""
    features = {name: torch.zeros(1, CHANNELS, *(math.ceil(side / shape.stride)
                                                 for side in SIZE))
                for name, shape in SHAPES.items()}
    head = task.build_head(SHAPES)
    shapes = {name: maps.shape[1:] for name, maps in head(features).items()}
    return {name: fill(batch, *shape).requires_grad_() for name, shape in shapes.items()}


def random_annotation(task, seed):
    return RANDOM[task.annotation](task, np.random.default_rng(seed))


def encode(task, *annotations):
    return stack([task.encode(annotation, GRID) for annotation in annotations])


def total_loss(task, maps, targets):
    return sum(task.loss(maps, targets).values())


def gradients(task, maps, targets):
    found = torch.autograd.grad(total_loss(task, maps, targets), maps.values(), allow_unused=True)
    return {name: gradient for name, gradient in zip(maps, found) if gradient is not None}


# A vector of no length has no direction to be turned from.
STARTS = {VectorMap: torch.ones}
# Moves that make a loss larger; where it falls for ever, as that of logits of one class or none
# does, small ones need not.
MOVES = {RegionMap: (1, 10), ScalarMap: (1, 10)}


def perfect_maps(task, targets, steps):
    """Return the maps that minimise the task's own loss."""
    maps = maps_of(task, STARTS.get(task.annotation, torch.zeros))
    optimizer = torch.optim.Adam(maps.values(), lr=0.5, eps=1e-12)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        total_loss(task, maps, targets).backward()
        optimizer.step()
        schedule.step()
    return maps


@TASK_VARIANTS
def test_what_is_encoded_and_learned_is_decoded(task):
    annotation = random_annotation(task, 0)
    targets = encode(task, annotation)
    start = maps_of(task)
    # The optimiser's steps are larger where a map holds shares of an object rather than cells.
    relative = getattr(task, 'relative', False)
    maps = perfect_maps(task, targets, 800 if relative else 300)
    found = to_numpy(select(task.decode(maps), 0))
    # A belief is about what is similar, which two places in the same cell are.
    belief = {'joint_atol': STRIDE} if getattr(task, 'belief', False) else {}
    ASSERT_SAME[type(annotation)](found, annotation, atol=0.05 if relative else 0.01, **belief)

    # These maps are where the loss is least.
    least = total_loss(task, maps, targets)
    assert least < 0.01 * total_loss(task, start, targets)
    generator = torch.manual_seed(0)
    for size in MOVES.get(task.annotation, (0.1, 1, 10)):
        moved = {name: values + size * torch.randn(values.shape, generator=generator)
                 for name, values in maps.items()}
        assert total_loss(task, moved, targets) > least


@TASK_VARIANTS
def test_every_map_is_taught(task):
    found = gradients(task, maps_of(task, torch.randn), encode(task, random_annotation(task, 0)))
    assert found.keys() == maps_of(task).keys()
    assert {name for name, gradient in found.items() if not gradient.any()} <= COARSE


@TASK_VARIANTS
def test_a_loss_waits_for_no_device(task):
    targets = encode(task, random_annotation(task, 0), random_annotation(task, 1))
    maps = maps_of(task, batch=2)
    with FakeTensorMode():
        targets, maps = (
            {name: torch.empty(values.shape, dtype=values.dtype, device='cuda')
             for name, values in tensors.items()} for tensors in (targets, maps))
        with GraphWatch():
            task.loss(maps, targets)
            task.counts(targets)
            if task.teachable:
                task.distance(maps, {name: values + 1 for name, values in maps.items()})


@TASK_VARIANTS
def test_losses_are_finite_where_there_is_nothing_to_learn(task):
    for kind, annotation in POOR[task.annotation](task).items():
        targets = encode(task, annotation)
        for fill in (torch.zeros, torch.randn, lambda *shape: 1e4 * torch.randn(*shape)):
            maps = maps_of(task, fill)
            losses = task.loss(maps, targets)
            assert all(loss.isfinite() and loss > -1e-5 and loss.ndim == 0
                       for loss in losses.values()), kind
            assert all(gradient.isfinite().all()
                       for gradient in gradients(task, maps, targets).values()), kind


@TASK_VARIANTS
def test_what_is_unlabelled_teaches_nothing(task):
    poor = POOR[task.annotation](task)
    for kind in poor.keys() & {'unlabelled', 'ignored'}:
        found = gradients(task, maps_of(task, torch.randn), encode(task, poor[kind]))
        assert all(gradient.abs().max() < 1e-6 for gradient in found.values()), kind


@TASK_VARIANTS
def test_losses_are_means_over_what_is_counted(task):
    annotations = [random_annotation(task, seed) for seed in range(3)]
    maps = {name: values.detach() for name, values in maps_of(task, torch.randn, 3).items()}
    targets = encode(task, *annotations)
    losses, counts = task.loss(maps, targets), task.counts(targets)
    assert list(counts) == list(losses) == list(task.losses)
    sums = dict.fromkeys(losses, 0)
    for row in range(3):
        one = {name: values[row:row + 1] for name, values in targets.items()}
        found = task.loss({name: values[row:row + 1] for name, values in maps.items()}, one)
        for name, count in task.counts(one).items():
            sums[name] += found[name] * count.clamp(min=1)
    for name, total in sums.items():
        torch.testing.assert_close(total / counts[name].clamp(min=1), losses[name], rtol=1e-4,
                                   atol=1e-5)


@EACH_TASK
def test_the_images_of_a_batch_are_decoded_one_by_one(task):
    maps = {name: values.detach() for name, values in maps_of(task, torch.randn, 3).items()}
    both = task.decode(maps)
    for row in range(3):
        one = task.decode({name: values[row:row + 1] for name, values in maps.items()})
        for name in both.ROWS:
            if getattr(both, name) is not None:
                torch.testing.assert_close(getattr(both, name)[row], getattr(one, name)[0])


@EACH_TASK
def test_predictions_have_static_shapes(task):
    shapes = [{name: getattr(task.decode(maps_of(task, fill)), name) for name in
               task.prediction.ROWS} for fill in (torch.zeros, torch.randn, torch.ones)]
    shapes = [{name: value.shape for name, value in each.items() if value is not None}
              for each in shapes]
    assert shapes[0] == shapes[1] == shapes[2]


@EACH_TASK
def test_nothing_is_changed_in_place(task):
    annotation = random_annotation(task, 0)
    before = pickle.dumps(annotation)
    targets = encode(task, annotation)
    assert pickle.dumps(annotation) == before
    maps = maps_of(task, torch.randn)
    kept = {name: values.clone() for name, values in maps.items()}
    kept_targets = {name: values.clone() for name, values in targets.items()}
    task.loss(maps, targets)
    task.decode(maps)
    assert all(torch.equal(maps[name], kept[name]) for name in maps)
    assert all(torch.equal(targets[name], kept_targets[name]) for name in targets)


@EACH_TASK
def test_half_precision_is_enough(task):
    targets = encode(task, random_annotation(task, 0))
    maps = maps_of(task, torch.randn)
    half = {name: values.detach().half() for name, values in maps.items()}
    torch.testing.assert_close(total_loss(task, half, targets), total_loss(task, maps, targets),
                               rtol=0.01, atol=0.01)
    task.decode(half)


@TASK_VARIANTS
def test_what_a_task_declares_is_so(task):
    maps = maps_of(task, torch.randn)
    assert type(task.decode(maps)) is task.prediction
    if task.class_map:
        name, first = task.class_map
        found = [values for key, values in maps.items()
                 if key in {name, *(map_of(name, level) for level in PYRAMID)}]
        assert {values.shape[1] for values in found} == {first + len(task.classes)}
    assert task.same_maps(replace(task)) and task.taught_by(replace(task))
    if task.teachable:
        assert task.distance(maps, maps).isfinite()
    else:
        with pytest.raises(ValueError, match=f'{type(task).__name__}: cannot be taught'):
            task.distance(maps, maps)


@TASK_VARIANTS
def test_a_task_is_its_configuration(task):
    assert pickle.loads(pickle.dumps(task)) == task
    assert hash(task) == hash(replace(task))
    assert from_dict(type(task), json.loads(json.dumps(to_dict(task)))) == task


def test_tasks_are_built_in_the_order_of_the_table():
    assert list(build_tasks(dict.fromkeys(reversed(list(KINDS))))) == list(KINDS)
    assert build_tasks(dict.fromkeys(KINDS, {})) == {name: cls() for name, cls in KINDS.items()}


def test_a_kind_can_have_several_tasks():
    configs = {'parts': {'kind': 'segmentation', 'classes': ['head', 'arm']}, 'pose': None,
               'segmentation': {}}
    tasks = build_tasks(configs)
    assert list(tasks) == ['pose', 'parts', 'segmentation']
    assert type(tasks['parts']) is type(tasks['segmentation'])
    described = describe_tasks(tasks)
    assert described['parts']['kind'] == 'segmentation'
    assert build_tasks(json.loads(json.dumps(described))) == tasks


@pytest.mark.parametrize('configs, message', [
    ({}, rf'^heads: none given \(known: {", ".join(KINDS)}\)$'),
    ({'nonsense': {}}, r"^heads: \['nonsense'\] \(known: detection"),
    ({'detection': {'clases': []}}, "^detection.clases: unknown key; did you mean 'classes'"),
    ({'pose': 3}, '^pose: expected a mapping, got 3$'),
    ({'pose': {'kind': 'poses'}}, r"^heads: \['pose'\] \(known: detection"),
    ({'parts': {'kind': 'segmentation', 'classes': []}},
     r'^parts \(kind segmentation\): segmentation.classes: ')])
def test_bad_tasks(configs, message):
    with pytest.raises(ValueError, match=message):
        build_tasks(configs)


def network(layout, names=TASKS):
    torch.manual_seed(0)
    tasks = {name: {'head': {'layout': layout, 'width': 16}} for name in names}
    if 'distance_detection' in tasks:
        tasks['distance_detection'] = {'width': 16}
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'ghost_pan', channels=16)
    return MultiTaskNet(ModelConfig(tasks, trunk, SIZE))


def labelled_sample(model, seed):
    rng = np.random.default_rng(seed)
    annotations = {name: random_annotation(task, seed) for name, task in model.tasks.items()}
    return Sample(rng.integers(0, 256, (*SIZE, 3), np.uint8), annotations)


def losses_of(model, batch):
    outputs = model(batch.images, batch.rows)
    return {name: total_loss(model.tasks[name], maps, batch.targets[name])
            for name, maps in outputs.items()}


@pytest.mark.parametrize('layout', ['per_map', 'shared'])
def test_every_parameter_learns(layout):
    model = network(layout)
    batch = collate([labelled_sample(model, 0), labelled_sample(model, 1)], model.tasks)
    sum(losses_of(model, batch).values()).backward()
    idle = [name for name, parameter in model.named_parameters()
            if parameter.grad is None or not parameter.grad.any()]
    assert [name for name in idle if not COARSE & set(name.split('.'))] == []


@pytest.mark.parametrize('name', TASKS)
def test_an_image_that_is_not_labelled_for_a_task_does_not_teach_it(name):
    model = network('per_map').eval()
    first, second = labelled_sample(model, 0), labelled_sample(model, 1)
    del second.annotations[name]
    batch = collate([second, first], model.tasks)
    assert batch.rows[name].tolist() == [1]
    images = batch.images.float().requires_grad_()
    outputs = model(images, batch.rows)
    loss = total_loss(model.tasks[name], outputs[name], batch.targets[name])
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(loss, [images, *parameters.values()], allow_unused=True)
    assert not found[0][0].any() and found[0][1].any()

    alone = collate([first], model.tasks)
    expected = torch.autograd.grad(losses_of(model, alone)[name], parameters.values(),
                                   allow_unused=True)
    for key, one, other in zip(parameters, found[1:], expected):
        assert (one is None) == (other is None), key
        if one is not None:
            torch.testing.assert_close(one, other, msg=key, rtol=1e-3, atol=1e-5)
        elif key.startswith('heads.'):
            assert not key.startswith(f'heads.{name}.')


# By heart, one small trunk does not learn all at once.
FIRST = list(TASKS).index('boundaries')
TOGETHER = list(TASKS)[:FIRST], list(TASKS)[FIRST:]
# After 150 steps the largest loss is .08 to .13, as rounding has it; then, a third of that.
STEPS = 225
# Contours are rare, so that the mean of their losses is small.
WEIGHTS = {RegionMap: 50}


@pytest.mark.parametrize('names', TOGETHER, ids='+'.join)
def test_a_small_network_learns_one_sample_by_heart(names):
    model = network('per_map', names)
    sample = labelled_sample(model, 0)
    batch = collate([sample], model.tasks)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        losses = losses_of(model, batch)
        optimizer.zero_grad()
        sum(WEIGHTS.get(model.tasks[name].annotation, 1) * loss
            for name, loss in losses.items()).backward()
        optimizer.step()
        schedule.step()
    found = model.decode(model(batch.images))
    for name, annotation in sample.annotations.items():
        assert losses[name] < 0.1, name
        ASSERT_SAME[type(annotation)](to_numpy(select(found[name], 0)), annotation, atol=1.0)
