# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Classes by names and ids, for results and for the cloud."""

import re

import pytest

from mcn_ros.ros.node.class_filter import points_classes, select_classes


def test_select_classes():
    names = ('person', 'car', 'traffic light')
    assert select_classes('faces', (), names).tolist() == [True, True, True]
    assert select_classes('faces', ('car', '2'), names).tolist() == [False, True, True]
    for unknown in ('dog', '3', '-1'):
        with pytest.raises(ValueError, match=f'faces.classes.*{re.escape(unknown)}.*'
                           'person, car, traffic light'):
            select_classes('faces', ('car', unknown), names)


def test_points_of_all_classes_or_of_some():
    names = ['person', 'car', 'dog']
    assert points_classes((), names) == []
    assert points_classes(('2', 'person'), names) == ['person', 'dog']
    with pytest.raises(ValueError, match='^semantic.points_classes: unknown cat'):
        points_classes(('cat',), names)
