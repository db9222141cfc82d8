# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tasks of one map: which features they read, and the losses of what it is the sum of."""

from dataclasses import replace
import math

import numpy as np
import pytest
import torch

from mcn_ros.data.batch import stack
from mcn_ros.geometry import Grid
from mcn_ros.network.features import MapShape, single, stage_of
from mcn_ros.structures import ClassMap, RegionMap, ScalarMap, VectorMap
from mcn_ros.tasks import TASKS
from mcn_ros.tasks.dense import DenseMaps

DENSE = {name: kind for name, kind in TASKS.items() if issubclass(kind, DenseMaps)}
SIZE = 32, 32
STAGES = {stage_of(number, scale): MapShape(6, 4 * 2 ** (number - 1) * scale)
          for scale in (1, 2) for number in (1, 2)}


def annotation(task):
    rng = np.random.default_rng(0)
    if task.annotation is VectorMap:
        vectors = rng.normal(size=(*SIZE, 3)).astype(np.float32)
        return VectorMap(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))
    if task.annotation is RegionMap:
        return RegionMap(rng.integers(0, 3, SIZE).astype(np.uint16), np.array([0, -1]))
    kind = {ClassMap: ClassMap, ScalarMap: ScalarMap}[task.annotation]
    return kind(rng.integers(0, 2, SIZE).astype(np.uint8))


@pytest.fixture(params=DENSE)
def task(request):
    return DENSE[request.param]()


def targets_of(task):
    return stack([task.encode(annotation(task), Grid.of_input(SIZE))])


def outputs_of(task, shapes=STAGES):
    torch.manual_seed(0)
    features = {name: torch.randn(1, shape.channels, *(side // shape.stride for side in SIZE))
                for name, shape in shapes.items()}
    head = task.build_head(shapes)
    for values in head.parameters():
        torch.nn.init.normal_(values)
    return head(features)


def test_all_dense_kinds_are_here():
    assert list(DENSE) == ['segmentation', 'boundaries', 'normals', 'saliency', 'parts',
                           'semantic_boundaries', 'foreground']


@pytest.mark.parametrize('full_resolution', [False, True])
def test_the_parts_of_a_sum_are_taught_the_same(task, full_resolution):
    task = replace(task, full_resolution=full_resolution, side_weight=0.3)
    outputs, targets = outputs_of(task), targets_of(task)
    main, *parts = outputs
    assert main == task.map_name and parts == [f'{main}_1', f'{main}_2']
    (name, found), = task.loss(outputs, targets).items()
    whole, *others = (task.loss({main: values}, targets)[name] for values in outputs.values())
    assert whole > 0 and all(other > 0 for other in others)
    torch.testing.assert_close(found, whole + 0.3 * sum(others))
    assert list(task.counts(targets)) == [name]


def test_they_need_not_be(task):
    task = replace(task, side_weight=0.0)
    outputs, targets = outputs_of(task), targets_of(task)
    main = next(iter(outputs))
    assert task.loss(outputs, targets) == task.loss({main: outputs[main]}, targets)


def test_of_one_map_of_features_there_are_no_parts(task):
    assert list(outputs_of(task, single(6))) == [task.map_name]


@pytest.mark.parametrize('full_resolution, stride', [(False, 4), (True, 1)])
def test_coarser_features_make_a_map_of_the_same_size(task, full_resolution, stride):
    task = replace(task, full_resolution=full_resolution)
    shapes = {'features': MapShape(6, 8)}
    values, = outputs_of(task, shapes).values()
    assert values.shape[2:] == (SIZE[0] // stride, SIZE[1] // stride)
    loss, = task.loss({task.map_name: values}, targets_of(task)).values()
    assert loss > 0


def test_features_of_a_stride_that_does_not_divide_are_refused(task):
    with pytest.raises(ValueError, match='^features of stride 6, not a multiple of 4$'):
        task.build_head({'features': MapShape(6, 6)})


@pytest.mark.parametrize('weight', [-0.1, math.inf, math.nan])
def test_a_weight_that_is_none_is_named(task, weight):
    with pytest.raises(ValueError, match=rf'^\w+\.side_weight: {weight} is not 0 or more$'):
        replace(task, side_weight=weight)
