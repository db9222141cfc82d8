# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The network for any mix of heads."""

from functools import partial
from itertools import chain, combinations

import pytest
import torch
from torch.testing import assert_close

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.tasks import TASKS
from mcn_ros.vocabulary import COCO_CLASSES

assert_equal = partial(assert_close, rtol=0, atol=0)
# One kind reads a pyramid, which this trunk does not have.
NAMES = tuple(name for name in TASKS if name != 'distance_detection')
# All mixes of those that are most different, and each of the others alone.
MIXED = 'detection', 'pose', 'window_pose', 'segmentation'
SUBSETS = [*chain.from_iterable(combinations(MIXED, n + 1) for n in range(len(MIXED))),
           *((name,) for name in NAMES if name not in MIXED), NAMES]
HEAD = {'width': 8}


def config(names=NAMES, classes=('person', 'car'), full_resolution=False, **changes):
    fields = {'detection': {'classes': classes}, 'pose': {},
              'segmentation': {'classes': classes, 'full_resolution': full_resolution}}
    tasks = {name: {**fields.get(name, {}), 'head': HEAD} for name in names}
    trunk = TrunkConfig('shufflenet_v2_x0_5', channels=16)
    return ModelConfig(**{'tasks': tasks, 'trunk': trunk, 'input_size': (64, 96), **changes})


def build(*args, seed=0, **kwargs):
    """Return a network whose every parameter and buffer has a value of its own."""
    torch.manual_seed(seed)
    model = MultiTaskNet(config(*args, **kwargs))
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        model.train()(images)  # running statistics
    return model.eval()


def random_images(count=2, seed=1):
    generator = torch.manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 64, 96), dtype=torch.uint8, generator=generator)


def run(model, images=None, **kwargs):
    with torch.no_grad():
        return model(random_images() if images is None else images, **kwargs)


@pytest.fixture(scope='module')
def model():
    return build()


@pytest.mark.parametrize('names', SUBSETS, ids='+'.join)
@pytest.mark.parametrize('full_resolution', [False, True])
@pytest.mark.parametrize('classes', [('person',), COCO_CLASSES], ids=len)
def test_any_mix_of_heads(names, classes, full_resolution):
    model = build(names, classes, full_resolution)
    outputs = run(model)
    assert tuple(outputs) == names == tuple(model.tasks)
    for name, maps in outputs.items():
        fine = name == 'segmentation' and full_resolution
        assert {values.shape[2:] for values in maps.values()} == {(64, 96) if fine else (16, 24)}
        assert all(len(values) == 2 and values.isfinite().all() for values in maps.values())
    predictions = model.decode(outputs)
    assert tuple(predictions) == names


def test_class_counts():
    outputs = run(build(classes=('person',)))
    assert outputs['detection']['heatmap'].shape[1] == 1
    assert outputs['segmentation']['logits'].shape[1] == 2
    outputs = run(build(classes=COCO_CLASSES))
    assert outputs['detection']['heatmap'].shape[1] == 80
    assert outputs['segmentation']['logits'].shape[1] == 81


def test_heads_share_the_trunk():
    counts = {names: sum(p.numel() for p in MultiTaskNet(config(names)).parameters())
              for names in SUBSETS}
    trunk = sum(p.numel() for p in MultiTaskNet(config()).trunk.parameters())
    together = sum(counts[name,] - trunk for name in NAMES)
    assert counts[NAMES] == trunk + together


def test_normalisation_by_hand():
    model = build(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images = random_images()
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.6, 0.7])
    expected = ((images.float() / 255).permute(0, 2, 3, 1) - mean) / std
    torch.testing.assert_close(model.normalise(images).permute(0, 2, 3, 1), expected)


def test_bgr_is_rgb_with_the_channels_reversed():
    constants = {'mean': (0.1, 0.2, 0.3), 'std': (0.5, 0.6, 0.7)}
    rgb, bgr = build(**constants), build(channel_order='bgr', **constants)
    bgr.load_state_dict(rgb.state_dict())
    images = random_images()
    torch.testing.assert_close(run(bgr, images), run(rgb, images.flip(1)), rtol=1e-4, atol=1e-5)


def test_a_task_can_read_what_the_detector_says():
    trunk = TrunkConfig('shufflenet_v2_x0_5', 'nanodet', 16)
    tasks = {'detection': {'head': {'width': 0}, 'reads': 'readings'}, 'pose': {'head': HEAD}}
    outputs = run(MultiTaskNet(config(tasks=tasks, trunk=trunk)).eval())
    assert outputs['detection']['heatmap'].shape == (2, 80, 8, 12)
    assert outputs['pose']['heatmap'].shape == (2, 1, 16, 24)
    with pytest.raises(ValueError, match="^detection: no features 'readings' .*has features"):
        MultiTaskNet(config(tasks={'detection': {'reads': 'readings'}}))


def test_own_trunks_are_of_known_tasks():
    trunk = {'kind': 'separate', 'own': ['pose', 'depth']}
    with pytest.raises(ValueError, match=r'^trunk.own: unknown depth \(known: detection, pose'):
        MultiTaskNet(config(trunk=trunk))


@pytest.mark.parametrize('trunk, words', [
    ({'kind': 'none'}, "^trunk.kind: 'none' is not one of shared, separate, branched, "),
    ({'kind': []}, r'^trunk.kind: \[\] is not one of'), (3, '^trunk: expected a mapping, got 3'),
    ({'own': ['pose']}, '^trunk.own: unknown key')])
def test_bad_trunks(trunk, words):
    with pytest.raises(ValueError, match=words):
        config(trunk=trunk)


def test_bytes_are_floats(model):
    images = random_images()
    assert_equal(run(model, images), run(model, images.float()))


def test_rows_are_evaluated_and_no_others(model):
    images = random_images(3)
    everything = run(model, images)
    rows = {'segmentation': torch.tensor([2, 0]), 'detection': torch.tensor([1])}
    some = run(model, images, rows=rows)
    assert list(some) == ['detection', 'segmentation']
    for name, maps in some.items():
        for key, values in maps.items():
            torch.testing.assert_close(values, everything[name][key][rows[name]])


@pytest.mark.parametrize('checkpoint', [False, True])
def test_heads_on_the_features_are_the_network(model, checkpoint):
    images = random_images()
    with torch.no_grad():
        features = model.features(images, ['pose', 'detection'], checkpoint)
        outputs = {name: model.heads[name](values) for name, values in features.items()}
    assert list(outputs) == ['pose', 'detection']
    everything = run(model, images)
    assert_equal(outputs, {name: everything[name] for name in outputs})


def test_a_task_without_rows_is_not_run(model):
    calls = []
    hooks = [head.register_forward_hook(lambda *_, name=name: calls.append(name))
             for name, head in model.heads.items()]
    run(model, rows={'pose': torch.tensor([0])})
    for hook in hooks:
        hook.remove()
    assert calls == ['pose']
    assert run(model, rows={}) == {}


def test_a_batch_is_its_images(model):
    images = random_images(3)
    batched = run(model, images)
    for row in range(3):
        for name, maps in run(model, images[row:row + 1]).items():
            for key, values in maps.items():
                torch.testing.assert_close(values[0], batched[name][key][row], rtol=1e-4,
                                           atol=1e-4)


@pytest.mark.parametrize('changes, named', [
    ({'input_size': (64, 60)}, 'input_size'), ({'std': (1.0, -1.0, 1.0)}, 'std'),
    ({'tasks': {}}, 'heads: none given'),
    ({'tasks': {'nonsense': {}}}, r"heads: \['nonsense'\]")])
def test_bad_configurations(changes, named):
    with pytest.raises(ValueError, match=named):
        config(**changes)


def test_boxes_of_people_count_by_their_joints_which_are_read_on_boxes():
    tasks = {'detection': {'classes': ['dog', 'person'], 'merge_with': 'pose'},
             'pose': {'kind': 'window_pose', 'boxes_from': 'detection'}}
    model = MultiTaskNet(ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', channels=8),
                                     (64, 96))).eval()
    with torch.no_grad():
        maps = model(random_images())
        maps['pose']['joint_heatmap'] += 2  # so that joints are seen
        found = model.decode(dict(reversed(maps.items())))
    boxes, joints = model.tasks['detection'], model.tasks['pose']
    decoded = {name: model.tasks[name].decode(maps[name]) for name in maps}
    people = joints.refine(decoded['pose'], maps['pose'],
                           lambda name: boxes.objects(decoded['detection']))
    merged = boxes.refine(decoded['detection'], maps['detection'],
                          lambda name: joints.objects(people))
    assert not torch.equal(people.scores, decoded['pose'].scores)
    assert_close(found['pose'].scores, people.scores, rtol=0, atol=0)
    assert_close(found['detection'].scores, merged.scores, rtol=0, atol=0)
    assert not torch.equal(merged.scores, decoded['detection'].scores)


def test_the_order_of_tasks_does_not_depend_on_the_configuration():
    assert list(MultiTaskNet(config(tuple(reversed(NAMES)))).tasks) == list(NAMES)
