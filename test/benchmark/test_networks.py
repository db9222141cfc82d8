# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Times of networks: what is built, what is compared with what, and what is left out."""

from functools import partial
import os

import numpy as np
import pytest
import torch

from mcn_ros.benchmark import networks, stopwatch
from mcn_ros.benchmark.networks import ALL, measure, pick_variants, scratch_cache, Variant
from mcn_ros.model import ModelConfig
from mcn_ros.runtime.artefacts import cache_folder

CPU = torch.device('cpu')
EAGER = Variant('torch', 'float32')


@pytest.fixture(scope='module')
def measured(tiny):
    told = []
    with scratch_cache(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, 'interleave', partial(stopwatch.interleave, most=3))
        rows, problems = measure('tiny', tiny, [EAGER, Variant('torch', 'bfloat16')], CPU, (1, 2),
                                 600.0, told.append)
    return rows, problems, told


def test_one_network_is_compared_with_one_per_task(measured):
    rows, problems, told = measured
    assert not problems and len(told) == 4
    for row in rows:
        assert set(row['ms']) == {'detection', 'pose', 'segmentation', ALL}
        assert row['ratio']['median'] > 0
        assert row['ratio']['rounds'] == row['ms'][ALL]['rounds'] == 3
        assert set(row['batch_ms']) == {1, 2}
    assert rows[0]['speedup']['median'] == rows[0]['speedup']['q3'] == 1.0


def test_ratios_are_of_times_that_follow_each_other():
    times = {(EAGER, 'pose'): np.array([1.0, 10]), (EAGER, 'detection'): np.array([1.0, 10]),
             (EAGER, ALL): np.array([1.0, 10]),
             (Variant('openvino', 'float32'), ALL): np.array([0.5, 2.5])}
    batches = {(EAGER, 1): np.array([3.0]), (Variant('openvino', 'float32'), 2): np.array([4.0])}
    eager = networks._summarise(EAGER, times, batches)
    assert eager['ratio'] == {'median': 2, 'q1': 2, 'q3': 2, 'rounds': 2}
    other = networks._summarise(Variant('openvino', 'float32'), times, batches)
    assert other['speedup'] == {'median': 3, 'q1': 2.5, 'q3': 3.5, 'rounds': 2}
    assert other['ratio'] is None and list(other['batch_ms']) == [2]


def test_all_tasks_are_run_on_the_same_image(tiny, monkeypatch):
    seen = []

    def build(name, graph, device, dtype, tf32):
        return name, lambda images: seen.append((tuple(graph.model.tasks), images.shape)), ''

    monkeypatch.setattr(networks, 'build_backend', build)
    measure('tiny', tiny, [EAGER], CPU, (2,), 0.01)
    assert set(seen) == {(('detection',), (1, 64, 96, 3)), (('pose',), (1, 64, 96, 3)),
                         (('segmentation',), (1, 64, 96, 3)),
                         (tuple(tiny.tasks), (1, 64, 96, 3)), (tuple(tiny.tasks), (2, 64, 96, 3))}


def test_a_backend_that_fails_is_named_and_the_others_measured(tiny, monkeypatch):
    def build(name, graph, device, dtype, tf32):
        if name == 'openvino':
            raise RuntimeError('no\n such operator')
        return name, lambda images: None, ''

    monkeypatch.setattr(networks, 'build_backend', build)
    rows, problems = measure('tiny', tiny, [Variant('openvino', 'float32'), EAGER], CPU, (1,), 5)
    assert [row['backend'] for row in rows] == ['torch']
    assert problems == ['tiny: openvino float32: RuntimeError: no such operator']


def test_no_backend_is_begun_with_when_the_time_is_over(tiny, monkeypatch):
    monkeypatch.setattr(networks, 'build_backend',
                        lambda name, *_: (name, lambda images: None, ''))
    variants = [EAGER, Variant('openvino', 'float32'), Variant('onnxruntime', 'float32')]
    rows, problems = measure('tiny', tiny, variants, CPU, (), 0.0)
    assert [row['backend'] for row in rows] == ['torch', 'openvino']
    assert not rows[0]['batch_ms']
    assert problems == ['tiny: onnxruntime float32: no time left to build it']


def test_a_backend_with_too_little_time_is_measured_with_all_tasks_only(tiny, monkeypatch):
    now = [0.0]

    def build(name, *_):
        now[0] += 1.0
        return name, lambda images: None, ''

    monkeypatch.setattr(networks, 'build_backend', build)
    monkeypatch.setattr(networks.time, 'monotonic', lambda: now[0])
    variants = [EAGER, Variant('openvino', 'float32'), Variant('onnxruntime', 'float32')]
    built, problems = networks.build_all(tiny, variants, CPU, 9.5, lambda text: None)
    assert {task for variant, task in built if variant == variants[2]} == {ALL}
    assert len(built) == 4 + 4 + 1
    assert problems == ['onnxruntime float32: no time left to build it for single tasks']


def test_nothing_is_measured_where_no_backend_works(tiny, monkeypatch):
    def build(*_):
        raise RuntimeError('no')

    monkeypatch.setattr(networks, 'build_backend', build)
    rows, problems = measure('tiny', tiny, [EAGER], CPU, (1,), 5)
    assert not rows and len(problems) == 1


def test_a_network_of_one_task_has_no_ratio(tiny):
    config = ModelConfig({'pose': {'head': {'width': 8}}}, tiny.trunk, (64, 64))
    rows, _ = measure('tiny', config, [EAGER], CPU, (), 0.1)
    assert rows[0]['ratio'] is None and list(rows[0]['ms']) == [ALL]
    assert '|  |' in networks.table(rows)


def test_variants_are_those_of_the_device(monkeypatch):
    monkeypatch.setattr(networks, 'obstacle', lambda name, *_: 'it is not installed'
                        if name == 'openvino' else '')
    variants, missing = pick_variants((), CPU)
    assert set(map(str, variants)) == {'torch float32', 'onnxruntime float32'}
    assert missing == ['openvino float32: it is not installed',
                       'openvino bfloat16: it is not installed',
                       'openvino int8: it is not installed']
    variants, missing = pick_variants(['torch:bfloat16', 'torch'], CPU)
    assert list(map(str, variants)) == ['torch bfloat16', 'torch float32'] and not missing


@pytest.mark.parametrize('name, why', [
    ('tensorflow', 'known: torch'), ('torch:int4', 'precision'),
    ('torch:int8', 'only openvino'), ('cuda_graph', 'GPU')])
def test_what_is_asked_for_must_be_there(name, why):
    with pytest.raises(ValueError, match=why):
        pick_variants([name], CPU)


@pytest.mark.parametrize('kind', networks.VARIANTS)
def test_every_variant_is_known(kind):
    assert [Variant.parse(name, torch.device(kind)) for name in networks.VARIANTS[kind]]
    assert str(Variant(*networks.EAGER)).replace(' ', ':') in networks.VARIANTS[kind]


def test_the_cache_of_the_user_is_left_alone(monkeypatch):
    for value in ('somewhere', None):
        if value:
            monkeypatch.setenv('MCN_ROS_CACHE', value)
        else:
            monkeypatch.delenv('MCN_ROS_CACHE')
        with scratch_cache():
            folder = cache_folder()
            assert folder.is_dir() and str(folder) != value
        assert not folder.exists() and os.environ.get('MCN_ROS_CACHE') == value


def test_the_tables_have_all_figures(measured):
    rows, _, _ = measured
    lines = networks.table(rows).splitlines()
    assert 'detection | pose | segmentation | MCN (all)' in lines[0] and len(lines) == 4
    assert f'| {rows[1]["ms"][ALL]["median"]:.1f} |' in lines[3]
    lines = networks.batch_table(rows).splitlines()
    assert 'batch 1 | batch 2' in lines[0]
    median = rows[0]['batch_ms'][2]['median']
    assert f'{median:.1f} ms, {2000 / median:.0f}/s' in lines[2]
