# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The vocabulary is consistent in itself and with the published COCO files."""

import pytest

from mcn_ros.vocabulary import (
    check_classes, COCO_CATEGORIES, COCO_CLASSES, COCO_SKELETON, SKELETONS)


@pytest.mark.parametrize('skeleton', SKELETONS.values(), ids=SKELETONS)
def test_skeletons(skeleton):
    count = skeleton.num_keypoints
    assert len(set(skeleton.keypoint_names)) == len(skeleton.sigmas) == count
    assert all(sigma > 0 for sigma in skeleton.sigmas)
    assert all(0 <= joint < count for edge in skeleton.edges for joint in edge)
    assert len({frozenset(edge) for edge in skeleton.edges}) == len(skeleton.edges)
    assert SKELETONS[skeleton.name] is skeleton


@pytest.mark.parametrize('skeleton', SKELETONS.values(), ids=SKELETONS)
def test_flip_exchanges_left_and_right(skeleton):
    mirrored = {'left': 'right', 'right': 'left'}
    for name, other in zip(skeleton.keypoint_names, skeleton.flip, strict=True):
        side, _, part = name.partition('_')
        expected = f'{mirrored[side]}_{part}' if side in mirrored else name
        assert skeleton.keypoint_names[other] == expected
    # The mirror image of a limb is a limb.
    limbs = {frozenset(edge) for edge in skeleton.edges}
    assert {frozenset(skeleton.flip[joint] for joint in limb) for limb in limbs} == limbs


def test_coco():
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    assert list(COCO_CATEGORIES) == sorted(COCO_CATEGORIES)
    missing = set(range(1, 91)) - COCO_CATEGORIES.keys()
    assert missing == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert COCO_CLASSES[0] == 'person' and COCO_CATEGORIES[90] == COCO_CLASSES[79] == 'toothbrush'
    assert COCO_SKELETON.num_keypoints == 17 and len(COCO_SKELETON.edges) == 19


def test_classes_have_different_names():
    check_classes(('a',), 'x')
    with pytest.raises(ValueError, match='^x: b given twice$'):
        check_classes(('b', 'a', 'b'), 'x')
    with pytest.raises(ValueError, match='^x: none given$'):
        check_classes((), 'x')
